"""Whole runs, from a file to a Marketing Cloud: all arrives as it stands, and nothing is lost."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from anyio import fail_after

from pipeline.errors import (
    AlreadyInjectedError,
    BudgetError,
    ConfigError,
    CredentialsError,
    EndpointError,
    EventDefinitionError,
    PermissionDeniedError,
    RunDirectoryError,
    SourceError,
    UnavailableError,
)
from pipeline.events import (
    BatchSplit,
    FieldsUnreadable,
    HoldStarted,
    RequestStarted,
    TokenRenewed,
)
from pipeline.running.legs import RunOptions
from tests.fakes.configs import CLIENT_SECRET, write_contacts, zstd_compressed
from tests.fakes.injection import standing
from tests.fakes.loopback import Exchange, Loopback
from tests.fakes.moments import worst_window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("short_waits")

HEADER = "customer_id,EmailAddress,FirstName\n"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Backoff in hundredths of its time; look-ups that are tried again do not wait at all."""
    monkeypatch.setattr("pipeline.sending.retry.FIRST_SECONDS", 0.01)
    with stamina.set_testing(True, attempts=8, cap=True):
        yield


def key(number: int) -> str:
    return f"C{number:05}"


def contacts(place: Path, number: int, name: str = "contacts.csv") -> dict[int, str | None]:
    """Write so many good contacts; what stands at each position."""
    write_contacts(place / name, range(1, number + 1))
    return {position: key(position) for position in range(1, number + 1)}


def once(*numbers: int) -> dict[str, int]:
    return dict.fromkeys(map(key, numbers), 1)


def records(path: Path, *them: Any, ascii_only: bool = False) -> Path:
    """Write NDJSON."""
    text = "".join(json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in them)
    path.write_text(text, encoding="utf-8")
    return path


# What is read


async def test_from_a_spreadsheet(tmp_path: Path) -> None:
    """A byte-order mark, semicolons, quotes and a line break in a cell are no contact's trouble."""
    rows = [
        "C1;ann@example.com;Ann",
        'C2;bo@example.com;"Bo; ""the"" elder"',
        "C3;c@example.com;Él",
    ]
    text = "\r\n".join(
        ["customer_id;EmailAddress;FirstName", *rows, 'C4;d@example.com;"a\r\nb"', ""]
    )
    (tmp_path / "contacts.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    async with standing(tmp_path, keep_data=True) as stand:
        injected = await stand.inject()
        assert injected.counts == (4, 4, 0, 0, 0)
        names = {each: data["FirstName"] for each, data in stand.data().items()}
        assert names == {"C1": "Ann", "C2": 'Bo; "the" elder', "C3": "Él", "C4": "a\r\nb"}
        stand.audit({1: "C1", 2: "C2", 3: "C3", 4: "C4"})


BAD_LINES = (
    (b"C1,a@example.com,Ann,1,,,extra", "intake", "ragged_row"),
    (b"C2,a@example.com", "intake", "ragged_row"),
    (b"C3,a@example.com,\xff\xfe,1,,", "intake", "invalid_encoding"),
    (b",a@example.com,Ann,1,,", "mapping", "missing_contact_key"),
    (b"C" + b"5" * 254 + b",a@example.com,Ann,1,,", "mapping", "contact_key_too_long"),
    (b"C6,,Ann,1,,", "mapping", "missing_field"),
    (b"C7,nobody at nowhere,Ann,1,,", "mapping", "not_an_email"),
    (b"C8,a@example.com," + b"n" * 51 + b",1,,", "mapping", "text_too_long"),
    (b"C9,a@example.com,Ann,many,,", "mapping", "not_a_number"),
    (b"C10,a@example.com,Ann,1,31/31/2026,", "mapping", "not_a_date"),
    (b"C11,a@example.com,Ann,1,,perhaps", "mapping", "not_a_boolean"),
)


async def test_bad_lines(tmp_path: Path) -> None:
    """A bad line costs itself alone, and says where it stands, what is wrong, and what it was."""
    columns = b"customer_id,EmailAddress,FirstName,Points,VisitedOn,Newsletter\n"
    good = b"G%d,good@example.com,Ann,7,2026-11-23,yes\n"
    source: dict[int, str | None] = {}
    lines = [columns]
    for number, (line, *_) in enumerate(BAD_LINES):
        lines += [good % number, line + b"\n"]
        source |= {2 * number + 1: f"G{number}", 2 * number + 2: None}

    (tmp_path / "contacts.csv").write_bytes(b"".join(lines))
    async with standing(tmp_path) as stand:
        fields = ("EmailAddress", "FirstName", "Points", "VisitedOn", "Newsletter")
        injected = await stand.inject(mapping={"fields": {name: name for name in fields}})
        assert injected.exit_code == 1
        stand.audit(source)
        assert stand.cloud.summary()["contacts"]["entered"] == len(BAD_LINES)

    rejected = sorted(injected.lines("rejected"), key=lambda line: line["position"])
    assert [line["position"] for line in rejected] == list(range(2, 2 * len(BAD_LINES) + 1, 2))
    for told, (raw, stage, reason) in zip(rejected, BAD_LINES, strict=True):
        assert (told["source"], told["stage"]) == ("contacts.csv", stage)
        assert (told["reason"], bool(told["detail"])) == (reason, True)
        record = told["record"]
        text = record if stage == "intake" else ",".join(record.values())
        assert text == raw.decode(errors="backslashreplace")


async def test_bad_json(tmp_path: Path) -> None:
    """What no JSON can carry is rejected where it stands, and costs no other contact."""
    good = '{"customer_id": "G%d", "EmailAddress": "a@example.com"}'
    bad = (
        '{"customer_id": "B1", "EmailAddress": "a@example.com"',
        '["B2", "a@example.com"]',
        '{"customer_id": "B3", "EmailAddress": "a@example.com", "Points": NaN}',
        '{"customer_id": "B4", "EmailAddress": "a@example.com", "City": "\\ud800"}',
        '{"customer_id": {"a": 1}, "EmailAddress": "a@example.com"}',
        '{"customer_id": null, "EmailAddress": "a@example.com"}',
        '{"EmailAddress": "a@example.com"}',
    )
    text = "".join(f"{good % number}\n{line}\n" for number, line in enumerate(bad))
    (tmp_path / "contacts.ndjson").write_text(text)
    async with standing(tmp_path) as stand:
        fields = {name: name for name in ("EmailAddress", "City", "Points")}
        injected = await stand.inject("contacts.ndjson", mapping={"fields": fields})
        assert injected.counts == (14, 7, 7, 0, 0)
        assert sorted(stand.taken()) == [f"G{number}" for number in range(7)]

    assert [line["position"] for line in injected.lines("rejected")] == list(range(2, 15, 2))


async def test_exact_numbers(tmp_path: Path) -> None:
    """Integers of twenty digits and long decimals arrive digit for digit."""
    numbers = (
        "12345678901234567890",
        "-98765432109876543210",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
        "9007199254740993",
        "3.0",
    )
    (tmp_path / "contacts.ndjson").write_text(
        "".join(
            f'{{"customer_id": {number if number.lstrip("-").isdigit() else at}, '
            f'"Amount": {number}}}\n'
            for at, number in enumerate(numbers)
        )
    )
    async with standing(tmp_path, keep_data=True, accept_any_field=True) as stand:
        injected = await stand.inject(
            "contacts.ndjson",
            mapping={"fields": {"Amount": "Amount"}},
            journey={"check_fields": False},
        )
        assert injected.counts == (6, 6, 0, 0, 0)
        raw = b"".join(stand.cloud.ledger.pages()).decode().splitlines()

    for line, number in zip(raw, numbers, strict=True):
        assert f'"Amount":{number}}}' in line
        assert "." in number or f'"contact_key":"{number}"' in line


def nasty_texts() -> list[str]:
    """Texts that software has tripped over, and many that only chance finds."""
    chance = Random(23)
    planes = [(0x20, 0x7F), (0xA0, 0x2FF), (0x300, 0x36F), (0x5D0, 0x6FF), (0x2000, 0x206F)]
    planes += [(0x3040, 0x9FFF), (0xE000, 0xF8FF), (0xFFF0, 0xFFFD), (0x1F300, 0x1FAFF)]
    planes += [(0x10000, 0x10FFFF), (0x01, 0x1F)]
    found = [
        "e\u0301 is not é",
        "\u202eright to left",
        "zero\u200bwidth\ufeff",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "\u2028line\u2029paragraph\x85next",
        'quote " comma , semicolon ; tab \t back\\slash',
        "'; DROP TABLE contacts; --",
        "<script>alert(1)</script> & \u0000 nul",
        "null",
        "007",
        "1e5",
        "=1+1",
        "\U0010ffff\ufffe\uffff",
        "\x7f\x1b[31mred",
        "%s {0} ${HOME} \\u0041",
    ]
    for _ in range(300):
        low, high = chance.choice(planes)
        found.append("".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 12))))

    return found


@pytest.mark.parametrize("ascii_only", [True, False])
async def test_exact_text(ascii_only: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a parameter
    """Text arrives code point for code point, escaped in the source or not."""
    texts = nasty_texts()
    them = [{"customer_id": f"C{at}", "Note": text} for at, text in enumerate(texts)]
    records(tmp_path / "contacts.ndjson", *them, ascii_only=ascii_only)
    async with standing(tmp_path, keep_data=True, accept_any_field=True) as stand:
        injected = await stand.inject(
            "contacts.ndjson",
            mapping={"fields": {"Note": "Note"}},
            journey={"check_fields": False},
        )
        assert injected.counts == (len(texts), len(texts), 0, 0, 0)
        arrived = stand.data()
        assert [arrived[f"C{at}"]["Note"] for at in range(len(texts))] == texts


@pytest.mark.parametrize("container", ["plain", "gz", "zst", "directory", "glob"])
async def test_containers(container: str, tmp_path: Path) -> None:
    """However the contacts are stored, the same contacts arrive, from where they say they stand."""
    first, second = (
        write_contacts(tmp_path / name, numbers).read_bytes()
        for name, numbers in (("one", range(1, 41)), ("two", range(41, 61)))
    )
    (tmp_path / "in").mkdir()
    whole = first + second.partition(b"\n")[2]
    match container:
        case "gz":
            (tmp_path / "contacts.csv.gz").write_bytes(gzip.compress(whole))
            url = "contacts.csv.gz"
        case "zst":
            (tmp_path / "contacts.csv.zst").write_bytes(zstd_compressed(whole))
            url = "contacts.csv.zst"
        case "plain":
            (tmp_path / "contacts.csv").write_bytes(whole)
            url = "contacts.csv"
        case _:
            (tmp_path / "in/a.csv").write_bytes(first)
            (tmp_path / "in/b.csv.gz").write_bytes(gzip.compress(second))
            url = "in" if container == "directory" else "in/*.csv*"

    async with standing(tmp_path) as stand:
        injected = await stand.inject(url)
        assert injected.counts == (60, 60, 0, 0, 0)
        assert stand.taken() == once(*range(1, 61))

    many = container in {"directory", "glob"}
    expected = {"a.csv": 40, "b.csv.gz": 20} if many else {url: 60}
    found: Counter[str] = Counter()
    for line in injected.lines("accepted"):
        found[line["source"]] += len(line["contact_keys"])

    assert found == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [("contacts.csv", HEADER), ("contacts.csv", HEADER.strip()), ("contacts.ndjson", "")],
)
async def test_nobody(name: str, content: str, tmp_path: Path) -> None:
    """A source without contacts is a completed run of none; no request for contacts is made."""
    (tmp_path / name).write_text(content)
    async with standing(tmp_path) as stand:
        injected = await stand.inject(name)
        assert (injected.exit_code, injected.summary["state"]) == (0, "completed")
        assert injected.counts == (0, 0, 0, 0, 0)
        assert stand.cloud.summary()["requests"]["requests"] == 0
        with pytest.raises(AlreadyInjectedError):
            await stand.inject(name)


async def test_damaged_in_the_middle(tmp_path: Path) -> None:
    """What stands before the damage is injected; the damage is no contact's fault, and halts."""
    whole = gzip.compress(write_contacts(tmp_path / "plain.csv", range(1, 20_001)).read_bytes())
    (tmp_path / "contacts.csv.gz").write_bytes(whole[: len(whole) // 2])
    async with standing(tmp_path, sections={"batch": {"max_records": 500}}) as stand:
        injected = await stand.inject("contacts.csv.gz")
        assert isinstance(injected.error, SourceError)
        assert (injected.exit_code, injected.summary["state"]) == (2, "halted")
        assert 0 < injected.summary["accepted"] < 20_000
        assert injected.summary["read"] == injected.summary["accepted"]


async def test_source_that_has_changed(tmp_path: Path) -> None:
    """An unfinished run is not gone on with where its file has changed."""
    contacts(tmp_path, 30)
    async with standing(tmp_path, "404:at=2") as stand:
        assert (await stand.inject()).exit_code == 3
        with (tmp_path / "contacts.csv").open("a") as file:
            file.write("C00031,customer.31@example.com,Ann\n")

        with pytest.raises(RunDirectoryError, match="has grown since"):
            await stand.inject()


# What is sent


async def test_max_bytes(tmp_path: Path) -> None:
    """No body is larger than batch.max_bytes; what alone is too large is rejected."""
    contacts(tmp_path, 500)
    with (tmp_path / "contacts.csv").open("a") as file:
        file.write(f"C00501,customer.501@example.com,{'n' * 20_000}\n")

    sections = {"batch": {"max_bytes": 5_000}, "journey": {"check_fields": False}}
    async with standing(tmp_path, sections=sections, max_bytes=5_000) as stand:
        injected = await stand.inject()
        assert injected.counts == (501, 500, 1, 0, 0)
        assert injected.lines("rejected")[0]["reason"] == "contact_too_large"
        assert injected.seen(BatchSplit) == []
        assert stand.cloud.summary()["requests"]["by_status"] == {
            "201": injected.summary["batches"]
        }


async def test_pace_and_parallelism(tmp_path: Path) -> None:
    """No more requests are under way, and no more begin in a second, than the config allows."""
    contacts(tmp_path, 320)
    async with standing(tmp_path, latency="0.1") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 3, "requests_per_second": 25.0})
        traffic = stand.cloud.summary()["requests"]
        assert injected.counts == (320, 320, 0, 0, 0)
        assert traffic["max_in_flight"] == 3
        # As they were sent: a busy server may read together what came one by one.
        assert worst_window(injected.moments_of(RequestStarted), 1.0) <= 26


@pytest.mark.parametrize(("files", "in_flight"), [(1, 1), (1, 16), (60, 1), (60, 16)])
async def test_the_journal_keeps_no_sender_from_what_lies_ready(
    files: int, in_flight: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor from what there is when no more comes, nor the source from what is to be read."""
    monkeypatch.setattr("pipeline.settling.grouping.GATHER_SECONDS", 3600.0)
    (tmp_path / "in").mkdir()
    for number in range(files):
        each = 60 // files
        write_contacts(tmp_path / f"in/{number:02}.csv", range(each * number, each * (number + 1)))

    async with standing(tmp_path) as stand:
        with fail_after(60):
            injected = await stand.inject(
                "in/*.csv",
                batch={"max_records": 10},
                delivery={"max_in_flight": in_flight},
            )

        assert injected.counts == (60, 60, 0, 0, 0)


@pytest.mark.parametrize("form", ["object", "string", "double"])
async def test_event_instance(form: str, tmp_path: Path) -> None:
    """Whatever form the answer has, its event instance is recorded with its contacts."""
    contacts(tmp_path, 25)
    async with standing(tmp_path, answer_form=form) as stand:
        injected = await stand.inject()

    lines = injected.lines("accepted")
    ends = sorted((line["first"], line["last"]) for line in lines)  # settled in any order
    assert ends == [(1, 10), (11, 20), (21, 25)]
    ids = [line["event_instance_id"] for line in lines]
    assert len(set(ids)) == 3
    assert all(len(each) == 36 for each in ids)


@pytest.mark.parametrize("fault", ["empty:at=1", "garbled:at=1", "truncated:at=1"])
async def test_accepted_without_an_instance(fault: str, tmp_path: Path) -> None:
    """A 2xx whose body cannot be read is accepted all the same; only its instance is not known."""
    source = contacts(tmp_path, 20)
    async with standing(tmp_path, fault, sections={"delivery": {"max_in_flight": 1}}) as stand:
        injected = await stand.inject()
        assert injected.counts == (20, 20, 0, 0, 0)
        stand.audit(source)

    first, second = injected.lines("accepted")
    assert first["event_instance_id"] is None
    assert second["event_instance_id"] is not None


# What is refused


async def test_poison(tmp_path: Path) -> None:
    """A batch that is refused is halved until the contacts at fault stand alone."""
    source = contacts(tmp_path, 200)
    poison = {key(number) for number in (3, 4, 57, 200)}
    async with standing(tmp_path, poison_keys=tuple(poison)) as stand:
        injected = await stand.inject()
        assert injected.counts == (200, 196, 4, 0, 0)
        stand.audit(source)

    rejected = injected.lines("rejected")
    assert {line["contact_key"] for line in rejected} == poison
    assert {(line["stage"], line["reason"]) for line in rejected} == {("delivery", "refused_400")}
    assert rejected[0]["record"]["Data"]["FirstName"] == "Ann"
    assert injected.seen(BatchSplit)


async def test_one_contact_that_is_refused(tmp_path: Path) -> None:
    """The only contact of a run may be at fault: it is rejected, and the run is completed."""
    source = contacts(tmp_path, 1)
    async with standing(tmp_path, poison_keys=(key(1),)) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (1, (1, 0, 1, 0, 0))
        stand.audit(source)


async def test_all_refused(tmp_path: Path) -> None:
    """Where nothing is accepted the request is wrong: the run halts, and nobody is rejected."""
    source = contacts(tmp_path, 100)
    async with standing(tmp_path, poison_pattern=".") as stand:
        injected = await stand.inject()
        assert isinstance(injected.error, EndpointError)
        assert (injected.exit_code, injected.summary["state"]) == (3, "halted")
        assert (injected.summary["accepted"], injected.summary["rejected"]) == (0, 0)
        assert injected.lines("rejected") == []

    async with standing(tmp_path) as stand:
        assert (await stand.inject()).counts == (100, 100, 0, 0, 0)
        stand.audit(source)


@pytest.mark.parametrize("in_flight", [1, 8])
async def test_something_that_changes_in_mid_run(in_flight: int, tmp_path: Path) -> None:
    """An event that begins to refuse everybody costs nobody: the run halts, and later goes on."""
    source = contacts(tmp_path, 600)
    async with standing(tmp_path, "400:from=11,errorcode=10005") as stand:
        injected = await stand.inject(delivery={"max_in_flight": in_flight})
        assert isinstance(injected.error, EndpointError)
        assert "errorcode 10005" in str(injected.error)
        assert "data extension" in str(injected.error)
        assert (injected.exit_code, injected.summary["state"]) == (3, "halted")
        assert injected.counts[1:4] == (100, 0, 0)
        assert injected.summary["requests"] < 10 + 3 * 100 + 20 * in_flight
        stand.cloud.schedule = stand.cloud.schedule.__class__()
        resumed = await stand.inject(delivery={"max_in_flight": in_flight})
        assert (resumed.exit_code, resumed.counts) == (0, (600, 600, 0, 0, 0))
        stand.audit(source)


async def test_many_at_fault_together(tmp_path: Path) -> None:
    """Whole batches of contacts at fault are rejected one by one, if they are not too many."""
    source = contacts(tmp_path, 300)
    bad = range(95, 185)
    async with standing(tmp_path, poison_keys=tuple(map(key, bad))) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert injected.counts == (300, 210, 90, 0, 0)
        assert {line["contact_key"] for line in injected.lines("rejected")} == set(map(key, bad))
        stand.audit(source)


async def test_too_many_at_fault_together(tmp_path: Path) -> None:
    """More in a row halt the run, until it is told that every contact may fail."""
    source = contacts(tmp_path, 300)
    bad = range(95, 205)
    async with standing(tmp_path, poison_keys=tuple(map(key, bad))) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert injected.exit_code == 3
        assert "from record 95 of contacts.csv" in str(injected.error)
        assert injected.counts[1:4] == (94, 0, 0)
        told = {"max_in_flight": 1, "max_errors": "100%"}
        resumed = await stand.inject(delivery=told)
        assert (resumed.exit_code, resumed.counts) == (1, (300, 190, 110, 0, 0))
        retried = await stand.inject(options=RunOptions(retry="rejected"))
        assert (retried.exit_code, retried.counts) == (1, (300, 190, 110, 0, 0))
        stand.audit(source)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"event_definition_keys": ("APIEvent-other",)}, EventDefinitionError, "journey.event_def"),
        ({"permitted": False}, PermissionDeniedError, "installed package"),
        ({"endpoint_there": False}, EndpointError, "journey.endpoint"),
        ({"client_secret": "another-secret"}, CredentialsError, "account.client_secret"),
    ],
)
@pytest.mark.parametrize("check_fields", [True, False])
async def test_halts(
    options: dict[str, Any],
    error: type[Exception],
    named: str,
    check_fields: bool,  # noqa: FBT001  # a parameter
    tmp_path: Path,
) -> None:
    """What would refuse every contact halts the run with 3 and names the setting."""
    source = contacts(tmp_path, 30)
    sections = {"journey": {"check_fields": check_fields}}
    async with standing(tmp_path, sections=sections, **options) as stand:
        injected = await stand.inject()
        assert isinstance(injected.error, error)
        assert named in str(injected.error)
        assert (injected.exit_code, injected.summary["state"]) == (3, "halted")
        assert injected.counts[1:4] == (0, 0, 0)
        assert stand.taken() == {}

    async with standing(tmp_path, sections=sections) as stand:
        assert (await stand.inject()).exit_code == 0
        stand.audit(source)


@pytest.mark.parametrize("status", [403, 404, 302, 405])
async def test_halts_in_the_middle(status: int, tmp_path: Path) -> None:
    """What was accepted before stands; what was not is sent by the next run, and nothing twice."""
    source = contacts(tmp_path, 300)
    async with standing(tmp_path, f"{status}:from=11", latency="0.01") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 4})
        assert (injected.exit_code, injected.summary["state"]) == (3, "halted")
        assert injected.counts[1:4] == (100, 0, 0)
        stand.cloud.schedule = stand.cloud.schedule.__class__()
        resumed = await stand.inject()
        assert (resumed.exit_code, resumed.counts) == (0, (300, 300, 0, 0, 0))
        assert resumed.summary["run_id"] == injected.summary["run_id"]
        stand.audit(source)


TOKEN_ROUTE, LOOKUP, CONTACTS = "/v1/requestToken", "/interaction/v1/", "/interaction-experimental/"


@pytest.mark.parametrize("redirected", [TOKEN_ROUTE, LOOKUP, CONTACTS])
async def test_redirects_are_not_followed(redirected: str, tmp_path: Path) -> None:
    """Neither credentials nor token nor contacts go where a redirect leads, which is told."""
    contacts(tmp_path, 30)

    async def redirecting(exchange: Exchange) -> None:
        await exchange.body()
        if exchange.path.startswith(redirected):
            await exchange.answer(307, Location=f"{other.url}/interaction?token=x")
        elif exchange.path == TOKEN_ROUTE:
            await exchange.answer(200, b'{"accessToken":"a-token","expiresIn":3600}')
        else:
            await exchange.answer(201)

    async with (
        Loopback(Exchange.answer) as other,
        Loopback(redirecting) as server,
        standing(
            tmp_path, sections={"account": {"auth_url": server.url, "rest_url": server.url}}
        ) as stand,
    ):
        injected = await stand.inject(journey={"check_fields": redirected == LOOKUP})
        assert other.connections == 0
        if redirected == LOOKUP:
            assert injected.counts == (30, 30, 0, 0, 0)
            assert "status 307" in injected.seen(FieldsUnreadable)[0].detail
        else:
            assert isinstance(injected.error, EndpointError)
            assert "307" in str(injected.error)
            assert "token=x" not in str(injected.error)
            assert (redirected == CONTACTS) is (other.url in str(injected.error))


def names_in(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


async def test_names_that_are_paths(tmp_path: Path) -> None:
    """What a contact or a source is called decides no file's place."""
    names = ["../../evil", "/tmp/evil", "..", "C:\\evil", "~/evil", "a\0b", "$HOME", "a\nb"]
    people = [{"customer_id": name, "EmailAddress": "a@example.com"} for name in names]
    records(tmp_path / "..%2f..%2fevil.ndjson", *people)
    async with standing(tmp_path, poison_pattern="evil") as stand:
        injected = await stand.inject(
            "..%2f..%2fevil.ndjson", mapping={"fields": {"EmailAddress": "EmailAddress"}}
        )
        assert injected.counts == (8, 4, 4, 0, 0)

    assert names_in(tmp_path) == {
        "..%2f..%2fevil.ndjson",
        "journey.toml",
        "run",
    }
    assert names_in(tmp_path / "run") == {
        "journal.db",
        "journal.db-count",
        "run.lock",
        "summary.json",
        "accepted.ndjson",
        "rejected.ndjson",
        "unknown.ndjson",
    }


async def test_a_server_of_another_kind(tmp_path: Path) -> None:
    """Where no HTTP is spoken no token can be had: the run halts, and everything is unprocessed."""
    contacts(tmp_path, 30)

    async def noise(exchange: Exchange) -> None:
        await exchange.raw(b"220 mail.example.com ESMTP\r\n\r\n")
        exchange.close()

    async with Loopback(noise) as server, standing(tmp_path) as stand:
        injected = await stand.inject(account={"auth_url": server.url, "rest_url": server.url})
        assert isinstance(injected.error, UnavailableError)
        assert injected.counts[1:4] == (0, 0, 0)


async def test_noise_for_an_answer(tmp_path: Path) -> None:
    """An answer that is no HTTP says nothing of the batch: it is unknown."""
    contacts(tmp_path, 10)

    async def noise(exchange: Exchange) -> None:
        await exchange.body()
        if exchange.path == "/v1/requestToken":
            await exchange.answer(200, b'{"accessToken":"a-token","expiresIn":3600}')
        else:
            await exchange.raw(b"what?\r\n\r\n")
            exchange.close()

    async with Loopback(noise) as server, standing(tmp_path) as stand:
        account = {"auth_url": server.url, "rest_url": server.url}
        injected = await stand.inject(account=account, journey={"check_fields": False})
        assert (injected.exit_code, injected.counts) == (1, (10, 0, 0, 10, 0))


async def test_budget_at_the_end(tmp_path: Path) -> None:
    """A share of failures is judged at the source's end, however small the source is."""
    (tmp_path / "contacts.csv").write_text(HEADER + "C1,a@example.com,Ann\n" * 9 + ",,\n")
    async with standing(tmp_path) as stand:
        injected = await stand.inject(delivery={"max_errors": "5%"})
        assert isinstance(injected.error, BudgetError)
        assert (injected.exit_code, injected.summary["state"]) == (4, "over_budget")
        within = await stand.inject(delivery={"max_errors": "10%"})
        assert (within.exit_code, within.counts) == (1, (10, 9, 1, 0, 0))


# Tokens


@pytest.mark.parametrize("at", ["8", "8+45"])
async def test_refused_tokens(at: str, tmp_path: Path) -> None:
    """However many requests meet a 401 at once, one renewal follows, and each is sent once more."""
    source = contacts(tmp_path, 400)
    async with standing(tmp_path, f"revoke:at={at}", latency="0.02") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 8})
        assert injected.counts == (400, 400, 0, 0, 0)
        stand.audit(source)
        renewals = 1 + len(at.split("+"))
        assert stand.cloud.tokens.issued == renewals
        assert injected.summary["tokens"] == renewals
        assert stand.cloud.summary()["requests"]["by_status"]["401"] >= renewals - 1

    reasons = [event.reason for event in injected.seen(TokenRenewed)]
    assert reasons == ["first"] + ["refused"] * (renewals - 1)


async def test_token_that_is_never_good(tmp_path: Path) -> None:
    """A fresh token that is refused as well halts the run; nobody is rejected for it."""
    contacts(tmp_path, 30)
    async with standing(tmp_path, "401:from=2") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert isinstance(injected.error, CredentialsError)
        assert injected.counts[1:4] == (10, 0, 0)


async def test_no_token_is_told(tmp_path: Path) -> None:
    """No token and no secret is in any file or event of the run."""
    contacts(tmp_path, 60)
    async with standing(
        tmp_path, "revoke:at=2", "500:at=4", "400:at=5", tokens_coexist=True
    ) as stand:
        injected = await stand.inject()
        secrets = [CLIENT_SECRET, *stand.cloud.tokens._ends_v1]
        assert len(secrets) == 2
        told = repr(injected.events).encode()
        told += b"".join(file.read_bytes() for file in (tmp_path / "run").iterdir())
        assert not any(secret.encode() in told for secret in secrets)


async def test_secret_that_is_gone(tmp_path: Path) -> None:
    """A secret that cannot be read when the token is renewed halts the run; nothing is unknown."""
    source = contacts(tmp_path, 300)
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    account = {"client_secret": None, "client_secret_file": str(secret)}
    async with standing(
        tmp_path, "revoke:at=11", sections={"account": account}, latency="0.01"
    ) as stand:
        stand.cloud.tokens.issue = unlinking(secret, stand.cloud.tokens.issue)  # type: ignore[method-assign]  # for one test
        injected = await stand.inject(delivery={"max_in_flight": 4})
        assert isinstance(injected.error, ConfigError)
        assert (injected.exit_code, injected.summary["state"]) == (2, "halted")
        assert injected.counts[2:4] == (0, 0)
        secret.write_text(CLIENT_SECRET)
        assert (await stand.inject()).exit_code == 0
        stand.audit(source)


def unlinking(secret: Path, issue: Any) -> Any:
    def issue_once(now: float) -> str:
        secret.unlink()
        token: str = issue(now)
        return token

    return issue_once


# Passing trouble


@pytest.mark.parametrize(
    "fault",
    [
        "503:at=3+4+5,retry_after=0",
        "503:from=3,to=12",
        "408:at=3",
        "400:at=3,errorcode=10006",
    ],
)
async def test_sent_again(fault: str, tmp_path: Path) -> None:
    """What was certainly not taken is sent again until it is; nothing is taken twice."""
    source = contacts(tmp_path, 200)
    async with standing(tmp_path, fault) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 4, "max_attempts": 30})
        assert (injected.exit_code, injected.counts) == (0, (200, 200, 0, 0, 0))
        struck = sum(stand.cloud.schedule.struck().values())
        assert injected.summary["retries"] == struck
        assert injected.summary["requests"] == 20 + struck
        stand.audit(source)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("429:at=3,retry_after=0.7", 0.7),
        ("429:at=3", 0.9),
    ],
)
async def test_everybody_waits(fault: str, seconds: float, tmp_path: Path) -> None:
    """A 429 holds every sender for as long as it says, and for a while where it does not say."""
    contacts(tmp_path, 200)
    async with standing(tmp_path, fault) as stand:
        starts: list[float] = []
        arrive = stand.cloud.arrive

        def arriving(route: Any, now: float) -> Any:
            if route.scope == "contacts":
                starts.append(now)

            return arrive(route, now)

        stand.cloud.arrive = arriving  # type: ignore[method-assign]  # to see when requests come
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert injected.counts == (200, 200, 0, 0, 0)

    held = injected.seen(HoldStarted)
    assert len(held) == 1
    assert starts[3] - starts[2] >= seconds
    assert len(starts) == len(injected.seen(RequestStarted)) == 21


async def test_fields_that_cannot_be_read(tmp_path: Path) -> None:
    """Where the fields cannot be had the run says so once and goes on unchecked."""
    contacts(tmp_path, 30)
    async with standing(tmp_path, "403:on=lookup") as stand:
        injected = await stand.inject()
        assert injected.counts == (30, 30, 0, 0, 0)

    assert len(injected.seen(FieldsUnreadable)) == 1


async def test_a_look_up_that_fails_at_first(tmp_path: Path) -> None:
    """Tokens and look-ups are patient with passing trouble."""
    contacts(tmp_path, 30)
    async with standing(tmp_path, "503:on=lookup,times=2", "500:on=token,times=3") as stand:
        injected = await stand.inject()
        assert injected.counts == (30, 30, 0, 0, 0)

    assert injected.seen(FieldsUnreadable) == []


# What nobody can know


AMBIGUOUS = [
    "500:at=3,taken=true",
    "500:at=3,taken=false",
    "502:at=3,taken=true",
    "504:at=3,taken=false",
    "close:during_body,at=3",
    "close:after_body,at=3,taken=true",
    "close:after_body,at=3,taken=false",
    "html:at=3,taken=true",
    "hang:at=3,taken=true",
]


@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_unknown_is_held(fault: str, tmp_path: Path) -> None:
    """What may have been taken is unknown, and never sent a second time."""
    source = contacts(tmp_path, 100)
    policy = {"max_in_flight": 1, "timeout_seconds": 0.4}
    async with standing(tmp_path, fault, sections={"delivery": policy}) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (1, (100, 90, 0, 10, 0))
        assert injected.summary["requests"] == 10
        stand.audit(source)

    lines = injected.lines("unknown")
    assert [line["contact_key"] for line in lines] == [key(number) for number in range(21, 31)]
    assert {(line["stage"], line["attempt"]) for line in lines} == {("delivery", 1)}


async def test_unknown_and_resent(tmp_path: Path) -> None:
    """With on_unknown = "resend" it is sent again, and may be taken twice."""
    contacts(tmp_path, 100)
    policy = {"max_in_flight": 1, "on_unknown": "resend"}
    fault = "500:at=3,taken=true"
    async with standing(tmp_path, fault, sections={"delivery": policy}) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (0, (100, 100, 0, 0, 0))
        twice = {each for each, times in stand.taken().items() if times == 2}
        assert twice == {key(number) for number in range(21, 31)}


async def test_unknown_to_the_last(tmp_path: Path) -> None:
    """What is resent and never answered ends as unknown when its attempts run out."""
    contacts(tmp_path, 10)
    policy = {"max_attempts": 3, "on_unknown": "resend"}
    async with standing(tmp_path, "500:taken=false", sections={"delivery": policy}) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (1, (10, 0, 0, 10, 0))
        assert injected.summary["requests"] == 3


# Growing together


async def test_a_bad_day(tmp_path: Path) -> None:
    """Everything at once: still each contact has one outcome, and none is taken twice."""
    source = contacts(tmp_path, 3_000)
    faults = ("429:rate=0.03,retry_after=0", "503:rate=0.05", "500:rate=0.03", "revoke:every=60")
    cuts = ("close:rate=0.03", "close:during_body,rate=0.02", "html:rate=0.01", "empty:rate=0.02")
    async with standing(
        tmp_path, *faults, *cuts, seed=7, latency="0.002", poison_keys=(key(77), key(2_500))
    ) as stand:
        injected = await stand.inject(batch={"max_records": 20})
        assert injected.summary["state"] == "completed"
        stand.audit(source)

    assert injected.summary["unknown"] > 0
    assert {line["contact_key"] for line in injected.lines("rejected")} <= {key(77), key(2_500)}
