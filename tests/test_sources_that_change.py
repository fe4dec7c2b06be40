"""Sources that change between runs and while they are read: never a silent loss, nobody twice."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import AlreadyInjectedError, RunDirectoryError, SourceError
from pipeline.events import SourceChanged
from pipeline.intake.csv import CsvSource
from pipeline.intake.locate import locate
from pipeline.intake.origin import PathOrigin
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from pipeline.running.legs import RunOptions
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.injection import Stand

LINE = "D{:05},d{}@example.com,Dan\n"


def write(place: Path, number: int, name: str = "contacts.csv") -> Path:
    return write_contacts(place / name, range(1, number + 1))


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def halt(stand: Stand) -> None:
    """A run that stops in the middle."""
    injected = await stand.inject(options=RunOptions(limit=15))
    assert injected.counts[1] == 15


async def test_grown_after_it_was_finished(tmp_path: Path) -> None:
    """Whoever appends to an injected file does not mail everybody again."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        await stand.inject()
        append(path, LINE.format(1, 1))
        with pytest.raises(AlreadyInjectedError, match=r"contacts\.csv has grown since it was inj"):
            await stand.inject()

        assert set(stand.taken().values()) == {1}
        again = await stand.inject(options=RunOptions(again=True))
        assert again.counts == (31, 31, 0, 0, 0)


async def test_one_more_file_after_the_others_were_finished(tmp_path: Path) -> None:
    """Nor does whoever puts another file beside those that were injected."""
    async with standing(tmp_path) as stand:
        write(tmp_path, 10, "a.csv")
        write(tmp_path, 20, "b.csv")
        await stand.inject("?.csv")
        (tmp_path / "c.csv").write_text("customer_id,EmailAddress,FirstName\n" + LINE.format(1, 1))
        with pytest.raises(AlreadyInjectedError, match=r"a\.csv, b\.csv: injected already, among"):
            await stand.inject("?.csv")

        alone = await stand.inject("c.csv")
        assert alone.counts == (1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: append(path, "more\n"), "has grown since, from"),
        (lambda path: os.truncate(path, 300), "has shrunk since, from"),
        (lambda path: path.write_text(path.read_text().replace("Ann", "Bob")), "has changed since"),
        (lambda path: write_contacts(path, range(100, 131)), r"has (grown|changed|shrunk) since"),
    ],
    ids=["grown", "truncated", "changed", "replaced"],
)
async def test_changed_in_the_middle_of_a_run(
    change: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    """Positions would mean other records: the run waits for the source it was begun with."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        await halt(stand)
        before = path.read_bytes()
        change(path)
        with pytest.raises(RunDirectoryError, match=told):
            await stand.inject()

        path.write_bytes(before)
        assert (await stand.inject()).counts == (30, 30, 0, 0, 0)
        assert set(stand.taken().values()) == {1}


async def test_grown_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is appended meanwhile is no part of the run, and that is said."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        during(monkeypatch, lambda: append(path, LINE.format(1, 1)))
        injected = await stand.inject()
        assert injected.counts == (30, 30, 0, 0, 0)
        (change,) = injected.seen(SourceChanged)
        assert "contacts.csv has grown since, from" in change.detail
        monkeypatch.undo()
        with pytest.raises(AlreadyInjectedError, match="has grown since it was injected"):
            await stand.inject()


async def test_removed_once_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs it any more: the run is completed, and says that it is gone."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        afterwards(monkeypatch, path.unlink)
        injected = await stand.inject()
        assert (injected.counts, injected.exit_code) == ((30, 30, 0, 0, 0), 0)
        assert injected.summary["state"] == "completed"
        (change,) = injected.seen(SourceChanged)
        assert change.detail == "contacts.csv is not there any more"


async def test_written_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is no record: all before it is sent, and the run halts with that sentence."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        append(path, "C00031,customer.31@exam")
        during(monkeypatch, lambda: append(path, "ple.com,Ann\n"))
        injected = await stand.inject()
        assert injected.counts == (30, 30, 0, 0, 0)
        assert isinstance(injected.error, SourceError)
        assert "its last record was not complete" in str(injected.error)


async def test_cut_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that became shorter is not taken for a complete one; put back, the run goes on."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        whole = path.read_bytes()
        during(monkeypatch, lambda: os.truncate(path, whole.index(b"C00021")))
        injected = await stand.inject()
        assert (injected.exit_code, injected.summary["state"]) == (2, "halted")
        assert "has shrunk since it was looked at, from" in str(injected.error)
        monkeypatch.undo()
        path.write_bytes(whole)
        assert (await stand.inject()).counts == (30, 30, 0, 0, 0)
        assert set(stand.taken().values()) == {1}


async def test_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a file of another content is sent in the place of what was recognised."""
    async with standing(tmp_path) as stand:
        path = write(tmp_path, 30)
        whole = path.read_text()
        during(monkeypatch, lambda: path.write_text(whole.replace("Ann", "Bob")))
        injected = await stand.inject()
        assert injected.exit_code == 2
        assert injected.summary["state"] == "halted"
        assert "is not the file it was when it was looked at" in str(injected.error)
        assert not stand.taken()
        monkeypatch.undo()
        path.write_text(whole)
        assert (await stand.inject()).counts == (30, 30, 0, 0, 0)
        assert set(stand.taken().values()) == {1}


def test_replaced_before_the_encoder_moves(tmp_path: Path) -> None:
    """What opens the file again in the middle of a run reads the same file, or nothing more."""
    path = tmp_path / "contacts.csv"
    path.write_text("id\n1\n2\n")
    origin = PathOrigin(path)
    source = CsvSource(name=path.name, origin=origin, policy=SourcePolicy(url="x"))
    source.fingerprint()
    elsewhere = pickle.loads(pickle.dumps(source))  # as it goes to the encoder's process
    other = tmp_path / "other.csv"
    other.write_text("id\n1\n3\n")
    other.replace(path)
    with pytest.raises(SourceError, match="is not the file it was when it was looked at"):
        list(elsewhere.chunks(Ranges()))


def test_what_is_appended_is_not_there(tmp_path: Path) -> None:
    """Whoever reads a recognised file, from its end or all of it at once, sees what it was."""
    path = tmp_path / "contacts.parquet"
    path.write_bytes(b"0123456789")
    origin = PathOrigin(path)
    origin.fingerprint(path.name)
    with path.open("ab") as file:
        file.write(b"more")

    with origin.open() as raw, io.BufferedReader(raw) as whole:
        assert whole.read() == b"0123456789"
        assert whole.seek(-3, os.SEEK_END) == 7
        assert whole.read(9) == b"789"


def test_an_archive_replaced_after_it_was_recognised(tmp_path: Path) -> None:
    """Of another archive at the same place, no member is taken for the one that was recognised."""
    path = tmp_path / "contacts.zip"
    for text in ("id\n1\n2\n", "id\n1\n3\n"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", text)

        if text.endswith("2\n"):
            (source,) = locate(SourcePolicy(url=str(path)))
            source.fingerprint()

    with pytest.raises(SourceError, match="the archive was replaced or written to"):
        list(source.chunks(Ranges()))


def during(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Have `deed` done when the sources were recognised, and before they are read."""
    chunks = CsvSource.chunks

    def done_then_read(self: CsvSource, *places: object) -> object:
        deed()
        return chunks(self, *places)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(CsvSource, "chunks", done_then_read)


def afterwards(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Have `deed` done when the source was read to its end."""
    chunks = CsvSource.chunks

    def read_then_done(self: CsvSource, *places: object) -> object:
        yield from chunks(self, *places)  # type: ignore[arg-type]  # as they came
        deed()

    monkeypatch.setattr(CsvSource, "chunks", read_then_done)


def test_compressed_and_appended_to(tmp_path: Path) -> None:
    """What is appended to a compressed file is not read either."""
    path = tmp_path / "contacts.csv.gz"
    path.write_bytes(gzip.compress(b"id\n1\n2\n"))
    source = CsvSource(name=path.name, origin=PathOrigin(path), policy=SourcePolicy(url="x"))
    source.fingerprint()
    with path.open("ab") as file:
        file.write(gzip.compress(b"3\n"))

    assert [record for chunk in source.chunks(Ranges()) for record in chunk.records] == [
        ["1"],
        ["2"],
    ]
