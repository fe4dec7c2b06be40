"""What it costs to hold every contact against the fields of the event's data extension.

The reading, mapping and encoding of a file, as the encoder's process does it, with the check and
without it, one after the other in every round: CPU seconds of this process alone. Nothing is sent.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

from pipeline.intake.locate import locate
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from pipeline.mapping.contacts import ContactShape
from pipeline.mapping.encoding import Encoding, Reading, encode
from pipeline.mapping.rules import MappingPolicy
from pipeline.mapping.target import Field, FieldType, Target

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("FieldCosts", "measure_fields")

BAR: Final = 1.15
"""At most so much of the CPU without the check."""

TARGET: Final = Target(
    fields=(
        Field(name="customer_id", max_length=254, required=True),
        Field(name="email", type=FieldType.EMAIL, required=True),
        Field(name="first_name", max_length=50),
        Field(name="last_name", max_length=50),
        Field(name="city", max_length=50),
        Field(name="country", max_length=50),
        Field(name="phone", type=FieldType.PHONE),
        Field(name="signed_up", type=FieldType.DATE),
        Field(name="segment", max_length=50),
    )
)


@dataclass(slots=True)
class FieldCosts:
    """CPU seconds of each round, for one file."""

    contacts: int
    without: list[float] = field(default_factory=list)
    checked: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Checked to unchecked, by their medians."""
        return median(self.checked) / median(self.without)

    @property
    def holds(self) -> bool:
        """Whether the check is within its bar."""
        return self.ratio <= BAR

    def lines(self) -> list[str]:
        """For people."""
        per_million = 1e6 / self.contacts
        return [
            f"{name:<24}{median(rounds) * per_million:6.2f} CPU s per million contacts"
            f"   (from {min(rounds) * per_million:.2f} to {max(rounds) * per_million:.2f})"
            for name, rounds in (("fields unchecked", self.without), ("checked", self.checked))
        ] + [
            f"{'the check adds':<24}{(self.ratio - 1) * 100:6.1f} %, at most {BAR - 1:.0%} "
            + ("is asked: holds" if self.holds else "is asked: MISSED")
        ]


def measure_fields(path: Path, contacts: int, *, rounds: int) -> FieldCosts:
    """Encode the file `rounds` times either way, after a round that is not counted."""
    costs = FieldCosts(contacts)
    gc.freeze()
    gc.set_threshold(100_000)  # as the encoder's process has it
    for number in range(rounds + 1):
        for target, seconds in ((None, costs.without), (TARGET, costs.checked)):
            began = time.process_time()
            found = _encoded(path, target)
            spent = time.process_time() - began
            if found != contacts:
                raise RuntimeError(f"{path} made {found:,} contacts of {contacts:,}")

            if number:
                seconds.append(spent)

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
