"""Whatever was injected, and whatever comes then: nobody is sent twice, and who is new is sent."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import AlreadyInjectedError, InjectedInPartError, RunDirectoryError
from pipeline.intake.plain import RUNG_BYTES
from pipeline.settling.admission import Kind, admit
from pipeline.settling.alike import alike
from pipeline.settling.known import look
from pipeline.settling.noted import TABLES, note, noted
from pipeline.settling.opening import begin
from pipeline.settling.state import RunState
from tests.fakes.holdings import ToldHoldings, digest, plain_of
from tests.fakes.runs import DAY, fingerprint, identity_of
from tests.settling.test_admission import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.intake.plain import Plain
    from pipeline.intake.recognised import Content
    from pipeline.intake.source import Fingerprint
    from pipeline.settling.identity import Identity
    from pipeline.settling.known import Known

LONGEST = 5 * RUNG_BYTES
BASES = [random.Random(seed).randbytes(LONGEST) for seed in (1, 2)]
sizes = st.one_of(
    st.integers(1, LONGEST),
    st.builds(lambda rung, by: RUNG_BYTES * rung + by, st.integers(1, 4), st.integers(-1, 1)),
)
contents = st.builds(lambda base, size: base[:size], st.sampled_from(BASES), sizes)
ways = st.sampled_from(["", "1", "9", "far"])


class Holdings:
    """Those of sources of which everything is known, as they are in memory."""

    def __init__(self, sources: Sequence[tuple[bytes, str]]) -> None:
        self._sources = sources

    def plains(self) -> list[Plain | None]:
        return [known_of(content, way) for content, way in self._sources]

    def beginnings(self, sizes: Iterable[int]) -> Iterator[Content]:
        for content, way in self._sources:
            for text in {content if way != "far" else b"", stored(content, way)}:
                yield from ((size, digest(text[:size])) for size in sizes if 0 < size < len(text))


def stored(content: bytes, way: str) -> bytes:
    """What it is compressed: as good as anything."""
    return content if not way else hashlib.blake2b(content, key=way.encode()).digest()


def known_of(content: bytes, way: str) -> Plain | None:
    """What is known of it uncompressed: nothing where it lies compressed on another machine."""
    if way == "far":
        return None

    plain = plain_of(content)
    return replace(plain, checksum=plain.checksum if way else None)


def source(name: str, content: bytes, way: str) -> Fingerprint:
    kept = stored(content, way)
    return fingerprint(name, size=len(kept), digest=digest(kept))


def told(name: str, content: bytes, way: str) -> Identity:
    return identity_of(source(name, content, way)).told([known_of(content, way)])


def injected(identity: Identity, run_id: str = "r1") -> Known:
    return replace(FINISHED, run=replace(FINISHED.run, identity=identity, run_id=run_id))


@given(old=contents, new=contents, was=ways, now=ways, aside=st.booleans())
@example(old=BASES[0], new=BASES[0][:RUNG_BYTES], was="1", now="9", aside=True)
@example(old=BASES[0], new=BASES[0][:RUNG_BYTES], was="", now="", aside=False)
@example(old=BASES[0][:RUNG_BYTES], new=BASES[0][: RUNG_BYTES - 1], was="", now="1", aside=False)
def test_what_comes_after(old: bytes, new: bytes, was: str, now: str, *, aside: bool) -> None:
    """What is the same uncompressed is injected already; what has grown since, or is the beginning
    of it and no shorter than a rung, is refused; everything else is sent. Where what a compressed
    file holds is not known, it is compared as it is stored."""
    known, wanted = injected(told("a", old, was)), identity_of(source("b", new, now))
    comparable = "far" not in (was, now) or was == now

    def admitted() -> Kind:
        present, previous = (None, [known]) if aside else (known, [])
        return admit(present, previous, wanted, holdings=Holdings([(new, now)]))

    if old == new and comparable:
        with pytest.raises(AlreadyInjectedError, match="already injected"):
            admitted()
    elif "far" in (was, now):
        assert admitted() is Kind.NEW
    elif new.startswith(old):
        with pytest.raises(InjectedInPartError, match="a has grown since"):
            admitted()
    elif old.startswith(new) and len(new) >= RUNG_BYTES:
        with pytest.raises(InjectedInPartError, match="b looks like the beginning of the a that"):
            admitted()
    else:
        assert admitted() is Kind.NEW


@given(old=contents, new=contents, now=ways, whole=st.booleans())
@example(old=BASES[0][:9], new=BASES[0], now="1", whole=False)
def test_one_that_was_fetched_again(old: bytes, new: bytes, now: str, *, whole: bool) -> None:
    """An unfinished run whose source could not be read to its end is gone on with when more of it
    is there, however that is compressed; any other is refused."""
    known = injected(told("a", old, "1"))
    (one,) = known.run.identity.sources
    assert one.plain is not None
    damaged = identity_of(replace(one, plain=replace(one.plain, whole=whole)))
    run = replace(known.run, state=RunState.HALTED, exhausted=False, identity=damaged)
    wanted, holdings = identity_of(source("b", new, now)), Holdings([(new, now)])

    def admitted() -> Kind:
        return admit(replace(known, run=run), [], wanted, holdings=holdings)

    if now != "far" and (new == old or (new.startswith(old) and not whole)):
        assert admitted() is Kind.CONTINUED
    else:
        with pytest.raises(RunDirectoryError, match="holds an unfinished run"):
            admitted()


@given(old=contents, was=ways, now=ways)
def test_an_unfinished_run(old: bytes, was: str, now: str) -> None:
    """It is gone on with where its source is the same, and nothing is read where that is stored as
    it was."""
    known = injected(told("a", old, was))
    known = replace(known, run=replace(known.run, state=RunState.HALTED, exhausted=False))
    wanted, asked = identity_of(source("b", old, now)), ToldHoldings(plains=[known_of(old, now)])
    if was == now or "far" not in (was, now):
        assert admit(known, [], wanted, holdings=asked) is Kind.CONTINUED

    if was == now:
        assert not asked.asked


@settings(deadline=None)
@given(
    runs=st.lists(st.tuples(contents, ways), min_size=1, max_size=6),
    new=contents,
    now=ways,
    forgotten=st.sets(st.integers(0, 5)),
)
def test_found_among_many(
    runs: list[tuple[bytes, str]], new: bytes, now: str, forgotten: set[int]
) -> None:
    """Those that are found by an index are all that matter: whatever is decided of all runs that
    were injected is decided of them. Also where earlier programs did not know what some of them
    were uncompressed."""
    wanted, holdings = identity_of(source("b", new, now)), Holdings([(new, now)])
    every = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; {TABLES} COMMIT")
        for number, (content, way) in enumerate(runs):
            name = f"r{number}"
            identity = told(name, content, way)
            if number in forgotten:
                identity = identity_of(replace(identity.sources[0], plain=None))

            note(connection, name, injected(identity, name), removed_at=DAY)
            every.append(noted(connection, Path(name), name))

        found = alike(connection, wanted, holdings)

    some = [known for known in every if (known.run.run_id, known.run.run_id) in found]
    assert decided(some, wanted, holdings) == decided(every, wanted, holdings)


def decided(runs: list[Known], wanted: Identity, holdings: Holdings) -> str:
    try:
        return admit(None, runs, wanted, holdings=holdings)
    except AlreadyInjectedError as error:
        return str(error)


def test_what_a_journal_knows(tmp_path: Path) -> None:
    """What its sources are uncompressed stands in it from its beginning, and in what is noted of
    it."""
    content = BASES[0]
    plains = [known_of(content, "1"), None]
    identity = identity_of(source("a", content, "1"), source("b", content[:9], "far"))
    begin(tmp_path, run_id="r1", identity=identity.told(plains), endpoint="events").close()
    known = look(tmp_path)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; {TABLES} COMMIT")
        for _ in range(2):
            note(connection, "r1", known, removed_at=None)

        again = noted(connection, Path("r1"), "r1")

    for one in (known, again):
        assert [each.plain for each in one.run.identity.sources] == plains
