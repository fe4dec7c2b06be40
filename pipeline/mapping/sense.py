"""Sense: whether a rule says something that can be done, told before anything is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .dates import EPOCHS, check_format, has_time, zone_of
from .refused import nearest
from .template import parse_template
from .transforms import parse_transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rules import FieldRule

__all__ = ("TYPES", "nonsense", "transforms_of")

TYPES = ("text", "number", "decimal", "boolean", "date", "email", "phone")

# Which types an option belongs to.
_BELONGS = {
    "format": ("date",),
    "timezone": ("date",),
    "to_timezone": ("date",),
    "thousands": ("number", "decimal"),
    "true": ("boolean",),
    "false": ("boolean",),
    "region": ("phone",),
    "strict": ("email", "phone"),
}


def transforms_of(rule: FieldRule) -> tuple[str, ...]:
    """The rule's transforms; a single name is short for a list of one."""
    return (rule.transform,) if isinstance(rule.transform, str) else tuple(rule.transform)


def nonsense(rule: FieldRule) -> str | None:
    """What is wrong with a rule, as a sentence; None where it makes sense."""
    try:
        return next(_problems(rule), None)
    except ValueError as error:
        return str(error)


def _problems(rule: FieldRule) -> Iterator[str]:
    yield from _origin(rule)
    for written in transforms_of(rule):
        parse_transform(written)

    if rule.type is not None and rule.type not in TYPES:
        yield f"unknown type {rule.type!r}{nearest(rule.type, TYPES)} (known: {', '.join(TYPES)})"

    for option, types in _BELONGS.items():
        if getattr(rule, option) and rule.type not in types:
            yield f"{option} needs type = {' or '.join(map(repr, types))}"

    yield from _numbers(rule)
    yield from _dates(rule)
    yield from _emptiness(rule)


def _origin(rule: FieldRule) -> Iterator[str]:
    given = [name for name in ("column", "value", "template") if getattr(rule, name) is not None]
    if len(given) != 1:
        found = f"not {' and '.join(given)}" if given else "and none is given"
        yield f"a rule takes one of column, value and template, {found}"

    if rule.column == "":
        yield "column is empty: it takes the name of a column of the source"

    if rule.template is not None:
        parse_template(rule.template)

    if rule.value is not None and (rule.transform or rule.type or rule.default is not None):
        yield "value is sent as it stands: it takes no transform, type or default"

    for name, constant in (("value", rule.value), ("default", rule.default)):
        if isinstance(constant, float) and not math.isfinite(constant):
            yield f"{name} = {constant} cannot be sent: JSON has no such number"

        if isinstance(constant, str) and not constant.isascii():
            constant.encode()  # a lone surrogate raises a ValueError


def _numbers(rule: FieldRule) -> Iterator[str]:
    if rule.decimal not in {".", ","}:
        yield f'decimal is "." or ",", not {rule.decimal!r}'

    if rule.decimal != "." and rule.type not in {"number", "decimal"}:
        yield "decimal needs type = 'number' or 'decimal'"

    if rule.thousands is not None and (
        len(rule.thousands) != 1 or rule.thousands.isdigit() or rule.thousands in "+-"
    ):
        yield f"thousands is one character such as '.' or ' ', not {rule.thousands!r}"

    if rule.thousands == rule.decimal:
        yield f"decimal and thousands cannot both be {rule.decimal!r}"


def _dates(rule: FieldRule) -> Iterator[str]:
    if rule.format is not None:
        check_format(rule.format)
        if rule.to_timezone is not None and not has_time(rule.format):
            yield "a date without a time has no zone to be moved to: remove to_timezone"

        zoned = rule.format in EPOCHS or "%z" in rule.format or rule.timezone is not None
        if rule.to_timezone is not None and not zoned:
            yield "to_timezone needs to know where from: name the values' timezone"

    for zone in (rule.timezone, rule.to_timezone):
        if zone is not None:
            zone_of(zone)


def _emptiness(rule: FieldRule) -> Iterator[str]:
    answers = [
        name
        for name, given in (
            ("default", rule.default is not None),
            ("required", rule.required),
            ("keep_empty", rule.keep_empty),
        )
        if given
    ]
    if len(answers) > 1:
        yield f"{' and '.join(answers)} say different things about an empty value: keep one"
