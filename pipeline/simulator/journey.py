"""The event definition, its data extension, and who enters the journey behind it.

The experimental endpoint answers 201 for contacts that never enter. So a batch is taken whole,
and each contact enters or is lost in silence; the ledger alone knows which.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import orjson

from .fields import Flaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fields import Fields
    from .ledger import Ledger

__all__ = ("EntryMode", "EventDefinition", "Journey")

_MAX_KEY_LENGTH: Final = 254
_NOTHING: Final[dict[str, Any]] = {}
_KEY: Final = itemgetter("ContactKey")
_DATA: Final = itemgetter("Data")


class EntryMode(StrEnum):
    """Whether a contact may enter again, as the journey spells it."""

    ANYTIME = "MultipleEntries"
    AFTER_EXIT = "OnceAndDone"  # nobody exits while the simulator runs: as NEVER
    NEVER = "SingleEntryAcrossAllVersions"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDefinition:
    """What the simulator knows of the journey's door.

    `fields` None: it takes whatever comes. `schema_shown`: whether the definition carries its
    schema, or only the fields route tells it (recorded for events bound to an existing extension).
    """

    keys: tuple[str, ...]
    fields: Fields | None
    schema_shown: bool = True
    published_journeys: int = 1
    entry_mode: EntryMode = EntryMode.ANYTIME


class Journey:
    """Takes contacts and lets in those who may."""

    def __init__(self, definition: EventDefinition, ledger: Ledger) -> None:
        self.definition = definition
        self.ledger = ledger

    def take(self, contacts: Sequence[dict[str, Any]], body: bytes) -> None:
        """Take the contacts of a batch. `body` is the payload they came in."""
        keys, datas = _columns(contacts)
        if _keys_well(keys) and self._all_enter(keys, datas):
            flaws = None
        else:
            flaws = [self._flaw(key, data) for key, data in zip(keys, datas, strict=True)]
            keys = [key if isinstance(key, str) else _as_key(key) for key in keys]

        kept = _verbatim(body) if self.ledger.keep_data else None
        if flaws is None:
            self.ledger.take(keys, kept)
        else:
            self._take_singly(keys, flaws, kept=kept)

    def _take_singly(
        self, keys: list[str], flaws: list[Flaw | None], *, kept: list[bytes] | None
    ) -> None:
        """Take contacts in their order, for one may be refused because of the one before."""
        again = self.definition.entry_mode is EntryMode.ANYTIME
        for index, (key, flaw) in enumerate(zip(keys, flaws, strict=True)):
            barred = flaw is None and not again and self.ledger.entered(key) > 0
            self.ledger.take([key], None if kept is None else [kept[index]])
            if reason := (Flaw("reentry_refused") if barred else flaw):
                self.ledger.lose(key, reason)

    def _all_enter(self, keys: list[str], datas: list[Any]) -> bool:
        definition = self.definition
        if definition.published_journeys == 0:
            return False

        if definition.entry_mode is not EntryMode.ANYTIME and not self._all_new(keys):
            return False

        if definition.fields is None:
            return set(map(type, datas)) == {dict}

        return definition.fields.all_well(datas)

    def _all_new(self, keys: list[str]) -> bool:
        return len(set(keys)) == len(keys) and self.ledger.taken.keys().isdisjoint(keys)

    def _flaw(self, key: object, data: object) -> Flaw | None:
        if self.definition.published_journeys == 0:
            return Flaw("no_journey_listens")

        if key is None or key == "":
            return Flaw("contact_key_empty")

        if not isinstance(key, str):
            return Flaw("contact_key_not_text")

        if len(key) > _MAX_KEY_LENGTH:
            return Flaw("contact_key_too_long")

        if self.definition.fields is not None:
            return self.definition.fields.flaw(data)

        return None if isinstance(data, dict) else Flaw("data_not_an_object")


def _columns(contacts: Sequence[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    try:
        return list(map(_KEY, contacts)), list(map(_DATA, contacts))
    except KeyError:
        keys = [contact.get("ContactKey") for contact in contacts]
        return keys, [contact.get("Data", _NOTHING) for contact in contacts]


def _keys_well(keys: list[Any]) -> bool:
    return set(map(type, keys)) == {str} and all(keys) and max(map(len, keys)) <= _MAX_KEY_LENGTH


def _as_key(key: object) -> str:
    return "" if key is None else orjson.dumps(key).decode()


def _verbatim(body: bytes) -> list[bytes]:
    """Each contact's data with its numbers as they were written: orjson would round long ones."""
    payload = json.loads(body, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
    return [orjson.dumps(contact.get("Data", _NOTHING)) for contact in payload["BatchDetails"]]
