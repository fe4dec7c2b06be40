"""What comes back: no secret in it, and nothing that a terminal would obey."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sending.client import open_client
from pipeline.sending.clock import Clock
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.reply import Reply, blotted, printable
from tests.fakes.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = 's3cr3t/with+odd"signs&more='

FORMS: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "json": orjson.dumps,
    "json with slashes escaped": lambda text: orjson.dumps(text).replace(b"/", b"\\/"),
    "url": lambda text: quote(text, safe="").encode(),
    "base64": lambda text: b64encode(text.encode()),
    "cut": lambda text: text[:-3].encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_blotted_out(form: str) -> None:
    """However it was written, nothing of it is left, and everything around it is."""
    written = FORMS[form](SECRET)
    told = b"you sent " + written
    assert blotted(told, SECRET).startswith(b"you sent ")
    assert written.strip(b'"=') not in blotted(told + b" to us", SECRET) or form == "cut"
    assert written.strip(b'"=') not in blotted(told, SECRET)
    assert blotted(b"nothing of it", SECRET) == b"nothing of it"
    assert blotted(told, "") == told


@given(st.text())
def test_printable_is_one_line_that_no_terminal_obeys(text: str) -> None:
    """No escape, no change of direction, no line break, and not too long."""
    line = printable(text)
    assert len(line) <= 200
    assert line.isprintable()


@pytest.mark.parametrize(
    "text", ["a\x1b[31mb", "a\u202eb", "a\r\nb", "a\x00b", "a\u2066b", "a\x9bb", "a\u2028b"]
)
def test_what_is_not_printable_is_a_blank(text: str) -> None:
    """Escapes, bidirectional marks and line breaks among them."""
    assert printable(text).startswith("a ")
    assert printable(text).endswith("b")


async def test_a_token_does_not_come_back() -> None:
    """A server that echoes the request's headers, in its body or its Location, tells nothing."""

    async def echo(exchange: Exchange) -> None:
        await exchange.body()
        told = exchange.headers["authorization"]
        await exchange.answer(307, f'{{"message":"{told}"}}'.encode(), Location=f"/login/{told}")

    async with Loopback(echo) as server, open_client(DeliveryPolicy(), clock=Clock()) as client:
        for answer in (
            await client.post(
                f"{server.url}/x", b"{}", headers={"Authorization": "Bearer t0k3nt0k3n"}
            ),
            await client.get(f"{server.url}/x", headers={"Authorization": "Bearer t0k3nt0k3n"}),
        ):
            assert isinstance(answer, Reply)
            assert answer.body == b'{"message":"Bearer ***"}'
            assert answer.headers["location"] == "/login/Bearer ***"
