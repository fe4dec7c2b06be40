"""The fault matrix, walked row by row: whole runs over real sockets, spoilt by a proxy."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from pipeline.settling.view import viewed
from pipeline.watching.tally import Tally
from tests.fakes.configs import write_contacts
from tests.fakes.fault_proxy import End, Fault, FaultProxy
from tests.fakes.injection import Injected, Stand, standing
from tests.fakes.loopback import Exchange, Loopback
from tests.sending.fault_matrix import ADDRESSES, AGAIN, ROWS, UNKNOWN, After, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HONEST = Fault()
CONTACTS = 12


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sending.retry.FIRST_SECONDS", 0.01)


@pytest.fixture
def anyio_backend() -> Any:
    """The table is long: connections are tried on the other loop in the tests of the client."""
    return "asyncio", {"use_uvloop": False}


@asynccontextmanager
async def stood(place: Path, **sections: Any) -> AsyncIterator[Stand]:
    """Twelve contacts in three batches, sent one after the other."""
    write_contacts(place / "contacts.csv", range(1, CONTACTS + 1))
    usual = {
        "batch": {"max_records": 4},
        "journey": {"check_fields": False},
        "delivery": {
            "max_in_flight": 1,
            "max_attempts": 3,
            "max_outage_seconds": 0.3,
            **sections.pop("delivery", {}),
        },
    }
    async with standing(place, sections={**usual, **sections}, tokens_coexist=True) as stand:
        yield stand


def told(injected: Injected) -> str:
    """All that the user reads of it: notices, the state line, the error, the result files."""
    tally = Tally()
    read = [str(injected.error or "")]
    for number, event in enumerate(injected.events):
        tally.note(event)
        read.append(tally.sample(float(number)).condition or "")

    read += [notice.text for notice in tally.take_notices()]
    for name in ("rejected", "unknown"):
        read += [f"{line['reason']}: {line['detail']}" for line in injected.lines(name)]

    return "\n".join(read)


def hold_to(after: After, injected: Injected, stand: Stand) -> None:
    """The journal, the result files, the summary, the exit code: they all say `after`."""
    assert injected.counts == (CONTACTS, *after.journal)
    assert injected.exit_code == after.code
    posts = injected.summary["requests"]
    assert posts == after.posts or (after.or_more and posts > after.posts)
    assert injected.summary["tokens"] == after.tokens
    with viewed(injected.directory) as view:
        counts = view.summary()
        assert [counts.accepted, counts.rejected, counts.unknown, counts.unprocessed] == list(
            after.journal
        )
        assert view.unsettled() == []

    names = [key for line in injected.lines("accepted") for key in line["contact_keys"]]
    failed = [
        line["contact_key"] for name in ("rejected", "unknown") for line in injected.lines(name)
    ]
    assert len(names) == after.journal[0]
    assert len({*names, *failed}) == len(names) + len(failed) == sum(after.journal[:3])
    taken = stand.taken()
    assert (
        set(names)
        <= taken.keys()
        <= {*names, *(line["contact_key"] for line in injected.lines("unknown"))}
    )
    assert set(taken.values()) <= {1}, "a contact was taken twice"


@asynccontextmanager
async def struck(row: Row, place: Path) -> AsyncIterator[tuple[Stand, FaultProxy, str, list[bool]]]:
    """The row's stand and proxy, the words to be told, and whether the fault is in force."""
    in_force = [True]
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(Loopback(Exchange.answer))
        patience = 0.4 if row.fault.then is End.HANG or row.fault.drip_seconds > 0.1 else 20.0
        stand = await stack.enter_async_context(
            stood(place, delivery={"timeout_seconds": patience})
        )
        answer = row.fault.answer and row.fault.answer.replace(b"{other}", other.url.encode())
        fault = replace(row.fault, answer=answer)

        def act(number: int) -> Fault:
            hit = number == 2 or (row.always and number > 2)
            return fault if hit and in_force[0] else HONEST

        proxy = await stack.enter_async_context(FaultProxy(stand.url, act))
        stand.sections["account"] = {"rest_url": proxy.url}
        yield stand, proxy, row.told.replace("{other}", other.url), in_force
        assert other.connections == 0, "somebody else was asked"


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row.what}{', always' if row.always else ''}" for row in ROWS]
)
async def test_the_matrix(row: Row, tmp_path: Path) -> None:
    """What the row says comes of it, and nothing else; where the run halts, it goes on later."""
    async with struck(row, tmp_path) as (stand, proxy, words, in_force):
        injected = await stand.inject()
        hold_to(row.after, injected, stand)
        assert words in told(injected)
        assert proxy.requests == injected.summary["requests"]
        if injected.exit_code == 3:
            in_force[0] = False
            resumed = await stand.inject()
            assert (resumed.exit_code, resumed.counts[1:]) == (0, (CONTACTS, 0, 0, 0))
            assert list(stand.taken().values()) == [1] * CONTACTS


IN_DOUBT = [row for row in ROWS if row.after == UNKNOWN and "with" not in row.what]


@pytest.mark.parametrize("row", IN_DOUBT, ids=[row.what for row in IN_DOUBT])
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_in_doubt_and_resent(row: Row, tmp_path: Path) -> None:
    """With on_unknown = "resend" what is unknown is sent once more, and nothing else is."""
    async with struck(row, tmp_path) as (stand, proxy, _, _):
        injected = await stand.inject(delivery={"on_unknown": "resend"})
        assert (injected.exit_code, injected.counts[1:]) == (AGAIN.code, AGAIN.journal)
        assert proxy.requests == injected.summary["requests"] == AGAIN.posts
        twice = {key for key, times in stand.taken().items() if times > 1}
        assert len(twice) == (4 if row.fault.passes and row.fault.reads is None else 0)


async def noise(exchange: Exchange) -> None:
    """Never reached: it is for a server whose connections come to nothing."""
    raise AssertionError(exchange)


@asynccontextmanager
async def addressed(what: str) -> AsyncIterator[str]:
    """A REST address at which there is `what`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    match what:
        case "no such host":
            yield "https://nowhere.invalid"
        case "nobody: connection refused":
            async with Loopback(noise) as gone:
                url = gone.url

            yield url
        case "TLS with a certificate nobody vouches for":
            async with Loopback(noise, tls=context) as server:
                yield server.url
        case "plain http where TLS is expected":
            async with Loopback(noise) as server:
                yield server.url.replace("http:", "https:")
        case _:
            async with await asyncio.start_server(babble, "127.0.0.1", 0) as listener:
                yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 20)
    await reader.read(10)
    writer.close()


@pytest.mark.parametrize("what", ADDRESSES)
async def test_the_matrix_of_addresses(what: str, tmp_path: Path) -> None:
    """Where no connection comes about nobody is in doubt, and later everybody is sent."""
    after, words = ADDRESSES[what]
    async with stood(tmp_path, delivery={"timeout_seconds": 0.6}) as stand, addressed(what) as url:
        injected = await stand.inject(account={"rest_url": url})
        assert injected.counts[1:] == after.journal
        assert (injected.exit_code, stand.taken()) == (after.code, {})
        assert words in told(injected)
        assert url.partition("//")[2] in told(injected)


@pytest.mark.parametrize(
    ("idle_seconds", "announced"), [(0.05, None), (0.05, 1), (0.4, 1)], ids=str
)
async def test_idle_connections(idle_seconds: float, announced: int | None, tmp_path: Path) -> None:
    """A server that drops idle connections, whether it says so or not, costs nobody anything."""
    delivery = {"max_in_flight": 1, "requests_per_second": 4.0}
    async with (
        stood(tmp_path, delivery=delivery, batch={"max_records": 2}) as stand,
        FaultProxy(
            stand.url, lambda _: HONEST, idle_seconds=idle_seconds, announced=announced
        ) as proxy,
    ):
        injected = await stand.inject(account={"rest_url": proxy.url})
        assert (injected.exit_code, injected.counts[1:]) == (0, (CONTACTS, 0, 0, 0))
        assert injected.summary["requests"] == proxy.requests == 6
        assert (proxy.connections == 1) is (idle_seconds > 0.25)
