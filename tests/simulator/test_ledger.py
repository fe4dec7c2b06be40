"""The truth about every contact, at the size of a real run."""

from __future__ import annotations

import orjson

from pipeline.simulator.fields import Flaw
from pipeline.simulator.ledger import Ledger, Wanted


def test_pages_come_even_where_nothing_is_wanted() -> None:
    """A search through millions gives others their turn."""
    ledger = Ledger()
    ledger.take([str(number) for number in range(10_000)])
    ledger.take(["9999"])
    pages = list(ledger.pages(Wanted(taken=(2, None))))
    assert len(pages) >= 5
    [row] = [orjson.loads(line) for line in b"".join(pages).splitlines()]
    assert (row["contact_key"], row["taken"]) == ("9999", 2)


def test_totals_count_each_time() -> None:
    """Taken and entered count takings; distinct counts contacts."""
    ledger = Ledger()
    ledger.take(["a", "b", "a"])
    ledger.lose("b", Flaw("too_long", "City"))
    totals = {
        "taken": 3,
        "distinct": 2,
        "taken_more_than_once": 1,
        "entered": 2,
        "lost": {"too_long": 1},
    }
    assert ledger.totals() == totals
    ledger.forget()
    assert ledger.totals() == dict.fromkeys(totals, 0) | {"lost": {}}
