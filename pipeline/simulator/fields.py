"""The fields of the event's data extension, and what breaks them.

Marketing Cloud takes a contact that breaks a field and drops it in silence; the simulator drops it
too, and tells why. Two readings of every rule: one for a whole column in C-level loops, which
only says that everything is in order, and one for a single value, which finds the flaw.

Where no source tells, the simulator is lenient: a date may be ISO 8601, `YYYY/M/D` or `M/D/YYYY`;
a boolean may be spelled true, yes, on, t, y, 1 and their opposites; a number may be a string; a
null is a missing field, and so is an empty string where the field holds no text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from .values import column_check, value_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .values import ColumnCheck

    _Plan = tuple[list[ColumnCheck], Callable[[Any], tuple[Any, ...]]]

__all__ = ("REHEARSAL_FIELDS", "Field", "FieldType", "Fields", "Flaw")

_MAX_KNOWN_SHAPES: Final = 4096
_RESERVED: Final = "eventInstanceId"  # ignored and overwritten by Marketing Cloud


class FieldType(StrEnum):
    """The types a data extension's field may have, as the fields route spells them."""

    TEXT = "Text"
    NUMBER = "Number"
    DECIMAL = "Decimal"
    BOOLEAN = "Boolean"
    DATE = "Date"
    EMAIL = "EmailAddress"
    PHONE = "Phone"
    LOCALE = "Locale"

    @classmethod
    def _missing_(cls, value: object) -> FieldType | None:
        wanted = str(value).lower()
        wanted = "emailaddress" if wanted == "email" else wanted
        return next((member for member in cls if member.value.lower() == wanted), None)


_LENGTHS: Final[Mapping[FieldType, int]] = {
    FieldType.TEXT: 50,
    FieldType.DECIMAL: 18,
    FieldType.EMAIL: 254,
    FieldType.PHONE: 50,
    FieldType.LOCALE: 5,
}
_TEXTS: Final = frozenset({FieldType.TEXT, FieldType.PHONE, FieldType.LOCALE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the data extension. `length` counts characters, or digits of a decimal."""

    name: str
    type: FieldType
    length: int | None = None
    scale: int = 2
    required: bool = False

    @classmethod
    def parse(cls, spec: str) -> Field:
        """Read `Name:Type(length[,scale])[:required]`, as in `City:Text(80)`.

        Raises:
            ConfigError: The text is no field.
        """
        name, _, rest = spec.partition(":")
        kind, _, flag = rest.partition(":")
        kind, _, sizes = kind.partition("(")
        try:
            numbers = [int(number) for number in sizes.rstrip(")").split(",") if number.strip()]
            kind_of = FieldType(kind.strip())
        except ValueError:
            raise ConfigError(_unreadable(spec)) from None

        if not name or flag not in {"", "required"} or len(numbers) > 2:
            raise ConfigError(_unreadable(spec))

        length = numbers[0] if numbers else _LENGTHS.get(kind_of)
        scale = numbers[1] if len(numbers) > 1 else 2
        return cls(name=name, type=kind_of, length=length, scale=scale, required=flag != "")


def _unreadable(spec: str) -> str:
    kinds = ", ".join(FieldType)
    return (
        f"field {spec!r} cannot be read: write Name:Type, Name:Text(80), Name:Decimal(18,2) or "
        f"Name:Type:required, with one of the types {kinds}"
    )


REHEARSAL_FIELDS: Final = (
    "SubscriberKey:Text(254)",
    "EmailAddress:EmailAddress:required",
    "FirstName:Text(50)",
    "LastName:Text(50)",
    "City:Text(50)",
    "Country:Text(50)",
    "Language:Locale",
    "Phone:Phone",
    "Campaign:Text(50)",
    "Points:Number",
    "Balance:Decimal(18,2)",
    "Newsletter:Boolean",
    "VisitedOn:Date",
)
"""The fields of the rehearsal's event definition."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a contact does not enter: a cause that can be counted, and the field at fault."""

    cause: str
    field: str = ""


class Fields:
    """Every field of one data extension, compiled once.

    `unknown_enter`: a field the extension does not have costs the contact nothing. The sources
    contradict each other here; the default is that it does.
    """

    def __init__(self, fields: Iterable[Field], *, unknown_enter: bool = False) -> None:
        self.fields = tuple(fields)
        self._unknown_enter = unknown_enter
        self._names = frozenset(field.name for field in self.fields) | {_RESERVED}
        self._required = frozenset(field.name for field in self.fields if field.required)
        self._values = [(field, value_check(field)) for field in self.fields]
        self._columns = {field.name: column_check(field) for field in self.fields}
        self._plans: dict[tuple[str, ...], _Plan | None] = {}

    def flaw(self, data: object) -> Flaw | None:
        """What keeps this contact from entering, or None."""
        if not isinstance(data, dict):
            return Flaw("data_not_an_object")

        if not self._unknown_enter and not self._names.issuperset(data):
            return Flaw("unknown_field", next(name for name in data if name not in self._names))

        for field, check in self._values:
            value = data.get(field.name)
            if value is None or (value == "" and field.type not in _TEXTS):
                if field.required:
                    return Flaw("required_missing", field.name)
            elif cause := check(value):
                return Flaw(cause, field.name)

        return None

    def all_well(self, datas: Sequence[Any]) -> bool:
        """Whether every contact is in order. False asks for a closer look: it proves nothing."""
        try:
            if set(map(len, datas)) == {len(datas[0])}:
                return self._alike_well(datas)
        except (AttributeError, KeyError, TypeError):
            pass  # no objects, or objects of different fields

        return set(map(type, datas)) == {dict} and self._mixed_well(datas)

    def _alike_well(self, datas: Sequence[dict[str, Any]]) -> bool:
        """For contacts of the same fields: as many as the first has, and each of them (or
        KeyError)."""
        plan = self._plan(tuple(datas[0].keys()))
        if plan is None:
            return False

        checks, get = plan
        columns = zip(*map(get, datas), strict=True)
        return all(check(column) for check, column in zip(checks, columns, strict=True))

    def _mixed_well(self, datas: Sequence[dict[str, Any]]) -> bool:
        if any(self._plan(shape) is None for shape in set(map(tuple, datas))):
            return False

        columns = (
            ([data[name] for data in datas if name in data], check)
            for name, check in self._columns.items()
        )
        return all(check(column) for column, check in columns if column)

    def _plan(self, shape: tuple[str, ...]) -> _Plan | None:
        """How to check contacts with these fields; None if the fields alone are a flaw."""
        if shape in self._plans:
            return self._plans[shape]

        known = self._unknown_enter or self._names.issuperset(shape)
        fits = known and self._required.issubset(shape)
        names = [name for name in shape if name in self._columns]
        # An itemgetter of one name gives the bare value: asked twice, it gives a row like any.
        get = itemgetter(*(names if len(names) > 1 else names * 2)) if names else _no_row
        checks = [self._columns[name] for name in names] * (2 if len(names) == 1 else 1)
        plan = (checks, get) if fits else None
        if len(self._plans) < _MAX_KNOWN_SHAPES:
            self._plans[shape] = plan

        return plan


def _no_row(_: object) -> tuple[()]:
    return ()
