"""Runs in a directory: their identity, their store, and the process that died in between."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.intake.source import Fingerprint, Mark, Rejection, Stage
from pipeline.sending.outcome import Accepted, Outcome, Rejected, Settlement, Unknown
from pipeline.settling.identity import Identity
from pipeline.settling.opening import begin, resume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.packing.batch import Batch
    from pipeline.settling.opening import Replay
    from pipeline.settling.store import JournalStore

__all__ = (
    "ACCEPTED",
    "DAY",
    "REFUSED",
    "UNHEARD",
    "begun",
    "every_line",
    "fingerprint",
    "identity_of",
    "lines_of",
    "mark",
    "read_away",
    "rejection",
    "resumed",
    "settlement",
    "survivors",
    "unwritable",
)

DAY = 1_795_451_000.0  # 2026-11-23
ACCEPTED = Accepted(event_instance_id="instance-1")
REFUSED = Rejected(reason="refused", detail="EmailAddress is none")
UNHEARD = Unknown(reason="timeout", detail="no answer in 60 s")


def fingerprint(
    name: str = "contacts.csv", *, size: int | None = 100, digest: str = "", reading: str = "csv"
) -> Fingerprint:
    return Fingerprint(name=name, size=size, digest=digest or f"digest of {name}", reading=reading)


def identity_of(
    *sources: Fingerprint, journey: str = "APIEvent-1", rest_host: str = "mc.example"
) -> Identity:
    return Identity(
        event_definition_key=journey, rest_host=rest_host, sources=sources or (fingerprint(),)
    )


def begun(directory: Path, identity: Identity | None = None) -> JournalStore:
    """A new run's store."""
    return begin(
        directory,
        run_id="20261123-164312-3f9a",
        identity=identity or identity_of(),
        endpoint="batchcontactevents",
        clock=lambda: DAY,
    )


def resumed(
    directory: Path, identity: Identity | None = None, **options: Any
) -> tuple[JournalStore, Replay]:
    """The same run's store in the next process."""
    return resume(
        directory,
        identity=identity or identity_of(),
        endpoint="batchcontactevents",
        clock=lambda: DAY,
        **options,
    )


def survivors(directory: Path, target: Path) -> Path:
    """What a killed process leaves: its files as they are now, copied to `target`.

    Not SQLite's shared memory, which dies with the processes that have it open.
    """
    target.mkdir()
    for file in directory.iterdir():
        if file.is_file() and not file.name.endswith("-shm"):
            shutil.copy(file, target / file.name)

    return target


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """Nothing may be written to it or in it, by root neither: who runs this is somebody else.

    Others must be let in by the directories above it.
    """
    directory.chmod(0o555)
    for file in directory.iterdir():
        file.chmod(0o444)

    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)

    try:
        yield
    finally:
        os.seteuid(user)
        directory.chmod(0o755)


def settlement(batch: Batch, outcome: Outcome = ACCEPTED, attempt: int = 1) -> Settlement:
    return Settlement(batch=batch, outcome=outcome, attempt=attempt)


def rejection(position: int, source: str = "contacts.csv", **fields: Any) -> Rejection:
    told: dict[str, Any] = {
        "stage": Stage.MAPPING,
        "reason": "missing_contact_key",
        "detail": "column customer_id is empty",
        "record": {"customer_id": ""},
    }
    return Rejection(source=source, position=position, **(told | fields))


def mark(position: int) -> Mark:
    """The mark after record `position`, each record ten bytes long."""
    return Mark(position, position * 10)


def read_away(position: int, source: str = "contacts.csv") -> dict[str, Mark]:
    return {source: mark(position)}


def every_line(directory: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a result file, and of those of the days before."""
    days = sorted(path.stem for path in directory.glob(f"{name}-*.ndjson"))
    return [line for stem in (*days, name) for line in lines_of(directory, stem)]


def lines_of(directory: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a result file."""
    return [orjson.loads(line) for line in (directory / f"{name}.ndjson").read_bytes().splitlines()]
