"""The demo: the whole tool on a Marketing Cloud of its own, in a directory of its own.

A simulator is started as a process and told to misbehave a little. Contacts are made up, a few of
them bad, injected by the very run a user would start, and verified as a user would. What is told
of them is held against the simulator's own book in the end.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from anyio import to_thread
from rich.text import Text

from ..config import load
from ..errors import JourneyError
from ..events.emitter import Emitter
from ..flow import run
from ..running.legs import RunOptions
from ..settling.summary import VERIFIED
from ..settling.view import viewed
from ..watching.progress import draw
from ..watching.summary import print_summary
from ..watching.tally import Tally
from ..watching.verified import print_verified
from .verification import VerifyOptions, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

__all__ = ("demonstrate",)

_MISBEHAVIOUR = (
    "429:at=40,retry_after=1",
    "revoke:at=80",
    "503:at=110",
    "close:after_body,at=150,taken=true",
    "close:after_body,at=170,taken=false",
)
_VANISHING = "(4321|8765)$"
"""Contacts that are lost after the 201 without a word, as on the real Marketing Cloud."""

_LAG_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0
_READY = "Marketing Cloud simulator on "

_CONFIG = """\
# What the demo ran with. Its Marketing Cloud is gone; the journal is not:
#   journey-pipeline status {directory}/demo.toml
#   journey-pipeline results {directory}/demo.toml --of rejected

[account]
auth_url = "{url}"
rest_url = "{url}"
client_id = "rehearsal"
client_secret = "rehearsal-secret"

[journey]
event_definition_key = "APIEvent-rehearsal"

[source]
url = "{directory}/contacts.csv"

[mapping]
contact_key = "customer_id"

[mapping.fields]
EmailAddress = {{ column = "email", transform = ["trim", "lower"] }}
FirstName = {{ column = "first_name", transform = ["trim", "title"] }}
LastName = "last_name"
City = "city"
Points = {{ column = "points", type = "number" }}
VisitedOn = {{ column = "visited", type = "date", format = "%d/%m/%Y" }}
Campaign = {{ value = "demo" }}

[delivery]
requests_per_second = 50

[run]
directory = "{directory}/run"
"""

_FIRST = ("ann", "Bo ", "CLARA", "dev", "Élodie", "Farid", "grace", "Hiro", "Ines", "Jürgen")
_LAST = ("Ahlberg", "Brown", "Curie", "Díaz", "Eriksen", "Fontaine", "García", "Huber", "Ito")
_CITIES = ("Lyon", "Oslo", "Kyoto", "Graz", "Porto", "Łódź", "Quito", "Austin", "Accra", "")
_BAD_EVERY = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the simulator says, held against what was said of the run."""

    entered: int
    really_entered: int
    missing: int
    really_missing: int
    causes: tuple[str, ...]
    pending: int
    taken_twice: int

    @property
    def truthful(self) -> bool:
        """Whether all of it agrees."""
        entered, missing = self.really_entered, self.really_missing
        told = (self.entered, self.missing) == (entered, missing)
        return told and not self.pending and not self.taken_twice


async def demonstrate(contacts: int, *, console: Console) -> int:
    """Make, inject, verify and audit `contacts` contacts; returns the exit code.

    0 means that the tool kept its word, not that every contact entered.
    """
    directory = _new_directory()
    await to_thread.run_sync(_make_contacts, directory / "contacts.csv", contacts)
    _say(console, f"{contacts:,} contacts made up in {directory}/contacts.csv")
    with _simulator() as url:
        _say(console, f"a Marketing Cloud on {url}, told to misbehave a little")
        config = directory / "demo.toml"
        config.write_text(_CONFIG.format(directory=directory.as_posix(), url=url))
        emitter, tally = Emitter(), Tally()
        emitter.subscribe(tally.note)
        watch = partial(draw, tally, console)
        ended = await run(load(config, {}), RunOptions(), emitter=emitter, watch=watch)
        summary = ended.summary.to_dict()
        print_summary(console, summary, config=str(config), directory=f"{directory}/run")
        _say(console, "")
        _say(console, "Accepted is not entered: asking who really entered", style="bold")
        verified = await verify(
            load(config, {}),
            VerifyOptions(margin_seconds=0.0, wait_seconds=_PATIENCE_SECONDS),
            tell=partial(_say, console),
        )
        books = verified.summary.to_dict()
        print_verified(console, books, verified.told, config=str(config))
        audit = await to_thread.run_sync(_audit, directory / "run", url)

    return _tell(audit, console)


def _new_directory() -> Path:
    """The next free `runs/demo-N`."""
    for number in count(1):
        directory = Path("runs") / f"demo-{number}"
        with suppress(FileExistsError):
            directory.mkdir(parents=True)
            return directory

    raise AssertionError("there is always a next number")


def _make_contacts(path: Path, contacts: int) -> None:
    chance = random.Random(contacts)
    day = date(2026, 1, 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("customer_id", "email", "first_name", "last_name", "city", "points", "visited")
        )
        for number in range(1, contacts + 1):
            key, email = f"C{number:07}", f"Customer.{number}@example.com"
            points = str(chance.randrange(5_000))
            match number % _BAD_EVERY:  # four kinds of trouble that real files have
                case 1_000:
                    key = ""
                case 2_000:
                    email = "nobody at nowhere"
                case 3_000:
                    points = "many"
                case 4_000:
                    email = ""

            visited = day + timedelta(days=chance.randrange(300))
            writer.writerow(
                (
                    key,
                    email,
                    chance.choice(_FIRST),
                    chance.choice(_LAST),
                    chance.choice(_CITIES),
                    points,
                    f"{visited:%d/%m/%Y}",
                )
            )


@contextmanager
def _simulator() -> Iterator[str]:
    """A simulator in a process of its own; the value is its URL."""
    command = [sys.executable, "-m", "pipeline.simulator", "--port", "0", "--latency", "0.08"]
    command += ["--vanishing", _VANISHING, "--history-lag", str(_LAG_SECONDS)]
    for fault in _MISBEHAVIOUR:
        command += ["--fault", fault]

    # In a session of its own: Ctrl-C is for the run, which drains and still needs its answers.
    process = subprocess.Popen(  # noqa: S603  # our own
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        line = process.stdout.readline()
        if not line.startswith(_READY):
            raise JourneyError("the simulator did not start; see above")

        yield line.removeprefix(_READY).strip()
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _audit(run_directory: Path, url: str) -> Audit:
    with urllib.request.urlopen(f"{url}/_simulator/contacts") as answer:  # noqa: S310  # loopback
        said = {line["contact_key"]: line for line in map(orjson.loads, answer)}

    with viewed(run_directory) as view:
        entered, missing, pending = (
            [row.contact_key for row in view.verified(outcome)] for outcome in VERIFIED
        )

    lost = [said[key] for key in missing if key in said and not said[key]["entered"]]
    return Audit(
        entered=len(entered),
        really_entered=sum(1 for key in entered if said.get(key, {}).get("entered")),
        missing=len(missing),
        really_missing=len(lost),
        causes=tuple(sorted({line["cause"] for line in lost})),
        pending=len(pending),
        taken_twice=sum(1 for line in said.values() if line["taken"] > 1),
    )


def _tell(audit: Audit, console: Console) -> int:
    """Print the audit; 0 if the truth was told."""
    _say(console, "")
    _say(console, "What the simulator says, which knows", style="bold")
    _say(
        console,
        f"  {audit.really_entered:,} of {audit.entered:,} that are told to have entered did",
    )
    if audit.missing:
        causes = f" ({', '.join(audit.causes)})" if audit.causes else ""
        _say(
            console,
            f"  {audit.really_missing:,} of {audit.missing:,} that are told to be missing were "
            f"lost in silence{causes}",
        )

    _say(console, f"  {audit.taken_twice:,} contacts were taken twice")
    _say(console, "")
    if audit.truthful:
        _say(console, "You were told the truth about every contact.", style="bold green")
    else:
        _say(console, "The simulator disagrees: please report it.", style="bold red")

    return 0 if audit.truthful else 1


def _say(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
