"""A worker that has lived for weeks, on a real queue: its contacts left the journal long ago."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.contracts.queue_source import benched
from tests.fakes.brokers import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contracts.queue_source import Bench
    from tests.fakes.program import Ran

pytestmark = pytest.mark.timeout(300)

AGED = {
    "settlement": ("at",),
    "batch": ("at",),
    "contact": ("at",),
    "message": ("at", "acked"),
    "result_part": ("began", "at"),
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with benched(Valkey, tmp_path, "lasting") as bench:
        yield bench


def grow_older(bench: Bench, *, days: float) -> None:
    """As if all of it had been so many days earlier."""
    with closing(sqlite3.connect(bench.program.directory / "run" / "journal.db")) as connection:
        for table, columns in AGED.items():
            moved = ", ".join(f"{column} = {column} - {days * 86_400}" for column in columns)
            connection.execute(f"UPDATE {table} SET {moved}")

        connection.commit()


def rows_of(bench: Bench, table: str) -> int:
    with closing(sqlite3.connect(bench.program.directory / "run" / "journal.db")) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)


def work(bench: Bench, *, messages: int) -> Ran:
    bench.put(messages)
    running = bench.start()
    return bench.drain(running)


def listed(bench: Bench, *options: str) -> Ran:
    return bench.program("results", "run.toml", "--format", "ndjson", *options)


def test_weeks_of_a_worker(bench: Bench) -> None:
    """Nobody is forgotten: not by the files, the verbs, nor when the queue gives all out again."""
    bench.configure()
    (bench.program.directory / "run.toml").write_text(
        (bench.program.directory / "run.toml")
        .read_text()
        .replace("[run]\n", "[run]\nkeep_days = 10\n")
    )
    work(bench, messages=40)
    grow_older(bench, days=4)
    ran = work(bench, messages=20)
    assert "a day is over, and its results lie in accepted-" in ran.stderr
    grow_older(bench, days=3)
    work(bench, messages=20)
    assert isinstance(bench.broker, Valkey)
    bench.broker.give_out_again("lasting")
    before = bench.taken()
    work(bench, messages=1)
    assert bench.taken() == before + 10  # those of the new message alone
    bench.audit()

    first, second = sorted((bench.program.directory / "run").glob("accepted-*.ndjson"))
    batches = rows_of(bench, "batch")
    grow_older(bench, days=8)
    ran = work(bench, messages=1)
    assert f"accepted contacts left the journal: {first.name} alone has them now" in ran.stderr
    assert second.name not in ran.stderr.partition("left the journal")[2]
    assert rows_of(bench, "batch") < batches
    bench.audit()

    accepted = [json.loads(line) for line in listed(bench, "--of", "accepted").stdout.splitlines()]
    assert {line["contact_key"] for line in accepted} == set(bench.keys)
    assert len(accepted) == len({line["position"] for line in accepted}) == len(bench.keys)
    status = json.loads(bench.program("status", "run.toml", "--json").stdout)
    assert status["accepted"] == len(bench.keys)
    assert bench.program("report", "run.toml").code == 0

    first.rename(first.with_suffix(".away"))
    status = bench.program("status", "run.toml")
    assert f"{first.name} is gone" in status.stdout + status.stderr
    ran = listed(bench, "--of", "accepted")
    assert ran.code == 2
    assert f"not all of them are listed. {first.name} is gone: it alone says who" in ran.stderr
    assert len(ran.stdout.splitlines()) == len(bench.keys) - first_contacts(first)
    verified = bench.program("verify", "run.toml", "--margin", "0s", "--json")
    told = json.loads(verified.stdout)
    assert told["entered"] == len(bench.keys) - first_contacts(first)
    assert told["pending"] == first_contacts(first)
    assert f"not asked about: {first.name} is gone" in verified.stderr


def first_contacts(first: Path) -> int:
    lines = first.with_suffix(".away").read_text().splitlines()
    return sum(len(json.loads(line)["contact_keys"]) for line in lines)
