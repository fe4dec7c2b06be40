"""What the cloud answers. Each test names the section of the reference it believes."""

from __future__ import annotations

import uuid
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.routes import Call, Route
from tests.fakes.simulated_calls import batch, contact, post_batch, send

if TYPE_CHECKING:
    from pipeline.simulator.cloud import Cloud

DOCUMENTATION = (
    "https://developer.salesforce.com/docs/atlas.en-us.mc-apis.meta/mc-apis/error-handling.htm"
)


def cloud_of(*faults: str, **options: Any) -> Cloud:
    return SimulatorOptions(faults=faults, **options).cloud()


def ask_token(cloud: Cloud, **content: Any) -> tuple[int, Any]:
    answer = send(cloud, Call(route=Route.TOKEN, body=orjson.dumps(content)))
    return answer.status, orjson.loads(answer.body)


def look_up(cloud: Cloud, route: Route, argument: str) -> tuple[int, Any]:
    token = f"Bearer {cloud.tokens.issue(0)}"
    answer = send(cloud, Call(route=route, argument=argument, authorization=token))
    return answer.status, orjson.loads(answer.body)


# Tokens


def test_the_old_token_route() -> None:
    """Section 2: {accessToken, expiresIn: 3600}; bad credentials in the old shape."""
    cloud = cloud_of()
    status, body = ask_token(cloud, clientId="rehearsal", clientSecret="rehearsal-secret")
    assert status == 200
    assert set(body) == {"accessToken", "expiresIn"}
    assert body["expiresIn"] == 3600
    assert post_batch(cloud, batch(contact("1")), token=body["accessToken"]).status == 201
    wrong = {"message": "Unauthorized", "errorcode": 1, "documentation": ""}
    assert ask_token(cloud, clientId="rehearsal", clientSecret="x") == (401, wrong)


def test_enhanced_credentials_on_the_old_token_route() -> None:
    """Section 2: errorcode 10007 where the package is an enhanced one."""
    cloud = cloud_of(package="enhanced")
    _, body = ask_token(cloud, clientId="rehearsal", clientSecret="rehearsal-secret")
    assert body["errorcode"] == 10007


def test_the_new_token_route() -> None:
    """Section 3: the recorded answer, JSON and form, and the OAuth error shape."""
    cloud = cloud_of()
    asked = {
        "grant_type": "client_credentials",
        "client_id": "rehearsal",
        "client_secret": "rehearsal-secret",
    }
    form = "&".join(f"{name}={value}" for name, value in asked.items()).encode()
    for kind, body in (("application/json", orjson.dumps(asked)), ("application/x-w", form)):
        answer = send(cloud, Call(route=Route.TOKEN_V2, content_type=kind, body=body))
        told = orjson.loads(answer.body)
        assert told["expires_in"] == 1079
        assert told["token_type"] == "Bearer"
        assert told["rest_instance_url"].endswith("/")

    asked["client_secret"] = "x"
    call = Call(route=Route.TOKEN_V2, content_type="application/json", body=orjson.dumps(asked))
    answer = send(cloud, call)
    assert answer.status == 401
    assert set(orjson.loads(answer.body)) == {"error", "error_description", "error_uri"}


def test_a_new_token_does_not_open_the_experimental_endpoint() -> None:
    """Section 1: it needs the old 24-character token; by option the new one does too."""
    for allowed, status in ((False, 401), (True, 201)):
        cloud = cloud_of(v2_tokens=allowed)
        token = cloud.tokens.issue_v2(0)
        assert post_batch(cloud, batch(contact("1")), token=token).status == status


@pytest.mark.parametrize("token", ["", "x" * 24])
def test_a_token_that_is_missing_or_unknown(token: str) -> None:
    """Section 7: the recorded 401, and section 2: the header that old clients look at."""
    cloud = cloud_of()
    answer = post_batch(cloud, batch(contact("1")), token=token)
    assert answer.status == 401
    assert orjson.loads(answer.body) == {
        "documentation": DOCUMENTATION,
        "errorcode": 0,
        "message": "Not Authorized",
    }
    assert 'error="invalid_token"' in dict(answer.headers)["WWW-Authenticate"]
    assert cloud.ledger.totals()["taken"] == 0


def test_a_token_that_ended() -> None:
    """Section 2: after its time, and once a newer one was asked for."""
    cloud = cloud_of(token_seconds=10)
    token = cloud.tokens.issue(0)
    assert post_batch(cloud, batch(contact("1")), token=token, now=9).status == 201
    assert post_batch(cloud, batch(contact("1")), token=token, now=10).status == 401
    token = cloud.tokens.issue(20)
    cloud.tokens.issue(20)
    assert post_batch(cloud, batch(contact("1")), token=token, now=20).status == 401


# The experimental endpoint


def test_a_201_gives_an_event_instance_id() -> None:
    """Section 1: an object, a bare string, or JSON in a JSON string."""
    for form in ("object", "string", "double"):
        answer = post_batch(cloud_of(answer_form=form), batch(contact("1")))
        assert answer.status == 201
        told = orjson.loads(answer.body)
        told = orjson.loads(told) if form == "double" else told
        uuid.UUID(told if form == "string" else told["eventInstanceId"])


@pytest.mark.parametrize(
    ("body", "status", "errorcode"),
    [
        (b'{"EventDefinitionKey": ', 400, 10004),
        (b'{"EventDefinitionKey": "\xff"}', 400, 10004),
        (b"[]", 400, 10001),
        (batch(), 400, 10002),
        (batch(contact("1"), EventDefinitionKey=None), 400, 10002),
        (batch("1"), 400, 10001),
        (batch(contact("1"), EventDefinitionKey="APIEvent-other"), 400, 30003),
        (batch(*map(contact, "123456")), 400, 10005),
        (batch(contact("1", FirstName="x" * 2000)), 413, 413),
    ],
)
def test_requests_that_are_refused(body: bytes, status: int, errorcode: int) -> None:
    """Section 7: the REST error shape and its codes; which code for what is our reading."""
    cloud = cloud_of(max_records=5, max_bytes=1_000)
    answer = post_batch(cloud, body)
    told = orjson.loads(answer.body)
    assert (answer.status, told["errorcode"]) == (status, errorcode)
    assert set(told) == {"message", "errorcode", "documentation"}
    assert cloud.ledger.totals()["taken"] == 0


def test_the_order_of_refusals() -> None:
    """Section 7: 403 comes before key and body are looked at; 401 before it, 415 after it."""
    bad = b"not JSON"
    assert post_batch(cloud_of(endpoint_there=False), bad, token="").status == 404
    assert post_batch(cloud_of(permitted=False), bad, token="").status == 401
    forbidden = post_batch(cloud_of(permitted=False), bad)
    assert forbidden.status == 403
    told = orjson.loads(forbidden.body)
    assert told["message"] == "Insufficient privileges to complete this action."
    assert post_batch(cloud_of(), bad, content_type="text/plain").status == 415


def test_a_wrong_record_count_is_accepted_and_counted() -> None:
    """Section 12: nobody knows; it is taken, and the summary tells."""
    cloud = cloud_of()
    assert post_batch(cloud, batch(contact("1"), RecordCount=7)).status == 201
    assert cloud.summary()["contacts"]["record_count_mismatches"] == 1


def test_poison_costs_the_whole_batch() -> None:
    """A rehearsal's own: one contact at fault, and nobody of its batch is taken."""
    cloud = cloud_of(poison_keys=("bad",), poison_pattern="^evil-")
    for key in ("bad", "evil-3"):
        assert post_batch(cloud, batch(contact("1"), contact(key))).status == 400

    assert post_batch(cloud, batch(contact("1"), contact("not-evil-3"))).status == 201
    assert cloud.ledger.totals()["taken"] == 2


# Who enters


def losses(cloud: Cloud) -> dict[str, str | None]:
    """Contact key -> why it did not enter at the last time, or None."""
    body = batch(
        contact("fine"),
        contact("late", VisitedOn="yesterday"),
        contact("long", FirstName="x" * 51),
        contact("odd", Shoe=43),
        contact("x" * 255),
        contact(""),
        {"ContactKey": 7, "Data": {}},
        {"ContactKey": "bare"},
        {"ContactKey": "list", "Data": []},
    )
    assert post_batch(cloud, body).status == 201
    return {key: cloud.ledger.why_lost(key) for key in cloud.ledger.taken}


def test_contacts_are_lost_in_silence() -> None:
    """Section 1: 201 though contacts failed; section 8: what fails."""
    cloud = cloud_of()
    assert losses(cloud) == {
        "fine": None,
        "late": "not_a_date",
        "long": "too_long",
        "odd": "unknown_field",
        "x" * 255: "contact_key_too_long",
        "": "contact_key_empty",
        "7": "contact_key_not_text",
        "bare": "required_missing",
        "list": "data_not_an_object",
    }
    totals = cloud.summary()["contacts"]
    assert (totals["taken"], totals["entered"]) == (9, 1)
    assert totals["lost"]["too_long"] == 1


def test_without_fields_only_the_key_counts() -> None:
    """`accept_any_field`: for rehearsals with one's own columns."""
    lost = {key for key, cause in losses(cloud_of(accept_any_field=True)).items() if cause}
    assert lost == {"x" * 255, "", "7", "list"}


def test_nobody_enters_where_no_journey_listens() -> None:
    """Section 6: publishedInteractionCount 0, and still 201."""
    assert set(losses(cloud_of(published_journeys=0)).values()) == {"no_journey_listens"}


def test_entering_again() -> None:
    """Section 8, entry modes: a refused re-entry is no error of the API."""
    for mode, entered in (("MultipleEntries", 3), ("SingleEntryAcrossAllVersions", 1)):
        cloud = cloud_of(entry_mode=mode)
        post_batch(cloud, batch(contact("1"), contact("1")))
        assert post_batch(cloud, batch(contact("1"))).status == 201
        assert cloud.ledger.taken["1"] == 3
        assert cloud.ledger.entered("1") == entered


def test_a_contact_that_was_lost_may_enter_later() -> None:
    """Once mended, even where nobody may enter twice."""
    cloud = cloud_of(entry_mode="SingleEntryAcrossAllVersions")
    post_batch(cloud, batch(contact("1", Points="x")))
    post_batch(cloud, batch(contact("1", Points="7")))
    assert cloud.ledger.entered("1") == 1


# Lookups


def test_the_event_definition_with_its_schema() -> None:
    """Section 6 e, as recorded: `dataType` Email, `maxLength` in quotes."""
    status, told = look_up(cloud_of(), Route.EVENT_DEFINITION, "APIEvent-rehearsal")
    assert status == 200
    assert told["eventDefinitionKey"] == "APIEvent-rehearsal"
    assert told["publishedInteractionCount"] == 1
    fields = {field["name"]: field for field in told["schema"]["fields"]}
    assert fields["FirstName"] == {
        "name": "FirstName",
        "dataType": "Text",
        "maxLength": "50",
        "isNullable": True,
        "isPrimaryKey": False,
        "isDevicePreference": False,
    }
    assert fields["EmailAddress"]["dataType"] == "Email"
    assert fields["EmailAddress"]["isNullable"] is False


def test_the_fields_of_the_data_extension() -> None:
    """Section 6 e: where the schema is absent, the fields are found by the extension's id."""
    cloud = cloud_of(schema_shown=False)
    _, told = look_up(cloud, Route.EVENT_DEFINITION, "APIEvent-rehearsal")
    assert "schema" not in told
    status, told = look_up(cloud, Route.FIELDS, told["dataExtensionId"].upper())
    assert status == 200
    field = next(field for field in told["fields"] if field["name"] == "EmailAddress")
    assert (field["type"], field["length"], field["isNullable"]) == ("EmailAddress", 254, False)


def test_what_is_not_there() -> None:
    """Section 7: 404; section 5: 30003 for a key that is not found."""
    cloud = cloud_of()
    status, told = look_up(cloud, Route.EVENT_DEFINITION, "APIEvent-other")
    assert (status, told["errorcode"]) == (404, 30003)
    assert look_up(cloud, Route.FIELDS, "no-id") == (
        404,
        {"documentation": DOCUMENTATION, "errorcode": 404, "message": "Not Found"},
    )


def test_the_journey() -> None:
    """Section 6 g: its status, its entry mode, and the event that ties them."""
    status, told = look_up(cloud_of(published_journeys=0), Route.INTERACTION, "spring")
    assert (status, told["status"], told["entryMode"]) == (200, "Draft", "MultipleEntries")
    tied = told["triggers"][0]["metaData"]["eventDefinitionKey"]
    assert tied == "APIEvent-rehearsal"


# Faults


def test_too_many_requests_in_both_documented_forms() -> None:
    """Section 7: 50100 with Retry-After in header and body, 50200 without."""
    answer = post_batch(cloud_of("429:retry_after=5"), batch(contact("1")))
    assert dict(answer.headers) == {"Retry-After": "5"}
    assert orjson.loads(answer.body) == {
        "message": "Rate limit exceeded",
        "errorcode": 50100,
        "retryAfter": 5,
        "documentation": DOCUMENTATION,
    }
    answer = post_batch(cloud_of("429"), batch(contact("1")))
    assert answer.headers == ()
    assert orjson.loads(answer.body)["errorcode"] == 50200


def test_retry_after_as_a_date_and_in_the_body_alone() -> None:
    """HTTP allows a date; a proxy may drop the header."""
    answer = post_batch(cloud_of("503:retry_after=60,form=date"), batch(contact("1")), now=1e9)
    date = parsedate_to_datetime(dict(answer.headers)["Retry-After"])
    assert date.timestamp() == 1e9 + 60
    answer = post_batch(cloud_of("429:retry_after=60,form=body"), batch(contact("1")))
    assert answer.headers == ()
    assert orjson.loads(answer.body)["retryAfter"] == 60


@pytest.mark.parametrize(
    ("spec", "status", "errorcode"),
    [
        ("400", 400, 10000),
        ("400:errorcode=10006", 400, 10006),
        ("401", 401, 0),
        ("403", 403, 20002),
        ("404", 404, 404),
        ("408", 408, 408),
        ("413", 413, 413),
        ("500:taken=false", 500, 0),
        ("502:taken=false", 502, 502),
        ("503", 503, 50300),
        ("504:taken=false", 504, 504),
    ],
)
def test_each_status_has_its_body_and_takes_nothing(spec: str, status: int, errorcode: int) -> None:
    """Section 7: codes where they are known."""
    cloud = cloud_of(spec)
    answer = post_batch(cloud, batch(contact("1")))
    assert (answer.status, orjson.loads(answer.body)["errorcode"]) == (status, errorcode)
    assert cloud.ledger.totals()["taken"] == 0


@pytest.mark.parametrize("spec", ["500", "502", "504", "html", "empty", "hang"])
def test_taken_before_the_failure_or_not(spec: str) -> None:
    """The audit alone knows which."""
    for taken, count in (("true", 1), ("false", 0)):
        cloud = cloud_of(f"{spec}:taken={taken}")
        post_batch(cloud, batch(contact("1")))
        assert cloud.ledger.totals()["taken"] == count


def test_what_was_refused_is_not_taken_by_a_fault() -> None:
    """A request without a good token takes no contacts, whatever breaks afterwards."""
    cloud = cloud_of("500:taken=true", "empty:taken=true")
    assert post_batch(cloud, batch(contact("1")), token="").status == 500
    assert cloud.ledger.totals()["taken"] == 0


def test_spoilt_successes() -> None:
    """A 201 without a body, with half of it, and a proxy's page."""
    assert post_batch(cloud_of("empty"), batch(contact("1"))).body == b""
    garbled = post_batch(cloud_of("garbled"), batch(contact("1")))
    assert garbled.status == 201
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(garbled.body)

    page = post_batch(cloud_of("html:status=502"), batch(contact("1")))
    assert (page.status, page.content_type) == (502, "text/html; charset=utf-8")


def test_tokens_are_revoked_when_told() -> None:
    """From request two on, until somebody asks for a new one."""
    cloud = cloud_of("revoke:at=2")
    token = cloud.tokens.issue(0)
    body = batch(contact("1"))
    assert [post_batch(cloud, body, token=token).status for _ in range(3)] == [201, 401, 401]
    assert post_batch(cloud, body).status == 201


def test_more_requests_than_it_bears() -> None:
    """Section 7: 50100 with Retry-After, and nothing taken."""
    cloud = cloud_of(max_requests_per_second=2)
    statuses = [post_batch(cloud, batch(contact("1"))).status for _ in range(3)]
    assert statuses == [201, 201, 429]
    assert post_batch(cloud, batch(contact("1")), now=0.6).status == 201


def test_a_reset_forgets_contacts_and_begins_the_schedule_again() -> None:
    """The second rehearsal goes as the first."""
    cloud = cloud_of("503:at=1")
    statuses = [post_batch(cloud, batch(contact("1"))).status for _ in range(2)]
    cloud.reset()
    assert cloud.summary()["contacts"]["taken"] == 0
    assert statuses == [503, 201]
    assert [post_batch(cloud, batch(contact("1"))).status for _ in range(2)] == [503, 201]


def test_kept_data_is_what_came() -> None:
    """Digit for digit and code point for code point, in the order of first arrival."""
    cloud = cloud_of(keep_data=True, accept_any_field=True)
    data = '{"Id":12345678901234567890123,"Paid":1.10,"Name":"\u00c4\U0001f600","On":null}'
    contacts = f'{{"ContactKey":"b","Data":{data}}},{{"ContactKey":"a"}}'
    body = f'{{"EventDefinitionKey":"APIEvent-rehearsal","BatchDetails":[{contacts}]}}'
    assert post_batch(cloud, body.encode()).status == 201
    lines = b"".join(cloud.ledger.pages()).splitlines()
    assert data in lines[0].decode()
    assert orjson.loads(lines[1])["contact_key"] == "a"
