"""What we believe Marketing Cloud says, request by request, and where the belief comes from.

Read it as documentation. Each test is one belief: its first line says it, `@believed` says how far
it can be trusted and who says so, and its body is the exchange as it goes over the wire, held
against the simulator. Where our own program must read the answer, the test shows what it makes of
it. Whoever has an account and sees something else changes it here first.

    DOC   documented by Salesforce
    COMM  community: a blog, a gist, public code, a recorded fixture
    INF   inferred, or chosen because nothing is known
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
import pytest

from pipeline.sending.account import Account, AuthVersion
from pipeline.sending.answers import classify, read_instance
from pipeline.sending.grants import read_grant
from pipeline.sending.members import read_members
from pipeline.sending.reply import Reply
from pipeline.sending.verdict import Fatal, Granted, Judged, Refused, RenewToken, Taken, TryLater
from tests.fakes.wire import GUID, Told, like, wire_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.sending.verdict import Verdict

KEY = "APIEvent-rehearsal"
EXPERIMENTAL = "/interaction-experimental/v1/batchcontactevents"
ASYNC = "/interaction/v1/async/events"
STATUS = "/interaction/v1/async/events/status"
SINGLE = "/interaction/v1/events"
DEFINITION = f"/interaction/v1/eventDefinitions/key:{KEY}"
JOURNEYS = "/interaction/v1/interactions"
HISTORY = "/interaction/v1/interactions/journeyhistory"

ANN = {"EmailAddress": "ann@example.com", "FirstName": "Ann"}
ERROR = {"message": str, "errorcode": int, "documentation": str}
CLIENT_V1 = {"clientId": "rehearsal", "clientSecret": "rehearsal-secret"}
CLIENT_V2 = {
    "grant_type": "client_credentials",
    "client_id": "rehearsal",
    "client_secret": "rehearsal-secret",
}
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def believed(mark: str, source: str) -> Callable[[Any], Any]:
    """Note how far a belief can be trusted, and who says so."""
    assert mark in {"DOC", "COMM", "INF"}

    def noted(test: Any) -> Any:
        test.belief = (mark, source)
        return test

    return noted


def experimental(*keys: str, **more: Any) -> dict[str, Any]:
    contacts = [{"ContactKey": key, "Data": ANN} for key in keys]
    count = {"BatchId": "", "RecordCount": len(keys), "BatchDetails": contacts}
    return {"EventDefinitionKey": KEY, **count, **more}


def members(*keys: str) -> dict[str, Any]:
    return {
        "eventDefinitionKey": KEY,
        "members": [{"contactKey": key, "data": ANN} for key in keys],
    }


def made_of(told: Told, *keys: str) -> Verdict:
    """What our program makes of an answer to contacts."""
    if keys:
        return classify(
            told.reply, key=KEY, now=NOW, read=lambda content: read_members(content, keys)
        )

    return classify(told.reply, key=KEY, now=NOW, read=read_instance)


# 1. batchcontactevents


@believed("COMM", "zuzannamj's gist: the author's own request; sfmarketing.cloud, 2020-11-12")
async def test_four_members_are_enough() -> None:
    """POST with EventDefinitionKey, BatchId "", RecordCount and BatchDetails: 201 and an id."""
    async with wire_to() as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "2"))
        assert (told.status, like(told.body, {"eventInstanceId": GUID})) == (201, True)
        assert made_of(told) == Taken(event_instance_id=told.body["eventInstanceId"])


@believed("COMM", "sfmarketing.cloud: the payload that the managed package was seen to send")
async def test_the_managed_packages_payload() -> None:
    """It sends three members more; keys with colons and JSON booleans are data like any other."""
    data = {"CampaignMember:Common:Email": "ann@example.com", "CampaignMember:HasResponded": False}
    payload = experimental(
        ContactPersonType="CampaignMember",
        CallerSystemName="Salesforce",
        CalloutTimeStamp="12/11/2020 17:02",
        RecordCount=1,
        BatchDetails=[{"ContactKey": "003", "Data": data}],
    )
    async with wire_to(accept_any_field=True) as wire:
        assert (await (await wire.v1()).post(EXPERIMENTAL, payload)).status == 201


@believed("COMM", "sfmarketing.cloud: a logged response; and a sibling endpoint's, 2013-15")
@pytest.mark.parametrize("form", ["string", "double"])
async def test_the_id_may_come_as_bare_text(form: str) -> None:
    """The body may be a JSON string holding a GUID, or JSON in a JSON string: both are read."""
    async with wire_to(answer_form=form) as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, experimental("1"))
        assert isinstance(told.body, str)
        verdict = made_of(told)
        assert isinstance(verdict, Taken)
        assert GUID.fullmatch(verdict.event_instance_id or "")


@believed("COMM", "sfmarketing.cloud: the author's finding in testing")
async def test_201_means_received_and_not_entered() -> None:
    """It answers 201 for contacts that never enter, too; five hundred are the most it takes."""
    async with wire_to() as wire:
        await wire.v1()
        bad = experimental(BatchDetails=[{"ContactKey": "1", "Data": {"Nonsense": 1}}])
        assert (await wire.post(EXPERIMENTAL, bad)).status == 201
        assert (await wire.get("/_simulator/summary")).body["contacts"]["entered"] == 0
        most = experimental(*map(str, range(500)))
        assert (await wire.post(EXPERIMENTAL, most)).status == 201
        more = await wire.post(EXPERIMENTAL, experimental(*map(str, range(501))))
        assert isinstance(made_of(more), Refused)


@believed("COMM", "sfmarketing.cloud; no source was found in which a v2 token works")
async def test_it_needs_the_old_kind_of_token() -> None:
    """A v2 token is refused there, and opens everything else."""
    async with wire_to() as wire:
        told = await (await wire.v2()).post(EXPERIMENTAL, experimental("1"))
        assert told.status == 401
        assert isinstance(made_of(told), RenewToken)
        assert (await wire.get(DEFINITION)).status == 200


@believed("INF", "both samples tell the right number; what a wrong one does is not known")
async def test_a_wrong_record_count() -> None:
    """It does no harm: RecordCount is not held against the contacts."""
    async with wire_to() as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "2", RecordCount=7))
        assert told.status == 201
        assert (await wire.get("/_simulator/summary")).body["contacts"]["entered"] == 2


@believed("INF", "not known for this endpoint; async/events allows it")
async def test_the_same_contact_twice_in_a_batch() -> None:
    """It enters twice where the journey lets contacts enter again at any time."""
    async with wire_to() as wire:
        assert (await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "1"))).status == 201
        (line,) = (await wire.get("/_simulator/contacts")).raw.splitlines()
        assert orjson.loads(line)["entered"] == 2


@believed("INF", "mcecli endpoint notes saw /{section}/v1/rest of other sections, never of this")
@pytest.mark.parametrize("status", [200, 404])
async def test_the_experimental_section_may_describe_itself(status: int) -> None:
    """A section lists its methods; 404 where the endpoint was switched off."""
    async with wire_to(endpoint_there=status == 200) as wire:
        await wire.v2()
        told = await wire.get("/interaction-experimental/v1/rest")
        assert told.status == status
        if status == 200:
            method = {"id": str, "path": "batchcontactevents", "httpMethod": "POST"}
            assert method["path"] in {each["path"] for each in told.body["methods"].values()}
            assert all(like(each, method) for each in told.body["methods"].values())


@believed("COMM", "mcecli endpoint notes: probed live for ten sections")
async def test_sections_describe_themselves() -> None:
    """In the style of Google's discovery documents, but for `data`, which has methods alone."""
    async with wire_to() as wire:
        await wire.v2()
        about = {"kind": "discovery#restDescription", "name": "interaction", "version": "v1"}
        shape = {**about, "title": str, "basePath": str, "methods": dict}
        told = (await wire.get("/interaction/v1/rest")).body
        assert like(told, shape)
        paths = {each["path"]: each["httpMethod"] for each in told["methods"].values()}
        assert (paths["async/events"], paths["async/events/status"]) == ("POST", "GET")
        assert (await wire.get("/data/v1/rest")).body.keys() == {"methods"}


# 2. The old token


@believed("DOC", "requestToken; 24 characters: sfmarketing.cloud")
async def test_a_v1_token() -> None:
    """{clientId, clientSecret} as JSON: {accessToken of 24 characters, expiresIn 3600}."""
    async with wire_to() as wire:
        told = await wire.post("/v1/requestToken", CLIENT_V1)
        shape = {"accessToken": re.compile(r"[A-Za-z0-9]{24}"), "expiresIn": 3600}
        assert (told.status, like(told.body, shape)) == (200, True)


@believed("DOC", "requestToken; legacyToken: FuelSDK-Python client.py")
async def test_what_else_a_v1_answer_may_hold() -> None:
    """refreshToken for accessType offline, legacyToken for ?legacy=1: ours reads past them."""
    async with wire_to() as wire:
        asked = CLIENT_V1 | {"accessType": "offline"}
        told = await wire.post("/v1/requestToken?legacy=1", asked)
        named = {"accessToken": str, "expiresIn": 3600, "refreshToken": str, "legacyToken": str}
        assert (told.status, like(told.body, named)) == (200, True)
        account = Account(subdomain="mc", client_id="rehearsal")
        granted = read_grant(told.reply, account=account, secret="s3cret", now=NOW)
        assert isinstance(granted, Granted)
        assert granted.lifetime_seconds == 3600
        assert told.body["refreshToken"] not in repr(granted)


@believed("DOC", "requestToken: single use and five minutes of grace; the refusal is a guess")
async def test_a_refresh_token() -> None:
    """Sent with the credentials it brings a new one of each kind; an unknown one is refused."""
    async with wire_to() as wire:
        first = (await wire.post("/v1/requestToken", CLIENT_V1 | {"accessType": "offline"})).body
        asked = CLIENT_V1 | {"refreshToken": first["refreshToken"]}
        told = await wire.post("/v1/requestToken", asked)
        assert like(told.body, {"accessToken": str, "expiresIn": 3600, "refreshToken": str})
        assert set(told.body.values()) & set(first.values()) == {3600}
        assert (await wire.post("/v1/requestToken", asked)).status == 200  # the grace
        unknown = await wire.post("/v1/requestToken", CLIENT_V1 | {"refreshToken": "x" * 24})
        assert (unknown.status, unknown.body["errorcode"]) == (401, 1)


@believed("COMM", "FuelSDK-Node-Auth lib/fuel-auth.js; what the server says to it is a guess")
async def test_a_scope_and_a_refresh_token() -> None:
    """A scope may be sent, but not together with a refresh token."""
    async with wire_to() as wire:
        asked = CLIENT_V1 | {"scope": "journeys_read"}
        assert (await wire.post("/v1/requestToken", asked)).status == 200
        told = await wire.post("/v1/requestToken", asked | {"refreshToken": "x" * 24})
        assert (told.status, like(told.body, ERROR)) == (400, True)


@believed("INF", "no source tells of another number than 3600")
async def test_a_v1_token_of_another_life() -> None:
    """It is believed as it is told."""
    async with wire_to(token_seconds=3599) as wire:
        told = await wire.post("/v1/requestToken", CLIENT_V1)
        account = Account(subdomain="mc", client_id="rehearsal")
        granted = read_grant(told.reply, account=account, secret="s3cret", now=NOW)
        assert isinstance(granted, Granted)
        assert granted.lifetime_seconds == 3599


@believed("COMM", "pastebin TDGBjFeZ; FuelSDK-Node-REST test/sample-responses.js")
async def test_v1_credentials_that_are_wrong() -> None:
    """401 with errorcode 1, and an empty documentation."""
    async with wire_to() as wire:
        told = await wire.post("/v1/requestToken", CLIENT_V1 | {"clientSecret": "no"})
        body = {"message": "Unauthorized", "errorcode": 1, "documentation": ""}
        assert (told.status, told.body) == (401, body)


@believed("COMM", "fivetran.com troubleshooting page; the status was not recorded")
async def test_enhanced_credentials_on_the_old_route() -> None:
    """errorcode 10007 says so, and our message says what to set."""
    async with wire_to(package="enhanced") as wire:
        told = await wire.post("/v1/requestToken", CLIENT_V1)
        assert told.body["errorcode"] == 10007
        assert 400 <= told.status < 500
        account = Account(subdomain="mc", client_id="rehearsal")
        answer = read_grant(told.reply, account=account, secret="s3cret", now=NOW)
        assert isinstance(answer, Fatal)
        assert "set account.auth to v2" in str(answer.error)


@believed("COMM", "github.com/salesforce-marketingcloud/fuelsdk-php, issue 44")
async def test_the_token_route_takes_no_get() -> None:
    """404, errorcode 404, and a link to the old documentation."""
    async with wire_to() as wire:
        told = await wire.get("/v1/requestToken")
        assert (told.status, told.body["errorcode"]) == (404, 404)
        assert told.body["documentation"].endswith("/errors/404")


@believed("DOC", "knowledge article 000230262; whether one address is enough is not said")
async def test_a_second_v1_token_may_end_the_first() -> None:
    """One owner per credential: the first token is refused from then on."""
    async with wire_to() as wire:
        first = (await wire.v1()).token
        await wire.v1()
        wire.token = first
        assert (await wire.post(EXPERIMENTAL, experimental("1"))).status == 401


@believed("COMM", "FuelSDK-Node-REST lib/helpers.js; sfmc-devtools test/resources/auth.json")
async def test_a_token_that_ended() -> None:
    """401, errorcode 0, and a WWW-Authenticate that says invalid_token."""
    async with wire_to() as wire:
        wire.token = "x" * 24
        told = await wire.post(EXPERIMENTAL, experimental("1"))
        assert told.status == 401
        assert (told.body["errorcode"], told.body["message"]) == (0, "Not Authorized")
        assert 'error="invalid_token"' in told.headers["WWW-Authenticate"]


# 3. The new token


@believed("COMM", "sfmc-devtools auth.json (recorded); members documented: access-token-s2s")
async def test_a_v2_token() -> None:
    """The client credentials grant: a JWT that says 1079 seconds, and the tenant's hosts."""
    async with wire_to() as wire:
        told = await wire.post("/v2/token", CLIENT_V2 | {"account_id": "510000000"})
        shape = {
            "access_token": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
            "token_type": "Bearer",
            "expires_in": 1079,
            "scope": str,
            "soap_instance_url": re.compile(r"http.*/"),
            "rest_instance_url": re.compile(r"http.*/"),
        }
        assert (told.status, like(told.body, shape)) == (200, True)
        account = Account(auth=AuthVersion.V2, subdomain="mc", client_id="rehearsal")
        granted = read_grant(told.reply, account=account, secret="s3cret", now=NOW)
        assert isinstance(granted, Granted)
        assert granted.lifetime_seconds == 1079
        assert granted.rest_base is None  # loopback is no host of Marketing Cloud


@believed("COMM", "sfmc-devtools auth.json")
async def test_what_a_v2_token_carries() -> None:
    """Its payload names the account, and holds 24 characters like an old token's."""
    async with wire_to() as wire:
        header, payload, _ = (await wire.v2()).token.split(".")
        stated = json.loads(base64.urlsafe_b64decode(header + "=="))
        assert stated == {"alg": "HS256", "kid": "4", "ver": "1", "typ": "JWT"}
        carried = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert like(carried["eid"], int)
        assert {"client_id", "stack_key", "platform_version"} <= carried.keys()
        assert len(carried["access_token"]) == 24
        assert carried["client_type"] == "ServerToServer"


@believed("COMM", "segmentio/action-destinations: it asks with a form")
async def test_a_v2_token_may_be_asked_for_with_a_form() -> None:
    """And a scope that is asked for is the scope that is told."""
    asked = urlencode(CLIENT_V2 | {"scope": "journeys_read"}).encode()
    async with wire_to() as wire:
        told = await wire.post("/v2/token", asked, Content_Type="application/x-www-form-urlencoded")
        assert (told.status, told.body["scope"]) == (200, "journeys_read")


@believed("COMM", "sfmc-devtools auth.json; rudder-transformer network.ts")
async def test_v2_credentials_that_are_wrong() -> None:
    """401 in OAuth's shape: error, error_description, error_uri."""
    async with wire_to() as wire:
        told = await wire.post("/v2/token", CLIENT_V2 | {"client_secret": "no"})
        shape = {"error": "invalid_client", "error_description": str, "error_uri": str}
        assert (told.status, like(told.body, shape)) == (401, True)


@believed("COMM", "rudder-transformer network.ts; the code: Salesforce's documentation")
async def test_too_many_tokens_asked_for() -> None:
    """429 with errorcode 50200, without Retry-After: it is asked for again."""
    async with wire_to("429:on=token") as wire:
        told = await wire.post("/v2/token", CLIENT_V2)
        assert (told.status, told.body["errorcode"]) == (429, 50200)
        assert "Retry-After" not in told.headers
        account = Account(auth=AuthVersion.V2, subdomain="mc", client_id="rehearsal")
        assert isinstance(
            read_grant(told.reply, account=account, secret="s3cret", now=NOW), TryLater
        )


@believed("COMM", "AdobeDocs/experience-platform: the text of the error")
def test_an_address_that_is_not_let_in() -> None:
    """The description names the IP address: our message names the allow list."""
    said = {
        "error": "invalid_grant",
        "error_description": "The client's IP address is unauthorized for this account. "
        "Allowlist the client's IP address in Marketing Cloud Administration.",
    }
    reply = Reply(status=401, headers={}, body=orjson.dumps(said))
    account = Account(auth=AuthVersion.V2, subdomain="mc", client_id="rehearsal")
    answer = read_grant(reply, account=account, secret="s3cret", now=NOW)
    assert isinstance(answer, Fatal)
    assert "allow list" in str(answer.error)


@believed("COMM", "rudder-transformer network.ts: the other words of invalid_client")
def test_a_client_id_that_is_not_known() -> None:
    """The same error in other words: final as well."""
    said = {"error": "invalid_client", "error_description": "Invalid client ID. Check the ID."}
    said["error_uri"] = "https://developer.salesforce.com/docs"
    reply = Reply(status=401, headers={}, body=orjson.dumps(said))
    account = Account(auth=AuthVersion.V2, subdomain="mc", client_id="rehearsal")
    assert isinstance(read_grant(reply, account=account, secret="s3cret", now=NOW), Fatal)


# 4. async/events


@believed("DOC", "enterContactsIntoJourneyInBatches; the status 202: public code")
async def test_members_are_answered_in_their_order() -> None:
    """requestId, count, notQueuedCount, and a member for each with its eventInstanceId."""
    async with wire_to() as wire:
        told = await (await wire.v2()).post(ASYNC, members("1", "2", "1"))
        member = {"contactKey": str, "eventInstanceId": GUID}
        shape = {"requestId": GUID, "count": 3, "notQueuedCount": 0, "members": [member]}
        assert (told.status, like(told.body, shape)) == (202, True)
        assert [each["contactKey"] for each in told.body["members"]] == ["1", "2", "1"]
        assert made_of(told, "1", "2", "1") == Taken(event_instance_id=told.body["requestId"])


@believed("DOC", "enterContactsIntoJourneyInBatches; which codes there are is not known")
async def test_a_member_that_is_not_queued_has_an_errorcode() -> None:
    """errorcode is text, message says why, notQueuedCount counts them, and the others are in."""
    async with wire_to(poison_keys=("2",)) as wire:
        told = await (await wire.v2()).post(ASYNC, members("1", "2"))
        good, bad = told.body["members"]
        assert (told.body["count"], told.body["notQueuedCount"]) == (2, 1)
        assert "errorcode" not in good
        error = {"errorcode": re.compile(r"\d+"), "message": str}
        assert like(bad, {"contactKey": "2", "eventInstanceId": GUID, **error})
        verdict = made_of(told, "1", "2")
        assert isinstance(verdict, Judged)
        assert [type(each) for each in verdict.verdicts] == [Taken, Refused]


@believed("COMM", "segmentio: sfmc-operations.ts and index.async.ts, of the data routes")
@pytest.mark.parametrize("code", [10006, 30000])
async def test_some_errors_pass(code: int) -> None:
    """10006 without additionalErrors, and "Rerun the transaction.": the contact comes again."""
    async with wire_to(f"members:errorcode={code},share=1") as wire:
        told = await (await wire.v2()).post(ASYNC, members("1"))
        assert isinstance(made_of(told, "1"), TryLater)


@believed("DOC", "enterContactsIntoJourneyInBatches: at most a hundred")
async def test_a_hundred_members_are_the_most() -> None:
    """One more is refused as a whole; what is missing from the request, too."""
    async with wire_to() as wire:
        await wire.v2()
        assert (await wire.post(ASYNC, members(*map(str, range(100))))).status == 202
        more = await wire.post(ASYNC, members(*map(str, range(101))))
        assert (more.status, like(more.body, ERROR)) == (400, True)
        nothing = await wire.post(ASYNC, {"eventDefinitionKey": KEY})
        assert (nothing.status, nothing.body["errorcode"]) == (400, 10002)


@believed("COMM", "zuzannamj's other gist: members of one request with different data")
async def test_members_may_differ_and_data_may_be_missing() -> None:
    """`data` is optional, and its names are each member's own."""
    listed = [{"contactKey": "1"}, {"contactKey": "2", "data": ANN}]
    async with wire_to(accept_any_field=True) as wire:
        told = await (await wire.v2()).post(ASYNC, {"eventDefinitionKey": KEY, "members": listed})
        assert (told.status, told.body["notQueuedCount"]) == (202, 0)


@believed("INF", "documentation and community contradict each other on unknown fields")
async def test_a_queued_member_may_be_errored_later() -> None:
    """What breaks the event's fields is queued without a word; only the status tells."""
    async with wire_to() as wire:
        await wire.v2()
        broken = {"contactKey": "1", "data": {"Nonsense": 1}}
        told = await wire.post(ASYNC, {"eventDefinitionKey": KEY, "members": [broken]})
        assert told.body["notQueuedCount"] == 0
        asked = f"{STATUS}?requestId={told.body['requestId']}"
        assert (await wire.get(f"{asked}&type=errored")).body["count"] == 1
        assert (await wire.get(f"{asked}&type=processed")).body["count"] == 0


@believed("DOC", "getStatusOfContacts; the fields of an item are not known: ours are a guess")
async def test_the_status_of_what_was_queued() -> None:
    """Asked by one of five names, in pages of fifty; none of the five is an error."""
    async with wire_to(queue_seconds=3600) as wire:
        await wire.v2()
        await wire.post(ASYNC, members(*map(str, range(60))))
        told = await wire.get(f"{STATUS}?eventDefinitionKey={KEY}&$page=2")
        assert {name: told.body[name] for name in ("page", "pageSize", "count")} == {
            "page": 2,
            "pageSize": 50,
            "count": 60,
        }
        assert len(told.body["items"]) == 10
        assert (await wire.get(f"{STATUS}?type=queued&contactKey=7")).body["count"] == 1
        since = "2024-01-01T00:00:00Z"
        assert (await wire.get(f"{STATUS}?contactKey=7&endDate={since}")).body["count"] == 0
        assert (await wire.get(f"{STATUS}?$page=1")).status == 400


@believed("DOC", "getStatusOfContacts")
async def test_the_status_of_one_event() -> None:
    """By its eventInstanceId, since a date, in an order and pages of a size."""
    async with wire_to() as wire:
        await wire.v2()
        (_, second) = (await wire.post(ASYNC, members("1", "2"))).body["members"]
        asked = f"{STATUS}?eventInstanceId={second['eventInstanceId']}"
        more = "&startDate=2024-01-01T00:00:00Z&$orderBy=modifiedDate DESC&$page=1&$pageSize=5"
        told = await wire.get(asked + more)
        assert like(told.body, {"page": 1, "pageSize": 5, "count": 1, "items": [dict]})
        assert told.body["items"][0]["contactKey"] == "2"
        nothing = await wire.get(STATUS)
        assert (nothing.status, like(nothing.body, ERROR)) == (400, True)


@believed("DOC", "enterContactsIntoJourneyInBatches: the first row of its errors; body a guess")
async def test_a_key_that_feeds_too_many_journeys() -> None:
    """10000 refuses the batch as a whole."""
    async with wire_to("400:errorcode=10000") as wire:
        told = await (await wire.v2()).post(ASYNC, members("1"))
        assert (told.status, told.body["errorcode"], like(told.body, ERROR)) == (400, 10000, True)
        assert isinstance(made_of(told, "1"), Refused)


# 5. events


@believed("DOC", "postEvent: 201 (an older table prints 200)")
async def test_a_single_event() -> None:
    """ContactKey, EventDefinitionKey and Data: 201 and an eventInstanceId."""
    event = {"ContactKey": "1", "EventDefinitionKey": KEY, "Data": ANN}
    async with wire_to() as wire:
        told = await (await wire.v2()).post(SINGLE, event)
        assert (told.status, like(told.body, {"eventInstanceId": GUID})) == (201, True)
        assert isinstance(made_of(told), Taken)


@believed("COMM", "segmentio: apiEvent.test.ts (mocked)")
async def test_a_single_events_names_in_another_case() -> None:
    """contactKey, eventDefinitionKey and data do as well."""
    event = {"contactKey": "1", "eventDefinitionKey": KEY, "data": ANN}
    async with wire_to() as wire:
        assert (await (await wire.v2()).post(SINGLE, event)).status == 201


@believed("DOC", "postEvent and how-to-fire-an-event; the bodies were not seen")
@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"EventDefinitionKey": "APIEvent-other"}, Fatal),
        ({"ContactKey": ""}, Refused),
        ({"ContactKey": "inactive"}, Refused),
        ({"Data": {**ANN, "Nonsense": 1}}, Refused),
        ({"Data": {"FirstName": "Ann"}}, Refused),
        ({"Data": {**ANN, "FirstName": "n" * 51}}, Refused),
    ],
)
async def test_a_single_event_that_is_refused(changed: dict[str, Any], verdict: type) -> None:
    """400 for an unknown key, an inactive contact, and whatever breaks the event's fields."""
    event = {"ContactKey": "1", "EventDefinitionKey": KEY, "Data": ANN, **changed}
    async with wire_to(poison_keys=("inactive",)) as wire:
        told = await (await wire.v2()).post(SINGLE, event)
        assert told.status == 400
        assert isinstance(made_of(told), verdict)


@believed("DOC", "postEvent lists examples of these; their bodies were not seen")
@pytest.mark.parametrize(
    ("fault", "options", "body", "status", "verdict"),
    [
        ((), {}, b"{", 400, Refused),
        ((), {}, b'{"ContactKey": "1"}', 400, Refused),
        (("500:times=1",), {}, b"{}", 500, None),
        (("401:times=1",), {}, b"{}", 401, RenewToken),
        ((), {"permitted": False}, b"{}", 403, Fatal),
        (("429:retry_after=5",), {}, b"{}", 429, TryLater),
    ],
)
async def test_how_else_a_single_event_fails(
    fault: tuple[str, ...], options: dict[str, Any], body: bytes, status: int, verdict: type | None
) -> None:
    """Broken JSON, a missing parameter, a runtime error, token, permission, too many."""
    async with wire_to(*fault, **options) as wire:
        told = await (await wire.v2()).post(SINGLE, body)
        assert (told.status, {"message", "errorcode"} <= told.body.keys()) == (status, True)
        assert verdict is None or isinstance(made_of(told), verdict)


@believed("DOC", "postEvent: charset=UTF-8 where the payload is not ASCII")
async def test_letters_that_are_not_ascii() -> None:
    """They come through as they were sent."""
    data = {**ANN, "FirstName": "Zoë Ñandú 李"}
    event = {"ContactKey": "ключ", "EventDefinitionKey": KEY, "Data": data}
    async with wire_to(keep_data=True) as wire:
        assert (await (await wire.v2()).post(SINGLE, event)).status == 201
        (line,) = (await wire.get("/_simulator/contacts")).raw.splitlines()
        kept = orjson.loads(line)
        assert (kept["contact_key"], kept["data"]) == ("ключ", data)


# 6. Looking up


@believed("COMM", "sfmc-devtools eventDefinitions fixtures; mcecli endpoint notes")
async def test_an_event_definition() -> None:
    """By its key: mode, who listens, and the schema unless it was bound to an older extension."""
    async with wire_to() as wire:
        body = (await (await wire.v2()).get(DEFINITION)).body
        assert body["mode"] == "Production"
        assert body["publishedInteractionCount"] == 1
        assert body["dataExtensionId"] == body["arguments"]["dataExtensionId"]
        recorded = "id type name createdDate modifiedDate eventDefinitionKey dataExtensionName"
        recorded += " metaData interactionCount isVisibleInPicker category disableDEDataLogging"
        assert set(recorded.split()) <= body.keys()
        field = body["schema"]["fields"][0]
        assert like(field["maxLength"], str)
        assert {"name", "dataType", "isNullable", "isPrimaryKey"} <= field.keys()


@believed("DOC", "getEventDefinition and getEventDefinitions")
async def test_event_definitions() -> None:
    """Page by page, fifty at most, by a part of their name; and each by its id."""
    async with wire_to() as wire:
        definition = (await (await wire.v2()).get(DEFINITION)).body
        every = DEFINITION.partition("/key:")[0]
        listed = (await wire.get(f"{every}?$page=1&$pageSize=90&name=apievent")).body
        assert like(listed, {"count": 1, "page": 1, "pageSize": 50, "links": {}, "items": [dict]})
        assert listed["items"] == [definition]
        assert (await wire.get(f"{every}?$page=1&name=other")).body["items"] == []
        assert (await wire.get(f"{every}/{definition['id']}")).body == definition
        assert (await wire.get(f"{every}/{listed['count']}")).status == 404


@believed("COMM", "mcecli endpoint notes: the fields where the definition has no schema")
async def test_the_fields_of_a_data_extension() -> None:
    """`type` and a `length` that is a number; an unknown event is 404 with errorcode 30003."""
    async with wire_to(schema_shown=False) as wire:
        body = (await (await wire.v2()).get(DEFINITION)).body
        assert "schema" not in body
        extension = f"/data/v1/customObjects/{body['dataExtensionId']}/fields"
        fields = (await wire.get(extension)).body["fields"]
        assert {"name", "type", "length", "isNullable", "ordinal"} <= fields[0].keys()
        missing = await wire.get(DEFINITION + "-other")
        assert (missing.status, missing.body["errorcode"]) == (404, 30003)


@believed("COMM", "sfmc-devtools interactions fixtures; mcecli endpoint notes")
@pytest.mark.parametrize("status", ["Published", "Paused", "Stopped", "Unpublished", "Draft"])
async def test_a_journey(status: str) -> None:
    """Its status and entryMode, and a trigger whose metaData names the event definition."""
    async with wire_to(journey_status=status, entry_mode="OnceAndDone") as wire:
        await wire.v2()
        listed = await wire.get(f"{JOURNEYS}?$page=1&$pageSize=50&extras=all")
        (item,) = listed.body["items"]
        assert (item["status"], item["entryMode"]) == (status, "OnceAndDone")
        assert item["triggers"][0]["metaData"]["eventDefinitionKey"] == KEY
        counted = {"currentPopulation", "cumulativePopulation", "metGoal", "metExitCriteria"}
        assert counted <= item["stats"].keys()
        alone = await wire.get(f"{JOURNEYS}/{item['id']}?extras=stats")
        assert alone.body["stats"] == item["stats"]
        named = (await wire.get(f"{JOURNEYS}/key:{item['key']}")).body
        assert (named["id"], named["status"]) == (item["id"], status)


@believed("COMM", "sfmc-devtools and mcecli endpoint notes; jb-api-specification")
async def test_the_versions_of_a_journey() -> None:
    """Only where all are asked for."""
    async with wire_to(journey_status="Paused") as wire:
        await wire.v2()
        path = f"{JOURNEYS}/status/key:Rehearsal"
        assert (await wire.get(path)).status == 400
        told = (await wire.get(f"{path}?AllVersions=true")).body
        assert like(told, [{"id": str, "status": "Paused", "versionNumber": 1}])


@believed("COMM", "sfmc-devtools audit/all fixtures (recorded)")
async def test_the_audit_of_a_journey() -> None:
    """Who changed it and when, the newest first; a publication names its request."""
    async with wire_to(journey_status="Stopped") as wire:
        await wire.v2()
        (journey,) = (await wire.get(JOURNEYS)).body["items"]
        path = f"{JOURNEYS}/{journey['id']}/audit/all?versionNumber="
        told = (await wire.get(f"{path}1")).body
        assert like(told, {"count": 3, "page": 1, "pageSize": 50, "links": {}, "items": [dict]})
        stop, publish, create = told["items"]
        shape = {"id": journey["id"], "key": journey["key"], "action": "Stop", "name": str}
        shape |= {"user": {"name": str, "userId": int}, "timeStamp": str, "versionNumber": 1}
        shape |= {"originalDefinitionId": str, "description": str}
        assert like(stop, shape)
        shape |= {"action": str, "executionMode": "Production"}
        assert like(create, shape)
        assert like(
            publish, shape | {"publishStatus": "PublishCompleted", "publishRequestId": GUID}
        )
        assert (await wire.get(f"{path}2")).body["items"] == []


@believed("COMM", "sfmc-devtools publishStatus fixtures; that the audit names its id is a guess")
@pytest.mark.parametrize(
    ("journey", "status", "errors"), [("Published", "PublishCompleted", 0), ("Draft", "Error", 1)]
)
async def test_how_a_publication_ended(journey: str, status: str, errors: int) -> None:
    """{status, errors, warnings}; errorCode is text, additionalInfo names the activity."""
    async with wire_to(journey_status=journey) as wire:
        await wire.v2()
        (item,) = (await wire.get(JOURNEYS)).body["items"]
        audit = (await wire.get(f"{JOURNEYS}/{item['id']}/audit/all")).body["items"]
        (request,) = [each["publishRequestId"] for each in audit if each["action"] == "Publish"]
        told = (await wire.get(f"{JOURNEYS}/publishStatus/{request}")).body
        issue = {"errorDetail": str, "errorCode": str, "errorType": str, "additionalInfo": dict}
        assert like(told, {"status": status, "errors": [issue], "warnings": [issue]})
        assert (len(told["errors"]), len(told["warnings"])) == (errors, 1)
        assert (await wire.get(f"{JOURNEYS}/publishStatus/{item['id']}")).status == 404


@believed("DOC", "contactMembershipRequest: fifty keys, and who is not found")
async def test_memberships() -> None:
    """Which of the contacts are in a journey now."""
    async with wire_to() as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental("1"))
        asked = {"ContactKeyList": ["1", "2"]}
        results = (await wire.post(f"{JOURNEYS}/contactMembership", asked)).body["results"]
        membership = {"contactKey": "1", "definitionKey": str, "Version": int}
        assert like(results, {"contactMemberships": [membership], "contactsNotFound": ["2"]})
        many = {"ContactKeyList": [str(number) for number in range(51)]}
        assert (await wire.post(f"{JOURNEYS}/contactMembership", many)).status == 400


@believed("DOC", "downloadJourneyHistory and getJourneyHistoryDownloadFreshness")
async def test_journey_history() -> None:
    """Freshness in seconds, an estimate, and a download that needs the header x-direct-pipe."""
    async with wire_to(history_lag_seconds=0) as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental("1"))
        assert like((await wire.get(f"{HISTORY}/freshness")).body, {"freshness": 0})
        asked = {"activityTypes": ["trigger"]}
        assert (await wire.post(f"{HISTORY}/estimate", asked)).status == 200
        path = f"{HISTORY}/download?columns=ContactKey,Status&format=csv"
        assert (await wire.post(path, asked)).status == 400
        told = await wire.post(path, asked, x_direct_pipe="true")
        assert told.raw.decode().splitlines() == ["ContactKey,Status", "1,Complete"]


@believed("DOC", "downloadJourneyHistory; that statuses are read in any case: community")
async def test_the_file_of_journey_history() -> None:
    """Eight columns unless others are asked for, tabs for tsv, and gzip where it is accepted."""
    async with wire_to(failed_rows=True) as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "k" * 255))
        asked = {"start": "2024-01-01T00:00:00Z", "statuses": ["failed"]}
        path = f"{HISTORY}/download?format=tsv"
        told = await wire.post(path, asked, x_direct_pipe="true", Accept_Encoding="gzip")
        assert told.headers["Content-Encoding"] == "gzip"
        header, row = told.raw.decode().splitlines()
        names = "TransactionTime ContactKey Status DefinitionId DefinitionName ActivityId"
        assert header.split("\t") == [*names.split(), "ActivityName", "ActivityType"]
        assert row.split("\t")[1:3] == ["k" * 255, "Failed"]
        estimate = (await wire.post(f"{HISTORY}/estimate", asked)).body
        assert all(like(each, int) for each in estimate.values())


@believed("COMM", "gists of MamaiRachid; mcecli endpoint notes")
async def test_the_search_of_journey_history() -> None:
    """Undocumented: pages of items, and a count that stops at 10,000."""
    async with wire_to() as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "2"))
        asked = {"contactKeys": ["2"], "activityTypes": ["trigger"]}
        path = f"{HISTORY}/search?$page=1&$pageSize=1&$orderBy=TransactionTime desc"
        told = (await wire.post(path, asked)).body
        assert like(told, {"count": 1, "page": 1, "pageSize": 1, "items": [dict]})
        (item,) = told["items"]
        assert (item["contactKey"], item["status"]) == ("2", "Complete")
        assert {"transactionTime", "activityName", "clientStatus", "result"} <= item.keys()
        assert (await wire.post(path, {})).body["count"] == 2


@believed("COMM", "gists of MamaiRachid: split the time where it is reached")
async def test_the_search_counts_no_further_than_ten_thousand() -> None:
    """However many there are."""
    async with wire_to(max_records=20_000) as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental(*map(str, range(10_001))))
        told = (await wire.post(f"{HISTORY}/search", {})).body
        assert (told["count"], told["pageSize"], len(told["items"])) == (10_000, 100, 100)


@believed("COMM", "mcecli endpoint notes")
async def test_the_summary_of_journey_history() -> None:
    """A journey's numbers, by its id."""
    async with wire_to(failed_rows=True, vanishing="^3$") as wire:
        await (await wire.v1()).post(EXPERIMENTAL, experimental("1", "2", "3"))
        (journey,) = (await wire.get(JOURNEYS)).body["items"]
        told = (await wire.post(f"{HISTORY}/summary", {"objectId": journey["id"]})).body
        counts = {"total": 3, "totalContactCount": 3, "successCount": 2, "errorCount": 1}
        nobody = dict.fromkeys(["waiting", "expired", "cameOffWait", "warningCount"], 0)
        assert told == counts | nobody
        assert (await wire.post(f"{HISTORY}/summary", {})).status == 400


@believed("COMM", "sfmc-devtools rowset fixture; sfmc-dataloader row-count.mjs")
async def test_the_rows_of_a_data_extension() -> None:
    """Its count; an empty one has no `items` at all."""
    async with wire_to() as wire:
        body = (await (await wire.v1()).get(DEFINITION)).body
        extension = f"/data/v1/customObjects/{body['dataExtensionId']}"
        key = (await wire.get(extension)).body["key"]
        rowset = f"/data/v1/customobjectdata/key/{key}/rowset?$page=1&$pagesize=1"
        empty = (await wire.get(rowset)).body
        assert (empty["count"], "items" in empty) == (0, False)
        await wire.post(EXPERIMENTAL, experimental("1", "2"))
        assert (await wire.get(rowset)).body["count"] == 2


@believed("COMM", "mcecli endpoint notes; sfmc-dataloader export-de.mjs: links.next, and its path")
async def test_the_pages_of_rows() -> None:
    """links.next goes on by the token, without `/data` in front, and is absent at the end."""
    async with wire_to(keep_data=True) as wire:
        body = (await (await wire.v1()).get(DEFINITION)).body
        key = (await wire.get(f"/data/v1/customObjects/{body['dataExtensionId']}")).body["key"]
        await wire.post(EXPERIMENTAL, experimental("1", "2", "3"))
        told = (await wire.get(f"/data/v1/customobjectdata/key/{key}/rowset?$pagesize=2")).body
        token = told["requestToken"]
        path = f"/v1/customobjectdata/token/{token}/rowset?$page="
        shape = {"requestToken": GUID, "tokenExpireDateUtc": str, "customObjectId": GUID}
        shape |= {"customObjectKey": key, "pageSize": 2, "page": 1, "count": 3, "top": int}
        shape |= {"items": [{"keys": {}, "values": dict}]}
        assert like(told, shape | {"links": {"self": f"{path}1", "next": f"{path}2"}})
        last = (await wire.get(f"/data{told['links']['next']}")).body
        assert like(last, shape | {"page": 2, "links": {"self": f"{path}2"}})
        assert [len(each["items"]) for each in (told, last)] == [2, 1]
        assert "items" not in (await wire.get(f"/data{path}{10**20}")).body
        assert (await wire.get(f"/data{path}x")).status == 400
        unknown = path.replace(token, body["id"])
        assert (await wire.get(f"/data{unknown}2")).status == 404


@believed("COMM", "mcecli endpoint notes and its tests; sfmc-dataloader export-de.mjs")
async def test_the_values_of_a_row() -> None:
    """Names in small letters, values as text; 2500 rows a page are the most."""
    data = {**ANN, "Points": 7, "FirstName": None}
    payload = experimental(BatchDetails=[{"ContactKey": "1", "Data": data}])
    async with wire_to(keep_data=True) as wire:
        body = (await (await wire.v1()).get(DEFINITION)).body
        key = (await wire.get(f"/data/v1/customObjects/{body['dataExtensionId']}")).body["key"]
        await wire.post(EXPERIMENTAL, payload)
        told = (await wire.get(f"/data/v1/customobjectdata/key/{key}/rowset?$pagesize=9000")).body
        assert told["pageSize"] == 2500
        values = told["items"][0]["values"]
        said = {"emailaddress": "ann@example.com", "firstname": "", "points": "7"}
        assert said.items() <= values.items()
        assert all(
            like(name, re.compile(r"[^A-Z]+")) and like(values[name], str) for name in values
        )


# 7. Limits and errors


@believed("DOC", "rate-limiting-errors; 50300: api-evangelist's rate limits")
@pytest.mark.parametrize(
    ("fault", "status", "code", "after"),
    [
        ("429:retry_after=5", 429, 50100, 5.0),
        ("429:times=1", 429, 50200, None),
        ("503:times=1", 503, 50300, None),
    ],
)
async def test_too_fast(fault: str, status: int, code: int, after: float | None) -> None:
    """50100 says how long in header and body, 50200 does not; both mean everybody."""
    async with wire_to(fault) as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, experimental("1"))
        assert (told.status, told.body["errorcode"]) == (status, code)
        assert told.body.get("retryAfter") == after
        verdict = made_of(told)
        assert isinstance(verdict, TryLater)
        assert (verdict.retry_after, verdict.holds_all) == (after, status == 429)


@believed("DOC", "error-handling; 403: mcecli endpoint notes; 404: rest404-response.json")
@pytest.mark.parametrize(
    ("options", "body", "status", "code"),
    [
        ({}, b"{", 400, 10004),
        ({}, b"{}", 400, 10002),
        ({}, b"[]", 400, 10001),
        ({"permitted": False}, b"{}", 403, 20002),
        ({"endpoint_there": False}, b"{}", 404, 404),
    ],
)
async def test_errors_have_one_shape(
    options: dict[str, Any], body: bytes, status: int, code: int
) -> None:
    """{message, errorcode, documentation}; a missing permission comes before the body is read."""
    async with wire_to(**options) as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, body)
        assert (told.status, told.body["errorcode"]) == (status, code)
        assert like(told.body, ERROR)


@believed("COMM", "segmentio: sfmc-operations.ts")
async def test_a_refusal_that_passes() -> None:
    """400 with 10006, "Unable to save rows", and no additionalErrors: the batch comes again."""
    async with wire_to("400:errorcode=10006") as wire:
        told = await (await wire.v1()).post(EXPERIMENTAL, experimental("1"))
        assert (told.status, told.body["errorcode"]) == (400, 10006)
        assert isinstance(made_of(told), TryLater)


@believed("DOC", "error-handling: 10006 has additionalErrors; 415 its status alone")
async def test_errors_of_more_than_one_member() -> None:
    """10006 with additionalErrors is final, unlike the one without; another media type is 415."""
    async with wire_to() as wire:
        event = {"ContactKey": "1", "EventDefinitionKey": KEY, "Data": {"Nonsense": 1}}
        told = await (await wire.v2()).post(SINGLE, event)
        assert like(told.body, ERROR | {"errorcode": 10006, "additionalErrors": [{"message": str}]})
        assert isinstance(made_of(told), Refused)
        text = await wire.post(SINGLE, event, Content_Type="text/plain")
        assert (text.status, like(text.body, ERROR)) == (415, True)


# 8. Data


@believed("DOC", "mc_es_subscriber_key; field types; getStatusOfContacts for the reserved name")
@pytest.mark.parametrize(
    ("key", "data", "cause"),
    [
        ("k" * 255, ANN, "contact_key_too_long"),
        ("", ANN, "contact_key_empty"),
        ("1", {"FirstName": "Ann"}, "required_missing"),
        ("1", {**ANN, "Points": 2**31}, "not_a_number"),
        ("1", {**ANN, "emailaddress": "a@b.c"}, "unknown_field"),
        ("1", {**ANN, "eventInstanceId": "mine"}, None),
    ],
)
async def test_who_is_dropped_in_silence(key: str, data: dict[str, Any], cause: str | None) -> None:
    """The experimental endpoint takes them all; a reserved name alone does no harm."""
    payload = experimental(BatchDetails=[{"ContactKey": key, "Data": data}])
    async with wire_to() as wire:
        assert (await (await wire.v1()).post(EXPERIMENTAL, payload)).status == 201
        (line,) = (await wire.get("/_simulator/contacts")).raw.splitlines()
        assert orjson.loads(line)["cause"] == cause


def test_every_belief_says_where_it_comes_from() -> None:
    """No test in this file without a mark and a source."""
    tests = {name: each for name, each in globals().items() if name.startswith("test_")}
    del tests["test_every_belief_says_where_it_comes_from"]
    unfounded = [name for name, each in tests.items() if not getattr(each, "belief", None)]
    assert unfounded == []
