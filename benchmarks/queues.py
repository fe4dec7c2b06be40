"""`python -m benchmarks queues`: a worker on each broker, beside a run of the same file.

The contacts lie on the queue, a hundred a message, before the clock starts; the worker takes them
all and ends. Both ways send to the same server, in the same round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.fakes.brokers import BROKERS

from .contacts import contacts_file
from .server import best_server
from .ways.journey_pipeline import config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .server import Server

__all__ = ("queues",)

EACH = 100
BAR = 0.5
MOST_CONTACTS = {"sqs": 100_000}
"""Where a stand-in serves the queue, as many as it carries in seconds; no bar is held then."""

GATHERING_SECONDS = {"kafka": 3.0}
"""How long a broker waits for more workers of a new group before it gives anything out
(`group.initial.rebalance.delay.ms`, 3 s by default): no part of throughput, and taken off."""

_Spent = list[tuple[float, float]]

_OUT = Console(width=max(Console().width, 100), highlight=False)
_ERR = Console(stderr=True, soft_wrap=True, highlight=False)


def queues(
    contacts: Annotated[
        int, typer.Option(help="Contacts in the file, and on the queue.")
    ] = 300_000,
    rounds: Annotated[int, typer.Option(help="How often each way is run.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="Only these brokers; repeatable.", metavar="NAME")
    ] = None,
) -> None:
    """Contacts a second from a queue, at a hundred a message, against those from a file."""
    if unknown := set(only or ()) - set(BROKERS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: one of {', '.join(BROKERS)}")

    table = Table(title=f"{contacts:,} contacts, medians of {rounds}", title_justify="left")
    for column in ("from", "contacts/s", "of the file's", "CPU s / M", "at least a half"):
        table.add_column(column, justify="right", no_wrap=True)

    missed = False
    with best_server() as server:
        for name in only or BROKERS:
            most = min(contacts, MOST_CONTACTS.get(name, contacts))
            file, queue = _measured(name, server, contacts=most, rounds=rounds)
            share = median(a / b for (a, _), (b, _) in zip(file, queue, strict=True))
            verdict = "holds" if share >= BAR else "MISSED"
            if name in MOST_CONTACTS:
                verdict = f"stand-in; {most:,}"

            _ERR.print(f"{name}: {share:.2f} of the file's throughput, {verdict}")
            missed = missed or verdict == "MISSED"
            for label, spent in ((f"file, beside {name}", file), (name, queue)):
                seconds, cpu = median(s for s, _ in spent), median(c for _, c in spent)
                told, shown = ("", "") if spent is file else (verdict, f"{share:.2f}")
                rate, cost = most / seconds, cpu / most * 1e6
                table.add_row(label, f"{rate:,.0f}", shown, f"{cost:.1f}", told)

    _OUT.print(table)
    if missed:
        raise typer.Exit(1)


def _measured(name: str, server: Server, *, contacts: int, rounds: int) -> tuple[_Spent, _Spent]:
    """(wall, CPU) seconds of each round, from the file and from the queue."""
    file: _Spent = []
    queue: _Spent = []
    with tempfile.TemporaryDirectory(prefix="journey-benchmark-") as directory:
        place = Path(directory)
        # Its stand-in keeps who has left a group until their session is over, 45 seconds.
        group = "?group=round{}" if name == "kafka" else ""
        with BROKERS[name](place) as broker:
            for number in range(rounds):
                where = f"contacts{number}"
                broker.make(where)
                url = broker.url(where)
                feed = _written(place / f"file{number}", str(contacts_file(contacts)), server)
                take = _written(place / f"queue{number}", url + group.format(number), server)
                _run(["enqueue", str(feed), url], broker.environment)
                file.append(_timed(["run", str(feed)], {}, server, contacts=contacts))
                # A limit ends it, once all of them are settled.
                taking = ["run", str(take), "--limit", str(contacts)]
                seconds, spent = _timed(taking, broker.environment, server, contacts=contacts)
                queue.append((seconds - GATHERING_SECONDS.get(name, 0.0), spent))

    return file, queue


def _written(scratch: Path, source: str, server: Server) -> Path:
    scratch.mkdir()
    path = scratch / "benchmark.toml"
    text = config(source=source, url=server.url, in_flight=16, directory=scratch / "run")
    path.write_text(text, encoding="utf-8")
    return path


def _timed(
    arguments: list[str], environment: Mapping[str, str], server: Server, *, contacts: int
) -> tuple[float, float]:
    server.reset(latency_ms=0)
    before, began = os.times(), time.monotonic()
    _run(arguments, environment)
    after, seconds = os.times(), time.monotonic() - began
    if (counted := server.statistics().contacts) != contacts:
        raise RuntimeError(f"{contacts:,} contacts, and the server has {counted:,}")

    spent = after.children_user + after.children_system
    return seconds, spent - before.children_user - before.children_system


def _run(arguments: list[str], environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        check=True,
    )
