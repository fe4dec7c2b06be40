"""Plans: the rules compiled. What a plan says a record becomes is what the rules mean.

A plan reads one record slowly and carefully, and knows a sentence for all that can be wrong with
it. The code that `compiler.py` writes does the same for records that give no trouble, and hands
every other record back to the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .checks import Checks, FieldCheck
from .conversions import as_text, converter_of
from .refused import Refused, cut
from .rules import FieldRule
from .sense import transforms_of
from .template import Template, parse_template
from .transforms import Transform, parse_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .rules import MappingPolicy
    from .target import Target

__all__ = ("LEFT_OUT", "MAX_KEY_LENGTH", "FieldPlan", "Plan", "key_text", "plan_of")

MAX_KEY_LENGTH = 254  # characters, Marketing Cloud's limit for a subscriber key


class _LeftOut:
    """The type of LEFT_OUT: None would not do, for a null may be sent."""

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT: Final = _LeftOut()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """A field, or the contact key (named None), and everything needed to make its value."""

    name: str | None
    rule: FieldRule
    columns: tuple[str, ...]
    template: Template | None
    transforms: tuple[Transform, ...]
    convert: Callable[[Any], Any] | None
    check: FieldCheck | None
    empty_text: bool  # whether "" counts as empty although no rule touches the value

    @property
    def plain(self) -> bool:
        """Whether the value is a column's, as it is or left out."""
        rule = self.rule
        shaped = self.template or self.transforms or self.convert
        answered = rule.default is not None or rule.required or rule.keep_empty
        return rule.column is not None and not shaped and not answered

    @property
    def place(self) -> str:
        """Where the value comes from, for a sentence."""
        if self.template is not None:
            return f"template {cut(self.template.written)}"

        return f"column {self.rule.column}"

    def value(self, *raw: Any) -> Any:
        """What is sent, given the values of `columns`; LEFT_OUT where nothing is.

        Raises:
            Refused: the values break the rule; the sentence names column and rule.
        """
        if self.rule.value is not None:
            return self.held(self.rule.value)

        found = self._read(raw)
        if found is None or (found == "" and (self.empty_text or not self.plain)):
            return self.empty(found)

        if self.convert is not None:
            try:
                found = self.convert(found)
            except Refused as refused:
                self._refuse(refused, f" (rule type={self.rule.type} of {self._label})")

        return self.held(found)

    def empty(self, found: str | None) -> Any:
        """What is sent for an empty value: `found` is the null or the empty text it is."""
        rule, check = self.rule, self.check
        if rule.default is not None:
            return self.held(rule.default)

        if rule.required:
            raise Refused(
                "missing_required", f"{self.place} is empty, and {self._label} requires it"
            )

        if rule.keep_empty:
            return self.held(found)

        if check is not None and check.field.required:
            detail = f"{self.place} is empty, and the data extension requires {self._label}"
            raise Refused("missing_field", detail)

        return LEFT_OUT

    def held(self, value: Any) -> Any:
        """The value, held against the data extension's field."""
        if self.check is not None:
            try:
                self.check.hold(value)
            except Refused as refused:
                self._refuse(refused, "")

        return value

    def _read(self, raw: tuple[Any, ...]) -> Any:
        try:
            found = raw[0]
            if self.template is not None:
                texts = ("" if value is None else as_text(value) for value in raw)
                found = self.template.fill(tuple(texts))

            if self.transforms and found is not None:
                found = as_text(found)
                for transform in self.transforms:
                    found = transform.apply(found)
        except Refused as refused:
            self._refuse(refused, f" ({self._label} is made of text)")

        return found

    def _refuse(self, refused: Refused, rule: str) -> NoReturn:
        place = f"value of {self._label}" if self.rule.value is not None else self.place
        raise Refused(refused.reason, f"{place}: {refused.detail}{rule}") from None

    @property
    def _label(self) -> str:
        return "the contact key" if self.name is None else f"field {self.name}"


def key_text(value: Any, place: str) -> str:
    """Make a contact key of a value: text as it stands, an integer's digits.

    Raises:
        Refused: there is none, it is too long, or it is no text.
    """
    if value is LEFT_OUT or value is None or value == "":
        raise Refused("missing_contact_key", f"{place} is empty")

    if isinstance(value, int) and not isinstance(value, bool):
        # Compared first: Python does not write out integers of thousands of digits.
        value = str(value) if abs(value) < 10**MAX_KEY_LENGTH else "0" * (MAX_KEY_LENGTH + 1)

    if not isinstance(value, str):
        raise Refused("contact_key_not_text", f"{place}: {cut(value)} cannot be a contact key")

    if len(value) > MAX_KEY_LENGTH:
        detail = f"{place} is longer than {MAX_KEY_LENGTH} characters, too long for a contact key"
        raise Refused("contact_key_too_long", detail)

    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A mapping compiled for one header. `fields` is None where records name their own."""

    key: FieldPlan
    fields: tuple[FieldPlan, ...] | None
    checks: Checks | None

    def contact_key(self, *raw: Any) -> str:
        """The contact key, given the values of the key's columns. Raises Refused."""
        return key_text(self.key.value(*raw), self.key.place)

    def contact(self, record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The key and the data of one record. Raises Refused."""
        key = self.contact_key(*map(record.get, self.key.columns))
        try:
            return key, self._data(record)
        except Refused as refused:
            raise Refused(refused.reason, refused.detail, contact_key=key) from None

    def _data(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if self.fields is None:
            data = {name: value for name, value in record.items() if value is not None}
            if self.checks is not None:
                self.checks.hold(data)

            return data

        data = {}
        for field in self.fields:
            value = field.value(*map(record.get, field.columns))
            if value is not LEFT_OUT:
                data[field.name or ""] = value

        if self.checks is not None:
            self.checks.require(data)

        return data


def plan_of(
    policy: MappingPolicy, columns: tuple[str, ...] | None, *, target: Target | None
) -> Plan:
    """Compile a policy for one header; MappingError where an optional library is not there."""
    checks = None if target is None else Checks(target)
    rules = policy.field_rules()
    if rules is None and columns is not None:
        rules = {column: FieldRule(column=column) for column in columns}

    text = columns is not None
    key = _field_plan(None, policy.key_rule(), checks=None, empty_text=text)
    if rules is None:
        return Plan(key=key, fields=None, checks=checks)

    fields = [
        _field_plan(name, rule, checks=checks, empty_text=text) for name, rule in rules.items()
    ]
    return Plan(key=key, fields=tuple(fields), checks=checks)


def _field_plan(
    name: str | None, rule: FieldRule, *, checks: Checks | None, empty_text: bool
) -> FieldPlan:
    template = None if rule.template is None else parse_template(rule.template)
    columns: tuple[str, ...] = ()
    if template is not None:
        columns = template.columns
    elif rule.column is not None:
        columns = (rule.column,)

    return FieldPlan(
        name=name,
        rule=rule,
        columns=columns,
        template=template,
        transforms=tuple(map(parse_transform, transforms_of(rule))),
        convert=converter_of(rule),
        check=None if checks is None or name is None else checks.of(name),
        empty_text=empty_text,
    )
