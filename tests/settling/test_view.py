from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import RunDirectoryError
from pipeline.intake.ranges import Ranges
from pipeline.settling.lock import locked
from pipeline.settling.state import RunState
from pipeline.settling.view import AcceptedContact, LastError, UnsettledBatch, viewed
from tests.fakes.runs import (
    DAY,
    REFUSED,
    UNHEARD,
    begun,
    fingerprint,
    identity_of,
    mark,
    rejection,
    settlement,
)
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settling.store import JournalStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalStore]:
    """A run under way: of each outcome something, and a batch in flight."""
    made = begun(tmp_path, identity_of(fingerprint("a"), fingerprint("b")))
    batches = [
        make_batch(1, {"a": [1, 2, 4], "b": [1]}),
        make_batch(2, {"a": [5]}),
        make_batch(3, {"a": [6, 7]}),
        make_batch(4, {"b": [2, 3]}),
    ]
    with made.transaction():
        for batch in batches:
            made.dispatched(batch, 1)

    with made.transaction():
        made.settle(
            [
                settlement(batches[0]),
                settlement(batches[1], REFUSED),
                settlement(batches[2], UNHEARD, 3),
            ],
            [rejection(3, "a")],
            {"a": mark(12), "b": mark(3)},
        )

    yield made
    made.close()


@pytest.mark.usefixtures("store")
def test_accepted(tmp_path: Path) -> None:
    """Each accepted contact comes with its place, its batch and what Marketing Cloud called it."""
    with viewed(tmp_path) as view:
        contacts = list(view.accepted())

    assert contacts[0] == AcceptedContact(
        contact_key="c00000001",
        source="a",
        position=1,
        event_instance_id="instance-1",
        batch=1,
    )
    assert [(one.source, one.position) for one in contacts] == [
        ("a", 1),
        ("a", 2),
        ("a", 4),
        ("b", 1),
    ]


@pytest.mark.usefixtures("store")
def test_failed(tmp_path: Path) -> None:
    """Rejected and unknown contacts come apart, each with all that is known of it."""
    with viewed(tmp_path) as view:
        rejected, unknown = list(view.failed("rejected")), list(view.failed("unknown"))

    assert [(one.source, one.position, one.stage) for one in rejected] == [
        ("a", 5, "delivery"),
        ("a", 3, "mapping"),
    ]
    assert [(one.position, one.batch, one.attempt) for one in unknown] == [(6, 3, 3), (7, 3, 3)]
    assert unknown[0].record == '{"ContactKey":"c00000006","Data":{"Email":"c00000006@x.y"}}'


@pytest.mark.usefixtures("store")
def test_unprocessed(tmp_path: Path) -> None:
    """What was read and has no outcome comes as ranges; what is in flight is among it."""
    with viewed(tmp_path) as view:
        assert view.unprocessed() == {"a": Ranges([(8, 12)]), "b": Ranges([(2, 3)])}
        assert view.unsettled() == [
            UnsettledBatch(batch_id=4, attempt=1, contacts=2, dispatched_at=DAY)
        ]
        assert view.summary().unprocessed == 7


@pytest.mark.usefixtures("store")
def test_last_error(tmp_path: Path) -> None:
    """While a run goes on, its last error is the contact that failed last."""
    with viewed(tmp_path) as view:
        assert view.last_error() == LastError(
            reason="missing_contact_key", detail="column customer_id is empty", at=DAY
        )


def test_why_it_halted(store: JournalStore, tmp_path: Path) -> None:
    """The last error of a run that halted is why it halted."""
    with store.transaction():
        store.ended(RunState.HALTED, exhausted=False, detail="the client secret was refused")

    with viewed(tmp_path) as view:
        assert view.last_error() == LastError(
            reason="halted", detail="the client secret was refused", at=DAY
        )


def test_no_error(tmp_path: Path) -> None:
    """A run in which nothing failed has no last error."""
    begun(tmp_path).close()
    with viewed(tmp_path) as view:
        assert view.last_error() is None
        assert list(view.accepted()) == []
        assert view.unprocessed() == {"contacts.csv": Ranges()}


def test_one_moment(store: JournalStore, tmp_path: Path) -> None:
    """A view shows one moment, whatever the run writes while it is read."""
    with viewed(tmp_path) as view:
        contacts = view.failed("rejected")
        first = next(contacts)
        with store.transaction():
            store.settle((), [rejection(position, "a") for position in range(8, 12)], {})

        assert len([first, *contacts]) == view.summary().rejected == 2

    with viewed(tmp_path) as view:
        assert view.summary().rejected == 6


@pytest.mark.usefixtures("store")
def test_killed_is_interrupted(tmp_path: Path) -> None:
    """A run that says it is running, but whose process is gone, is interrupted."""
    with viewed(tmp_path) as view:
        assert view.summary().state == "interrupted"

    with locked(tmp_path), viewed(tmp_path) as view:
        assert view.summary().state == "running"


def test_no_journal(tmp_path: Path) -> None:
    """Where no run was, there is nothing to see, and that is said."""
    with pytest.raises(RunDirectoryError, match=r"holds no run yet"), viewed(tmp_path):
        pass
