"""Grammar: how delimited text is written, and the header that says what its fields are called."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import SourceError
from .formulas import is_exported, restored

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterable, Sequence

    from .opening import Head
    from .source import SourcePolicy

__all__ = ("ADDRESS", "Grammar", "Layout", "check_names", "is_nameless", "read_layout")

_DELIMITERS: Final = (",", ";", "\t", "|")
_LOOKED_AT: Final = 50  # lines that a delimiter is judged by
_SEPARATOR: Final = re.compile(rb"\"?sep=([^\w\s]|\t)\"?[\r\n]+", re.IGNORECASE)
_NAMELESS: Final = "column {}"
ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
"""What looks like an e-mail address, whether it is one or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The characters between and around fields."""

    delimiter: str
    quote: str  # "" where there is no quoting

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Reader:
        """Return a csv.reader of `lines`, each with its line end."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)

        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What stands before the records, and how they are written."""

    columns: tuple[str, ...]
    exported: bool  # by `results`: cells that could be formulas are marked (formulas.py)
    grammar: Grammar
    codec: str | None  # None for UTF-8
    offset: int  # bytes of UTF-8 before the first record
    lines: int  # lines before the first record

    @property
    def reading(self) -> str:
        """What the positions of records depend on, beside the content."""
        grammar = self.grammar
        return (
            f"csv, delimiter {grammar.delimiter!r}, quote {grammar.quote!r}, "
            f"{self.codec or 'utf-8'}, records from byte {self.offset}"
        )


def read_layout(head: Head, policy: SourcePolicy, label: str) -> Layout:
    """Find delimiter and columns. Raises SourceError where the header cannot be used.

    No column at all means that the source is empty. A first line `sep=;`, which spreadsheets write
    for each other, is neither header nor record.
    """
    lines = _lines(head, label)
    before = lines[:1] if (told := _SEPARATOR.fullmatch(b"".join(lines[:1]))) else []
    lines = lines[len(before) :]
    delimiter = policy.delimiter or (told and told[1].decode()) or _delimiter(lines, policy)
    grammar = Grammar(delimiter=delimiter, quote=policy.quote)
    columns, used = policy.columns, 0
    if columns is None:
        columns, used = _header(grammar, lines, label)
    elif _first_row(grammar, lines) == columns:
        raise SourceError(
            f"the first line of {label} is a header, of the names that [source] columns gives: it "
            "would be sent as a contact. Nothing was sent. Leave columns out of [source]."
        )

    exported = is_exported(columns)
    return Layout(
        columns=tuple(map(restored, columns)) if exported else columns,
        exported=exported,
        grammar=grammar,
        codec=head.codec,
        offset=head.bom_bytes + sum(map(len, before + lines[:used])),
        lines=len(before) + used,
    )


def _lines(head: Head, label: str) -> list[bytes]:
    """The complete lines of a head."""
    lines = head.text[head.bom_bytes :].splitlines(keepends=True)
    if lines and not head.whole and not lines[-1].endswith(b"\n"):
        del lines[-1]
        if not lines:
            raise SourceError(
                f"{label} has no line end within its first {len(head.text)} bytes: "
                "this is no delimited text. Check [source] url, format and encoding."
            )

    return lines


def _delimiter(lines: list[bytes], policy: SourcePolicy) -> str:
    """The candidate that cuts most lines into as many fields as the first, and into most."""
    texts = [line.decode("utf-8", "replace") for line in lines[:_LOOKED_AT]]
    scores = {}
    for candidate in _DELIMITERS:
        if candidate == policy.quote:
            continue

        grammar = Grammar(delimiter=candidate, quote=policy.quote)
        widths = [len(row) for row in grammar.reader(texts, strict=False) if row]
        if widths and widths[0] > 1:
            scores[candidate] = (widths.count(widths[0]) / len(widths), widths[0])

    return max(scores, key=scores.__getitem__, default=",")


def _header(grammar: Grammar, lines: list[bytes], label: str) -> tuple[tuple[str, ...], int]:
    """The columns, and how many lines were read for them; leading blank lines are passed over."""
    reader = grammar.reader(line.decode() for line in lines)
    try:
        names = next(filter(None, reader), [])
    except UnicodeDecodeError as error:
        raise SourceError(
            f"the header of {label} is not UTF-8 ({error.reason}). Nothing was sent. "
            'Set [source] encoding, such as "cp1252", to the one it was written in.'
        ) from error
    except csv.Error as error:
        raise SourceError(
            f"the header of {label} cannot be read: {error}. Nothing was sent. "
            "Mend its quotes, or set [source] quote and delimiter."
        ) from error

    names = _named(names)
    check_names(names, label)
    for number, name in enumerate(names, start=1):
        if ADDRESS.fullmatch(name.strip()):
            raise SourceError(
                f"field {number} in the first line of {label} is an e-mail address: that is a "
                "contact and no header, and would be left out. Nothing was sent. Put a header "
                "above it, or name the columns in [source] columns."
            )

    return tuple(names), reader.line_num


def _named(names: list[str]) -> list[str]:
    """Names for the empty columns that spreadsheets leave at the right; as many as others at most.

    A line in which most have none is a title, and no header.
    """
    filled = len(names)
    while filled and not names[filled - 1].strip():
        filled -= 1

    unnamed = range(filled + 1, len(names) + 1)
    if len(unnamed) >= filled:
        return names

    return [*names[:filled], *map(_NAMELESS.format, unnamed)]


def is_nameless(column: str) -> bool:
    """Whether a column is called as one that its header does not name."""
    number = column.rpartition(" ")[2]
    return number.isdecimal() and column == _NAMELESS.format(number)


def _first_row(grammar: Grammar, lines: list[bytes]) -> tuple[str, ...] | None:
    """The first line that is not blank, or None where it cannot be read as one."""
    with suppress(UnicodeDecodeError, csv.Error):
        return tuple(next(filter(None, grammar.reader(line.decode() for line in lines)), ()))

    return None


def check_names(
    names: Sequence[str],
    label: str,
    way_out: str = "Mend the header, or take it out and name the columns in [source] columns.",
) -> None:
    """Raises SourceError for a column without a name, or a name that two columns have."""
    way_out = f"Nothing was sent. {way_out}"
    for number, name in enumerate(names, start=1):
        if "\0" in name:
            raise SourceError(
                f"column {number} in the header of {label} holds a NUL: it may be UTF-16 without "
                'its mark. Nothing was sent. Set [source] encoding, such as "utf-16-le".'
            )

        if not name.strip():
            raise SourceError(f"column {number} in the header of {label} has no name. {way_out}")

        if (first := names.index(name) + 1) < number:
            raise SourceError(
                f"columns {first} and {number} in the header of {label} are both called "
                f"{name!r}. {way_out}"
            )
