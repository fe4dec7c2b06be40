"""Target: the fields of the event's data extension, as Marketing Cloud describes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .refused import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("RESERVED", "WAY_OUT", "Field", "FieldType", "Finding", "Target", "parse_fields")

RESERVED = "eventInstanceId"  # a field of this name is ignored; a random id is stored instead


class FieldType(StrEnum):
    """What a field of a data extension holds."""

    TEXT = "Text"
    NUMBER = "Number"  # an integer of 32 bits
    DECIMAL = "Decimal"
    BOOLEAN = "Boolean"
    DATE = "Date"
    EMAIL = "EmailAddress"
    PHONE = "Phone"  # 50 characters
    LOCALE = "Locale"  # 5 characters
    UNKNOWN = "unknown"  # some type this program does not know: not checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the data extension. Lengths are in characters, None where not limited."""

    name: str
    type: FieldType = FieldType.TEXT
    max_length: int | None = None
    required: bool = False  # not nullable, and without a default
    primary_key: bool = False
    precision: int | None = None  # digits of a decimal in all
    scale: int | None = None  # digits behind its point


WAY_OUT = "Mend the names in [mapping.fields], or the data extension"
"""What to do about the findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a mapping and a data extension disagree on, known before a record is read.

    With a `fatal` one every contact would be rejected; `problem` is the reason they would carry.
    `way_out` says what to do about it.
    """

    field: str
    problem: str
    sentence: str
    fatal: bool = True
    way_out: str = ""

    @property
    def line(self) -> str:
        """The finding and its way out."""
        if not self.way_out:
            return self.sentence

        if self.sentence.endswith("?"):
            return f"{self.sentence} {self.way_out[0].upper()}{self.way_out[1:]}"

        return f"{self.sentence}: {self.way_out}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What every contact is held against before it is sent. Names are compared with their case."""

    fields: tuple[Field, ...]
    event_definition_key: str = ""

    def by_name(self) -> dict[str, Field]:
        """The fields by their exact names."""
        return {field.name: field for field in self.fields}

    def findings(self, names: Iterable[str]) -> list[Finding]:
        """Compare the names of the mapped fields with the data extension's."""
        mapped, known = list(names), self.by_name()
        found = [_unknown(name, known) for name in mapped if name not in known and name != RESERVED]
        if RESERVED in mapped:
            sentence = f"{RESERVED} is reserved: Marketing Cloud ignores it and stores its own"
            found.append(
                Finding(
                    field=RESERVED,
                    problem="reserved_name",
                    sentence=sentence,
                    fatal=False,
                    way_out="leave it out, or send it under another name",
                )
            )

        for field in self.fields:
            if field.required and field.name not in mapped:
                sentence = f"the data extension requires {field.name}, and no field maps to it"
                way_out = "map a column to it, give it a value, or make it nullable there"
                found.append(
                    Finding(
                        field=field.name,
                        problem="missing_field",
                        sentence=sentence,
                        way_out=way_out,
                    )
                )

        return found


def _unknown(name: str, known: Mapping[str, Field]) -> Finding:
    sentence = f"the data extension has no field {name!r}{nearest(name, known)}"
    way_out = "use its own names, with their case, in [mapping.fields], or leave the field out"
    if any(name.casefold() == other.casefold() for other in known):
        sentence += " Names are compared with their case"

    return Finding(field=name, problem="unknown_field", sentence=sentence, way_out=way_out)


_TYPES = {kind.value.casefold(): kind for kind in FieldType} | {
    "email": FieldType.EMAIL,
    "bool": FieldType.BOOLEAN,
    "datetime": FieldType.DATE,
    "integer": FieldType.NUMBER,
}


def parse_fields(answer: Any) -> tuple[Field, ...]:
    """Read the fields out of an event definition, or of a data extension's list of fields.

    Takes `{"schema": {"fields": […]}}` and `{"fields": […]}`, names in any case, numbers and
    booleans also as text. Empty where the answer holds no fields.
    """
    folded = _folded(answer)
    schema = _folded(folded.get("schema"))
    listed = schema.get("fields") or folded.get("fields")
    if not isinstance(listed, list):
        return ()

    fields = map(_parse_field, map(_folded, listed))
    return tuple(field for field in fields if field is not None)


def _folded(value: Any) -> dict[str, Any]:
    return {str(k).casefold(): v for k, v in value.items()} if isinstance(value, dict) else {}


def _parse_field(entry: dict[str, Any]) -> Field | None:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        return None

    written = str(entry.get("datatype") or entry.get("type") or "").casefold()
    kind = _TYPES.get(written, FieldType.UNKNOWN)
    length = _number(entry.get("maxlength")) or _number(entry.get("length")) or None
    decimal = kind is FieldType.DECIMAL
    nullable = _truth(entry.get("isnullable"), absent=not _truth(entry.get("isrequired")))
    return Field(
        name=name,
        type=kind,
        max_length=None if decimal else length,
        required=not nullable and entry.get("defaultvalue") in (None, ""),
        primary_key=_truth(entry.get("isprimarykey")),
        precision=(_number(entry.get("precision")) or length) if decimal else None,
        scale=_number(entry.get("scale")) if decimal else None,
    )


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _truth(value: Any, *, absent: bool = False) -> bool:
    if value is None or value == "":
        return absent

    return str(value).strip().casefold() in {"true", "1", "yes"}
