"""What is told of entries, read leniently where the names are not known, and never guessed."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PermissionDeniedError
from pipeline.sending.account import Account
from pipeline.sending.address import Address
from pipeline.sending.asking import Asker
from pipeline.sending.client import open_client
from pipeline.sending.clock import Clock
from pipeline.sending.entries import Entries, Estimate, read_estimate, read_freshness
from pipeline.sending.inflating import Inflater
from pipeline.sending.patience import PassingError
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.reply import Reply
from pipeline.sending.token import TokenKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Exchange, Loopback
from tests.fakes.office import Office

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

QUESTION = {"definitionIds": ["d"]}


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (1200, 1200),
        ("1200", 1200),
        ({"freshness": 1200}, 1200),
        ({"result": {"FreshnessInSeconds": "1200", "count": 3}}, 1200),
        ({"value": 1200}, 1200),
        ({"lag": 1200, "behindSeconds": 1200}, 1200),
        ({"lag": 1200, "behindSeconds": 7}, None),
        ({"value": 1200, "other": 7}, None),
        ({"freshness": -1}, None),
        ({"freshness": True}, None),
        ({}, None),
        (None, None),
        ("soon", None),
    ],
)
def test_how_late_history_is(content: object, seconds: float | None) -> None:
    """The only number that can be meant; two that differ are none."""
    assert read_freshness(content) == seconds


@pytest.mark.parametrize(
    ("content", "rows", "file_bytes"),
    [
        ({"rowCount": 7, "fileSizeInBytes": 90, "compressedFileSizeInBytes": 9}, 7, 9),
        ({"rows": "7", "size": {"uncompressed": 90, "compressed": 9}}, 7, 9),
        ({"estimatedRows": 7, "bytesWithCompression": 9, "bytesWithoutCompression": 90}, 7, 9),
        ({"rowCount": 7, "fileSize": 90}, 7, 90),
        ({}, None, None),
    ],
)
def test_how_much_there_is(
    content: dict[str, object], rows: int | None, file_bytes: int | None
) -> None:
    """The size that counts is that of the file as it travels."""
    assert read_estimate(content) == Estimate(rows=rows, file_bytes=file_bytes)


@given(members=st.lists(st.binary(max_size=300), max_size=3), cuts=st.lists(st.integers(0, 400)))
def test_inflating_gives_back_what_was_compressed(members: list[bytes], cuts: list[int]) -> None:
    """However it is cut into pieces, and in however many members it comes."""
    packed = b"".join(map(gzip.compress, members))
    bounds = [0, *sorted(cut for cut in cuts if cut < len(packed)), len(packed)]
    inflater, found = Inflater("gzip"), b""
    for begin, end in zip(bounds, [*bounds[1:], len(packed)], strict=True):
        found += b"".join(inflater.feed(packed[begin:end]))

    assert found == b"".join(members)
    assert inflater.whole


def test_inflating_sees_what_is_cut_or_broken_and_stays_small() -> None:
    """An end within a member is none; a bomb comes out in slices."""
    packed = gzip.compress(b"x" * (1 << 24))
    inflater = Inflater("gzip")
    assert max(map(len, inflater.feed(packed[:-9]))) <= 1 << 18
    assert not inflater.whole
    with pytest.raises(ValueError, match="compression is broken"):
        list(Inflater("gzip").feed(b"no gzip at all"))

    with pytest.raises(ValueError, match="not asked for"):
        Inflater("br")

    assert list(Inflater("").feed(b"plain")) == [b"plain"]


@pytest.mark.parametrize(
    ("date", "seconds", "ahead"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", 0.1, 0.0),
        ("Mon, 23 Nov 2026 11:59:55 GMT", 6.0, 0.0),  # it was long on its way
        ("Mon, 23 Nov 2026 11:59:50 GMT", 0.2, -9.4),
        ("Mon, 23 Nov 2026 12:05:00 GMT", 0.0, 300.5),
        ("yesterday", 0.0, 0.0),
    ],
)
async def test_how_far_their_clock_is_ahead(date: str, seconds: float, ahead: float) -> None:
    """As far as can be told: an answer that is slow is no clock that is behind."""
    clock = FakeClock()
    keeper = TokenKeeper(Office(), emit=lambda _: None, clock=clock)
    async with open_client(DeliveryPolicy(), clock=clock) as client:
        asker = Asker(client=client, keeper=keeper, clock=clock)
        reply = Reply(status=200, headers={"Date": date}, body=b"", seconds=seconds)
        assert asker.ahead_seconds(reply) == pytest.approx(ahead)


async def poured(act: Callable[[Exchange], Awaitable[None]]) -> tuple[bytes, list[Exchange]]:
    """Download once from a server that acts so."""
    received: list[bytes] = []

    async def sink(piece: bytes) -> None:
        received.append(piece)

    keeper = TokenKeeper(Office(), emit=lambda _: None, clock=Clock())
    async with Loopback(act) as server, open_client(DeliveryPolicy(), clock=Clock()) as client:
        account = Account(auth_url=server.url, rest_url=server.url)
        asker = Asker(client=client, keeper=keeper, clock=Clock())
        await Entries(Address(account, keeper), asker).download(QUESTION, sink)

    return b"".join(received), server.exchanges


async def test_a_download_as_documented() -> None:
    """With the header that is required, compressed, limited by its body."""

    async def act(exchange: Exchange) -> None:
        assert orjson.loads(await exchange.body()) == QUESTION
        await exchange.answer(200, gzip.compress(b"rows"), Content_Encoding="gzip")

    received, (exchange,) = await poured(act)
    assert received == b"rows"
    assert exchange.path.startswith(
        "/interaction/v1/interactions/journeyhistory/download?columns=ContactKey,DefinitionId,"
    )
    assert exchange.path.endswith("&format=csv")
    assert exchange.headers["x-direct-pipe"] == "true"
    assert exchange.headers["accept-encoding"] == "gzip"


async def test_a_refused_token_is_renewed_once() -> None:
    """As for every look-up."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        first = exchange.headers["authorization"] == "Bearer t1"
        await exchange.answer(401 if first else 200, b"rows")

    received, exchanges = await poured(act)
    assert (received, len(exchanges)) == (b"rows", 2)


@pytest.mark.parametrize("whole", [False, True])
async def test_a_compressed_file_that_ends_too_early_is_no_file(*, whole: bool) -> None:
    """Also where the answer itself is whole: what came before it is worth nothing."""
    packed = zlib.compress(b"rows" * 1000, wbits=31)

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        if whole:
            await exchange.answer(200, packed[:-9], Content_Encoding="gzip")
        else:
            head = (
                b"HTTP/1.1 200 Whatever\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n"
            )
            await exchange.raw(head + packed)
            exchange.close()

    with pytest.raises(PassingError):
        await poured(act)


async def test_a_forbidden_download_says_what_is_missing() -> None:
    """The permission, not the token."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(403, b'{"message":"Insufficient privileges","errorcode":20002}')

    with pytest.raises(PermissionDeniedError, match=r"may not read the journey history .*20002"):
        await poured(act)
