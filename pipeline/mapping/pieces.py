"""Pieces: the code of one field, as the compiler strings it together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from .plan import LEFT_OUT
from .refused import Refused
from .target import FieldType

if TYPE_CHECKING:
    from .checks import FieldCheck
    from .plan import FieldPlan, Plan

# Rule types whose results a field's type takes in any case, and those that are still text.
_ALWAYS_FIT = {("date", FieldType.DATE), ("boolean", FieldType.BOOLEAN)}
_TEXT_TYPES = {"text", "email", "phone", "date"}

__all__ = ("Code", "Layout", "Piece", "key_lines", "pieces_of", "typed_check")


class Layout(Enum):
    """How the records of a chunk lie."""

    TEXT_ROWS = "text rows"  # lists of str
    ROWS = "rows"  # lists of anything
    RECORDS = "records"  # dicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The code of one field: `value` is sent where `present` and every `checked` hold."""

    name: str
    value: str
    setup: tuple[str, ...] = ()
    present: str = ""  # empty: always
    checked: str = ""  # empty: nothing to check
    absent: tuple[str, ...] = ()


@dataclass(slots=True)
class Code:
    """What is being written: the layout, the variables of the columns, the names bound."""

    layout: Layout
    variables: dict[str, str]
    bound: dict[str, Any] = field(default_factory=dict)

    def bind(self, name: str, value: Any) -> str:
        self.bound[name] = value
        return name

    def arguments(self, plan: FieldPlan) -> str:
        return ", ".join(self.variables[column] for column in plan.columns)

    def text(self, plan: FieldPlan, slot: str) -> str:
        """An expression for the text a rule makes of text, before its type."""
        variables = tuple(self.variables[column] for column in plan.columns)
        text = plan.template.expression(variables) if plan.template else variables[0]
        for number, transform in enumerate(plan.transforms):
            if transform.inline is not None:
                text = transform.inline.replace("{}", text)
            else:
                text = f"{self.bind(f'T{slot}_{number}', transform.apply)}({text})"

        return text


def key_lines(code: Code, plan: Plan) -> list[str]:
    """Lines that leave the contact key in `k`, as a str that may still be empty or too long."""
    key = plan.key
    careful = f"{code.bind('K', plan.contact_key)}({code.arguments(key)})"
    if code.layout is Layout.TEXT_ROWS and not key.convert and key.rule.default is None:
        return [f"k = {code.text(key, 'k')}"]

    if key.plain:
        return [f"k = {code.arguments(key)}", "if type(k) is not str:", f"    k = {careful}"]

    return [f"k = {careful}"]


def _constant(code: Code, plan: FieldPlan, *, slot: str) -> Piece:
    certain = plan.check is None or plan.check.accepts(plan.rule.value)
    value = code.bind(f"V{slot}", plan.rule.value)
    return Piece(name=plan.name or "", value=value, checked="" if certain else "False")


def _text_piece(code: Code, plan: FieldPlan, *, slot: str) -> Piece:
    """A field made of text: the code does what the plan's `value` says."""
    text = code.text(plan, slot)
    variable = text if plan.plain else f"t{slot}"
    setup = () if plan.plain else (f"{variable} = {text}",)
    value, checked = _sent(code, plan, variable=variable, slot=slot)
    return Piece(
        name=plan.name or "",
        value=value,
        setup=setup,
        present=variable,
        checked=checked,
        absent=_absent(code, plan, variable=variable, slot=slot),
    )


def _sent(code: Code, plan: FieldPlan, *, variable: str, slot: str) -> tuple[str, str]:
    """What is sent for a text that is not empty, and the condition under which it may be."""
    check, value, checked = plan.check, variable, ""
    if check is not None:
        code.bound.update(check.bindings)
        checked = check.inline

    if plan.convert is not None:
        value = f"{code.bind(f'F{slot}', plan.convert)}({variable})"
        if check is not None and (plan.rule.type, check.field.type) not in _ALWAYS_FIT:
            checked = checked if plan.rule.type in _TEXT_TYPES else ""
            checked = checked or f"{code.bind(f'A{slot}', check.accepts)}({{}})"
            return f"v{slot}", f"(v{slot} := {value}, {checked.replace('{}', f'v{slot}')})[1]"

        checked = ""

    return value, checked.replace("{}", variable)


def _absent(code: Code, plan: FieldPlan, *, variable: str, slot: str) -> tuple[str, ...]:
    if plan.rule.keep_empty:
        return (f"d[{plan.name!r}] = {code.bind(f'E{slot}', plan.empty)}({variable})",)

    try:
        default = plan.empty("")
    except Refused:
        return ("raise Fault",)

    if default is LEFT_OUT:
        return ()

    return (f"d[{plan.name!r}] = {code.bind(f'E{slot}', default)}",)


def _typed_piece(code: Code, plan: FieldPlan, *, slot: str) -> Piece:
    """A field of records that carry types: rules are the plan's business, plain columns are not."""
    name, check = plan.name or "", plan.check
    if not plan.plain:
        # For text as for rows of text; whatever gives trouble there is the plan's to say.
        variable, careful = (
            f"t{slot}",
            f"{code.bind(f'P{slot}', plan.value)}({code.arguments(plan)})",
        )
        value, checked = _sent(code, plan, variable=variable, slot=slot)
        conditions = [f"type({code.variables[column]}) is str" for column in plan.columns]
        conditions += [f"({variable} := {code.text(plan, slot)})", checked]
        setup = f"w{slot} = {value} if {' and '.join(filter(None, conditions))} else {careful}"
        return Piece(
            name=name, value=f"w{slot}", setup=(setup,), present=f"w{slot} is not LEFT_OUT"
        )

    variable = code.arguments(plan)
    present = f"{variable} is not None"
    if plan.empty_text:
        present += f" and {variable} != ''"

    required = check is not None and check.field.required
    return Piece(
        name=name,
        value=variable,
        present=present,
        checked="" if check is None else typed_check(code, check, variable=variable, slot=slot),
        absent=("raise Fault",) if required else (),
    )


def typed_check(code: Code, check: FieldCheck, *, variable: str, slot: str) -> str:
    """Text is checked inline, everything else by the check."""
    code.bound.update(check.bindings)
    accepts = f"{code.bind(f'A{slot}', check.accepts)}({variable})"
    if not check.inline:
        return accepts

    inline = check.inline.replace("{}", variable)
    return f"(type({variable}) is str and {variable} and {inline} or {accepts})"


def pieces_of(code: Code, plan: Plan) -> list[Piece]:
    write = _text_piece if code.layout is Layout.TEXT_ROWS else _typed_piece
    return [
        _constant(code, one, slot=str(slot))
        if one.rule.value is not None
        else write(code, one, slot=str(slot))
        for slot, one in enumerate(plan.fields or ())
    ]
