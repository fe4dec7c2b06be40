"""The account: no token leaves for a host that was not meant, and no secret is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from pipeline.errors import ConfigError
from pipeline.sending.account import Account, AuthVersion

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = {"auth_url": "http://127.0.0.1:1", "rest_url": "http://127.0.0.1:2/"}


def test_a_subdomain_gives_both_hosts() -> None:
    """The two hosts of a tenant follow from its subdomain."""
    account = Account(subdomain="mc-1")
    assert account.auth_base == "https://mc-1.auth.marketingcloudapis.com"
    assert account.rest_base == "https://mc-1.rest.marketingcloudapis.com"


def test_named_urls_lose_their_last_slash() -> None:
    """Paths are appended, so a URL does not end in a slash."""
    account = Account(auth_url="https://a.example/", rest_url="http://[::1]:8/mc/")
    assert (account.auth_base, account.rest_base) == ("https://a.example", "http://[::1]:8/mc")


@pytest.mark.parametrize(
    "url",
    [
        "https://mc.example",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]",
        "http://localhost:1",
    ],
)
def test_hosts_a_token_may_travel_to(url: str) -> None:
    """TLS, or this machine itself."""
    Account(auth_url=url, rest_url=url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://mc.example", "https"),
        ("http://127.0.0.1.example.org", "https"),
        ("http://localhost.example.org", "https"),
        ("http://128.0.0.1", "https"),
        ("ftp://mc.example", "https://"),
        ("mc.example", "https://"),
        ("https://", "host"),
        ("https://user@mc.example", "user"),
        ("https://u:p@mc.example", "password"),
        ("https://mc.example?x=1", "query"),
        ("https://mc.example/#x", "fragment"),
        ("https://mc.example\\@evil.example", "backslash"),
        ("https://mc.exa mple", "blank"),
        ("https://mc.example\n", "URL"),
        ("https://mc.example:99999", "URL"),
        ("https://[::1", "URL"),
    ],
)
def test_hosts_a_token_may_not_travel_to(url: str, word: str) -> None:
    """Everything else is refused, and the message names the field."""
    with pytest.raises(ValueError, match="rest_url") as caught:
        Account(auth_url="https://mc.example", rest_url=url)

    assert word in str(caught.value)


@pytest.mark.parametrize("subdomain", ["", "a.b", "a/b", "evil.example#", "a b", "ü", "a" * 64])
def test_a_subdomain_is_one_label(subdomain: str) -> None:
    """The subdomain is spliced into a host: nothing in it may end that host."""
    with pytest.raises(ValueError, match="subdomain"):
        Account(subdomain=subdomain)


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"auth_url": "https://a.example"},
        {"rest_url": "https://a.example"},
        {"subdomain": "mc", "auth_url": "https://a.example"},
        {"subdomain": "mc", **LOOPBACK},
    ],
)
def test_a_subdomain_or_both_urls(named: dict[str, Any]) -> None:
    """Exactly one way of naming the hosts."""
    with pytest.raises(ValueError, match="subdomain"):
        Account(**named)


def test_secrets_are_masked() -> None:
    """Neither the secret nor the client id is in any text made of the account."""
    account = Account(subdomain="mc", client_id="the-id", client_secret=SecretStr("the-secret"))
    for text in (repr(account), str(account), f"{account}"):
        assert "the-secret" not in text
        assert "the-id" not in text

    assert account.secret() == "the-secret"
    assert account.identity() == "the-id"


def test_filled_by_pydantic() -> None:
    """The config's model fills it from text, refuses unknown keys, and keeps the checks."""
    adapter = TypeAdapter(Account)
    account = adapter.validate_python(
        {"subdomain": "mc", "auth": "v2", "client_secret": "s", "client_secret_file": "/x"}
    )
    assert account.auth is AuthVersion.V2
    assert account.secret() == "s"
    with pytest.raises(ValidationError):
        adapter.validate_python({"subdomain": "mc", "clientid": "x"})

    with pytest.raises(ValidationError, match="letters, digits"):
        adapter.validate_python({"subdomain": "m.c"})


def test_a_secret_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read anew each time, without the line's end; a file open to all is only warned about."""
    path = tmp_path / "secret"
    account = Account(subdomain="mc", client_secret_file=path)
    path.write_text("first\n")
    path.chmod(0o600)
    assert account.secret() == "first"
    assert not caplog.records

    path.write_text("second")
    path.chmod(0o644)
    assert account.secret() == "second"
    assert "chmod 600" in caplog.text
    assert "second" not in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"one\ntwo", "one line"),
        (b"\xff\xfe", "text"),
        (b"x" * 5000, "alone"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: bytes | None, words: str) -> None:
    """The message names the setting, the file and what is wrong with it."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    with pytest.raises(ConfigError, match="client_secret_file") as caught:
        Account(subdomain="mc", client_secret_file=path).secret()

    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_nothing_to_ask_with() -> None:
    """Without credentials the message says where they come from; a dry run needs none."""
    account = Account(subdomain="mc")
    with pytest.raises(ConfigError, match="JOURNEY_ACCOUNT__CLIENT_SECRET"):
        account.secret()

    with pytest.raises(ConfigError, match="JOURNEY_ACCOUNT__CLIENT_ID"):
        account.identity()
