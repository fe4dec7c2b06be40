"""What answers mean, row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from pipeline.errors import (
    EndpointError,
    EventDefinitionError,
    HaltError,
    PermissionDeniedError,
)
from pipeline.sending.answers import classify, parse, read_instance
from pipeline.sending.reply import Breakage, Broken, Reply
from pipeline.sending.verdict import (
    Ambiguous,
    Fatal,
    Refused,
    RenewToken,
    Taken,
    TryLater,
    Verdict,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GUID = "6ffc2d53-1f9a-4d0e-9c0b-0d8f2f6f0a11"
PAGE = b"<!DOCTYPE html><html><body><h1>Proxy</h1></body></html>"


def read(status: int, body: bytes | dict[str, Any] = b"", **headers: str) -> Verdict:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return classify(
        Reply(status=status, headers=named, body=content),
        key="APIEvent-1",
        now=NOW,
        read=read_instance,
    )


def error(status: int, code: int | None = None, message: str = "", **more: Any) -> Verdict:
    body = {"message": message, "documentation": "", **more}
    return read(status, body if code is None else {**body, "errorcode": code})


def fatal(verdict: Verdict) -> HaltError:
    assert isinstance(verdict, Fatal)
    return verdict.error


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize(
    ("body", "event_instance_id"),
    [
        (b'{"eventInstanceId":"%s"}' % GUID.encode(), GUID),
        (b'{"EventInstanceId":"%s"}' % GUID.encode(), GUID),
        (b'"%s"' % GUID.encode(), GUID),
        (orjson.dumps(orjson.dumps({"eventInstanceId": GUID}).decode()), GUID),
        (orjson.dumps(orjson.dumps(GUID).decode()), GUID),
        (b"\xef\xbb\xbf" + b'"%s"' % GUID.encode(), GUID),
        (b"", None),
        (b"{}", None),
        (b"[]", None),
        (b"null", None),
        (b"7", None),
        (b'"7"', "7"),
        (b'{"eventInstanceId":null}', None),
        (b'{"eventInstanceId":7}', None),
        (b'{"eventInstanceId":"a b"}', None),
        (b'{"eventInst', None),
        (b'"\xff\xfe"', None),
        (b"Created", None),
    ],
)
def test_received(status: int, body: bytes, event_instance_id: str | None) -> None:
    """Any 2xx is taken; the id is read where it can be."""
    assert read(status, body, Content_Type="application/json") == Taken(
        event_instance_id=event_instance_id
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PAGE, "text/html; charset=utf-8"), (PAGE, "application/json"), (b"", "TEXT/HTML")],
)
def test_a_page_instead_of_an_answer(body: bytes, kind: str) -> None:
    """A proxy's page proves neither that the batch was taken nor that it was not."""
    verdict = read(200, body, Content_Type=kind)
    assert isinstance(verdict, Ambiguous)
    assert verdict.reason == "html_answer"


def test_an_answer_that_ends_nothing() -> None:
    """Another protocol from now on: what became of the batch was not said."""
    verdict = read(101)
    assert isinstance(verdict, Ambiguous)
    assert verdict.reason == "unexpected_101"


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_redirects_halt(status: int) -> None:
    """A redirect is never followed; the message says where it led and what to look at."""
    text = str(fatal(read(status, Location="https://evil.example/x?token=1")))
    assert "https://evil.example/x" in text
    assert "token=1" not in text
    assert "account.rest_url" in text


def test_a_refused_token() -> None:
    """401 asks for another token."""
    assert isinstance(error(401, 0, "Not Authorized"), RenewToken)
    assert isinstance(read(401), RenewToken)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (403, PermissionDeniedError, "permissions of the installed package"),
        (404, EndpointError, "journey.endpoint"),
        (405, EndpointError, "journey.endpoint"),
        (410, EndpointError, "journey.endpoint"),
        (415, EndpointError, "journey.endpoint"),
        (451, EndpointError, "journey.endpoint"),
    ],
)
def test_what_halts(status: int, kind: type[HaltError], words: str) -> None:
    """Settings that are wrong for every batch halt, and the message names them."""
    for verdict in (read(status), read(status, PAGE), error(status, status, "No")):
        assert type(fatal(verdict)) is kind
        assert words in str(fatal(verdict))


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (30003, "Whatever"),
        (30003, "The event definition key was not found."),
        (None, "Event definition not found"),
        (10000, "EventDefinitionKey 'APIEvent-1' does not exist"),
        (10005, "Invalid eventDefinitionKey"),
        (None, "Unable to find an event definition with key APIEvent-1"),
        (None, "EventSchema could not be found"),
    ],
)
def test_an_unknown_event_definition(status: int, code: int | None, message: str) -> None:
    """It halts rather than being held against the contacts."""
    verdict = fatal(error(status, code, message))
    assert type(verdict) is EventDefinitionError
    assert "journey.event_definition_key" in str(verdict)
    assert "APIEvent-1" in str(verdict)


@pytest.mark.parametrize(
    "message",
    [
        "Contact not found",
        "The value of a field does not match the event definition",
        "EmailAddress is invalid",
        "Data Validation or Conversion Error",
    ],
)
def test_a_contact_at_fault_is_no_unknown_definition(message: str) -> None:
    """Words about a contact do not halt the run."""
    assert isinstance(error(400, 10000, message), Refused)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_for_its_contents(status: int) -> None:
    """These name the batch: it will be split."""
    verdict = error(status, 10003, "Bad format of X")
    assert verdict == Refused(
        reason=f"refused_{status}",
        detail=f"status {status}, errorcode 10003: Bad format of X",
        alike=f"refused_{status} 10003",
    )
    for body in (b"", PAGE, b'{"mess', b'"no"', b"[1]"):
        assert isinstance(read(status, body), Refused)


def test_refusals_that_pass() -> None:
    """A busy data extension and a deadlock are no refusal of the contacts."""
    busy = "Unable to save rows for data extension ID 1"
    deadlock = "Transaction was deadlocked. Rerun the transaction."
    assert isinstance(error(400, 10006, busy), TryLater)
    assert isinstance(error(400, 10000, deadlock), TryLater)
    assert isinstance(error(400, 10006, busy, additionalErrors=[{"message": "x"}]), Refused)
    assert isinstance(error(400, 10006, "Multiple errors"), Refused)


@pytest.mark.parametrize(
    ("status", "reason", "holds_all"),
    [(408, "request_timeout", False), (429, "rate_limited", True), (503, "unavailable", False)],
)
def test_passing_trouble(status: int, reason: str, *, holds_all: bool) -> None:
    """Not taken, to be sent again; a 429 is meant for every sender."""
    for body in (b"", PAGE, b"{", orjson.dumps({"message": "m", "errorcode": 50200})):
        verdict = read(status, body)
        assert isinstance(verdict, TryLater)
        assert (verdict.reason, verdict.holds_all) == (reason, holds_all)
        assert verdict.retry_after is None


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry_After": "5"}, {}, 5.0),
        ({"Retry_After": "Mon, 23 Nov 2026 12:00:10 GMT"}, {}, 10.0),
        # The server's clock is an hour ahead of ours: what counts is its own.
        (
            {
                "Retry_After": "Mon, 23 Nov 2026 13:00:10 GMT",
                "Date": "Mon, 23 Nov 2026 13:00:00 GMT",
            },
            {},
            10.0,
        ),
        ({"Retry_After": "Mon, 23 Nov 2026 11:00:10 GMT"}, {}, 0.0),
        ({}, {"retryAfter": 7}, 7.0),
        ({}, {"retryAfter": "7"}, 7.0),
        ({"Retry_After": "3"}, {"retryAfter": 7}, 3.0),
        ({"Retry_After": "soon"}, {"retryAfter": 7}, 7.0),
        ({"Retry_After": "soon"}, {"retryAfter": "later"}, None),
    ],
)
def test_how_long_to_wait(
    headers: dict[str, str], body: dict[str, Any], seconds: float | None
) -> None:
    """From the header, as seconds or a date, else from the body."""
    verdict = read(429, body, **headers)
    assert isinstance(verdict, TryLater)
    assert verdict.retry_after == seconds


@pytest.mark.parametrize("status", [500, 501, 502, 504, 505, 520, 599])
def test_a_server_that_failed(status: int) -> None:
    """It may have taken the batch before it failed."""
    verdict = read(status, PAGE)
    assert isinstance(verdict, Ambiguous)
    assert verdict.reason == f"server_error_{status}"


@pytest.mark.parametrize("breakage", list(Breakage))
@pytest.mark.parametrize("started", [False, True])
def test_no_answer(breakage: Breakage, *, started: bool) -> None:
    """Whether the body had begun decides; a refused certificate halts."""
    broken = Broken(breakage=breakage, detail="d", body_started=started)
    verdict = classify(broken, key="k", now=NOW, read=read_instance)
    if breakage is Breakage.CERTIFICATE:
        assert isinstance(fatal(verdict), EndpointError)
    elif started:
        assert verdict == Ambiguous(reason=breakage.value, detail="d")
    else:
        assert isinstance(verdict, TryLater)
        assert verdict.reason == breakage.value
        assert not verdict.holds_all
        assert ("account.rest_url" in verdict.detail) == (breakage is Breakage.DNS)


def test_messages_are_cut_and_printable() -> None:
    """A body is shown on one line, without control characters, and not whole."""
    verdict = read(500, b"\x1b[31mbad\r\n\x00" + b"x" * 5000)
    assert isinstance(verdict, Ambiguous)
    assert verdict.detail.isprintable()
    assert verdict.detail.startswith("status 500: [31mbad")
    assert len(verdict.detail) < 230
    long = error(400, 1, "y\n" * 5000)
    assert isinstance(long, Refused)
    assert len(long.detail) < 250
    assert long.detail.isprintable()


@given(status=st.integers(200, 599), body=st.binary(max_size=300), after=st.text(max_size=30))
def test_every_answer_has_a_meaning(status: int, body: bytes, after: str) -> None:
    """Nothing a server can say raises, or is taken for success without a 2xx."""
    verdict = classify(
        Reply(status=status, headers={"Retry-After": after}, body=body),
        key="k",
        now=NOW,
        read=read_instance,
    )
    assert isinstance(verdict, Taken) <= (200 <= status < 300)


def test_deep_json_is_no_json() -> None:
    """A body made to exhaust the parser is unreadable, no more."""
    assert parse(b"[" * 100_000) is None
