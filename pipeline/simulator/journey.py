"""The event definition, its data extension, and who enters the journey behind it.

The experimental endpoint answers 201 for contacts that never enter. So a batch is taken whole,
and each contact enters or is lost in silence; the ledger alone knows which.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import orjson

from .fields import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .fields import Fields
    from .history import History
    from .ledger import Ledger

__all__ = ("EntryMode", "EventDefinition", "Journey", "Names")

_MAX_KEY_LENGTH: Final = 254
_NOTHING: Final[dict[str, Any]] = {}


class EntryMode(StrEnum):
    """Whether a contact may enter again, as the journey spells it."""

    ANYTIME = "MultipleEntries"
    AFTER_EXIT = "OnceAndDone"  # nobody exits, unless `exit_seconds` says when
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
    status: str = "Published"
    """Of its journeys: `Published`, `Paused`, `Stopped`, `Unpublished` or `Draft`."""
    exit_seconds: float | None = None
    """How long after entering a contact is out again; None: never."""

    @property
    def open(self) -> bool:
        """Whether a journey lets anybody in."""
        return self.published_journeys > 0 and self.status == "Published"

    @property
    def runs_or_pauses(self) -> bool:
        """Whether somebody may be inside."""
        return self.published_journeys > 0 and self.status in {"Published", "Paused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How a route spells a contact, and where in its body the contacts stand (None: it is one)."""

    key: str = "ContactKey"
    data: str = "Data"
    listed: str | None = "BatchDetails"


EXPERIMENTAL: Final = Names()


class Journey:
    """Takes contacts and lets in those who may. `vanishing`: keys that are lost without a cause."""

    def __init__(
        self,
        definition: EventDefinition,
        ledger: Ledger,
        *,
        history: History,
        vanishing: str | None = None,
    ) -> None:
        self.definition = definition
        self.ledger = ledger
        self.history = history
        self.inside: dict[str, float] = {}
        """Who had entered before the rehearsal began, and when."""
        self.vanish(vanishing)
        self._last: dict[str, float] = {}  # kept only where somebody may exit

    def take(
        self,
        contacts: Sequence[dict[str, Any]],
        body: bytes,
        *,
        now: float,
        names: Names = EXPERIMENTAL,
    ) -> list[Flaw | None]:
        """Take the contacts of a batch. `body` is the payload they came in.

        Returns for each why it is lost, but not whether it was kept out; nothing where all enter.
        """
        keys, datas = _columns(contacts, names)
        if _keys_well(keys) and self._all_enter(keys, datas):
            flaws = None
        else:
            flaws = [self._flaw(key, data) for key, data in zip(keys, datas, strict=True)]
            keys = [key if isinstance(key, str) else _as_key(key) for key in keys]

        kept = _verbatim(body, names) if self.ledger.keep_data else None
        if flaws is None:
            self.ledger.take(keys, kept)
            self.history.note(now, keys)
        else:
            self._take_singly(keys, flaws, kept=kept, now=now)

        return flaws or []

    def broken(self, contact: dict[str, Any], names: Names) -> Flaw | None:
        """What breaks the data of a contact, whether or not a journey listens."""
        flaw = _key_flaw(contact.get(names.key))
        if flaw is not None or self.definition.fields is None:
            return flaw

        return self.definition.fields.flaw(contact.get(names.data, _NOTHING))

    def vanish(self, pattern: str | None) -> None:
        """From now on contacts are lost without a cause whose key this finds."""
        self._vanishing = re.compile(pattern) if pattern else None

    def enter_before(self, keys: Sequence[str], at: float) -> None:
        """Contacts entered at `at`, by another way than the rehearsal's."""
        self.inside.update(dict.fromkeys(keys, at))
        self._last.update(dict.fromkeys(keys, at))
        self.history.note(at, list(keys))

    def has(self, key: str) -> bool:
        """Whether a contact is in the journey or was."""
        return key in self.inside or self.ledger.entered(key) > 0

    def stored(self) -> int:
        """How many rows the event's data extension has: what was refused only at the door too."""
        totals = self.ledger.totals()
        lost = sum(n for cause, n in totals["lost"].items() if cause not in _AT_THE_DOOR)
        return int(totals["taken"] - lost) + len(self.inside)

    def rows(self) -> Iterator[Any]:
        """The data of each of those rows, None where it is not kept.

        All losses of a contact count as its last one does: where one was lost both at the door and
        before it, its rows may be some too many or too few.
        """
        yield from (None for _ in self.inside)
        ledger = self.ledger
        for key, taken in ledger.taken.items():
            cause = ledger.why_lost(key)
            times = taken if cause in _AT_THE_DOOR else ledger.entered(key)
            yield from repeat(ledger.data(key), times)

    def forget(self) -> None:
        """Let nobody have been here."""
        self.ledger.forget()
        self.history.forget()
        self.inside.clear()
        self._last.clear()

    def _take_singly(
        self, keys: list[str], flaws: list[Flaw | None], *, kept: list[bytes] | None, now: float
    ) -> None:
        """Take contacts in their order, for one may be refused because of the one before."""
        entered, refused = [], []
        for index, (key, flaw) in enumerate(zip(keys, flaws, strict=True)):
            barred = flaw is None and self._barred(key, now)
            self.ledger.take([key], None if kept is None else [kept[index]])
            if reason := (Flaw("reentry_refused") if barred else flaw):
                self.ledger.lose(key, reason)
                refused.append((key, reason.cause))
            else:
                entered.append(key)
                if self.definition.exit_seconds is not None:
                    self._last[key] = now

        self.history.note(now, entered, refused)

    def _barred(self, key: str, now: float) -> bool:
        """Whether the entry mode keeps a contact out."""
        definition = self.definition
        if definition.entry_mode is EntryMode.ANYTIME or not self.has(key):
            return False

        if definition.entry_mode is EntryMode.NEVER or definition.exit_seconds is None:
            return True

        return now < self._last.get(key, now) + definition.exit_seconds

    def _all_enter(self, keys: list[str], datas: list[Any]) -> bool:
        definition = self.definition
        if not definition.open or (self._vanishing and any(map(self._vanishing.search, keys))):
            return False

        if definition.entry_mode is not EntryMode.ANYTIME and not self._all_new(keys):
            return False

        if definition.fields is None:
            return set(map(type, datas)) == {dict}

        return definition.fields.all_well(datas)

    def _all_new(self, keys: list[str]) -> bool:
        new = self.ledger.taken.keys().isdisjoint(keys) and self.inside.keys().isdisjoint(keys)
        return new and len(set(keys)) == len(keys) and self.definition.exit_seconds is None

    def _flaw(self, key: object, data: object) -> Flaw | None:
        if not self.definition.open:
            return Flaw(_closed(self.definition))

        if flaw := _key_flaw(key):
            return flaw

        if self.definition.fields is not None:
            flaw = self.definition.fields.flaw(data)
        else:
            flaw = None if isinstance(data, dict) else Flaw("data_not_an_object")

        vanishes = self._vanishing is not None and self._vanishing.search(str(key))
        return flaw or (Flaw("vanished") if vanishes else None)


_AT_THE_DOOR: Final = frozenset(
    ["reentry_refused", "no_journey_listens", "journey_paused", "journey_not_running"]
)
"""Causes for which a contact does not enter although its event was stored."""


def _closed(definition: EventDefinition) -> str:
    if definition.published_journeys == 0:
        return "no_journey_listens"

    return "journey_paused" if definition.status == "Paused" else "journey_not_running"


def _key_flaw(key: object) -> Flaw | None:
    if key is None or key == "":
        return Flaw("contact_key_empty")

    if not isinstance(key, str):
        return Flaw("contact_key_not_text")

    return Flaw("contact_key_too_long") if len(key) > _MAX_KEY_LENGTH else None


def _columns(contacts: Sequence[dict[str, Any]], names: Names) -> tuple[list[Any], list[Any]]:
    try:
        keys = list(map(itemgetter(names.key), contacts))
        return keys, list(map(itemgetter(names.data), contacts))
    except KeyError:
        keys = [contact.get(names.key) for contact in contacts]
        return keys, [contact.get(names.data, _NOTHING) for contact in contacts]


def _keys_well(keys: list[Any]) -> bool:
    return set(map(type, keys)) == {str} and all(keys) and max(map(len, keys)) <= _MAX_KEY_LENGTH


def _as_key(key: object) -> str:
    return "" if key is None else orjson.dumps(key).decode()


def _verbatim(body: bytes, names: Names) -> list[bytes]:
    """Each contact's data with its numbers as they were written: orjson would round long ones."""
    payload = json.loads(body, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
    contacts = [payload] if names.listed is None else payload[names.listed]
    return [orjson.dumps(contact.get(names.data, _NOTHING)) for contact in contacts]
