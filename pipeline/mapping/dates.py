"""Dates: what a rule of type date reads, and the one form it sends.

Marketing Cloud publishes no list of the forms it reads. ISO 8601 is the safest, rounded to the
second, so that is what leaves here:

    a date without a time          2024-05-21
    a time without a zone          2024-05-21T10:30:00      read by Marketing Cloud in its own time
    a time whose zone is known     2024-05-21T10:30:00+02:00
    the same with `to_timezone`    2024-05-21T02:30:00      wall clock of that zone, without offset

A zone is known where the value carries an offset (`%z`, ISO), or where the rule names `timezone`
for values without. Marketing Cloud's own time is UTC-6 all year: `to_timezone = "Etc/GMT+6"`.
A calendar day without a time is never moved between zones. Fractions of a second are cut off.

A wall clock time that a change to summer time skipped is read with the offset that held before
it: 02:30 becomes 03:30. One that happened twice is the first of the two.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from .refused import Refused, cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("EPOCHS", "check_format", "date_reader", "has_time", "zone_of")

EPOCHS = {"epoch": 1.0, "epoch_ms": 1000.0}  # `format`: seconds or milliseconds since 1970
_REMEMBERED = 8192  # texts; dates of one column repeat
_NUMERIC = {"Y": "[0-9]{4}", **dict.fromkeys("mdHMS", "[0-9]{1,2}")}
_PARTS = {"Y": "year", "m": "month", "d": "day", "H": "hour", "M": "minute", "S": "second"}
_TIME = frozenset("HIpMSfzZXc")


def zone_of(name: str) -> ZoneInfo:
    """Find a zone by its IANA name; ValueError suggests the nearest."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # not found, or no name of a zone at all
        raise ValueError(
            f"unknown time zone {name!r}{nearest(name, available_timezones())} "
            "(IANA names, such as Europe/Berlin)"
        ) from None


def _directives(form: str) -> list[str]:
    return re.findall(r"%(.)", form.replace("%%", ""))


def has_time(form: str) -> bool:
    """Whether values of this format carry a time of day."""
    return form in EPOCHS or not _TIME.isdisjoint(_directives(form))


def check_format(form: str) -> None:
    """Raise ValueError unless `form` is a strptime format that holds a whole date."""
    if form in EPOCHS:
        return

    try:
        written = datetime(2024, 11, 25, 13, 45, 59, tzinfo=UTC).strftime(form)
        datetime.strptime(written, form)  # noqa: DTZ007  # only asked whether it can be read
    except (ValueError, re.error) as error:
        raise ValueError(f"format {form!r} cannot be read: {error}") from None

    named = set(_directives(form))
    if named.isdisjoint("Yycx") or named.isdisjoint("dcxj"):
        raise ValueError(f"format {form!r} names no whole date (day, month and year)")


def _numeric_reader(form: str) -> Callable[[str], datetime | None]:
    """Read formats of plain numbers four times faster than strptime; None where it does not fit."""
    pattern, named = "", []
    for literal, directive in re.findall(r"([^%]*)(?:%(.)|$)", form):
        if directive and (directive not in _NUMERIC or directive in named):
            return lambda _: None

        pattern += re.escape(literal)
        if directive:
            pattern += f"({_NUMERIC[directive]})"
            named.append(directive)

    fullmatch = re.compile(pattern).fullmatch
    keywords = tuple(_PARTS[directive] for directive in named)

    def read(text: str) -> datetime | None:
        found = fullmatch(text)
        if found is None:
            return None

        return datetime(**dict(zip(keywords, map(int, found.groups()), strict=True)))  # type: ignore[arg-type]  # noqa: DTZ001  # the names are a date's; the zone comes later

    return read


def _format_reader(form: str) -> Callable[[str], datetime | date]:
    if form in EPOCHS:
        return lambda text: datetime.fromtimestamp(float(text) / EPOCHS[form], UTC)

    numeric, timed = _numeric_reader(form), has_time(form)

    def read(text: str) -> datetime | date:
        moment = numeric(text) or datetime.strptime(text, form)  # noqa: DTZ007  # the zone comes later
        return moment if timed else moment.date()

    return read


def _read_iso(text: str) -> datetime | date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def _written(moment: datetime | date, *, zone: tzinfo | None, target: tzinfo | None) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()

    if moment.tzinfo is None and zone is not None:
        # By way of UTC, so that a time which never was becomes one that was.
        moment = moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)

    if target is not None:
        if moment.tzinfo is None:
            raise ValueError("no zone")

        moment = moment.astimezone(target).replace(tzinfo=None)

    return moment.isoformat(timespec="seconds")


def date_reader(
    form: str | None, *, timezone: str | None, to_timezone: str | None
) -> Callable[[Any], str]:
    """Compile a date rule: any value in, ISO text out; Refused("not_a_date") where it is none."""
    read = _read_iso if form is None else _format_reader(form)
    zone = zone_of(timezone) if timezone else None
    target = zone_of(to_timezone) if to_timezone else None
    wanted = "an ISO date" if form is None else f"a date of the form {form}"

    @lru_cache(maxsize=_REMEMBERED)
    def from_text(text: str) -> str:
        return _written(read(text.strip()), zone=zone, target=target)

    def convert(value: Any) -> str:
        try:
            if isinstance(value, str):
                return from_text(value)

            if isinstance(value, date):  # a datetime is a date too
                return _written(value, zone=zone, target=target)

            if form in EPOCHS and isinstance(value, int | float) and not isinstance(value, bool):
                return from_text(str(value))
        except (ValueError, OverflowError, OSError) as error:
            if str(error) == "no zone":
                detail = f"value {cut(value)} carries no zone; the rule must name its timezone"
                raise Refused("not_a_date", detail) from None

        raise Refused("not_a_date", f"value {cut(value)} is not {wanted}")

    return convert
