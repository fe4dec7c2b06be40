"""What was injected is recognised however it is compressed, and in what is the beginning of it."""

from __future__ import annotations

import gzip
import io
import os
import signal
import sqlite3
import time
import zipfile
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import (
    AlreadyInjectedError,
    InjectedInPartError,
    InterruptedRunError,
    RunDirectoryError,
    SourceError,
)
from pipeline.intake.plain import Gauge
from pipeline.running.legs import RunOptions
from tests.fakes.configs import zstd_compressed
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.injection import Stand

MANY = 900
FAST = {"batch": {"max_records": 100}}


def text(numbers: range | int, *, first: str = "Ann") -> bytes:
    """A CSV of so many contacts, forty bytes each."""
    numbers = range(1, numbers + 1) if isinstance(numbers, int) else numbers
    lines = [f"C{number:05},c{number:05}@example.com,{first}-{number:05}" for number in numbers]
    return "\n".join(["customer_id,EmailAddress,FirstName", *lines, ""]).encode()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", content)

    return file.getvalue()


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "a.csv": lambda content: content,
    "b.csv.gz": lambda content: gzip.compress(content, 1, mtime=1),
    "c.csv.gz": lambda content: gzip.compress(content, 9, mtime=2),
    "d.csv.zst": zstd_compressed,
    "e.zip": zipped,
}
PAIRS = [*pairwise(WAYS), ("e.zip", "a.csv"), ("b.csv.gz", "a.csv"), ("a.csv", "e.zip")]


def put(stand: Stand, name: str, content: bytes) -> str:
    """Write it as the name says, in the place of all others."""
    for each in WAYS:
        (stand.place / each).unlink(missing_ok=True)

    (stand.place / name).write_bytes(WAYS[name](content))
    return name


async def refused(stand: Stand, name: str, error: type[Exception], match: str) -> None:
    """It is not sent, with this sentence; `--again` would send it."""
    before = stand.taken()
    with pytest.raises(error, match=match) as told:
        await stand.inject(name)

    assert type(told.value) is error
    assert "--again" in str(told.value)
    assert stand.taken() == before


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_compressed_anew(tmp_path: Path, one: str, other: str) -> None:
    """The same content under whatever name and in whatever way it is compressed is injected
    already. What has grown since is refused, and so is what is the beginning of it; another file
    that begins with the same header, and a few of the same contacts, is sent."""
    async with standing(tmp_path, sections=FAST) as stand:
        await stand.inject(put(stand, one, text(MANY)))
        await refused(stand, put(stand, other, text(MANY)), AlreadyInjectedError, "already inj")

        grown = put(stand, other, text(MANY + 1))
        await refused(stand, grown, InjectedInPartError, "has grown since it was injected")

        for cut in (text(MANY)[:9_000], text(MANY)[: 16 * 1024], text(MANY)[:-41], text(MANY)[:-1]):
            part = put(stand, other, cut)
            beginning = "looks like the beginning of the .* that was injected"
            await refused(stand, part, InjectedInPartError, beginning)

        few = text(150) + text(range(2_000, 2_500)).partition(b"\n")[2]
        another = await stand.inject(put(stand, other, few))
        assert another.counts == (650, 650, 0, 0, 0)


@pytest.mark.parametrize("name", WAYS)
async def test_a_header_that_is_longer_than_all_contacts(tmp_path: Path, name: str) -> None:
    """It alone makes no file look like the beginning of another one."""
    columns = ",".join(f"column_{number:06}" for number in range(1_000))
    header = f"customer_id,EmailAddress,FirstName,{columns}\n"
    others = "," * 1_000 + "\n"

    def wide(*numbers: int) -> bytes:
        lines = [f"C{each},c{each}@example.com,Ann{others}" for each in numbers]
        return (header + "".join(lines)).encode()

    async with standing(tmp_path, sections=FAST) as stand:
        assert 8_192 < len(header) < len(wide(1)) < 16_384
        await stand.inject(put(stand, name, wide(*range(1, 12))))
        another = await stand.inject(put(stand, name, wide(100)))
        assert another.counts == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("name", ["b.csv.gz", "d.csv.zst"])
async def test_more_behind_it_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """Of an upload that was cut off, all that can be read was injected: that is not all of it."""
    async with standing(tmp_path, sections=FAST) as stand:
        await stand.inject(put(stand, "a.csv", text(MANY)))
        put(stand, name, text(MANY))
        path = stand.place / name
        path.write_bytes(path.read_bytes() + WAYS[name](text(2 * MANY))[:14])
        await refused(stand, name, InjectedInPartError, "damaged or cut off.* fetch it again")
        await stand.inject(put(stand, "e.zip", text(range(5_000, 5_000 + MANY))))
        put(stand, name, text(MANY))
        path.write_bytes(path.read_bytes() + WAYS[name](text(2 * MANY))[:14])
        await refused(stand, name, InjectedInPartError, "damaged or cut off.* fetch it again")


@pytest.mark.parametrize("name", ["b.csv.gz", "d.csv.zst"])
async def test_an_upload_of_it_that_was_cut_off(tmp_path: Path, name: str) -> None:
    """As much as can be read of a compressed file is the beginning of what was injected."""
    async with standing(tmp_path, sections=FAST) as stand:
        # zstd gives what was cut off block by block, and a block has 128 KiB.
        content = text(10_000)
        await stand.inject(put(stand, "a.csv", content))
        whole = WAYS[name](content)
        (tmp_path / name).write_bytes(whole[: 4 * len(whole) // 5])
        await refused(stand, name, InjectedInPartError, "looks like the beginning of the a.csv")


async def test_the_first_of_it_that_is_damaged(tmp_path: Path) -> None:
    """What can be read of it is sent, as ever, and the damage told."""
    async with standing(tmp_path, sections=FAST) as stand:
        whole = gzip.compress(text(MANY), mtime=1)
        (tmp_path / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
        injected = await stand.inject("b.csv.gz")
        assert isinstance(injected.error, SourceError)
        assert "damaged or cut off" in str(injected.error)
        assert 100 < injected.counts[1] < MANY
        assert injected.counts[0] == injected.counts[1]


@pytest.mark.parametrize("name", ["b.csv.gz", "d.csv.zst"])
async def test_fetched_again(tmp_path: Path, name: str) -> None:
    """Of a file that is cut off what can be read is sent; as more of it comes, the run goes on, and
    nobody is sent twice, nor half a record. Another file is none that was fetched again."""
    sections = {"batch": {"max_records": 500}}
    async with standing(tmp_path, sections=sections, keep_data=True) as stand:
        content = text(12_000)
        whole, path, read = WAYS[name](content), tmp_path / name, 0
        for share in (0.5, 0.8):
            path.write_bytes(whole[: int(share * len(whole))])
            injected = await stand.inject(name)
            assert isinstance(injected.error, SourceError)
            assert read < injected.counts[1] < 12_000
            read = injected.counts[1]

        another = text(12_000, first="Bob")
        await refused(stand, put(stand, name, another), RunDirectoryError, "an unfinished run")
        mended = put(stand, "c.csv.gz", content)
        assert (await stand.inject(mended)).counts == (12_000, 12_000, 0, 0, 0)
        assert set(stand.taken().values()) == {1}
        names = {key: data["FirstName"] for key, data in stand.data().items()}
        assert names == {f"C{number:05}": f"Ann-{number:05}" for number in range(1, 12_001)}
        await refused(stand, put(stand, name, content), AlreadyInjectedError, "already injected")


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_compressed_anew_in_the_middle_of_a_run(tmp_path: Path, one: str, other: str) -> None:
    """Its records are the same, and so are their positions: the run goes on with it."""
    async with standing(tmp_path, sections=FAST) as stand:
        await stand.inject(put(stand, one, text(MANY)), RunOptions(limit=250))
        other = put(stand, other, text(MANY))
        await stand.inject(other, RunOptions(limit=250))
        assert (await stand.inject(other)).counts == (MANY, MANY, 0, 0, 0)
        assert set(stand.taken().values()) == {1}
        assert len(stand.taken()) == MANY
        await refused(stand, put(stand, one, text(MANY)), AlreadyInjectedError, "already injected")


async def test_put_aside_and_compressed_anew(tmp_path: Path) -> None:
    """Also what was injected before the last run is known."""
    async with standing(tmp_path, sections=FAST) as stand:
        await stand.inject(put(stand, "b.csv.gz", text(MANY)))
        await stand.inject(put(stand, "a.csv", text(range(5_000, 5_010))))
        await refused(stand, put(stand, "c.csv.gz", text(MANY)), AlreadyInjectedError, "already")
        grown = put(stand, "c.csv.gz", text(MANY + 1))
        await refused(stand, grown, InjectedInPartError, r"b\.csv\.gz has grown since")
        part = put(stand, "c.csv.gz", text(MANY)[:-41])
        await refused(stand, part, InjectedInPartError, "looks like the beginning of the b.csv.gz")
        again = await stand.inject(put(stand, "c.csv.gz", text(MANY)), RunOptions(again=True))
        assert again.counts == (MANY, MANY, 0, 0, 0)
        assert set(stand.taken().values()) == {1, 2}


async def test_one_of_several_compressed_anew(tmp_path: Path) -> None:
    """It is one of them still: alone or among others it is not sent again, and all of them are the
    same run."""
    async with standing(tmp_path, sections=FAST) as stand:
        (tmp_path / "one.csv").write_bytes(text(MANY))
        (tmp_path / "two.csv.gz").write_bytes(gzip.compress(text(range(5_000, 5_300)), 1))
        assert (await stand.inject("*.csv*")).counts[0] == MANY + 300
        (tmp_path / "one.csv.zst").write_bytes(zstd_compressed(text(MANY)))
        (tmp_path / "one.csv").unlink()
        await refused(stand, "*.csv*", AlreadyInjectedError, "already injected")
        await refused(stand, "one*", InjectedInPartError, "injected already, among other sources")


async def test_a_change_in_the_middle_of_a_compressed_file(tmp_path: Path) -> None:
    """Of two that are as long, and begin and end alike, no one is taken for the other: all of them
    was read."""
    async with standing(tmp_path, sections={"batch": {"max_records": 500}}) as stand:
        content = text(8_000)
        other = content[:150_000] + content[150_000:].replace(b"Ann", b"Bob", 1)
        assert len(content) == len(other) > 280_000
        await stand.inject(put(stand, "b.csv.gz", content))
        assert (await stand.inject(put(stand, "b.csv.gz", other))).counts[1] == 8_000


async def test_gone_on_with_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was begun is gone on with without reading all of its source before."""
    async with standing(tmp_path, sections=FAST) as stand:
        name = put(stand, "b.csv.gz", text(MANY))
        await stand.inject(name, RunOptions(limit=250))

        def read_through(*_: object) -> None:
            pytest.fail("it was read before it was sent")

        monkeypatch.setattr("pipeline.intake.holdings._Near._read_through", read_through)
        assert (await stand.inject(name)).counts == (MANY, MANY, 0, 0, 0)


async def test_told_to_stop_while_it_is_read_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal is not kept waiting: nothing was begun, and the next run begins."""
    feed = Gauge.feed

    def signalled(self: Gauge, piece: bytes) -> None:
        if not self.size:
            os.kill(os.getpid(), signal.SIGTERM)

        feed(self, piece)
        time.sleep(0.05)

    async with standing(tmp_path, sections={"batch": {"max_records": 500}}) as stand:
        name = put(stand, "b.csv.gz", text(2_000) + b"\n" * 10_000_000)
        with monkeypatch.context() as patch:
            patch.setattr(Gauge, "feed", signalled)
            with pytest.raises(InterruptedRunError):
                await stand.inject(name)

        assert not list((tmp_path / "run").glob("journal*"))
        assert (await stand.inject(name)).counts == (2_000, 2_000, 0, 0, 0)


async def test_a_retry_of_what_was_compressed_anew(tmp_path: Path) -> None:
    """Whoever was refused is found in it by the position it had."""
    async with standing(tmp_path, sections=FAST) as stand:
        content = text(MANY) + b",nobody@example.com,Bob\n"
        assert (await stand.inject(put(stand, "b.csv.gz", content))).counts[2] == 1
        name = put(stand, "d.csv.zst", content)
        mapping = {"contact_key": "EmailAddress"}
        retried = await stand.inject(name, RunOptions(retry="rejected"), mapping=mapping)
        assert retried.counts == (MANY + 1, MANY + 1, 0, 0, 0)
        assert stand.taken()["nobody@example.com"] == 1


@pytest.mark.parametrize("put_aside", [False, True])
async def test_what_an_earlier_program_injected(tmp_path: Path, *, put_aside: bool) -> None:
    """It knew how a file is stored alone: one that was not compressed is recognised."""
    async with standing(tmp_path, sections=FAST) as stand:
        await stand.inject(put(stand, "a.csv", text(MANY)))
        if put_aside:
            await stand.inject(put(stand, "a.csv", text(range(5_000, 5_010))))
            await refused(stand, put(stand, "a.csv", text(MANY)), AlreadyInjectedError, "already")

        for journal in (tmp_path / "run").rglob("journal.db"):
            before(journal, 7)

        for injected in (tmp_path / "run").rglob("injected.db"):
            before(injected, 2)

        for name in ("b.csv.gz", "d.csv.zst", "e.zip"):
            await refused(stand, put(stand, name, text(MANY)), AlreadyInjectedError, "already inj")
            grown = put(stand, name, text(MANY + 1))
            await refused(stand, grown, InjectedInPartError, r"a\.csv has grown since")


def before(path: Path, version: int) -> None:
    """As a program wrote it that knew nothing but how files are stored."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"DROP TABLE plain; PRAGMA user_version = {version};")
