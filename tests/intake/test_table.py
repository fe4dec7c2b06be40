from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.intake.grammar import Grammar
from pipeline.intake.table import Table, TableReader

PIECES = st.sampled_from(
    [
        *("a,b\n", "1,2\r\n", '"x,y",z\n', ',"x"\r', '"",""\n', '""\n', '"a\nb",c\n', 'a,"b""c"\n'),
        *('"', ",", ";", "\n", "\r", "\\", "\t", "\0", "\x01", "'", "é漢😀", "\x0b\x85\u2028", "x"),
    ]
)
GRAMMARS = st.builds(
    Grammar,
    delimiter=st.sampled_from(",;\t|\\\x01é"),
    quote=st.sampled_from(['"', "'", "", "é"]),
).filter(lambda grammar: grammar.delimiter != grammar.quote)


def rows_of(text: str, grammar: Grammar) -> list[list[str]]:
    return [row for row in grammar.reader(io.StringIO(text, newline="")) if row]


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=12).map("".join), GRAMMARS, st.integers(1, 3))
@example('a,b\n""\n', Grammar(delimiter=",", quote='"'), 2)
@example('a,b\n""', Grammar(delimiter=",", quote='"'), 2)
def test_a_table_is_what_csv_reads(text: str, grammar: Grammar, width: int) -> None:
    """A block that becomes a table has the rows that csv reads in it, all of one width."""
    block = text.encode()
    found = TableReader(grammar, width).read(block)
    if found is None:
        return

    table, lines = found
    expected = rows_of(text, grammar)
    assert list(table) == expected
    assert [table[index] for index in range(len(table))] == expected
    assert {len(row) for row in expected} == {width}
    assert lines == len(block.splitlines())
    cells = list(map(table.unmasked, table.cells()))
    assert cells == [cell.encode() for row in expected for cell in row]
    assert not set(b"".join(cells)) & {*range(32), *b'"\\'}


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_everyday_files_become_tables(quoting: int) -> None:
    """Text with accents, quoted delimiters, empty cells and blank lines is no trouble."""
    rows = [["007", "Zoë", ""], ["", "Washington, D.C.", "漢字 O'Neill; 50 %"], [",", ",,", "x"]]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    found = TableReader(Grammar(delimiter=",", quote='"'), 3).read(text.getvalue().encode())
    assert found is not None
    assert found[0] == rows
    assert found[0][1:] == rows[1:]


@pytest.mark.parametrize("text", ["a,b\n\\,c\n", "a,b\n1,x\ty\n", 'a,"b""c"\n', "a,b\nc\n", "\n"])
def test_what_needs_care_becomes_no_table(text: str) -> None:
    """What JSON escapes, quotes inside cells and ragged rows are read row by row."""
    assert TableReader(Grammar(delimiter=",", quote='"'), 2).read(text.encode()) is None


def test_a_table_is_unlike_other_rows() -> None:
    """Tables compare by their rows."""
    table = Table([b"a,b", b"c,d"], delimiter=b",", width=2, masked=False)
    assert table == [["a", "b"], ["c", "d"]]
    assert table != [["a", "b"]]
    assert table != 5
