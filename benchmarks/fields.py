"""What it costs to hold every contact against the fields of the event's data extension.

Measured twice, with the check and without it, one after the other in every round:

    the whole run   `run` as a user starts it, all its processes, beyond its start: this is what
                    the bar is for
    the encoder     reading, mapping and encoding alone, in this process; nothing is sent
"""

from __future__ import annotations

import gc
import json
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from pipeline.intake.locate import locate
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from pipeline.mapping.contacts import ContactShape
from pipeline.mapping.encoding import Encoding, Reading, encode
from pipeline.mapping.rules import MappingPolicy
from pipeline.mapping.target import Target, parse_fields

from .rounds import Case
from .ways import CHECKED, OUR_WAY, OURS

if TYPE_CHECKING:
    from .rounds import Rounds

__all__ = ("FieldCosts", "measure_encoder", "measure_runs")

BAR: Final = 1.15
"""At most so much of the CPU without the check."""

DEFINITION: Final = Path(__file__).with_name("event_definition.json")
TARGET: Final = Target(fields=parse_fields(json.loads(DEFINITION.read_bytes())))


@dataclass(slots=True)
class FieldCosts:
    """CPU seconds for a million contacts, of each round."""

    subject: str
    without: list[float] = field(default_factory=list)
    checked: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Checked to unchecked: the median of the rounds' own ratios."""
        pairs = zip(self.checked, self.without, strict=True)
        return median(checked / without for checked, without in pairs)

    @property
    def holds(self) -> bool:
        """Whether the check is within its bar."""
        return self.ratio <= BAR

    def lines(self, *, bar: bool) -> list[str]:
        """For people."""
        verdict = f", at most {BAR - 1:.0%} is asked: {'holds' if self.holds else 'MISSED'}"
        return [
            f"{self.subject}, {name:<18}{median(rounds):6.2f} CPU s per million contacts"
            f"   (from {min(rounds):.2f} to {max(rounds):.2f})"
            for name, rounds in (("fields unchecked", self.without), ("checked", self.checked))
        ] + [
            f"{self.subject}: the check adds {(self.ratio - 1) * 100:.1f} %"
            + (verdict if bar else "")
        ]


def measure_runs(rounds: Rounds, contacts: int, *, times: int) -> FieldCosts:
    """Run `times` times either way. Raises RuntimeError where a run does not end as it should.

    What a run of no contacts takes is taken off: a cost of every contact is looked for.
    """
    case, start = (Case(contacts=n, latency_ms=0, in_flight=16) for n in (contacts, 0))
    results = rounds.run(list(product((case, start), (OUR_WAY, CHECKED))), rounds=times)
    results.check()

    def beyond_start(way: str) -> list[float]:
        pairs = zip(results.of(case, way), results.of(start, way), strict=True)
        return [(run.cpu_seconds - none.cpu_seconds) / contacts * 1e6 for run, none in pairs]

    return FieldCosts("the whole run", beyond_start(OURS), beyond_start(CHECKED.name))


def measure_encoder(path: Path, contacts: int, *, times: int) -> FieldCosts:
    """Encode the file `times` times either way, after a round that is not counted."""
    costs = FieldCosts("the encoder alone")
    gc.freeze()
    gc.set_threshold(100_000)  # as the encoder's process has it
    for number in range(times + 1):
        for target, seconds in ((None, costs.without), (TARGET, costs.checked)):
            began = time.process_time()
            found = _encoded(path, target)
            spent = time.process_time() - began
            if found != contacts:
                raise RuntimeError(f"{path} made {found:,} contacts of {contacts:,}")

            if number:
                seconds.append(spent / contacts * 1e6)

    return costs


def _encoded(path: Path, target: Target | None) -> int:
    (source,) = locate(SourcePolicy(url=str(path)))
    encoding = Encoding(
        readings=(Reading(source=source, after=Ranges(), weight=1.0),),
        mapping=MappingPolicy(contact_key="customer_id"),
        shape=ContactShape(),
        target=target,
        max_contact_bytes=3_999_000,
    )
    return sum(map(len, encode(encoding)))
