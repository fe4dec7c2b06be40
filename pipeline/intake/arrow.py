"""Arrow: columns of typed values as Python has them, each value exactly, or a word on why not.

Integers, booleans, text and decimals keep their digits; dates, times and timestamps become Python's
own, and where those hold no nanoseconds, the ISO text that does; lists and structs become lists and
dicts, as in JSON. Bytes stay bytes: they are no text, and the mapping refuses to send them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .encoding import readable
from .extras import need
from .reading import Fault

__all__ = ("Reader", "Unreadable", "pyarrow", "readers_of")

Reader = Callable[[Any], list[Any]]
"""The values of an array, an `Unreadable` where one cannot be had."""

_MICROSECONDS: Final = len("2024-05-21T10:00:00.123456")
_TIME_MICROSECONDS: Final = len("10:00:00.123456")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that Python cannot hold, and why."""

    fault: Fault
    shown: str


def pyarrow(module: str = "pyarrow", *, what: str) -> Any:
    """pyarrow or a module of it; SourceError where it is not installed."""
    return need(module, extra="parquet", what=what)


def readers_of(schema: Any) -> list[Reader]:
    """What reads each column of an Arrow schema."""
    return [_reader_of(field.type, field.name) for field in schema]


def _reader_of(kind: Any, name: str) -> Reader:
    pa = pyarrow(what=name)
    is_time = pa.types.is_timestamp(kind) or pa.types.is_time64(kind)
    one = _of_nanoseconds if is_time and kind.unit == "ns" else _of_scalar

    def read(array: Any) -> list[Any]:
        try:
            if one is _of_nanoseconds:
                array = array.cast(_in_microseconds(pa, kind))  # raises where digits would be lost

            values: list[Any] = array.to_pylist()
        except (ValueError, OverflowError, LookupError):  # pyarrow's own are ValueErrors
            values = [_value(pa, scalar, one=one, name=name) for scalar in array]

        return values

    return read


def _in_microseconds(pa: Any, kind: Any) -> Any:
    return pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else pa.time64("us")


def _value(pa: Any, scalar: Any, *, one: Callable[[Any, Any], Any], name: str) -> Any:
    try:
        return one(pa, scalar) if scalar.is_valid else None
    except UnicodeDecodeError:
        fault = Fault("invalid_encoding", f"column {name!r} holds bytes that are not UTF-8")
        return Unreadable(fault, readable(scalar.cast(pa.binary()).as_py()))
    except (ValueError, OverflowError, LookupError) as error:
        fault = Fault("invalid_value", f"column {name!r} holds a value beyond Python's: {error}")
        return Unreadable(fault, str(getattr(scalar, "value", "")))


def _of_scalar(_: Any, scalar: Any) -> Any:
    return scalar.as_py()


def _of_nanoseconds(pa: Any, scalar: Any) -> Any:
    """A timestamp or time of day; as text where it has digits that Python's have not."""
    kind = _in_microseconds(pa, scalar.type)
    microseconds, rest = divmod(scalar.value, 1_000)
    value = pa.scalar(microseconds, kind).as_py()
    if not rest:
        return value

    text = value.isoformat(timespec="microseconds")
    end = _MICROSECONDS if pa.types.is_timestamp(kind) else _TIME_MICROSECONDS
    return f"{text[:end]}{rest:03}{text[end:]}"
