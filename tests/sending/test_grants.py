"""Asking for a token: what is sent, what the answers mean, and that nothing secret is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from pipeline.errors import CredentialsError, EndpointError, HaltError, UnavailableError
from pipeline.sending.account import Account, AuthVersion
from pipeline.sending.client import open_client
from pipeline.sending.clock import Clock
from pipeline.sending.grants import UNSAID_SECONDS, read_grant
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.reply import Breakage, Broken, Reply
from pipeline.sending.token import token_from
from pipeline.sending.verdict import Fatal, Granted, TryLater
from tests.fakes.loopback import Exchange, Loopback

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECRET = "s3cret-of-the-package"
INVALID_CLIENT = {"error": "invalid_client", "error_description": "Invalid client ID."}


def account(auth: str = "v1", **more: Any) -> Account:
    hosts = more or {"subdomain": "mc"}
    return Account(
        auth=AuthVersion(auth), client_id="the-id", client_secret=SecretStr(SECRET), **hosts
    )


def read(
    status: int, body: object = b"", *, auth: str = "v1", **headers: str
) -> Granted | TryLater | Fatal:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    reply = Reply(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=content,
    )
    return read_grant(reply, account=account(auth), secret=SECRET, now=NOW)


def fatal(answer: object) -> HaltError:
    assert isinstance(answer, Fatal)
    assert SECRET not in str(answer.error)
    return answer.error


@pytest.mark.parametrize("said", [3600, 3600.0, "3600"])
def test_a_token_of_each_kind(said: object) -> None:
    """The two routes name the same things differently."""
    granted = Granted(token="T" * 24, lifetime_seconds=3600.0)
    assert read(200, {"accessToken": "T" * 24, "expiresIn": said}) == granted
    assert read(200, {"access_token": "T" * 24, "expires_in": said}, auth="v2") == granted


@pytest.mark.parametrize("said", [None, 0, -1, "soon", [], 1e400])
def test_a_life_that_is_not_told(said: object) -> None:
    """A token without a sensible life is taken to live briefly."""
    body = orjson.dumps({"accessToken": "T", "expiresIn": said})
    assert read(200, body) == Granted(token="T", lifetime_seconds=UNSAID_SECONDS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"[]",
        {"access_token": "x"},
        {"accessToken": ""},
        {"accessToken": 5},
        {"accessToken": "a\r\nX: y"},
    ],
)
def test_success_without_a_token(body: object) -> None:
    """It is no token route, and what came is not repeated: it might hold a token."""
    error = fatal(read(200, body))
    assert isinstance(error, EndpointError)
    assert "account.subdomain" in str(error)
    assert "X: y" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"message": "Unauthorized", "errorcode": 1}, "account.client_secret"),
        (401, INVALID_CLIENT, "account.client_secret"),
        (400, INVALID_CLIENT, "account.client_secret"),
        (403, b"", "account.client_secret"),
        (401, {"message": "This integration is not eligible", "errorcode": 10007}, "account.auth"),
        (400, {"message": "not eligible to use the legacy /v1", "errorcode": 1}, "account.auth"),
        (
            403,
            {"message": "The client's IP address is unauthorized for this account."},
            "allow list",
        ),
    ],
)
def test_refused_credentials(status: int, body: object, words: str) -> None:
    """Each names the setting to look at."""
    error = fatal(read(status, body))
    assert isinstance(error, CredentialsError)
    assert words in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 404, 405, 415])
def test_no_such_route(status: int) -> None:
    """An address that has no token route is a wrong address."""
    assert isinstance(fatal(read(status, {"message": "Not Found"})), EndpointError)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble(status: int) -> None:
    """Asked again, when the server says so."""
    answer = read(status, {"message": "blocked", "errorcode": 50200}, Retry_After="4")
    assert isinstance(answer, TryLater)
    assert answer.retry_after == 4.0


def test_an_echoed_secret_is_blotted_out() -> None:
    """A server that repeats what it was sent does not get the secret into a message."""
    for filler in range(150, 200):
        body = b"x" * filler + SECRET.encode()
        assert SECRET[:6] not in str(fatal(read(401, body)))
        answer = read(500, {"message": body.decode()})
        assert isinstance(answer, TryLater)
        assert SECRET[:6] not in answer.detail


def test_no_answer() -> None:
    """No connection is passing trouble; a refused certificate is not."""
    lost = Broken(breakage=Breakage.LOST, detail="d", body_started=True)
    assert isinstance(read_grant(lost, account=account(), secret=SECRET, now=NOW), TryLater)
    odd = Broken(breakage=Breakage.CERTIFICATE, detail="d", body_started=False)
    assert isinstance(
        fatal(read_grant(odd, account=account(), secret=SECRET, now=NOW)), EndpointError
    )


@pytest.mark.parametrize(
    ("auth", "path", "body"),
    [
        ("v1", "/v1/requestToken", {"clientId": "the-id", "clientSecret": SECRET}),
        (
            "v2",
            "/v2/token",
            {
                "grant_type": "client_credentials",
                "client_id": "the-id",
                "client_secret": SECRET,
            },
        ),
    ],
)
async def test_on_the_wire(auth: str, path: str, body: dict[str, str]) -> None:
    """What is asked, and that passing trouble is waited out."""
    bodies: list[object] = []
    statuses = [503, 429, 200]

    async def act(exchange: Exchange) -> None:
        bodies.append(orjson.loads(await exchange.body()))
        token = {"accessToken": "T", "access_token": "T", "expiresIn": 9, "expires_in": 9}
        await exchange.answer(statuses[len(bodies) - 1], orjson.dumps(token))

    async with (
        Loopback(act) as server,
        open_client(DeliveryPolicy(), clock=Clock()) as client,
    ):
        here = account(auth, auth_url=server.url, rest_url="http://127.0.0.1:1")
        granted = await token_from(here, client, clock=Clock())()

    assert granted == Granted(token="T", lifetime_seconds=9.0)
    assert bodies == [body] * 3
    assert {exchange.path for exchange in server.exchanges} == {path}
    assert "authorization" not in server.exchanges[0].headers


async def test_trouble_that_does_not_pass() -> None:
    """After the last attempt the error says what could not be had."""
    async with Loopback(Exchange.answer) as server:
        pass

    async with open_client(DeliveryPolicy(), clock=Clock()) as client:
        here = account(auth_url=server.url, rest_url=server.url)
        with pytest.raises(UnavailableError, match="A token could not be had"):
            await token_from(here, client, clock=Clock())()
