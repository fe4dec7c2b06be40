"""The run directory: whose run is in it, and whether it is begun, gone on with, or refused.

What lies in it is told in `contents.py`. The directory is made with mode 0700, its files with 0600:
they hold people's addresses.
A run is put aside by moving its files, the journal last: killed on the way, the journal is either
here, and its result files are written anew from it, or there, and complete.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..errors import AlreadyInjectedError, JournalInUseError, RunDirectoryError
from ..intake.holdings import UNASKED
from ..mapping.workplace import EncoderPlace
from .admission import Kind, admit, admit_retry
from .contents import PREVIOUS, bring_back, refuse_planted, to_be_moved
from .injected import Injected
from .known import Known, look
from .lock import locked
from .nested import Above
from .opening import Leftovers, Replay, begin, replay, resume
from .schema import opened_to_write, sync_directory, translated
from .store import FILE_NAME, JournalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..intake.holdings import Holdings
    from .identity import Identity
    from .retrying import RetryOrder

__all__ = ("Kind", "Opened", "RunDirectory", "RunPolicy")

DAYS = range(1, 36_501)
"""For how many details may be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPolicy:
    """Where a run keeps its journal and its results, and where it encodes."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    directory: str
    """The run's directory, made if it is not there. One run at a time; a run that was not finished
    is gone on with when `run` finds it here."""

    encoder: EncoderPlace = EncoderPlace.AUTO
    """Where contacts are read and encoded. "auto": in a thread, and in a process of their own when
    the load asks for it. "thread": no other process. "process": from the start."""

    keep_days: int = 31
    """For how many days a run on a queue keeps in its journal what each accepted contact was and
    each message that is done with, at the least. After that the result file of the day has the
    contacts alone, and the journal their number. For so long the runs of a watched folder stay in
    `previous/`; their files are recognised for good."""

    def __post_init__(self) -> None:
        if isinstance(self.keep_days, bool) or self.keep_days not in DAYS:
            raise ValueError(
                f"keep_days is a number of whole days from {DAYS[0]} to {DAYS[-1]:,}, not "
                f"{self.keep_days!r}"
            )

        if self.encoder not in tuple(EncoderPlace):
            raise ValueError(f'encoder must be "auto", "thread" or "process", not {self.encoder!r}')

        if not self.directory.strip() or "\0" in self.directory:
            raise ValueError("run.directory must name a directory")

    @property
    def keep_seconds(self) -> float:
        """`keep_days`, as clocks count."""
        return self.keep_days * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A run that may be worked on. The store is closed with the directory, or by the journal."""

    kind: Kind
    run_id: str
    store: JournalStore
    replay: Replay
    put_aside: Path | None = None  # where the run lies that was here before


class RunDirectory:
    """A run directory, locked from `with` to its end.

    Raises RunDirectoryError where another process works in it, or it cannot be written.
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(path)
        self._clock = clock
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.prepare()
        self._stack.enter_context(locked(self.path))
        return self

    def prepare(self) -> None:
        """Make it, if it is not there, and see that it is as it should be."""
        with translated(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_planted(self.path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def open(
        self,
        identity: Identity,
        *,
        endpoint: str,
        again: bool = False,
        retry: RetryOrder | None = None,
        leftovers: Leftovers = Leftovers.HOLD,
        holdings: Holdings = UNASKED,
    ) -> Opened:
        """Begin the run, or go on with it; reads and writes files, so not for the event loop.

        `again` puts aside whatever run is here and begins anew; `retry` sends contacts of it again.
        Otherwise raises AlreadyInjectedError where this run is finished, here or put aside. Raises
        RunDirectoryError where another run is unfinished here, or the journal is not one.
        """
        present = look(self.path) if (self.path / FILE_NAME).exists() else None
        if again or present is None or present.differences(identity):
            identity = identity.told(holdings.plains())  # which costs reading

        with Above(self.path) as above:
            if again and retry is None:
                kind = Kind.NEW
            else:
                kind = self._admit(present, identity, above=above, retry=retry, holdings=holdings)

            put_aside = None
            if kind is Kind.NEW:
                if present is not None:
                    above.give_place(present)
                    put_aside = self._put_aside(present.run.run_id)

                store, replayed = self._begin(identity, endpoint)
            else:
                if present is not None:
                    bring_back(self.path, present.run.run_id)

                store, replayed = resume(
                    self.path,
                    identity=identity,
                    endpoint=endpoint,
                    leftovers=leftovers,
                    retry=retry,
                    clock=self._clock,
                )

        self._stack.callback(store.close)
        return Opened(
            kind=kind, run_id=replayed.run_id, store=store, replay=replayed, put_aside=put_aside
        )

    def reopen(self, *, event_definition_key: str, host: str) -> JournalStore:
        """Open the journal of the run that is here, to write down what is found out about it.

        The sources need not be there. Raises RunDirectoryError where there is no run, or one of
        another journey or another Marketing Cloud.
        """
        if not (self.path / FILE_NAME).exists():
            raise RunDirectoryError(f"{self.path} holds no run yet: there is no {FILE_NAME} in it")

        known = look(self.path).run
        wanted = replace(known.identity, event_definition_key=event_definition_key, rest_host=host)
        if differences := known.identity.differences(wanted):
            raise RunDirectoryError(
                f"{self.path} holds run {known.run_id}, and not that of this config: "
                f"{'; '.join(differences)}"
            )

        store = JournalStore(self.path, clock=self._clock)
        self._stack.callback(store.close)
        store.catch_up()
        return store

    def _admit(
        self,
        present: Known | None,
        identity: Identity,
        *,
        above: Above,
        retry: RetryOrder | None,
        holdings: Holdings,
    ) -> Kind:
        if retry is None:
            try:
                previous = above.earlier(identity, holdings)  # asked where it matters
                return admit(present, previous, identity, holdings=holdings)
            except AlreadyInjectedError as error:
                from .mending import mend  # only what is finished is mended

                here = present is not None and not present.differences(identity)
                if here and (mended := mend(self.path, clock=self._clock)):
                    told = f"{error}. {', '.join(mended)} did not hold what the journal says: "
                    raise AlreadyInjectedError(f"{told}written anew") from None

                raise

        if present is None:
            raise RunDirectoryError(f"{self.path} holds no run yet: there is nobody to send again")

        return admit_retry(present, identity)

    def _begin(self, identity: Identity, endpoint: str) -> tuple[JournalStore, Replay]:
        started = datetime.fromtimestamp(self._clock(), UTC)
        run_id = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(8)}"
        store = begin(
            self.path, run_id=run_id, identity=identity, endpoint=endpoint, clock=self._clock
        )
        return store, replay(store.connection)

    def forget(self, *, before: float, most: int) -> int:
        """Remove up to so many runs that were put aside and ended before then; returns how many.

        What was injected with them is known as before. Blocks on files.
        """
        return Injected(self.path).remove(before=before, now=self._clock(), most=most)

    def _put_aside(self, run_id: str) -> Path:
        """Move the run's files to `previous/<run_id>/`, the journal last, as one plain file."""
        journal = self.path / FILE_NAME
        if not re.fullmatch(r"\w[\w.-]{0,99}", run_id):
            raise RunDirectoryError(
                f"{journal} calls its run {run_id!r}, which is no name we give: it was not "
                "touched; move it away, or name another run.directory"
            )

        target = self.path / PREVIOUS / run_id
        with translated(journal):
            _fold_log(journal)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            target.mkdir(mode=0o700, exist_ok=True)
            for name in to_be_moved(self.path):
                (self.path / name).replace(target / name)

            for directory in (target, target.parent, self.path):
                sync_directory(directory)

        return target

    def __repr__(self) -> str:
        return f"<RunDirectory {self.path}>"


def _fold_log(journal: Path) -> None:
    """Take SQLite's write-ahead log into the journal, which is one file then.

    Refused while a reader has the journal open.
    """
    with closing(opened_to_write(journal)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            raise JournalInUseError(
                f"{journal} cannot be put aside while another process reads it ({error}): let "
                "that end, then try again"
            ) from error
