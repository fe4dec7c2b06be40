"""`python -m benchmarks kept`: whole runs at a pace, judged by when their requests were sent."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console
from rich.table import Table

from pipeline.config import load
from pipeline.events import RequestStarted
from pipeline.events.emitter import Emitter
from pipeline.flow import run
from pipeline.running.legs import RunOptions

from ..server import best_server
from ..ways.journey_pipeline import config

if TYPE_CHECKING:
    from pipeline.events import Event

__all__ = ("Kept", "kept", "kept_of", "measure")

RATES = (5.0, 50.0, 2000.0)
SECONDS = 10
LEAD_SECONDS = 2  # before the ten that count
IN_FLIGHT = 64

_OUT = Console(width=max(Console().width, 100), highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a pace was kept, as shares of what was asked."""

    rate: float
    over_ten: float  # of ten seconds, the first two left out
    worst_second: float  # of all, the beginning too
    cpu_seconds: float  # of the whole process, for each thousand requests

    @property
    def holds(self) -> bool:
        """Whether it is within the bars."""
        return 0.98 <= self.over_ten <= 1.01 and self.worst_second <= 1.05


def kept(
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Requests per second; repeatable.  [default: 5 50 2000]"),
    ] = None,
) -> None:
    """Whether the pace that is asked is kept: over ten seconds, and in the worst of them."""
    table = Table(title="of what was asked", title_justify="left")
    for column in (
        "requests/s",
        "over ten seconds",
        "worst second",
        "CPU s / 1,000",
        "98-101 %, 105 %",
    ):
        table.add_column(column, justify="right", no_wrap=True)

    found = [measure(each) for each in rate or RATES]
    for each in found:
        table.add_row(
            f"{each.rate:,.4g}",
            f"{each.over_ten:.1%}",
            f"{each.worst_second:.1%}",
            f"{each.cpu_seconds:.2f}",
            "holds" if each.holds else "MISSED",
        )

    _OUT.print(table)
    raise typer.Exit(0 if all(each.holds for each in found) else 1)


def measure(rate: float) -> Kept:
    """Run a file of contacts, one a request, at this rate."""
    with tempfile.TemporaryDirectory(prefix="journey-benchmark-") as name, best_server() as server:
        server.reset(latency_ms=0)
        path = _configured(Path(name), server.url, rate)
        moments: list[float] = []

        def note(event: Event) -> None:
            if isinstance(event, RequestStarted):
                moments.append(time.monotonic())

        emitter = Emitter()
        emitter.subscribe(note)
        began = time.process_time()

        async def work() -> None:
            await run(load(path, {}), RunOptions(), emitter=emitter)

        anyio.run(work, backend_options={"use_uvloop": find_spec("uvloop") is not None})
        spent = time.process_time() - began

    return kept_of(moments, rate, cpu_seconds=spent / len(moments) * 1000)


def kept_of(moments: list[float], rate: float, *, cpu_seconds: float = 0.0) -> Kept:
    """What moments of sending come to."""
    begin = moments[0] + LEAD_SECONDS
    worst = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1.0:
            first += 1

        worst = max(worst, last - first + 1)

    return Kept(
        rate=rate,
        over_ten=sum(begin <= each < begin + SECONDS for each in moments) / (rate * SECONDS),
        worst_second=worst / rate,
        cpu_seconds=cpu_seconds,
    )


def _configured(scratch: Path, url: str, rate: float) -> Path:
    contacts = scratch / "contacts.csv"
    with contacts.open("w", encoding="utf-8") as file:
        file.write("customer_id,EmailAddress\n")
        for number in range(int(rate * (SECONDS + 2 * LEAD_SECONDS))):
            file.write(f"C{number},c{number}@example.com\n")

    text = config(
        source=str(contacts),
        url=url,
        in_flight=IN_FLIGHT,
        directory=scratch / "run",
        requests_per_second=rate,
    )
    path = scratch / "benchmark.toml"
    path.write_text(f"{text}\n[batch]\nmax_records = 1\n", encoding="utf-8")
    return path
