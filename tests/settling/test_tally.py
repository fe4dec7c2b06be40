from __future__ import annotations

from pipeline.events import AttemptFailed, DrainStarted, RequestStarted, TokenRenewed
from pipeline.settling.tally import Counters, Tally


def test_counts_on() -> None:
    """A leg's events are added to what the earlier legs carried over; seconds are active time."""
    now = 100.0
    tally = Tally(Counters(requests=10, retries=2, tokens=1, seconds=7.5), clock=lambda: now)
    tally.observe(RequestStarted(batch_id=1))
    tally.observe(
        AttemptFailed(batch_id=1, attempt=1, reason="busy", detail="503", delay_seconds=1.0)
    )
    tally.observe(RequestStarted(batch_id=1))
    tally.observe(TokenRenewed(lifetime_seconds=3600.0, reason="first"))
    tally.observe(DrainStarted(reason="SIGTERM"))
    now = 102.5
    assert tally.counters() == Counters(requests=12, retries=3, tokens=2, seconds=10.0)
