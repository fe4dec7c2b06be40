"""Books: what a transaction writes once, however many batches are in it.

How far each source is known to have been read, the marks a resume may begin at, what the run has
cost, and how far the result files are written. Kept in memory beside the tables, and read from
them again (`load`) after a transaction was rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import read_result_files, source_names

if TYPE_CHECKING:
    import sqlite3

    from ..intake.source import Mark
    from .results import ResultFiles
    from .tally import Counters

__all__ = ("MARK_EVERY", "Books")

MARK_EVERY = 50_000
"""Positions between two marks that are kept: at most so many records are read twice."""


REMEMBER_BYTES = 4 << 20
"""How much a result file grows before its length is written down: so much is written again."""


class Books:
    """Collects during a transaction, and writes at its end (`keep`)."""

    def __init__(self, connection: sqlite3.Connection, results: ResultFiles) -> None:
        self._connection = connection
        self._results = results
        self.outdated: set[str] = set()
        """Result files in which an outcome was overtaken: to be written anew."""
        self.load()

    def load(self) -> None:
        """Forget what was collected, and read how far the tables are."""
        query = self._connection.execute
        self._displaced: set[str] = set()  # outdated ones whose parts are marked
        self.names = source_names(self._connection)
        self.ordinals = {name: ordinal for ordinal, name in self.names.items()}
        self._last_kept: dict[int, int] = dict(
            query("SELECT source, max(position) FROM mark GROUP BY source").fetchall()
        )
        self._remembered = {name: known for name, *known in self.result_files()}
        self._known_read: dict[int, int] = dict(
            query("SELECT ordinal, read FROM source").fetchall()
        )
        self._read: dict[int, int] = {}
        self._counters: Counters | None = None

    def result_files(self) -> list[tuple[str, int, int, int]]:
        """(name, bytes, seq, crc) of each result file, as the tables remember it."""
        return read_result_files(self._connection)

    def outdate(self, *names: str) -> None:
        """An outcome that these result files tell of was overtaken."""
        self.outdated.update(names)
        self._displaced.difference_update(names)

    def begin_anew(self, name: str, seq: int) -> None:
        """A result file was put aside: the next one is empty, and goes on after `seq`."""
        self._remembered[name] = [0, seq, 0]
        self._write_down(name)

    def read_to(self, ordinal: int, position: int) -> None:
        """The source is known to have been read as far as `position`."""
        if position > self._known_read[ordinal]:
            self._read[ordinal] = self._known_read[ordinal] = position

    def known_read(self, ordinal: int) -> int:
        """The highest position known to have been read, this transaction's included."""
        return self._known_read[ordinal]

    def mark(self, ordinal: int, mark: Mark) -> None:
        """The source was read up to `mark`, where a resume may begin if it has an offset."""
        self.read_to(ordinal, mark.position)
        if mark.offset is None:
            return

        self._connection.execute(
            "UPDATE source SET mark_position = ?, mark_offset = ?"
            " WHERE ordinal = ? AND mark_position < ?",
            (mark.position, mark.offset, ordinal, mark.position),
        )
        if mark.position >= self._last_kept.get(ordinal, 0) + MARK_EVERY:
            self._last_kept[ordinal] = mark.position
            self._connection.execute(
                "INSERT OR IGNORE INTO mark VALUES (?, ?, ?)",
                (ordinal, mark.position, mark.offset),
            )

    def count(self, counters: Counters | None) -> None:
        """The run has cost `counters` so far."""
        self._counters = counters or self._counters

    def keep(self) -> None:
        """Write what was collected; the last thing before the commit."""
        if self._read:
            self._connection.executemany(
                "UPDATE source SET read = ? WHERE ordinal = ?",
                [(read, ordinal) for ordinal, read in self._read.items()],
            )
            self._read.clear()

        if (counters := self._counters) is not None:
            self._connection.execute(
                "UPDATE run SET requests = ?, retries = ?, tokens = ?, seconds = ?",
                (counters.requests, counters.retries, counters.tokens, counters.seconds),
            )
            self._counters = None

        self._remember(REMEMBER_BYTES)

    def remember(self) -> None:
        """Write how far the result files are, to the last byte."""
        self._remember(1)

    def _displace_parts(self, name: str) -> None:
        """Have the parts written anew, of which some tell of outcomes that are overtaken."""
        if name in self._displaced:
            return

        self._displaced.add(name)
        self._connection.execute(
            "UPDATE result_part SET bytes = -1 WHERE name = ? AND contacts IS NULL", (name,)
        )

    def _remember(self, least_bytes: int) -> None:
        for name, written, *rest in self._results.positions():
            known = self._remembered[name][0]
            if name in self.outdated:
                now = [-1, 0, 0]
                self._displace_parts(name)
            elif 0 <= known <= written < known + least_bytes:
                continue
            else:
                now = [written, *rest]

            if self._remembered[name] != now:
                self._results.sync(name)  # what is remembered outlives a power cut
                self._remembered[name] = now
                self._write_down(name)

    def _write_down(self, name: str) -> None:
        self._connection.execute(
            "UPDATE result_file SET bytes = ?, seq = ?, crc = ? WHERE name = ?",
            (*self._remembered[name], name),
        )
