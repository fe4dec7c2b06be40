"""Where the token travels: to the configured host, or to a host of Marketing Cloud."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from pydantic import SecretStr

from pipeline.sending.account import Account, AuthVersion
from pipeline.sending.address import Address
from pipeline.sending.endpoint import (
    EndpointName,
    JourneyPolicy,
    batch_url,
    event_definition_url,
    token_body,
    token_url,
)
from pipeline.sending.grants import read_grant
from pipeline.sending.reply import Reply
from pipeline.sending.token import TokenKeeper
from pipeline.sending.verdict import Granted
from tests.fakes.clock import FakeClock

SECRET = "s3cret-of-the-package"
TENANT = Account(auth=AuthVersion.V2, subdomain="mc1234", client_id="id")
SPELT_OUT = Account(
    auth=AuthVersion.V2, auth_url="https://auth.gate.example", rest_url="https://rest.gate.example"
)


def granted(account: Account, told: object) -> Granted:
    """What is read of a v2 token that came with `told` as its REST host."""
    body = {"access_token": "T", "expires_in": 1079, "rest_instance_url": told}
    reply = Reply(status=200, headers={}, body=orjson.dumps(body))
    answer = read_grant(reply, account=account, secret=SECRET, now=datetime.now(UTC))
    assert isinstance(answer, Granted)
    return answer


@pytest.mark.parametrize(
    "told",
    [
        "https://mc1234.rest.marketingcloudapis.com/",
        "https://mc-other.rest.marketingcloudapis.com",
        "HTTPS://MC1234.REST.MarketingCloudAPIs.com/",
    ],
)
def test_a_marketing_cloud_host_is_followed(told: str) -> None:
    """The host that a token came with is where it is good."""
    assert granted(TENANT, told).rest_base == told.rstrip("/").lower()


@pytest.mark.parametrize(
    "told",
    [
        None,
        17,
        "",
        "http://mc1234.rest.marketingcloudapis.com/",
        "https://evil.example/",
        "https://rest.marketingcloudapis.com/",
        "https://mc.rest.marketingcloudapis.com.evil.example/",
        "https://evil.example/.rest.marketingcloudapis.com",
        "https://evil.example#.rest.marketingcloudapis.com",
        "https://evil.example?.rest.marketingcloudapis.com",
        "https://user@mc.rest.marketingcloudapis.com/",
        "https://mc.rest.marketingcloudapis.com:8443/",
        "https://mc.rest.marketingcloudapis.com/path",
        "https://mc.evil.rest.marketingcloudapis.com/",
        "https://mc.rest.marketingcloudapis.com\n",
        "https://mc.rest.marketingcloudapis.com\\@evil.example",
    ],
)
def test_a_foreign_host_is_not(told: object) -> None:
    """Whatever is not exactly such a host gets no token: the config's own is used."""
    assert granted(TENANT, told).rest_base is None


def test_an_address_that_is_spelt_out_stands() -> None:
    """auth_url and rest_url are the user's decision, a gateway perhaps: nothing overrules it."""
    told = "https://mc1234.rest.marketingcloudapis.com/"
    assert granted(SPELT_OUT, told).rest_base is None


async def test_requests_go_where_the_token_is_good() -> None:
    """From the first token on; a later one may move again, or back to the config's host."""
    told = ["https://mc-a.rest.marketingcloudapis.com/", "https://evil.example/"]

    async def fetch() -> Granted:
        return granted(TENANT, told.pop(0))

    keeper = TokenKeeper(fetch, emit=lambda _: None, clock=FakeClock())
    address = Address(TENANT, keeper)
    journey = JourneyPolicy(event_definition_key="A/1", endpoint=EndpointName.ASYNC)
    assert address.rest_base == "https://mc1234.rest.marketingcloudapis.com"
    token = await keeper.token()
    base = "https://mc-a.rest.marketingcloudapis.com/interaction/v1"
    assert batch_url(address, journey) == f"{base}/async/events"
    assert event_definition_url(address, "A/1") == f"{base}/eventDefinitions/key:A%2F1"
    await keeper.renew(token)
    assert address.rest_base == TENANT.rest_base


def test_what_a_v2_token_is_asked_with() -> None:
    """The client credentials grant; business unit and scope only where they are given."""
    asked = {"grant_type": "client_credentials", "client_id": "id", "client_secret": SECRET}
    assert token_url(TENANT) == "https://mc1234.auth.marketingcloudapis.com/v2/token"
    assert orjson.loads(token_body(TENANT, SECRET)) == asked
    whole = Account(
        auth=AuthVersion.V2,
        subdomain="mc1234",
        client_id="id",
        client_secret=SecretStr(SECRET),
        account_id="510000000",
        scope="journeys_read journeys_execute",
    )
    assert orjson.loads(token_body(whole, SECRET)) == {
        **asked,
        "account_id": "510000000",
        "scope": "journeys_read journeys_execute",
    }
