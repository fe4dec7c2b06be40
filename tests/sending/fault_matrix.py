"""The fault matrix: what can befall a request, and what must come of it. Data; read it as a table.

A run has three batches of four contacts, sent one after the other. The row's fault befalls the
second request (or each from it on, where it says so). `after` is where everybody ends:

    posts       how many requests for contacts are made in all, or at the least (`or_more`)
    journal     accepted, rejected, unknown, unprocessed: what the journal holds of the twelve
    code        the exit code
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.fault_proxy import End, Fault

__all__ = ("ADDRESSES", "AFTER_TAKEN", "ANSWERS", "ROWS", "After", "Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """How the run ends."""

    posts: int
    journal: tuple[int, int, int, int]
    code: int
    tokens: int = 1
    or_more: bool = False


# One struck request                posts     journal: accepted, rejected, unknown, unprocessed
TAKEN = After(posts=3, journal=(12, 0, 0, 0), code=0)  # accepted: nothing is repeated
AGAIN = After(posts=4, journal=(12, 0, 0, 0), code=0)  # sent again, and accepted
RENEWED = After(posts=4, journal=(12, 0, 0, 0), code=0, tokens=2)  # the same with a new token
HALVED = After(posts=5, journal=(12, 0, 0, 0), code=0)  # sent in halves, and accepted
UNKNOWN = After(posts=3, journal=(8, 0, 4, 0), code=1)  # never sent again
HALTED = After(posts=2, journal=(4, 0, 0, 8), code=3)  # the next run sends the rest

# Each request struck from the second on
# Something got through before: it is tried until delivery.max_outage_seconds have passed.
GIVEN_UP = After(posts=1 + 2, journal=(4, 0, 0, 8), code=3, or_more=True)
STALE = After(posts=1 + 2, journal=(4, 0, 0, 8), code=3, tokens=2)  # a fresh token is refused, too
SINGLED = After(posts=1 + 2 * 7, journal=(4, 8, 0, 0), code=1)  # each contact, standing alone
DOUBT = After(posts=3, journal=(4, 0, 8, 0), code=1)
NOBODY = After(posts=0, journal=(0, 0, 0, 12), code=3)  # no request ever arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What befalls a request, and what comes of it. `told` is a part of what the user reads."""

    what: str
    fault: Fault
    after: After
    told: str = ""
    always: bool = False


REASONS = {
    200: "OK",
    201: "Created",
    301: "Moved Permanently",
    400: "Bad Request",
    500: "Internal Server Error",
}
PAGE = b"<!DOCTYPE html><html><body><h1>The proxy is not amused</h1></body></html>"
REFUSAL = b'{"message":"The words of the answer","errorcode":10005,"documentation":""}'
RECEIVED = b'{"eventInstanceId":"6ffc2d53-1f9a-4d0e-9c0b-0d8f2f6f0a11"}'


def answer(status: int, body: bytes = b"", kind: str = "application/json", *more: str) -> bytes:
    """An HTTP answer, byte for byte."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# 1. Answers: the status decides, whatever the body. Only with a 2xx does a web page count as no
#    answer: it is a proxy's, which may have passed the batch on or not.
#
#    status   was it taken?  what becomes of it, once      told       always   told
ANSWERS: tuple[tuple[int, bool, After, str, After, str], ...] = (
    (200, True, TAKEN, "", TAKEN, ""),
    (201, True, TAKEN, "", TAKEN, ""),
    (400, False, HALVED, "", SINGLED, "refused_400"),
    (401, False, RENEWED, "a new one is in use", STALE, "refuses a fresh token"),
    (403, False, HALTED, "permissions of the installed package", HALTED, "allow list"),
    (404, False, HALTED, "The endpoint is not there", HALTED, "journey.endpoint"),
    (408, False, AGAIN, "sending again: status 408", GIVEN_UP, "Nothing gets through"),
    (413, False, HALVED, "", SINGLED, "refused_413"),
    (422, False, HALVED, "", SINGLED, "refused_422"),
    (429, False, AGAIN, "sending again: status 429", GIVEN_UP, "Nothing gets through"),
    (500, True, UNKNOWN, "server_error_500", DOUBT, "status 500"),
    (502, True, UNKNOWN, "server_error_502", DOUBT, "status 502"),
    (503, False, AGAIN, "sending again: status 503", GIVEN_UP, "Nothing gets through"),
    (504, True, UNKNOWN, "server_error_504", DOUBT, "status 504"),
)
BODIES: dict[str, tuple[str, bytes, bytes]] = {  # Content-Type, with a 2xx, with anything else
    "JSON": ("application/json", RECEIVED, REFUSAL),
    "an empty body": ("application/json", b"", b""),
    "a proxy's page": ("text/html", PAGE, PAGE),
    "truncated JSON": ("application/json", RECEIVED[:20], REFUSAL[:20]),
    "invalid JSON": ("application/json", b"{'not': json", b"{'not': json"),
}
PAGE_TAKEN = UNKNOWN
AFTER_TAKEN = "html_answer"


def _answers() -> list[Row]:
    rows = []
    for status, taken, once, told_once, always, told_always in ANSWERS:
        for name, (kind, success, failure) in BODIES.items():
            body = success if status < 300 else failure
            page = status < 300 and name == "a proxy's page"
            whole = answer(status, body, kind, *(["Retry-After: 0"] if status == 429 else []))
            fault = Fault(passes=taken, answer=whole)
            after, told = (PAGE_TAKEN, AFTER_TAKEN) if page else (once, told_once)
            what = f"{status} with {name}"
            rows.append(Row(what=what, fault=fault, after=after, told=told))
            if name == "JSON":
                rows.append(
                    Row(what=what, fault=fault, after=always, told=told_always, always=True)
                )

    return rows


WHOLE = answer(201, RECEIVED)
HEAD = len(WHOLE) - len(RECEIVED)
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n"
GZIPPED = answer(201, b"this is no gzip", "application/json", "Content-Encoding: gzip")
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"

# 2. Connections. Once a byte of the body may have come and no status line came back, the contacts
#    are unknown. A status line stands, however the rest of the answer breaks off: who sends 201 has
#    taken the batch, and who sends 400 has not, whatever becomes of the words after it.
CONNECTIONS: tuple[Row, ...] = (
    Row(
        what="reset before a byte is read",
        fault=Fault(reads=1, then=End.RESET),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="reset in the middle of the body",
        fault=Fault(reads=400, then=End.RESET),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="reset after the body, not taken",
        fault=Fault(passes=False, answer=b"", then=End.RESET),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="reset after the body, taken",
        fault=Fault(answer=b"", then=End.RESET),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="reset after the body, always",
        fault=Fault(answer=b"", then=End.RESET),
        after=DOUBT,
        told="connection_lost",
        always=True,
    ),
    Row(
        what="closed in the middle of the body",
        fault=Fault(reads=400, then=End.CLOSE),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="closed after the body, taken",
        fault=Fault(answer=b"", then=End.CLOSE),
        after=UNKNOWN,
        told="connection_lost",
    ),
    Row(
        what="no answer until the timeout",
        fault=Fault(answer=b"", then=End.HANG),
        after=UNKNOWN,
        told="in time",
    ),
    Row(
        what="no more read than the head until the timeout",
        fault=Fault(reads=200, then=End.HANG),
        after=UNKNOWN,
        told="in time",
    ),
    *(
        Row(
            what=f"answer cut in its {place}, then {end}",
            fault=Fault(cut=at, answer=WHOLE, then=end),
            after=after,
            told=told,
        )
        for place, at, after, reason in (
            ("status line", 9, UNKNOWN, "connection_lost"),
            ("headers", 30, UNKNOWN, "connection_lost"),
            ("body", HEAD + 10, TAKEN, ""),
        )
        for end, told in (
            (End.CLOSE, reason),
            (End.RESET, reason),
            (End.HANG, "in time" if reason else ""),
        )
    ),
    Row(
        what="a refusal cut in its body",
        fault=Fault(passes=False, answer=answer(400, REFUSAL), cut=100, then=End.CLOSE),
        after=HALVED,
    ),
    Row(
        what="an answer in chunks that break off",
        fault=Fault(answer=CHUNKED + RECEIVED[:10], then=End.CLOSE),
        after=TAKEN,
    ),
    Row(
        what="an answer said to be gzip that is none",
        fault=Fault(answer=GZIPPED),
        after=TAKEN,
    ),
    Row(
        what="an answer that trickles in",
        fault=Fault(drip_seconds=0.001),
        after=TAKEN,
    ),
    Row(
        what="headers that trickle in beyond the timeout",
        fault=Fault(drip_seconds=0.2),
        after=UNKNOWN,
        told="in time",
    ),
    Row(
        what="interim answers before the answer",
        fault=Fault(answer=INTERIM + WHOLE),
        after=TAKEN,
    ),
    Row(
        what="an answer that is said twice",
        fault=Fault(answer=WHOLE + WHOLE),
        after=TAKEN,
    ),
    Row(
        what="another protocol's answer",
        fault=Fault(answer=b"220 smtp.example.org ready\r\n\r\n", then=End.CLOSE),
        after=UNKNOWN,
        told="malformed_answer",
    ),
    Row(
        what="a header without end",
        fault=Fault(answer=b"HTTP/1.1 201 Created\r\nX: " + b"y" * 100_000, then=End.CLOSE),
        after=UNKNOWN,
        told="malformed_answer",
    ),
    Row(
        what="a status nobody knows",
        fault=Fault(answer=answer(799)),
        after=UNKNOWN,
        told="server_error_799",
    ),
    Row(
        what="another protocol from now on",
        fault=Fault(answer=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
        after=UNKNOWN,
        told="status 101",
    ),
)

# 3. Redirects, to the same host and to another: never followed, since the token would go there.
REDIRECTS: tuple[Row, ...] = tuple(
    Row(
        what=f"{status} to {place}",
        fault=Fault(passes=False, answer=answer(status, b"", "text/html", f"Location: {there}")),
        after=HALTED,
        told=f"redirect (status {status}) to {there}",
    )
    for status in (301, 302, 303, 307, 308)
    for place, there in (("the same host", "/login"), ("another host", "{other}/login"))
)

ROWS: tuple[Row, ...] = (*_answers(), *CONNECTIONS, *REDIRECTS)

# 4. Addresses: where no connection comes about no byte leaves, and nobody is in doubt.
#
#    what is at the REST address, what comes of it, what the user reads
ADDRESSES: dict[str, tuple[After, str]] = {
    "nobody: connection refused": (NOBODY, "no connection to"),
    "no such host": (NOBODY, "no host named nowhere.invalid"),
    "TLS with a certificate nobody vouches for": (NOBODY, "certificate was refused"),
    "noise where TLS is expected": (NOBODY, "Nothing gets through"),
    "plain http where TLS is expected": (NOBODY, "Nothing gets through"),
}
