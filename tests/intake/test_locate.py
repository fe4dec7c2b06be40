from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.intake.csv import CsvSource
from pipeline.intake.locate import locate
from pipeline.intake.ndjson import NdjsonSource
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with data, and with what is none; it is the working directory."""
    (tmp_path / "sub").mkdir()
    for name in ("b.csv", "a.tsv", "c.jsonl", ".hidden.csv", "notes.md", "sub/b.csv", "sub/d.csv"):
        (tmp_path / name).write_text("id\tx\n1\t2\n")

    (tmp_path / "e.CSV.gz").write_bytes(gzip.compress(b"id;x\n1;2\n"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(url: str) -> list[str]:
    return [source.name for source in locate(SourcePolicy(url=url))]


def test_a_path_is_one_source_called_by_its_base_name(folder: Path) -> None:
    """A relative path, an absolute path and a file URL name the same file."""
    assert names("b.csv") == ["b.csv"]
    assert names(str(folder / "b.csv")) == ["b.csv"]
    assert names((folder / "b.csv").as_uri()) == ["b.csv"]
    assert names(f"file://localhost{folder}/sub/../b%2Ecsv") == ["b.csv"]


@pytest.mark.usefixtures("folder")
def test_a_directory_is_its_data_files_in_order() -> None:
    """Hidden files, other files and directories below are left out."""
    assert names(".") == ["a.tsv", "b.csv", "c.jsonl", "e.CSV.gz"]


@pytest.mark.usefixtures("folder")
def test_a_glob_is_what_it_matches_in_order() -> None:
    """`**` goes into directories; where base names collide, the path tells them apart."""
    assert names("*.csv") == ["b.csv"]
    assert names("**/*.csv") == ["b.csv", "sub/b.csv", "d.csv"]
    assert names("sub/*") == ["b.csv", "d.csv"]


@pytest.mark.usefixtures("folder")
def test_a_name_with_magic_characters_that_exists_is_a_path() -> None:
    """A file called [1].csv needs no escaping."""
    Path("[1].csv").write_text("a\n1\n")
    assert names("[1].csv") == ["[1].csv"]


@pytest.mark.usefixtures("folder")
def test_the_format_comes_from_the_name() -> None:
    """The ending tells the format, behind that of the compression; tsv means tabs."""
    kinds = {source.name: source for source in locate(SourcePolicy(url="."))}
    assert isinstance(kinds["c.jsonl"], NdjsonSource)
    assert isinstance(kinds["e.CSV.gz"], CsvSource)
    assert kinds["e.CSV.gz"].columns() == ("id", "x")
    assert read(kinds["a.tsv"]).records == {1: ["1", "2"]}
    Path("comma.tsv").write_text("a,b\tc,d\n")
    assert locate(SourcePolicy(url="comma.tsv"))[0].columns() == ("a,b", "c,d")


@pytest.mark.usefixtures("folder")
def test_a_set_format_wins_over_the_name() -> None:
    """With `format`, any name will do."""
    assert isinstance(locate(SourcePolicy(url="notes.md", format="csv"))[0], CsvSource)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"notes\.md does not tell its format"):
        locate(SourcePolicy(url="notes.md"))


def test_stdin_is_a_dash() -> None:
    """Standard input is csv unless the config says otherwise, and is called stdin."""
    (source,) = locate(SourcePolicy(url="-"))
    assert isinstance(source, CsvSource)
    assert source.name == "stdin"
    assert isinstance(locate(SourcePolicy(url="-", format="ndjson"))[0], NdjsonSource)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("absent.csv", r"absent\.csv cannot be read: No such file"),
        ("*.parquet", r"nothing matches \*\.parquet.*taken from /"),
        ("empty", r"empty holds no file ending in \.csv"),
        ("file://elsewhere/x.csv", "another machine"),
        ("redis://host/", r"it names no queue. Write redis://host:6379/0/stream"),
        ("redis://host/x/stream", "'x' is no number of a database"),
        ("redis://-host/stream", "it names no host"),
        ("redis://host/stream?maxlen=1", r"it takes \?group=, not \?maxlen="),
        ("http://x/y.csv", '"http" is no kind of source'),
        ("/dev/null", "no regular file"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(folder: Path, url: str, words: str) -> None:
    """A source that is not there is one clear sentence, before anything is sent."""
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=words):
        locate(SourcePolicy(url=url))


@pytest.mark.usefixtures("folder")
def test_columns_are_not_for_ndjson() -> None:
    """A setting without effect is a mistake in the config, not something to pass over."""
    with pytest.raises(SourceError, match="columns and delimiter are for delimited text"):
        locate(SourcePolicy(url="c.jsonl", columns=("a",)))
