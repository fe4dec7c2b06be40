"""Live files: a run is steered from outside, and nothing that lies there can harm it."""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import RunDirectoryError
from pipeline.sending.limits import Limit, Standing
from pipeline.settling.directory import RunDirectory
from pipeline.settling.live import (
    RUN,
    STALE_SECONDS,
    WORKER,
    Live,
    LiveFiles,
    live_of,
)
from pipeline.settling.lock import locked
from pipeline.settling.orders import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STANDING = Standing(
    limit=Limit.WINDOW,
    since=datetime(2026, 11, 23, 16, 43, 12, 345_000, tzinfo=UTC),
    until=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
    in_flight=3,
    max_in_flight=10,
    most_in_flight=16,
    requests_per_second=4.5,
    asked_per_second=None,
    contacts_per_hour=2_000_000.0,
)


@contextmanager
def obeying(directory: Path) -> Iterator[list[dict[str, Any]]]:
    """A run that obeys whatever it is asked; the orders, as it got them."""
    orders: list[dict[str, Any]] = []
    ended = threading.Event()

    def work() -> None:
        files = LiveFiles(directory)
        while not ended.wait(0.005):
            if (order := files.order()) is not None:
                orders.append(order)

            files.tell(STANDING)

        files.close()

    thread = threading.Thread(target=work)
    with locked(directory):
        thread.start()
        try:
            while live_of(directory) is None:
                time.sleep(0.005)

            yield orders
        finally:
            ended.set()
            thread.join()


def test_what_is_told_is_what_is_read(tmp_path: Path) -> None:
    """Whole, by its owner alone; nothing is left of it afterwards."""
    with obeying(tmp_path):
        live = live_of(tmp_path)
        assert live is not None
        assert (live.process, live.standing) == (os.getpid(), STANDING)
        told = live.told()
        assert (told["limit"], told["until"]) == ("window", "2026-11-24T08:00:00.000Z")
        assert stat.S_IMODE((tmp_path / "live.json").stat().st_mode) == 0o600

    assert {file.name for file in tmp_path.iterdir()} == {"run.lock"}
    assert live_of(tmp_path) is None


def test_orders_are_obeyed_once(tmp_path: Path) -> None:
    """One after the other, each as it was asked; it has been obeyed when `command` returns."""
    with obeying(tmp_path) as orders:
        command(tmp_path, {"paused": True})
        assert [order["paused"] for order in orders] == [True]
        assert stat.S_IMODE((tmp_path / "orders.json").stat().st_mode) == 0o600
        command(tmp_path, {"requests_per_second": 5.0})
        time.sleep(0.05)
        assert len(orders) == 2
        assert "paused" not in orders[1]


def test_many_who_give_orders(tmp_path: Path) -> None:
    """None of them is lost, however many ask at once."""
    with obeying(tmp_path) as orders:
        threads = [
            threading.Thread(target=command, args=(tmp_path, {"max_in_flight": each}))
            for each in range(1, 9)
        ]
        for thread in threads:
            thread.start()

        for thread in threads:
            thread.join()

    assert sorted(order["max_in_flight"] for order in orders) == list(range(1, 9))


def test_what_was_not_obeyed_yet_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is busy elsewhere obeys everything that was asked meanwhile, as soon as it can."""
    monkeypatch.setattr("pipeline.settling.orders.OBEYED_WITHIN_SECONDS", 0.1)
    files = LiveFiles(tmp_path)
    with locked(tmp_path):
        files.tell(STANDING)
        for asked in ({"paused": True}, {"requests_per_second": 2.0}):
            with pytest.raises(RunDirectoryError, match="it will as soon as it can"):
                command(tmp_path, asked)

    order = files.order()
    assert order is not None
    assert (order["paused"], order["requests_per_second"]) == (True, 2.0)
    assert files.order() is None


def test_where_no_run_is_going_on(tmp_path: Path) -> None:
    """Said as it is: where there is no directory, no run, a dead one, or another process."""
    with pytest.raises(RunDirectoryError, match="no run is going on in"):
        command(tmp_path / "nowhere", {})

    with pytest.raises(RunDirectoryError, match="there is nothing to steer"):
        command(tmp_path, {})

    LiveFiles(tmp_path).tell(STANDING)  # left by a process that was killed
    assert live_of(tmp_path) is None
    with locked(tmp_path):
        assert live_of(tmp_path) is not None
        old = time.time() - STALE_SECONDS
        os.utime(tmp_path / "live.json", (old, old))  # its number is another process's now
        assert live_of(tmp_path) is None


def test_orders_for_another_session(tmp_path: Path) -> None:
    """What was asked of a former process is not obeyed by the next."""
    former, files = LiveFiles(tmp_path), LiveFiles(tmp_path)
    with locked(tmp_path):
        former.tell(STANDING)
        live = live_of(tmp_path)

    assert live is not None
    order = {"session": live.session, "number": 1, "paused": True}
    (tmp_path / "orders.json").write_bytes(orjson.dumps(order))
    assert files.order() is None
    assert former.order() == order


def test_what_is_another_ones_stays(tmp_path: Path) -> None:
    """A process that was refused, or that ends late, takes nothing away from the one at work."""
    late, files = LiveFiles(tmp_path), LiveFiles(tmp_path)
    late.tell(STANDING)
    with locked(tmp_path):
        files.tell(STANDING)
        live = live_of(tmp_path)
        assert live is not None
        order = {"session": live.session, "number": 1, "paused": True}
        (tmp_path / "orders.json").write_bytes(orjson.dumps(order))
        late.close()
        assert live_of(tmp_path) == live
        assert files.order() == order

    files.close()
    assert {file.name for file in tmp_path.iterdir()} == {"run.lock"}


def test_a_run_that_begins_while_an_order_is_given(tmp_path: Path) -> None:
    """What was asked of a worker that waits is asked of the run, which is what is at work."""
    worker = LiveFiles(tmp_path, WORKER)
    found: list[Live] = []
    asking = threading.Thread(
        target=lambda: found.append(command(tmp_path, {"requests_per_second": 5.0}))
    )
    with locked(tmp_path, "watch.lock"):
        worker.tell(STANDING, waiting=True)
        asking.start()
        while not (tmp_path / WORKER.orders).exists():
            time.sleep(0.005)

        with obeying(tmp_path) as orders:
            asking.join(timeout=5)
            assert [order["requests_per_second"] for order in orders] == [5.0]
            assert [(live.seat, live.waiting) for live in found] == [(RUN, False)]

        live = live_of(tmp_path)
        assert live is not None
        assert (live.seat, live.waiting) == (WORKER, True)


def test_a_run_that_has_only_just_locked_the_directory(tmp_path: Path) -> None:
    """It is waited for until it tells. Who tells nothing is said to be there, and steered is who
    waits beside him, if anybody does."""
    found: list[Live] = []
    asking = threading.Thread(target=lambda: found.append(command(tmp_path, {"paused": True})))
    with locked(tmp_path):
        asking.start()
        time.sleep(0.3)
        assert asking.is_alive()
        files = LiveFiles(tmp_path)
        files.tell(STANDING, opening=True)
        while asking.is_alive():
            if files.order() is not None:
                files.tell(STANDING)

        assert [live.seat for live in found] == [RUN]
        files.close()
        with pytest.raises(RunDirectoryError, match="Try again in a moment"):
            command(tmp_path, {"paused": True})


RUBBISH = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ).map(orjson.dumps),
    st.dictionaries(
        st.sampled_from(["process", "session", "obeyed", "number", "limit", "since", "until"]),
        st.none() | st.booleans() | st.integers(0, 9) | st.floats() | st.text(max_size=5),
    ).map(orjson.dumps),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rubbish=RUBBISH)
def test_rubbish(tmp_path: Path, rubbish: bytes) -> None:
    """What cannot be understood is nothing, and the next telling takes its place."""
    files = LiveFiles(tmp_path)
    (tmp_path / "live.json").write_bytes(rubbish)
    (tmp_path / "orders.json").write_bytes(rubbish)
    with locked(tmp_path):
        assert live_of(tmp_path) is None
        assert files.order() is None
        files.tell(STANDING)
        assert live_of(tmp_path) is not None


@given(
    told=st.dictionaries(
        st.sampled_from(list(Live.__slots__) + list(Standing.__slots__)),
        st.none() | st.integers(0, 9) | st.floats() | st.sampled_from(["rate", "2026-11-23", "x"]),
    )
)
def test_what_is_half_understood(told: dict[str, Any]) -> None:
    """A file of ours with something else in it is understood as far as it goes, or not at all."""
    whole = {
        "process": 1,
        "session": "s",
        "obeyed": 0,
        "limit": "rate",
        "since": "2026-11-23T16:43:12.345Z",
        "until": None,
        "in_flight": 3,
        "max_in_flight": 10,
        "most_in_flight": 16,
        "requests_per_second": 4.5,
        "asked_per_second": 4.5,
        "contacts_per_hour": None,
    }
    live = Live.of(whole)
    assert live is not None
    assert live.standing.limit is Limit.RATE
    live = Live.of(whole | told)
    assert live is None or live.standing.since.year == 2026


@pytest.mark.parametrize("name", ["live.json", "orders.json", "live.json.new"])
def test_planted_links(tmp_path: Path, name: str) -> None:
    """A directory with a link in their place is refused; one planted later is not followed."""
    precious = tmp_path / "precious"
    precious.write_text("{}")
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / name).symlink_to(precious)
    with pytest.raises(RunDirectoryError, match=r"is a symbolic link: nothing was written"):
        RunDirectory(directory).__enter__()

    files = LiveFiles(directory)
    assert files.order() is None
    files.tell(STANDING)
    files.close()
    assert precious.read_text() == "{}"


def test_a_pipe_and_a_giant(tmp_path: Path) -> None:
    """Nobody waits for a pipe that was planted, or reads what no run has written."""
    os.mkfifo(tmp_path / "orders.json")
    (tmp_path / "live.json").write_bytes(b" " * 70_000 + b"{}")
    assert LiveFiles(tmp_path).order() is None
    with locked(tmp_path):
        assert live_of(tmp_path) is None


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The run goes on."""
    files = LiveFiles(tmp_path / "gone")
    files.tell(STANDING)
    assert files.order() is None
    files.close()
