"""Contacts of an outcome, as a table a person opens or a program reads.

CSV has the fixed columns of the outcome first and then the record's own columns under their own
names, so that a corrected file can be injected again. A record's column that is called like a
fixed one is written as `record.NAME`; a record that could not be parsed stands, as raw text, in
the column `record`.

Cells that a spreadsheet would run as a formula get an apostrophe in front, which is taken off when
the table is injected (intake/formulas.py); `raw` leaves every cell as it is.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import orjson

from ..intake.formulas import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO, TextIO

__all__ = ("write_csv", "write_ndjson")


def write_ndjson(rows: Iterable[Mapping[str, Any]], out: BinaryIO) -> int:
    """Write a JSON line a row; return how many."""
    count = 0
    for row in rows:
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        count += 1

    return count


def write_csv(
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    out: TextIO,
    *,
    columns: tuple[str, ...],
    raw: bool = False,
) -> int:
    """Write `columns` and the records' own; return how many rows.

    `rows` is called twice: once to learn the records' columns, once to write. Memory stays small
    whatever the number of rows.
    """
    names = _record_columns(rows(), columns)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_cells([*columns, *names.values()], raw=raw))
    count = 0
    for row in rows():
        record = _flat(row.get("record"))
        cells = [row.get(column) for column in columns] + [record.get(name) for name in names]
        writer.writerow(_cells(cells, raw=raw))
        count += 1

    return count


def _record_columns(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> dict[str, str]:
    """The records' columns in order of first sight, each with the name it is written under."""
    seen: dict[str, str] = {}
    for row in rows:
        for name in _flat(row.get("record")):
            if name not in seen:
                seen[name] = f"record.{name}" if name in columns else name

    return seen


def _flat(record: Any) -> dict[str, Any]:
    """A record as columns; a contact as it was sent becomes its key and its fields."""
    match record:
        case None:
            return {}
        case {"ContactKey": key, "Data": dict(data), **rest} if not rest:
            return {"ContactKey": key, **data}
        case dict():
            return record
        case _:
            return {"record": record}


def _cells(values: Iterable[Any], *, raw: bool) -> Iterator[str]:
    for value in values:
        text = _text(value)
        yield text if raw else harmless(text)


def _text(value: Any) -> str:
    if value is None:
        return ""

    return value if isinstance(value, str) else orjson.dumps(value).decode()
