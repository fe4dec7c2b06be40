from __future__ import annotations

import pytest

from pipeline.errors import SourceError
from pipeline.intake.grammar import Layout, read_layout
from pipeline.intake.opening import Head
from pipeline.intake.source import SourcePolicy


def layout(text: bytes | str, *, whole: bool = True, policy: SourcePolicy | None = None) -> Layout:
    raw = text if isinstance(text, bytes) else text.encode()
    head = Head(text=raw, codec=None, whole=whole)
    return read_layout(head, policy or SourcePolicy(url="x.csv"), "x.csv")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n3,5;4\n", ";"),
        ("a\tb, c\n1\t2\n", "\t"),
        ("a|b\n", "|"),
        ("one\n1\n", ","),
        ('"a,b";"c"\n1;2\n', ";"),
        ("name,a;b\nx,1\ny,2;3\n", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_found(text: str, delimiter: str) -> None:
    """The delimiter is the one that cuts header and first lines alike."""
    assert layout(text).grammar.delimiter == delimiter


def test_a_set_delimiter_is_not_searched_for() -> None:
    """What the config says is so."""
    assert layout("a,b;c\n", policy=SourcePolicy(url="x", delimiter=";")).columns == ("a,b", "c")


def test_the_records_begin_behind_the_header() -> None:
    """Offset and lines count mark, blank lines and a header over several lines."""
    found = layout(b'\xef\xbb\xbf\n\r\n"a\nb",c\r\n1,2\r\n')
    assert found.columns == ("a\nb", "c")
    assert (found.offset, found.lines) == (15, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,a\n", "columns 1 and 3 in the header of x.csv are both called 'a'. Nothing was sent"),
        ("a,,c\n", "column 2 in the header of x.csv has no name. Nothing was sent"),
        ("a, ,c,d\n", "column 2 in the header"),
        ("Spring 2026,,,\nid,email,a,b\n", "column 2 in the header"),
        ("Spring,2026,,\nid,email,a,b\n", "column 3 in the header"),
        (",,\n", "column 1 in the header"),
        ("a,b,\n".replace("b", "column 3"), "both called 'column 3'"),
        (b"a,\xe9\n", "header of x.csv is not UTF-8.*encoding"),
        ('a,"b"c\n', "header of x.csv cannot be read"),
        ('a,"b\n1,2\n', "header of x.csv cannot be read"),
        ("a,b\n".encode("utf-16-le"), 'holds a NUL.*"utf-16-le"'),
        ("1, ann@example.com ,Ann\n2,bo@example.com,Bo\n", "field 2 in the .* a contact and no"),
    ],
)
def test_a_header_that_is_unfit_is_named_with_the_way_out(text: bytes | str, words: str) -> None:
    """Every trouble with the header says which column, and that nothing was sent."""
    with pytest.raises(SourceError, match=words):
        layout(text)


def test_a_head_without_a_line_end_is_no_text() -> None:
    """64 KiB without a line end are not taken for a header."""
    with pytest.raises(SourceError, match="no line end within its first 3 bytes"):
        layout(b"abc", whole=False)


def test_a_header_that_columns_repeat_is_no_contact() -> None:
    """Who names the columns of a file that has a header would send the header."""
    policy = SourcePolicy(url="x", columns=("id", "email"))
    with pytest.raises(SourceError, match=r"is a header, of the names .* Leave columns out"):
        layout("id,email\n1,a@example.com\n", policy=policy)

    assert layout("1,a@example.com\n", policy=policy).columns == ("id", "email")
    assert layout("", policy=policy).lines == 0


@pytest.mark.parametrize("text", ["a,b, \n1,2,\n", "a,b,\r\n1,2,\r\n", "a,b,\n"])
def test_empty_columns_at_the_right_have_their_number_for_a_name(text: str) -> None:
    """Spreadsheets leave such; they can be mapped, and cost nothing where they are not."""
    assert layout(text).columns == ("a", "b", "column 3")


@pytest.mark.parametrize(
    ("text", "delimiter", "offset"),
    [
        ("sep=;\r\na;b,c\r\n1;2,3\r\n", ";", 14),
        ('"sep=|"\na|b\n', "|", 12),
        ("SEP=\t\na\tb\n", "\t", 10),
        ("\ufeffsep=;\na;b\n", ";", 13),
        ("sep=x\na,b\n", ",", 6),
    ],
)
def test_the_line_that_names_the_separator_is_no_header(
    text: str, delimiter: str, offset: int
) -> None:
    """Spreadsheets write `sep=;` first; what is no separator is a header."""
    found = layout(text.encode())
    assert (found.grammar.delimiter, found.offset) == (delimiter, offset)
    assert found.columns[0] == ("a" if found.lines == 2 else text.partition("\n")[0])


def test_a_separator_that_is_named_counts_after_the_config() -> None:
    """What the config says is so; named columns have no header before them either way."""
    policy = SourcePolicy(url="x", delimiter=",", columns=("a", "b"))
    found = layout("sep=;\n1,2\n", policy=policy)
    assert (found.grammar.delimiter, found.offset, found.lines) == (",", 6, 1)
