"""When again: never sooner than asked, and never all at once."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sending.retry import backoff, http_date, parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Always:
    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (5000, 60)]
)
def test_the_formula(attempt: int, ceiling: float) -> None:
    """uniform(0, min(60, 2 ** (attempt - 1)))."""
    for share in (0.0, 0.25, 0.999):
        assert backoff(attempt, chance=Always(share)) == pytest.approx(ceiling * share)


@given(attempt=st.integers(1, 5), retry_after=st.none() | st.floats(0, 3600), seed=st.integers())
def test_the_server_s_delay_beats_ours(attempt: int, retry_after: float | None, seed: int) -> None:
    """The delay is never shorter than what the server asked for."""
    delay = backoff(attempt, retry_after=retry_after, chance=Random(seed))
    assert delay >= (retry_after or 0.0)
    assert delay <= max(retry_after or 0.0, 60.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (7, 7.0),
        (2.5, 2.5),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0.0),
        ("999999999", 3600.0),
        ("Mon, 23 Nov 2099 12:00:00 GMT", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ([5], None),
        ("1e9", None),
        ("nan", None),
        ("9" * 400, None),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(value: object, seconds: float | None) -> None:
    """Seconds or a date; what has passed asks for nothing, and rubbish says nothing."""
    assert parse_retry_after(value, now=NOW) == seconds


@given(st.text())
def test_rubbish_never_raises(text: str) -> None:
    """Whatever a server writes into the header, reading it gives a number or None."""
    seconds = parse_retry_after(text, now=NOW)
    assert seconds is None or 0 <= seconds <= 3600
    assert http_date(text) is None or http_date(text).tzinfo is not None  # type: ignore[union-attr]
