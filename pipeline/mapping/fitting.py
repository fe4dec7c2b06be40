"""Fitting: what the rules make, held against what the fields take, before a record is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .checks import Checks
from .refused import Refused
from .sense import transforms_of
from .target import FieldType, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .checks import FieldCheck
    from .rules import FieldRule
    from .target import Target

__all__ = ("misfits",)

_NO_TEXT: Final = {FieldType.NUMBER, FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.DATE}
_NEVER: Final[Mapping[str, set[FieldType]]] = {
    "date": (_NO_TEXT - {FieldType.DATE}) | {FieldType.EMAIL, FieldType.LOCALE},
    "boolean": {FieldType.NUMBER, FieldType.DECIMAL, FieldType.DATE, FieldType.EMAIL},
    "number": {FieldType.DATE, FieldType.EMAIL},
    "decimal": {FieldType.DATE, FieldType.EMAIL, FieldType.BOOLEAN},
    "email": _NO_TEXT,
    "phone": {FieldType.DATE, FieldType.BOOLEAN, FieldType.EMAIL},
}
"""What a rule of this type makes is never what such a field holds."""


def misfits(rules: Mapping[str, FieldRule], target: Target) -> Iterator[Finding]:
    """Compare what the rules make with what their fields hold; names are another's business."""
    checks = Checks(target)
    for name, rule in rules.items():
        check = checks.known.get(name)
        if check is not None:
            yield from _constant(name, rule, check)
            yield from _type(name, rule, check)
            yield from _length(name, rule, check)


def _constant(name: str, rule: FieldRule, check: FieldCheck) -> Iterator[Finding]:
    for place, value in (("value", rule.value), ("default", rule.default)):
        if value is None:
            continue

        try:
            check.hold(value)
        except Refused as refused:
            yield Finding(
                field=name,
                problem=refused.reason,
                sentence=f"mapping.fields.{name}: its {place} does not fit: {refused.detail}",
                fatal=place == "value",
                way_out=f"give another {place}, or change the field",
            )


def _type(name: str, rule: FieldRule, check: FieldCheck) -> Iterator[Finding]:
    kind = check.field.type
    if kind in _NEVER.get(rule.type or "", ()):
        yield Finding(
            field=name,
            problem=check.reason,
            sentence=f'mapping.fields.{name} has type = "{rule.type}", and the field is a {kind}',
            way_out="change the rule's type, or map the column to another field",
        )


def _length(name: str, rule: FieldRule, check: FieldCheck) -> Iterator[Finding]:
    most = check.max_length
    for written in transforms_of(rule):
        what, _, argument = written.partition(":")
        if most is not None and what in {"truncate", "pad"} and int(argument) > most:
            yield Finding(
                field=name,
                problem="text_too_long",
                sentence=f"mapping.fields.{name}: {written} leaves more than the {most} characters "
                "that the field takes",
                fatal=False,
                way_out=f"write {what}:{most}",
            )
