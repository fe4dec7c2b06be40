"""Journeys: what Marketing Cloud tells of those that an event lets contacts into.

An interaction is one version of a journey; the versions of a journey share its key. Its `id` may
be that of the first version (documentation) while `definitionId` is the version's own (recorded):
history may name a journey by either, so both are kept. Statuses and entry modes are read in any
spelling; what is not known is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "EntryMode",
    "Journey",
    "JourneyStatus",
    "journeys_of",
    "let_in",
    "listens",
    "populations",
    "tells_triggers",
    "told_of",
)


class JourneyStatus(StrEnum):
    """Whether a journey lets anybody in."""

    PUBLISHED = "published"
    PAUSED = "paused"  # events are said to wait until it is resumed
    FINISHING = "unpublished"  # nobody new; those inside go on
    STOPPED = "stopped"
    DRAFT = "draft"
    OTHER = "other"

    @classmethod
    def read(cls, value: object) -> JourneyStatus:
        """Read a status in any spelling."""
        word = "".join(str(value).split()).lower()
        word = {"running": "published", "finishing": "unpublished"}.get(word, word)
        return cls(word) if word in tuple(cls) else cls.OTHER


class EntryMode(StrEnum):
    """Whether a contact may enter again."""

    ANYTIME = "multipleentries"
    AFTER_EXIT = "onceanddone"
    NEVER = "singleentryacrossallversions"
    OTHER = "other"

    @classmethod
    def read(cls, value: object) -> EntryMode:
        """Read an entry mode in any spelling."""
        word = str(value).strip().lower()
        return cls(word) if word in tuple(cls) else cls.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One version of a journey. `entered` counts all who ever entered, where that is told."""

    key: str
    name: str
    version: int
    status: JourneyStatus
    entry_mode: EntryMode
    definition_ids: frozenset[str]
    entered: int | None = None
    said_status: str = ""
    said_entry_mode: str = ""


def tells_triggers(item: Mapping[str, Any]) -> bool:
    """Whether an interaction says what lets contacts in; lists may leave that out."""
    return isinstance(item.get("triggers"), list)


def listens(item: Mapping[str, Any], event_definition_key: str) -> bool:
    """Whether a trigger of the interaction names the event definition."""
    triggers = item.get("triggers")
    found = triggers if isinstance(triggers, list) else []
    return any(event_definition_key in _keys_named(trigger) for trigger in found)


def journeys_of(items: Iterable[Mapping[str, Any]]) -> list[Journey]:
    """The journeys that interactions tell of, the newest version first."""
    found = [_journey(item) for item in items]
    return sorted(found, key=lambda journey: (journey.name, journey.key, -journey.version))


def let_in(journeys: Iterable[Journey]) -> bool:
    """Whether one of them lets contacts in."""
    return any(journey.status is JourneyStatus.PUBLISHED for journey in journeys)


def populations(journeys: Iterable[Journey]) -> dict[str, int]:
    """How many ever entered each journey, by its key; only where all versions tell it."""
    told: dict[str, list[int | None]] = {}
    for journey in journeys:
        told.setdefault(journey.key, []).append(journey.entered)

    return {
        key: sum(one for one in counts if one is not None)
        for key, counts in told.items()
        if None not in counts
    }


def told_of(journeys: Iterable[Journey]) -> list[str]:
    """A line for each journey, in the version that counts, with the way out where nobody enters."""
    counting: dict[str, Journey] = {}
    for journey in journeys:  # the newest version first
        known = counting.setdefault(journey.key, journey)
        if not let_in([known]) and journey.status in {
            JourneyStatus.PUBLISHED,
            JourneyStatus.PAUSED,
        }:
            counting[journey.key] = journey

    return [
        f"journey {journey.name!r}, version {journey.version}, {_told(journey)}"
        for journey in counting.values()
    ]


def _told(journey: Journey) -> str:
    if journey.status in _CLOSED:
        return _CLOSED[journey.status]

    status = "published" if let_in([journey]) else journey.said_status
    mode = _MODES.get(journey.entry_mode, f"entry mode {journey.said_entry_mode}")
    return f"is {status}: {mode}"


_OPEN = {JourneyStatus.PUBLISHED, JourneyStatus.PAUSED}
_CLOSED = {
    JourneyStatus.PAUSED: "is paused: events are said to wait until it is resumed",
    JourneyStatus.FINISHING: "is finishing: nobody new enters; publish a new version",
    JourneyStatus.STOPPED: "is stopped: publish a new version",
    JourneyStatus.DRAFT: "is a draft: publish it",
}
_MODES = {
    EntryMode.ANYTIME: "contacts may enter any number of times",
    EntryMode.AFTER_EXIT: "a contact who is in it does not enter again, without a word, until out",
    EntryMode.NEVER: "a contact who ever was in it does not enter again, without a word",
}


def _keys_named(trigger: object) -> set[str]:
    """The event definition's key stands in the trigger's metaData, or else where it was seen."""
    if not isinstance(trigger, Mapping):
        return set()

    names = set()
    for place in (trigger, *(trigger.get(name) for name in _PLACES)):
        if isinstance(place, Mapping) and isinstance(key := place.get("eventDefinitionKey"), str):
            names.add(key)

    return names


_PLACES = ("metaData", "arguments", "configurationArguments")


def _journey(item: Mapping[str, Any]) -> Journey:
    ids = (item.get("id"), item.get("definitionId"))
    stats = item.get("stats")
    entered = stats.get("cumulativePopulation") if isinstance(stats, Mapping) else None
    version = item.get("version")
    return Journey(
        key=str(item.get("key") or item.get("id") or ""),
        name=str(item.get("name") or item.get("key") or "a journey without a name"),
        version=version if isinstance(version, int) else 0,
        status=JourneyStatus.read(item.get("status")),
        entry_mode=EntryMode.read(item.get("entryMode")),
        definition_ids=frozenset(one.lower() for one in ids if isinstance(one, str) and one),
        entered=entered if isinstance(entered, int) and not isinstance(entered, bool) else None,
        said_status=str(item.get("status") or "none"),
        said_entry_mode=str(item.get("entryMode") or "none"),
    )
