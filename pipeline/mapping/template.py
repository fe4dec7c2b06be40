"""Templates: "{first name} {last}" filled from the columns of a record.

Between braces stands a column's name exactly as the source has it, spaces and all; `{{` and `}}`
are braces. There is no other syntax: a template never reads an attribute or runs code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ("Template", "parse_template")

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([^{}]+)|([{}])")


@dataclass(frozen=True, slots=True)
class Template:
    """Literals and columns in turn: `pieces` holds (text, None) or ("", number of the column)."""

    written: str
    columns: tuple[str, ...]
    pieces: tuple[tuple[str, int | None], ...]

    def fill(self, texts: tuple[str, ...]) -> str:
        """Put the texts of `columns` in their places; empty where all of them are empty."""
        if not any(texts):
            return ""

        return "".join(text if at is None else texts[at] for text, at in self.pieces)

    def expression(self, variables: tuple[str, ...]) -> str:
        """Write `fill` as an expression over one variable a column, each of them a str."""
        parts = (repr(text) if at is None else variables[at] for text, at in self.pieces)
        return f"({' + '.join(parts)} if {' or '.join(variables)} else '')"


def parse_template(written: str) -> Template:
    """Read a template; ValueError says which brace stands alone, or that it names no column."""
    columns: dict[str, int] = {}
    pieces: list[tuple[str, int | None]] = []
    for found in _PIECE.finditer(written):
        column, literal, stray = found.groups()
        if stray:
            raise ValueError(
                f"template {written!r}: the {stray!r} at character {found.start() + 1} "
                f"stands alone; write {stray * 2!r} for a brace"
            )

        if column is not None:
            pieces.append(("", columns.setdefault(column, len(columns))))
        else:
            pieces.append((literal or found[0][0], None))

    if not columns:
        raise ValueError(f"template {written!r} names no column; write value = … for a constant")

    return Template(written, tuple(columns), tuple(pieces))
