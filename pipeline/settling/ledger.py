"""Ledger: writes outcomes, each as its rows and the lines of the result files that say the same.

An accepted batch is one row; a rejected or unknown one is one row and a row for each contact.
The schema holds the law: a batch has one settlement and was dispatched before it was accepted,
and a failed contact has one outcome that is not superseded.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import orjson

from ..errors import ConservationError
from ..mapping.keys import packed as pack_keys
from ..sending.outcome import Accepted
from .accepted import AcceptedBatch
from .contacts import as_text, failed_rows, in_doubt, outcome_name, rejection_row
from .results import NAMES, accepted_line, accepted_lines, contact_line
from .retrying import MISSING
from .rows import ContactRow
from .spans import pack_places, pack_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..intake.source import Rejection
    from ..packing.batch import Batch
    from ..sending.outcome import Settlement
    from .books import Books
    from .contacts import FailedRow
    from .results import ResultFiles

__all__ = ("Ledger",)

_BATCH = "INTO batch (batch_id, attempt, round, contacts, at, spans, keys) VALUES (?,?,?,?,?,?,?)"
INSERT_BATCH = f"INSERT {_BATCH}"
PUT_BATCH = f"INSERT OR REPLACE {_BATCH}"
HAVE_BATCH = f"INSERT OR IGNORE {_BATCH}"
INSERT_SETTLEMENT = (
    "INSERT INTO settlement (seq, batch_id, attempt, outcome, contacts, at, event_instance_id,"
    " reason, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_CONTACT = (
    "INSERT INTO contact (seq, outcome, source, position, contact_key, stage, reason, detail,"
    " record, batch_id, attempt, round, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SUPERSEDE = (
    "UPDATE contact SET superseded = ? WHERE source = ? AND position = ? AND superseded IS NULL"
)
OVERTAKE = (
    "INSERT INTO overtaken VALUES (?, ?, ?, 1) ON CONFLICT (source, position)"
    " DO UPDATE SET round = excluded.round, times = times + 1"
)


SEEN_TO_ENTER = ("seen_to_enter", "unknown until the journey history told that they entered")


class Ledger:
    """Writes within whatever transaction its connection is in."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        books: Books,
        results: ResultFiles,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._books = books
        self._results = results
        self._clock = clock
        self.round = 0
        """0 for a run; n while the nth retry's batches are written. Set by `enter`."""
        self._retried = ""  # the outcome of those whom this round sends again
        self.load()

    def load(self) -> None:
        """Read up to which number settlements and contacts are written."""
        self._packed: dict[int, tuple[str, bytes]] = {}  # of batches in flight: spans, keys
        query = self._connection.execute
        (self._settlements,) = query("SELECT coalesce(max(seq), 0) FROM settlement").fetchone()
        (self._contacts,) = query("SELECT coalesce(max(seq), 0) FROM contact").fetchone()

    def enter(self, round_number: int) -> None:
        """What is written from now on belongs to this round; 0 is the run itself."""
        self.round = round_number
        row = self._connection.execute(
            "SELECT outcome FROM retry WHERE round = ?", (round_number,)
        ).fetchone()
        self._retried = row[0] if row else ""

    def write_ahead(self, batch: Batch, attempt: int) -> None:
        """Put `batch` in as dispatched; a later attempt takes the earlier one's place."""
        self._insert_batch(PUT_BATCH, batch, attempt)

    def _pack(self, batch: Batch) -> tuple[str, bytes]:
        """The batch's spans and keys as the journal and the result files hold them."""
        packed = self._packed.get(batch.batch_id)
        if packed is None:
            spans = pack_spans(batch.spans, self._books.ordinals)
            packed = self._packed[batch.batch_id] = spans, pack_keys(batch.keys)

        return packed

    def erase(self, batch_id: int) -> None:
        """Take a batch without an outcome out again."""
        self._packed.pop(batch_id, None)
        self._connection.execute("DELETE FROM batch WHERE batch_id = ?", (batch_id,))

    def settle(self, settlement: Settlement) -> None:
        """Write what became of a batch; raises ConservationError if that is written already."""
        batch, outcome = settlement.batch, settlement.outcome
        if not isinstance(outcome, Accepted):
            self._insert_batch(HAVE_BATCH, batch, settlement.attempt)

        self.record(
            batch.batch_id,
            attempt=settlement.attempt,
            outcome=outcome_name(outcome),
            contacts=len(batch),
            event_instance_id=outcome.event_instance_id if isinstance(outcome, Accepted) else None,
            why=None if isinstance(outcome, Accepted) else (outcome.reason, outcome.detail),
        )
        if isinstance(outcome, Accepted):
            if self.round:
                ordinals = self._books.ordinals
                self._supersede([(ordinals[name], at) for name, at in batch.places()])

            self._add_lines(batch, outcome)
        else:
            self.fail(failed_rows(settlement, outcome, self._books.ordinals))

        self._packed.pop(batch.batch_id, None)

    def accept_late(
        self, batch_id: int, places: Sequence[tuple[int, int]], keys: Sequence[str]
    ) -> None:
        """Unknown contacts are accepted after all, as a batch of the present round."""
        spans, packed = pack_places(places), pack_keys(keys)
        self._connection.execute(
            INSERT_BATCH,
            (batch_id, 0, self.round, len(places), self._clock(), spans, packed),
        )
        self.record(
            batch_id, attempt=0, outcome="accepted", contacts=len(places), why=SEEN_TO_ENTER
        )
        self._supersede(places)
        batch = AcceptedBatch(
            seq=self._settlements,
            batch_id=batch_id,
            event_instance_id=None,
            spans=spans,
            keys=packed,
        )
        self._results.add("accepted", batch.seq, accepted_lines(batch, self._books.names))

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Write records that will not be sent."""
        self.fail([rejection_row(one, self._books.ordinals) for one in rejections])

    def record(
        self,
        batch_id: int,
        *,
        attempt: int,
        outcome: str,
        contacts: int,
        event_instance_id: str | None = None,
        why: tuple[str, str] | None = None,
    ) -> None:
        """Write a batch's settlement, `why` being its reason and detail, without its contacts."""
        self._settlements += 1
        reason, detail = why or (None, None)
        row = (
            self._settlements,
            batch_id,
            attempt,
            outcome,
            contacts,
            self._clock(),
            event_instance_id,
            reason,
            None if detail is None else as_text(detail),
        )
        try:
            self._connection.execute(INSERT_SETTLEMENT, row)
        except sqlite3.IntegrityError as error:
            raise ConservationError(
                f"batch {batch_id} is {outcome}, but it has an outcome already or was never "
                "dispatched; the journal stands as it was"
            ) from error

    def fail(self, rows: Sequence[FailedRow]) -> None:
        """Write rejected or unknown contacts, a row and a line each."""
        if self.round:
            self._supersede([(ordinal, position) for _, ordinal, position, *_ in rows])

        if self._retried == "unknown":
            rows = [in_doubt(row) for row in rows]

        end = (self.round, self._clock())
        numbered = [(seq, *row, *end) for seq, row in enumerate(rows, self._contacts + 1)]
        self._connection.executemany(INSERT_CONTACT, numbered)
        self._contacts += len(numbered)
        for seq, outcome, ordinal, *rest in numbered:
            row = ContactRow.of((seq, outcome, self._books.names[ordinal], *rest))
            self._results.add(outcome, seq, contact_line(row))
            self._books.read_to(ordinal, row.position)

    def _supersede(self, places: Sequence[tuple[int, int]]) -> None:
        """The outcomes of (ordinal, position) are overtaken; each must have one.

        Raises ConservationError if one of them is none of those that this round sends again.
        """
        missing = self._retried == MISSING
        self._books.outdate(*(NAMES if missing else NAMES[1:]))
        execute = self._connection.execute
        left = [at for at in places if not execute(SUPERSEDE, (self.round, *at)).rowcount]
        if missing:
            self._connection.executemany(OVERTAKE, [(*place, self.round) for place in left])
        elif left:
            raise ConservationError(
                f"retry {self.round} sends {len(places)} contacts again, but only "
                f"{len(places) - len(left)} of them are rejected or unknown; the journal stands "
                "as it was"
            )

    def _insert_batch(self, statement: str, batch: Batch, attempt: int) -> None:
        self._connection.execute(
            statement,
            (batch.batch_id, attempt, self.round, len(batch), self._clock(), *self._pack(batch)),
        )
        for span in batch.spans:
            self._books.read_to(self._books.ordinals[span.source], span.positions[-1])

    def _add_lines(self, batch: Batch, outcome: Accepted) -> None:
        packed, keys = self._pack(batch)
        number, instance = batch.batch_id, outcome.event_instance_id
        if len(batch.spans) == 1:  # nearly always: what is packed need not be unpacked for it
            (span,) = batch.spans
            lines = accepted_line(
                number,
                instance,
                source=span.source,
                bounds=(span.positions[0], span.positions[-1]),
                keys=orjson.Fragment(keys),
            )
        else:
            accepted = AcceptedBatch(
                seq=self._settlements,
                batch_id=number,
                event_instance_id=instance,
                spans=packed,
                keys=keys,
            )
            lines = accepted_lines(accepted, self._books.names)

        self._results.add("accepted", self._settlements, lines)
