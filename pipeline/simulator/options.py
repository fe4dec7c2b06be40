"""Everything that can be asked of a simulator, by command line or TOML file."""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import dataclass
from dataclasses import fields as fields_of
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from .batch_events import AnswerForm, BatchRules
from .capacity import Capacity, Latency
from .cloud import Access, Book, Cloud
from .fault_spec import fault_of_table, parse_fault
from .fields import REHEARSAL_FIELDS, Field, Fields
from .history import HistoryPolicy
from .journey import EntryMode, EventDefinition
from .schedule import Schedule
from .tokens import Package, TokenPolicy, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("SimulatorOptions",)

_Choice = TypeVar("_Choice", bound=StrEnum)


class _Openness(StrEnum):
    """Whether journey history is to be had."""

    OPEN = "open"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """A simulator to be. What is text here (`fields`, `faults`, `latency`) is read by `cloud()`.

    Raises:
        ConfigError: A value cannot be used; the message names it.
    """

    host: str = "127.0.0.1"
    """Loopback only."""
    port: int = 8080
    """0: a free one."""

    client_id: str = "rehearsal"
    client_secret: str = "rehearsal-secret"  # noqa: S105  # of an account that does not exist
    package: str = "both"
    """`legacy`: v1 tokens alone · `enhanced`: v2 tokens alone · `both`."""
    token_seconds: float = 3600
    tokens_coexist: bool = False
    """A new v1 token leaves the former one alive."""
    v2_tokens: bool = False
    """The experimental endpoint takes v2 tokens too, unlike the real one."""
    permitted: bool = True
    """False: the package lacks the permission, 403."""
    endpoint_there: bool = True
    """False: the experimental endpoint was switched off, 404."""

    event_definition_keys: tuple[str, ...] = ("APIEvent-rehearsal",)
    """The keys that are known; every other one is not found."""
    fields: tuple[str, ...] = REHEARSAL_FIELDS
    """The event's fields, each `Name:Type(length)[:required]`."""
    accept_any_field: bool = False
    """No fields at all: every contact with a good key enters."""
    unknown_fields_enter: bool = False
    """A field the event does not have costs its contact nothing."""
    schema_shown: bool = True
    """False: the definition comes without its schema; the fields route has it."""
    published_journeys: int = 1
    """0: no journey listens, and nobody enters."""
    entry_mode: str = EntryMode.ANYTIME.value
    journey_status: str = "Published"
    """`Paused`, `Stopped`, `Unpublished` or `Draft`: nobody enters."""
    exit_seconds: float | None = None
    """How long after entering a contact is out again, where it may enter again then."""
    vanishing: str | None = None
    """Contacts whose key this regular expression finds are lost without a cause."""

    history: str = "open"
    """Journey history: `open`, `forbidden` (403) or `absent` (404)."""
    history_lag_seconds: float = 0.0
    history_file_bytes: int = 1 << 30
    entry_seconds: float = 0.0
    """How long after it was taken a contact enters."""
    entry_activities: tuple[str, ...] = ("trigger",)
    failed_rows: bool = False
    """A contact that does not enter leaves a row in the history that says why."""
    history_ignores_definitions: bool = False

    answer_form: str = "object"
    """The body of a 201: `object`, `string` (a bare GUID) or `double` (JSON in a JSON string)."""
    max_records: int = 500
    max_bytes: int = 5_900_000
    status_there: bool = True
    """False: `async/events` has no status route, 404."""
    queue_seconds: float = 0.0
    """How long the status route of `async/events` says *queued* of a contact."""
    poison_keys: tuple[str, ...] = ()
    """Contacts whose batch is refused as a whole, 400."""
    poison_pattern: str | None = None
    """The same, by a regular expression found in the contact key."""

    faults: tuple[str | Mapping[str, Any], ...] = ()
    """As `429:rate=0.01,retry_after=2`; in a file also tables with `kind`."""
    seed: int = 0
    latency: str = "0"
    """Seconds, or `lognormal:median=0.2,p99=1.5`."""
    max_requests_per_second: float | None = None
    knee: int | None = None
    """Requests in flight above which the latency grows in proportion."""
    keep_data: bool = False
    """Keep the contacts' data for the audit and the data extension's rows: memory grows with it."""

    def __post_init__(self) -> None:
        if self.host != "localhost" and not _loopback(self.host):
            raise ConfigError(
                f"the simulator listens on loopback alone, not on {self.host!r}: use 127.0.0.1"
            )

        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must lie from 0 to 65535, not {self.port}")

        if not self.event_definition_keys:
            raise ConfigError("event_definition_keys must name at least one key")

        for name in ("token_seconds", "max_records", "max_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0")

        if self.published_journeys < 0:
            raise ConfigError("published_journeys must not be negative")

    @classmethod
    def from_file(cls, path: Path, **overrides: Any) -> SimulatorOptions:
        """Read a TOML file whose keys are the names above; what is in `overrides` wins.

        Raises:
            ConfigError: The file cannot be read, or holds a key or value that means nothing.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"the simulator's file {path} cannot be read: {error}") from None

        known = {field.name: field.type for field in fields_of(cls)}
        for name, value in values.items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ConfigError(f"{path}: the simulator has no option {name!r}{hint}")

            if not _suits(value, str(known[name])):
                raise ConfigError(f"{path}: {name} = {value!r} is not of the kind {known[name]}")

        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**(values | lists | overrides))

    def cloud(self) -> Cloud:
        """The Marketing Cloud that these options describe.

        Raises:
            ConfigError: A text among them cannot be read.
        """
        return Cloud(
            self._definition(),
            Tokens(self._token_policy()),
            rules=self._rules(),
            access=Access(
                permitted=self.permitted,
                endpoint_there=self.endpoint_there,
                v2_tokens=self.v2_tokens,
                status_there=self.status_there,
            ),
            capacity=Capacity(
                latency=Latency.parse(self.latency),
                max_requests_per_second=self.max_requests_per_second,
                knee=self.knee,
            ),
            schedule=self.schedule(),
            book=self._book(),
        )

    def schedule(self) -> Schedule:
        """The faults, read."""
        return Schedule(
            [
                parse_fault(fault) if isinstance(fault, str) else fault_of_table(fault)
                for fault in self.faults
            ],
            seed=self.seed,
        )

    def _definition(self) -> EventDefinition:
        read = Fields(map(Field.parse, self.fields), unknown_enter=self.unknown_fields_enter)
        return EventDefinition(
            keys=self.event_definition_keys,
            fields=None if self.accept_any_field else read,
            schema_shown=self.schema_shown,
            published_journeys=self.published_journeys,
            entry_mode=_one_of(EntryMode, self.entry_mode, name="entry_mode"),
            status=self.journey_status,
            exit_seconds=self.exit_seconds,
        )

    def _book(self) -> Book:
        openness = _one_of(_Openness, self.history, name="history")
        return Book(
            keep_data=self.keep_data,
            vanishing=self.vanishing,
            history=HistoryPolicy(
                there=openness is not _Openness.ABSENT,
                permitted=openness is not _Openness.FORBIDDEN,
                lag_seconds=float(self.history_lag_seconds),
                file_bytes=self.history_file_bytes,
                entry_seconds=self.entry_seconds,
                activity_types=self.entry_activities,
                failed_rows=self.failed_rows,
                ignores_definitions=self.history_ignores_definitions,
            ),
        )

    def _rules(self) -> BatchRules:
        return BatchRules(
            max_records=self.max_records,
            max_bytes=self.max_bytes,
            queue_seconds=self.queue_seconds,
            answer_form=_one_of(AnswerForm, self.answer_form, name="answer_form"),
            poison_keys=frozenset(self.poison_keys),
            poison_pattern=self.poison_pattern,
        )

    def _token_policy(self) -> TokenPolicy:
        return TokenPolicy(
            client_id=self.client_id,
            client_secret=self.client_secret,
            package=_one_of(Package, self.package, name="package"),
            seconds=self.token_seconds,
            coexist=self.tokens_coexist,
        )


def _one_of(choices: type[_Choice], value: str, *, name: str) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}") from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _suits(value: object, kind: str) -> bool:
    """Whether a value of a TOML file is of the kind that an annotation names."""
    if kind.startswith("tuple"):
        items = (str, dict) if "Mapping" in kind else str
        return isinstance(value, list) and all(isinstance(item, items) for item in value)

    kind = kind.removesuffix(" | None")
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)

    if kind == "float":
        return isinstance(value, int | float)

    return isinstance(value, str if kind == "str" else int)
