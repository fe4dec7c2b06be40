from __future__ import annotations

import csv
import io
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.intake.blocks import Sizes
from pipeline.intake.csv import CsvSource
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import Mark, SourcePolicy
from tests.contracts.file_sources import Read, check_source, read
from tests.fakes.origins import MemoryOrigin

SMALL = {"quote_bytes": 200, "line_bytes": 400}
FIELD = st.text(st.sampled_from('ab1,;"\r\n \0\t|é漢😀\x0b\x85\u2028'), max_size=6)
BLOCKS = st.integers(1, 60)
WRITINGS: list[tuple[str, Literal[0, 1]]] = [  # QUOTE_MINIMAL quotes only the line end it writes
    ("\r\n", csv.QUOTE_MINIMAL),
    ("\r\n", csv.QUOTE_ALL),
    ("\n", csv.QUOTE_ALL),
    ("\r", csv.QUOTE_ALL),
]


def source(data: bytes | str, block: int = 64, **settings_: object) -> CsvSource:
    sizes = {"chunk_records": 3, "block_bytes": block, "quote_bytes": 10_000, "line_bytes": 20_000}
    sizes |= {key: settings_.pop(key) for key in tuple(settings_) if key in sizes}  # type: ignore[misc]
    policy = SourcePolicy(url="memory.csv", **settings_)  # type: ignore[arg-type]
    raw = data if isinstance(data, bytes) else data.encode()
    return CsvSource(
        name="memory.csv", origin=MemoryOrigin(raw), policy=policy, sizes=Sizes(**sizes)
    )


def written(rows: list[list[str]], ending: str, quoting: Literal[0, 1]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ending, quoting=quoting)
    writer.writerows(rows)
    return text.getvalue()


def values(result: Read) -> list[list[str]]:
    return [result.records[place] for place in sorted(result.records)]


def said(result: Read) -> list[tuple[int, str, str, str]]:
    """What was rejected; of a line too long, as much as every block shows."""
    return [
        (place, each.reason, each.detail, each.record[:80])
        for place, each in sorted(result.rejected.items())
    ]


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=12)
    ),
    st.sampled_from(WRITINGS),
    BLOCKS,
)
def test_well_formed_rows_are_read_as_csv_reads_them(
    rows: list[list[str]], writing: tuple[str, Literal[0, 1]], block: int
) -> None:
    """Whatever the csv module writes is read back as it reads it, whatever the size of blocks."""
    width = len(rows[0]) if rows else 1
    header = [f"c{number}" for number in range(width)]
    text = written([header, *rows], *writing)
    expected = list(csv.reader(io.StringIO(text, newline="")))[1:]
    result = read(source(text, block, delimiter=","))
    assert result.reasons == {}
    assert values(result) == [row for row in expected if row]


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"a,b", b"1,2\n", b'"', b'"x,y"', b",", b'"a\nb",c\n', b'""', b"long text here"),
                *(b"\n", b"\r", b"\r\n", b"\xff", b"\xc3", b"\0", "é漢".encode(), b"\xed\xa0\x80"),
            ]
        ),
        max_size=30,
    ),
    BLOCKS,
)
def test_whatever_the_bytes_every_record_has_one_position(pieces: list[bytes], block: int) -> None:
    """Arbitrary bytes never raise, and resuming at any mark gives the same records."""
    data = b"one,two\n" + b"".join(pieces)
    check_source(lambda: source(data, block, **SMALL))


@given(st.binary(max_size=300), BLOCKS, BLOCKS)
def test_what_is_read_does_not_depend_on_the_blocks(data: bytes, one: int, other: int) -> None:
    """The size of blocks shows in the chunks, never in records or rejections."""
    data = b"one,two\n" + data
    first, second = read(source(data, one, **SMALL)), read(source(data, other, **SMALL))
    assert (first.records, said(first)) == (second.records, said(second))


@given(
    st.lists(st.sampled_from([b'"ab', b'c"\n', b"d,e\n", b"x" * 30, b"\n", b'""', b"\r\n"])),
    BLOCKS,
    BLOCKS,
)
@settings(max_examples=300)
@example([b"x" * 30, b"x" * 30, b"x" * 30, b"\r\n", b'"ab'], 1, 19)
@example([b'"ab', b"x" * 30, b"x" * 30, b"x" * 30, b'""', b"\r\n", b'"ab'], 1, 24)
def test_limits_do_not_depend_on_the_blocks(pieces: list[bytes], one: int, other: int) -> None:
    """A line too long, or a quote open for too long, is found wherever the blocks are cut."""
    data = b"one,two\n" + b"".join(pieces)
    limits = {"quote_bytes": 60, "line_bytes": 80}
    first, second = read(source(data, one, **limits)), read(source(data, other, **limits))
    assert (first.records, said(first)) == (second.records, said(second))


@pytest.mark.parametrize("block", [1, 7, 64, 4096])
def test_one_bad_record_costs_one_record(block: int) -> None:
    """Each kind of damage rejects its record with its reason and text; the others are read."""
    data = (
        b'id,name\n1,a\n2\n3,c,d\n4,\xff\n5,"x"y\n6,f\n\n'
        b'7,"two\nlines"\n8,"bad \xfe\nline"\n9,"three\n",x\n10,j\n'
    )
    result = check_source(lambda: source(data, block))
    assert result.records == {
        1: ["1", "a"],
        6: ["6", "f"],
        7: ["7", "two\nlines"],
        10: ["10", "j"],
    }
    assert {place: (each.reason, each.record) for place, each in result.rejected.items()} == {
        2: ("ragged_row", "2"),
        3: ("ragged_row", "3,c,d"),
        4: ("invalid_encoding", "4,\\xff"),
        5: ("malformed_csv", '5,"x"y'),
        8: ("invalid_encoding", '8,"bad \\xfe\nline"'),
        9: ("ragged_row", '9,"three\n",x'),
    }
    assert result.rejected[2].detail == "line 3 has 1 fields instead of 2"
    assert result.rejected[8].detail.startswith("line 11 ")


def test_a_resumed_reader_names_the_line_or_the_record() -> None:
    """The journal's marks know no lines: then a message numbers records."""
    mark = read(source("a,b\n1,2\n3\n", 4)).chunks[0].mark
    rest = read(source("a,b\n1,2\n3\n", 4), start=mark)
    assert rest.rejected[2].detail == "line 3 has 1 fields instead of 2"
    rest = read(source("a,b\n1,2\n3\n", 4), start=Mark(mark.position, mark.offset))
    assert rest.rejected[2].detail == "record 2 has 1 fields instead of 2"


@pytest.mark.parametrize("block", [1, 5, 300, 4096])
def test_an_unterminated_quote_costs_the_line_that_opened_it(block: int) -> None:
    """A quote that runs to the end of the file rejects one line; those behind it are read."""
    rows = "".join(f"{number},x\n" for number in range(1, 30))
    text = f'id,name\n{rows}30,"open\n' + "".join(f"{number},x\n" for number in range(31, 90))
    result = check_source(lambda: source(text, block))
    assert result.reasons == {30: "unterminated_quote"}
    assert result.rejected[30].record == '30,"open'
    assert "line 31 " in result.rejected[30].detail
    assert len(result.records) == 88


@pytest.mark.parametrize("block", [3, 50, 200])
def test_a_quote_open_for_too_long_is_unterminated(block: int) -> None:
    """Past `quote_bytes` a quoted field is given up, so that memory stays bounded."""
    text = 'id,name\n1,"open\n' + "2,x\n" * 100 + '3,"y\n'
    result = check_source(lambda: source(text, block, **SMALL))
    assert result.reasons == {1: "unterminated_quote", 102: "unterminated_quote"}
    assert len(result.records) == 100


@pytest.mark.parametrize("block", [3, 50, 200])
def test_a_quote_closed_too_late_is_unterminated(block: int) -> None:
    """The limit counts from where the record begins, wherever blocks are cut."""
    text = 'id,name\n1,"open\n' + "2,x\n" * 60 + 'close"\n3,y\n'
    result = check_source(lambda: source(text, block, **SMALL))
    assert result.reasons == {1: "unterminated_quote", 62: "ragged_row"}
    assert result.records[63] == ["3", "y"]


def test_an_open_quote_is_not_waited_for_beyond_its_limit() -> None:
    """Memory stays bounded: the line is rejected long before the file has been read."""
    made = source('id,name\n1,"open\n' + "2,x\n" * 5_000, 50, **SMALL)
    first = next(chunk for chunk in made.chunks(Ranges()) if chunk.rejected)
    assert first.rejected[0].reason == "unterminated_quote"
    assert first.share is not None
    assert first.share < 0.1


@pytest.mark.parametrize("block", range(1, 40))
def test_carriage_returns_end_lines_wherever_blocks_are_cut(block: int) -> None:
    """A lone CR behind a line too long ends that line; CRLF is one line end, not two."""
    text = "a,b\r" + "x" * 400 + "\r1,2\r3\r"
    result = check_source(lambda: source(text, block, **SMALL))
    assert result.records == {2: ["1", "2"]}
    assert result.reasons == {1: "line_too_long", 3: "ragged_row"}
    crlf = read(source("a,b\r\n1,2\r\n3\r\n4\r\n", block))
    assert [each.detail[:6] for each in crlf.rejected.values()] == ["line 3", "line 4"]


@pytest.mark.parametrize("block", [3, 50, 4096])
def test_a_stray_quote_never_swallows_good_rows(block: int) -> None:
    """Two stray quotes far apart reject their own lines, not what stands between them."""
    text = 'id,a,b\n1,w,"oops\n2,b,c\n3,d,e\n4,5",x\n5,f,"g"\n'
    result = check_source(lambda: source(text, block))
    assert sorted(result.records) == [2, 3, 4, 5]
    assert result.reasons == {1: "malformed_csv"}


@pytest.mark.parametrize("block", [3, 50, 200])
def test_a_line_too_long_is_rejected_and_passed_over(block: int) -> None:
    """A line without end is never held in memory, and costs one record."""
    text = "id,name\n1,a\n2," + "x" * 5_000 + "\n3,c\n" + "y" * 401
    result = check_source(lambda: source(text, block, **SMALL))
    assert result.records == {1: ["1", "a"], 3: ["3", "c"]}
    assert result.reasons == {2: "line_too_long", 4: "line_too_long"}
    assert len(result.rejected[2].record) <= 1024


def test_a_field_may_be_longer_than_the_csv_module_allows() -> None:
    """The csv module stops at 131,072 characters a field; lines up to `line_bytes` are read."""
    long = "x" * 300_000
    policy = SourcePolicy(url="m.csv")
    origin = MemoryOrigin(f'a,b\n1,{long}\n2,"{long}"\n3\n'.encode())
    result = read(CsvSource(name="m.csv", origin=origin, policy=policy))
    assert values(result) == [["1", long], ["2", long]]
    assert result.reasons == {3: "ragged_row"}


def test_chunks_hold_about_as_many_records_as_asked() -> None:
    """Blocks shrink and grow with the records, so that chunks keep their size."""
    text = "id,name\n" + "".join(f"{number},{'x' * 90}\n" for number in range(10_000))
    sizes = Sizes(chunk_records=500)
    policy = SourcePolicy(url="m.csv")
    chunks = read(
        CsvSource(name="m.csv", origin=MemoryOrigin(text.encode()), policy=policy, sizes=sizes)
    ).chunks
    assert {400 <= len(chunk.records) <= 600 for chunk in chunks[1:-1]} == {True}
    assert chunks[-1].share == 1.0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("block", [1, 9, 64])
def test_every_encoding_is_read_and_resumed(encoding: str, block: int) -> None:
    """Text arrives code point for code point, from a mark in the middle as from the beginning."""
    text = "naïve,b\n" + "".join(f'{number},"é€\n{number}"\n' for number in range(20))
    declared = encoding if encoding in ("utf-16-le", "cp1252") else None
    result = check_source(lambda: source(text.encode(encoding), block, encoding=declared))
    assert result.chunks[0].columns == ("naïve", "b")
    assert values(result) == [[str(number), f"é€\n{number}"] for number in range(20)]


@pytest.mark.parametrize("codec", ["gb18030", "shift_jis", "iso2022_jp", "utf-7", "cp037", "hz"])
def test_stateful_and_foreign_codecs_are_read_and_resumed(codec: str) -> None:
    """Where bytes alone do not show line ends, marks still hold."""
    word = "word" if codec == "cp037" else "文字"
    text = "a,b\n" + "".join(f"{number},{word}\n" for number in range(9))
    result = check_source(lambda: source(text.encode(codec), 5, encoding=codec))
    assert values(result) == [[str(number), word] for number in range(9)]


def test_bytes_foreign_to_a_set_codec_cost_their_record() -> None:
    """A byte that the codec does not know is invalid text in one record, shown as a byte."""
    result = check_source(lambda: source(b"a,b\n1,\x81\n2,\x80\n", encoding="cp1252"))
    assert result.records == {2: ["2", "€"]}
    assert result.rejected[1].record == "1,\\x81"
    odd = check_source(lambda: source("a,b\n1,2\n".encode("utf-16") + b"\x00\xd8\n\0x", 4))
    assert odd.records == {1: ["1", "2"]}
    assert {place: each.record for place, each in odd.rejected.items()} == {
        2: "\\x00\\xd8",
        3: "\\x78",
    }


def test_columns_of_a_file_without_a_header() -> None:
    """Where the config names the columns, the first line is a record."""
    made = source("1,2\n3,4\n", columns=("a", "b"))
    assert made.columns() == ("a", "b")
    assert values(read(made)) == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_columns_and_no_records(data: bytes) -> None:
    """Nothing is nothing, and no error."""
    assert source(data).columns() == ()
    assert read(source(data)).chunks == []


@pytest.mark.parametrize("block", [1, 3, 64])
def test_blank_lines_are_no_records(block: int) -> None:
    """A blank line takes no position, not even where a record has one field; `""` is a field."""
    result = check_source(lambda: source('a\n\n1\n\r\n\n""\n2\n\n', block))
    assert values(result) == [["1"], [""], ["2"]]


def test_a_file_of_a_header_alone_has_no_records() -> None:
    """A header is no record, with or without a line end."""
    assert source("a,b").columns() == ("a", "b")
    assert check_source(lambda: source("a,b")).positions == []


def test_without_a_quote_character_quotes_are_text() -> None:
    """`quote = ""` reads what was written without quoting."""
    result = check_source(lambda: source('a|b\n"1|2"\n5"|x\n', quote="", delimiter="|"))
    assert values(result) == [['"1', '2"'], ['5"', "x"]]


def test_a_damaged_header_raises_before_any_record() -> None:
    """A header that cannot be used is an error about the source, not about a record."""
    with pytest.raises(SourceError, match="both called 'a'"):
        source("a,b,a\n1,2,3\n").columns()


def test_an_apostrophe_of_the_user_stays() -> None:
    """Only a table that begins as those of `results` do is read without the marks of `results`."""
    rows = "id,source,position\n'=1,'+2,''-3\n"
    assert values(read(source(rows))) == [["'=1", "'+2", "''-3"]]
    assert values(read(source(rows.replace("id", "contact_key")))) == [["=1", "+2", "'-3"]]
