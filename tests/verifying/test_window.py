"""Which time is asked about, and what silence proves, told the time."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.verifying.window import Horizon, Standing, Window

NOW = 1_000_000_000.0


def horizon(**changes: Any) -> Horizon:
    usual: dict[str, Any] = {
        "now": NOW,
        "behind_seconds": 1200.0,
        "ahead_seconds": 0.0,
        "margin_seconds": 900.0,
    }
    return Horizon(**(usual | changes))


@pytest.mark.parametrize(
    ("settled", "last_entry", "changes", "standing"),
    [
        (NOW - 2100, 0, {}, Standing.MISSING),
        (NOW - 2099, 0, {}, Standing.TOO_FRESH),
        (NOW - 2100, NOW - 2099, {}, Standing.STILL_ENTERING),
        (NOW - 2100, 0, {"behind_seconds": 1201.0}, Standing.TOO_FRESH),
        (NOW - 2100, 0, {"behind_seconds": None}, Standing.LATENESS_UNKNOWN),
        (NOW - 2100, 0, {"complete": False}, Standing.INCOMPLETE),
        (NOW - 2100, 0, {"ahead_seconds": 1.0}, Standing.TOO_FRESH),
        (NOW - 2400, 0, {"ahead_seconds": 300.0}, Standing.MISSING),
        (NOW - 30 * 86_400 + 3_599, 0, {}, Standing.HISTORY_GONE),
    ],
)
def test_what_absence_proves(
    settled: float, last_entry: float, changes: dict[str, Any], standing: Standing
) -> None:
    """Missing only once history is complete for the time in which a contact would have entered."""
    found = horizon(**changes).standing(settled, last_entry=last_entry)
    assert found is standing


def test_when_to_ask_again() -> None:
    """When the horizon will have passed both moments, if history stays as late."""
    assert horizon().decided_in(NOW - 2000, last_entry=NOW - 1500) == 600
    assert horizon().decided_in(NOW - 9000, last_entry=0) == 0


def test_a_window_reaches_a_little_beyond_the_run() -> None:
    """By Marketing Cloud's clock, and no further back than history is kept."""
    window = horizon(ahead_seconds=100.0).window(NOW - 500)
    assert (window.start, window.end) == (NOW - 430, NOW + 30)
    assert horizon().window(0.0).start == NOW - 30 * 86_400


def test_a_window_is_halved_where_a_file_would_be_too_large() -> None:
    """The halves are the whole, and what cannot be halved any more is asked for as it is."""
    window = Window(0.0, 100.0)
    assert window.pieces(None) == (window,)
    assert window.pieces(900_000_000) == (window,)
    assert window.pieces(900_000_001) == (Window(0.0, 50.0), Window(50.0, 100.0))
    assert Window(0.0, 1.0).pieces(1 << 40) == (Window(0.0, 1.0),)


def test_a_little_more_is_asked_for() -> None:
    """Whether a server includes the ends is not known."""
    assert Window(1.0, 2.5).asked == ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:03.500Z")
