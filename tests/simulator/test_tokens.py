"""Tokens of both kinds. What is believed of them stands in the reference, sections 2 and 3."""

from __future__ import annotations

import base64

import orjson

from pipeline.simulator.tokens import Package, TokenPolicy, Tokens


def tokens(*, coexist: bool = False) -> Tokens:
    policy = TokenPolicy(
        client_id="id", client_secret="secret", package=Package.BOTH, seconds=60, coexist=coexist
    )
    return Tokens(policy)


def test_a_token_of_the_old_kind_is_24_characters_and_ends() -> None:
    """Section 2: 24 opaque characters, until its time is over."""
    mint = tokens()
    token = mint.issue(100.0)
    assert len(token) == 24
    assert token.isalnum()
    assert mint.good(token, 159.9)
    assert not mint.good(token, 160.0)
    assert not mint.good("x" * 24, 100.0)


def test_a_new_token_ends_the_one_before() -> None:
    """Section 2, older token validity; and the other reading, by option."""
    mint, gentle = tokens(), tokens(coexist=True)
    old, new = mint.issue(0.0), mint.issue(1.0)
    assert (mint.good(old, 1.0), mint.good(new, 1.0)) == (False, True)
    old, new = gentle.issue(0.0), gentle.issue(1.0)
    assert (gentle.good(old, 1.0), gentle.good(new, 1.0)) == (True, True)


def test_a_token_of_the_new_kind_is_a_jwt_that_leaves_its_elders_alone() -> None:
    """Section 3: header and payload as recorded, with 24 characters inside."""
    mint = tokens()
    old, new = mint.issue_v2(0.0), mint.issue_v2(1.0)
    payload = orjson.loads(base64.urlsafe_b64decode(old.split(".")[1] + "=="))
    assert len(payload["access_token"]) == 24
    assert payload["client_type"] == "ServerToServer"
    assert mint.good_v2(old, 1.0)
    assert mint.good_v2(new, 1.0)
    assert not mint.good_v2(old, 1079.0)


def test_a_refresh_token_is_good_once_and_for_five_minutes_after() -> None:
    """Section 2: up to 700 days; revoking ends it as well."""
    mint = tokens()
    used, unused, revoked = (mint.issue_refresh(0.0) for _ in range(3))
    assert mint.refreshes(used, 10.0)
    assert mint.refreshes(used, 309.9)
    assert not mint.refreshes(used, 310.0)
    assert not mint.refreshes(unused, 700 * 86_400.0)
    mint.revoke()
    assert not mint.refreshes(revoked, 10.0)
    assert not mint.refreshes(["x"], 10.0)


def test_revoking_ends_every_token() -> None:
    """After it nothing is good until somebody asks anew."""
    mint = tokens()
    token, jwt = mint.issue(0.0), mint.issue_v2(0.0)
    mint.revoke()
    assert not mint.good(token, 0.0)
    assert not mint.good_v2(jwt, 0.0)


def test_the_secret_is_not_shown() -> None:
    """A policy may be printed."""
    assert "secret'" not in repr(TokenPolicy(client_id="id", client_secret="secret"))
