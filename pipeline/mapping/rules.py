"""Rules: what the user declares about how a record becomes a contact.

    [mapping]
    contact_key = "customer_id"
    [mapping.fields]
    EmailAddress = "email"
    FirstName = { column = "first_name", transform = ["trim", "title"] }
    Campaign = { value = "spring" }
    Greeting = { template = "{first name} {last name}", transform = "collapse" }
    VisitedOn = { column = "visited", type = "date", format = "%d/%m/%Y" }

A rule is followed in this order: column, value or template -> transform, left to right -> is it
empty? (`default`, `required`, `keep_empty`) -> type.

Empty is a null, a column a record does not have, and an empty text. One exception keeps types
exact: where records carry types (NDJSON), a field that is a mere column name sends "" as "".
What is empty is left out of the contact unless its rule says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time  # noqa: TC003  # pydantic reads the annotations
from enum import StrEnum
from typing import Any, ClassVar

from .sense import nonsense

__all__ = ("Duplicates", "FieldRule", "MappingPolicy")


class Duplicates(StrEnum):
    """What becomes of contacts that share a contact key."""

    KEEP = "keep"  # all are sent
    FIRST = "first"  # the first is sent
    LAST = "last"  # the last is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Where one field comes from, and what becomes of the value on the way.

    Exactly one of `column`, `value` and `template` is given. Whether the rule makes sense is
    checked by the policy that holds it, which knows the field's name.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    column: str | None = None
    """The column of the source, by its exact name."""

    value: str | int | float | bool | datetime | date | time | None = None
    """The same constant for every contact; it keeps its type, and no rule changes it."""

    template: str | None = None
    """Text with columns in braces, as in "{first name} {last}"; "{{" is a brace."""

    transform: str | tuple[str, ...] = ()
    """One transform or a list, applied left to right to the value as text: trim, collapse, lower,
    upper, title, digits, "truncate:50", "pad:5" (leading zeros), "null:N/A" (such text
    is empty)."""

    type: str | None = None
    """text, number (whole ones alone), decimal, boolean, date, email or phone. Absent: the value
    travels as it is."""

    format: str | None = None
    """For dates: a strptime format such as "%d/%m/%Y", or "epoch", "epoch_ms". Absent: ISO 8601.
    With a time of day the date is sent as YYYY-MM-DDTHH:MM:SS, without one as YYYY-MM-DD."""

    timezone: str | None = None
    """For dates: the IANA zone of values that carry none themselves; they are sent with their
    offset from UTC."""

    to_timezone: str | None = None
    """For dates: the IANA zone they are moved to, sent without offset. Marketing Cloud's own
    time is "Etc/GMT+6" all year."""

    decimal: str = "."
    """For numbers and decimals: the decimal mark of the source, "." or ","."""

    thousands: str | None = None
    """For numbers and decimals: what stands between groups of digits; absent: nothing may."""

    true: str | tuple[str, ...] = ()
    """For booleans: the words for true, in any case. Absent: true, t, yes, y, on, 1."""

    false: str | tuple[str, ...] = ()
    """For booleans: the words for false, in any case. Absent: false, f, no, n, off, 0."""

    region: str | None = None
    """For strict phones: the country of numbers without a + prefix, such as "DE"."""

    strict: bool = False
    """For e-mail and phone: check by the full rules (extra `validate`, some 50 µs a value) rather
    than by shape. Strict phones are sent as E.164."""

    default: str | int | float | bool | datetime | date | time | None = None
    """Sent where the value is empty, as it stands here."""

    required: bool = False
    """An empty value rejects the contact ("missing_required")."""

    keep_empty: bool = False
    """An empty text is sent as "", a null as null, rather than left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingPolicy:
    """How every record becomes a contact: its key, and its fields."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    contact_key: FieldRule | str | None = None
    """The column that holds the contact key, or a rule as for a field. Required unless `python`
    is given. A key is text of at most 254 characters and is sent exactly as it stands."""

    fields: dict[str, FieldRule | str] | None = None
    """Field of the event's data extension = column, or rule. Absent: every column under its own
    name, the contact key's column included."""

    duplicates: Duplicates = Duplicates.KEEP
    """Contacts that share a contact key: "keep" sends all of them, "first" or "last" one alone, and
    rejects the others. These two read all sources before anything is sent."""

    python: str | None = None
    """"module:function" that maps whole records instead: it is called with a record as a dict and
    returns {"contact_key": …, "data": {…}}, or (contact_key, data), or None to skip the record.
    The module is looked up as installed or in the current directory, and its code runs with all
    rights of this program: name only code you trust."""

    def __post_init__(self) -> None:
        if self.duplicates not in tuple(Duplicates):
            raise ValueError(f'duplicates is "keep", "first" or "last", not {self.duplicates!r}')

        if self.python is not None:
            self._check_python(self.python)
            return

        if self.contact_key is None:
            raise ValueError('contact_key is missing: name its column, contact_key = "customer_id"')

        if self.key_rule().value is not None:
            raise ValueError("contact_key: value would give every contact the same key")

        for place, rule in (("contact_key", self.key_rule()), *self._named()):
            problem = nonsense(rule)
            if problem:
                raise ValueError(f"{place}: {problem}")

    def _named(self) -> list[tuple[str, FieldRule]]:
        return [(f"fields.{name}", rule) for name, rule in (self.field_rules() or {}).items()]

    def _check_python(self, named: str) -> None:
        if self.contact_key is not None or self.fields is not None:
            raise ValueError("python maps the whole record: remove contact_key and fields")

        module, colon, function = named.partition(":")
        if not (colon and function.isidentifier() and module.replace(".", "_").isidentifier()):
            raise ValueError(f'python is written "module:function", not {named!r}')

    def key_rule(self) -> FieldRule:
        """The contact key's rule; a name is short for a column."""
        key = self.contact_key
        return key if isinstance(key, FieldRule) else FieldRule(column=key)

    def field_rules(self) -> dict[str, FieldRule] | None:
        """The fields' rules in their order, or None for every column under its own name."""
        if self.fields is None:
            return None

        return {
            name: rule if isinstance(rule, FieldRule) else FieldRule(column=rule)
            for name, rule in self.fields.items()
        }
