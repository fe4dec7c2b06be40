"""How a fault is written, and read.

The text form is `kind:name=value,name=value`:

    429:rate=0.01,retry_after=2       one request in a hundred is told to wait two seconds
    500:every=50,taken=true           every 50th fails after its contacts were taken
    close:after_body,rate=0.005       the connection ends instead of an answer
    revoke:at=1000                    the tokens end when request 1000 arrives
    503:from=100,to=160               an outage

Kinds:
    3xx 4xx 5xx  that status. `retry_after=SECONDS` with `form=header|date|body` (429, 503),
                 `errorcode=N` for another body (400 with 10006: transient, "Unable to save rows")
    revoke       every token ends, then the request goes its ordinary way
    html         a proxy's page; `status=` (200)
    empty        201 without a body
    garbled      201 with half of its JSON
    truncated    201 that promises more bytes than come before the connection ends
    close        the connection ends: `before_body`, `during_body`, `after_body` (default)
    hang         no answer for `seconds=` (3600), then the connection ends
    slow         the ordinary answer, `seconds=` (5) late
    members      async-events: a `share=` (0.1) of the contacts is not queued, each told so by
                 `errorcode=` (10005; 10006 and 30000 pass: "Unable to save rows",
                 "Rerun the transaction.")
    muddled      async-events: all are queued, and the verdicts contradict `by=order|length|count`

Which requests (all when none is given): `rate=` a share of them, `every=` each n-th, `at=` these
numbers (`at=3+7`), `from=` and `to=` a window, `times=` at most so often. A fault counts the
requests of its own kind from 1: `on=contacts` (default), `token`, `lookup` (event definitions,
fields, interactions, memberships), or `history` (freshness, estimate, download, search).

`taken=true|false|P`: whether contacts were taken before it went wrong; P is a probability. The
answers that promise otherwise (3xx, 4xx, 503, a body that was not read) never take any.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from .faults import Fault, Kind, Muddle, RetryAfterForm, Scope, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # option -> (the field it sets, how its text is read)
    Readers = Mapping[str, tuple[str, Callable[[str], Any]]]

__all__ = ("fault_of_table", "parse_fault")


def parse_fault(spec: str) -> Fault:
    """Read the text form.

    Raises:
        ConfigError: It cannot be read; the message says which part, and what would do.
    """
    kind, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = item.partition("=")
        if not equals and name in set(Stage):
            name, value = "stage", name
        elif not equals:
            raise ConfigError(f"fault {spec!r}: {item!r} needs a value, as in {item}=1")

        if name in options:
            raise ConfigError(f"fault {spec!r}: {name} is given twice")

        options[name.strip()] = value.strip()

    return _build(spec, kind.strip(), options=options)


def fault_of_table(table: Mapping[str, object]) -> Fault:
    """Read a table of a TOML file: `kind` and the same names.

    Raises:
        ConfigError: As `parse_fault`.
    """
    options = {name: _as_text(value) for name, value in table.items()}
    kind = options.pop("kind", "")
    spec = f"{kind}:" + ",".join(f"{name}={value}" for name, value in options.items())
    return _build(spec, kind, options=options)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()

    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError("must be at least 1")

    return number


def _seconds(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise ValueError("must be a number of seconds")

    return number


def _share(text: str) -> float:
    if not 0 < (number := float(text)) <= 1:
        raise ValueError("must lie above 0 and not above 1")

    return number


def _chance(text: str) -> float:
    if text in {"true", "false"}:
        return float(text == "true")

    if not 0 <= (number := float(text)) <= 1:
        raise ValueError("must be true, false or a probability")

    return number


_SELECTING: Final[Readers] = {
    "on": ("scope", Scope),
    "rate": ("rate", _share),
    "every": ("every", _positive),
    "at": ("at", lambda text: frozenset(_positive(number) for number in text.split("+"))),
    "from": ("first", _positive),
    "to": ("last", _positive),
    "times": ("times", _positive),
}
_TAKEN: Final[Readers] = {"taken": ("taken", _chance)}
_RETRY_AFTER: Final[Readers] = {
    "retry_after": ("retry_after", _seconds),
    "form": ("form", RetryAfterForm),
}
_OWN: Final[Mapping[Kind, Readers]] = {
    Kind.STATUS: {"errorcode": ("errorcode", int)},
    Kind.REVOKE: {},
    Kind.HTML: {"status": ("status", int), **_TAKEN},
    Kind.EMPTY: _TAKEN,
    Kind.GARBLED: _TAKEN,
    Kind.TRUNCATED: _TAKEN,
    Kind.CLOSE: {"stage": ("stage", Stage), **_TAKEN},
    Kind.HANG: {"seconds": ("seconds", _seconds), **_TAKEN},
    Kind.SLOW: {"seconds": ("seconds", _seconds)},
    Kind.MEMBERS: {"errorcode": ("errorcode", int), "share": ("share", _share)},
    Kind.MUDDLED: {"by": ("by", Muddle)},
}
# What holds where the fault does not say: an answer of success took the contacts, a failure after
# the body took them half of the time, and nobody outside can tell.
_UNSAID: Final[Mapping[Kind, Mapping[str, Any]]] = {
    Kind.HTML: {"status": 200, "taken": 0.5},
    Kind.EMPTY: {"taken": 1.0},
    Kind.GARBLED: {"taken": 1.0},
    Kind.TRUNCATED: {"taken": 1.0},
    Kind.CLOSE: {"taken": 0.5},
    Kind.HANG: {"taken": 0.5, "seconds": 3600.0},
    Kind.SLOW: {"seconds": 5.0},
    Kind.MEMBERS: {"taken": 1.0, "errorcode": 10005},
    Kind.MUDDLED: {"taken": 1.0},
}


def _build(spec: str, kind: str, *, options: Mapping[str, str]) -> Fault:
    member, status = _kind(spec, kind)
    readers = _readers(member, status)
    values: dict[str, Any] = dict(_UNSAID.get(member, {}))
    if status is not None:
        values |= {"status": status, "taken": 0.5 if _may_take(status) else 0.0}

    for name, text in options.items():
        if name not in readers:
            raise ConfigError(_unknown_option(spec, name, readers=readers))

        field, read = readers[name]
        try:
            values[field] = read(text)
        except ValueError as error:
            raise ConfigError(f"fault {spec!r}: {name}={text} cannot be used: {error}") from None

    return _sound(Fault(spec=spec, kind=member, **values), options)


def _kind(spec: str, kind: str) -> tuple[Kind, int | None]:
    if kind.isdecimal() and 300 <= int(kind) <= 599:
        return Kind.STATUS, int(kind)

    names = [member.value for member in Kind if member is not Kind.STATUS]
    if kind in names:
        return Kind(kind), None

    near = get_close_matches(kind, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise ConfigError(
        f"fault {spec!r}: {kind!r} is no kind of fault{hint} "
        f"Use a status from 300 to 599, or one of {', '.join(names)}"
    )


def _may_take(status: int) -> bool:
    return status >= 500 and status != 503


def _readers(kind: Kind, status: int | None) -> Readers:
    readers = {**_SELECTING, **_OWN[kind]}
    if status in {429, 503}:
        readers.update(_RETRY_AFTER)

    if status is not None and _may_take(status):
        readers.update(_TAKEN)

    return readers


def _unknown_option(spec: str, name: str, *, readers: Mapping[str, Any]) -> str:
    near = get_close_matches(name, readers, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"fault {spec!r}: it has no option {name!r}{hint} It takes {', '.join(sorted(readers))}"


def _sound(fault: Fault, options: Mapping[str, str]) -> Fault:
    """What no single value shows."""
    chosen = [name for name in ("rate", "every", "at") if name in options]
    if len(chosen) > 1:
        raise ConfigError(f"fault {fault}: give only one of {' and '.join(chosen)}")

    if fault.last is not None and fault.last < fault.first:
        raise ConfigError(f"fault {fault}: to={fault.last} lies before from={fault.first}")

    if fault.kind is Kind.CLOSE and fault.stage is not Stage.AFTER_BODY:
        if fault.taken and "taken" in options:
            raise ConfigError(f"fault {fault}: a body that was not read cannot have been taken")

        return replace(fault, taken=0.0)

    if "form" in options and fault.retry_after is None:
        raise ConfigError(f"fault {fault}: form= needs retry_after=")

    return fault
