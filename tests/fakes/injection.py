"""A whole run inside a test's event loop, beside a Marketing Cloud that can be looked into."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.config import load
from pipeline.events.emitter import Emitter
from pipeline.flow import run
from pipeline.running.legs import RunOptions
from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.serving import running
from tests.fakes.audit import audit
from tests.fakes.configs import write_config
from tests.fakes.runs import lines_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from pipeline.errors import JourneyError
    from pipeline.events import Event
    from pipeline.simulator.cloud import Cloud

__all__ = ("Injected", "Stand", "standing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """How a run ended, all it reported, and what it left behind."""

    directory: Path
    summary: dict[str, Any]
    error: JourneyError | None
    exit_code: int
    events: list[Event]
    moments: list[float]  # when each of them was reported

    @property
    def counts(self) -> tuple[int, ...]:
        """read, accepted, rejected, unknown, unprocessed."""
        names = ("read", "accepted", "rejected", "unknown", "unprocessed")
        return tuple(self.summary[name] for name in names)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return lines_of(self.directory, name)

    def seen(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def moments_of(self, kind: type[Event]) -> list[float]:
        """When events of one kind were reported."""
        reported = zip(self.events, self.moments, strict=True)
        return [moment for event, moment in reported if isinstance(event, kind)]


@dataclass(slots=True, kw_only=True)
class Stand:
    """A directory for files, and a Marketing Cloud."""

    place: Path
    cloud: Cloud
    url: str
    sections: dict[str, Any] = field(default_factory=dict)

    def configured(self, source: str = "contacts.csv", **sections: Any) -> Path:
        """Write the config; `sections` add to those of the stand, or win."""
        merged = {
            name: {**self.sections.get(name, {}), **sections.get(name, {})}
            for name in self.sections | sections
        }
        run_section = {"directory": str(self.place / "run"), **merged.pop("run", {})}
        return write_config(
            self.place / "journey.toml",
            url=self.url,
            source=str(self.place / source),
            run=run_section,
            **merged,
        )

    async def inject(
        self, source: str = "contacts.csv", options: RunOptions | None = None, **sections: Any
    ) -> Injected:
        """Run to the end; `sections` of the config add to those of the stand, or win."""
        path = self.configured(source, **sections)
        events: list[Event] = []
        moments: list[float] = []
        emitter = Emitter()
        emitter.subscribe(events.append)
        emitter.subscribe(lambda _: moments.append(time.monotonic()))
        config = load(path, {})
        ended = await run(config, options or RunOptions(), emitter=emitter)
        injected = Injected(
            directory=self.place / "run",
            summary=ended.summary.to_dict(),
            error=ended.error,
            exit_code=ended.exit_code,
            events=events,
            moments=moments,
        )
        read, *parts = injected.counts
        assert read == sum(parts)
        return injected

    def said(self) -> list[dict[str, Any]]:
        """What the cloud tells of each contact it took."""
        pages = b"".join(self.cloud.ledger.pages())
        return [json.loads(line) for line in pages.splitlines()]

    def taken(self) -> dict[str, int]:
        return {line["contact_key"]: line["taken"] for line in self.said()}

    def data(self) -> dict[str, Any]:
        """The data of each contact that was taken, as it came."""
        return {line["contact_key"]: line["data"] for line in self.said()}

    def audit(self, source: Mapping[int, str | None], name: str = "contacts.csv") -> None:
        """The audit of a run of one source, by what stands at each position of it."""
        stands = {(name, position): key for position, key in source.items()}
        audit(self.place / "run", stands, self.said())


@asynccontextmanager
async def standing(
    place: Path, *faults: str, sections: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Stand]:
    """A stand whose cloud has these faults and `options` (SimulatorOptions).

    Contacts go in batches of ten unless the config's `sections` say otherwise.
    """
    cloud = SimulatorOptions(faults=faults, **options).cloud()
    async with running(cloud) as url:
        usual = {"batch": {"max_records": 10}}
        yield Stand(place=place, cloud=cloud, url=url, sections={**usual, **(sections or {})})
