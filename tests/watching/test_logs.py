"""Logs: one line each on stderr, masked; nothing on stdout."""

from __future__ import annotations

import io
import logging

import pytest
import stamina
from rich.console import Console

from pipeline.watching.logs import logging_to, masked

SECRET = "hush-hush"


def console() -> Console:
    return Console(file=io.StringIO(), width=40, _environ={})


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_warning_is_one_line_whatever_it_holds() -> None:
    """Line ends and escapes are taken out, width breaks nothing, an exception is its last line."""
    screen, log = console(), logging.getLogger("elsewhere")
    with logging_to(screen):
        log.warning("first\nsecond \x1b[31m%s", "x" * 50)
        log.error("cannot write", exc_info=OSError(5, "disk"))

    assert text_of(screen).splitlines() == [
        f"warning: first second [31m{'x' * 50}",
        "error: cannot write (OSError: [Errno 5] disk)",
    ]


def test_what_is_no_warning_is_not_shown() -> None:
    """Chatter of libraries stays away."""
    screen, log = console(), logging.getLogger("chatter")
    log.setLevel(logging.DEBUG)
    with logging_to(screen):
        log.info("hello")

    assert text_of(screen) == ""


def test_secrets_are_masked() -> None:
    """Known secrets, and what looks like one, do not reach the screen."""
    screen = console()
    with logging_to(screen, secrets=[SECRET]):
        logging.getLogger("x").warning("%s and Authorization: Bearer abc.def-123456", SECRET)

    assert text_of(screen) == "warning: *** and Authorization: Bearer ***\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("client_secret=abcdef12", "client_secret=***"),
        ('{"clientSecret": "abcdef12"}', '{"clientSecret": "***"}'),
        ('{"access_token":"abcdef12"}', '{"access_token":"***"}'),
        ("client_secret=abcdef12&x=1", "client_secret=***&x=1"),
        ("/run/client_secret cannot be read", "/run/client_secret cannot be read"),
        ("account.client_secret, whether it", "account.client_secret, whether it"),
        ("the bearer of this letter", "the bearer of this letter"),
        ("account.client_secret_file /run/x is open", "account.client_secret_file /run/x is open"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    """Shapes of secrets are masked, words about them are not."""
    assert masked(text) == shown


def test_longer_secrets_are_masked_first() -> None:
    """A secret that holds another one leaves no rest behind."""
    assert masked("abcdef", ["abc", "abcdef", ""]) == "***"


def test_a_retry_is_told_on_stderr_without_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """stamina would print the arguments to stdout, where results alone belong."""
    screen = console()
    calls = []

    @stamina.retry(on=ValueError, attempts=2, wait_initial=0.0, wait_jitter=0.0, wait_max=0.0)
    def ask(secret: str) -> None:
        calls.append(secret)
        if len(calls) < 2:
            raise ValueError("busy")

    with logging_to(screen):
        ask(SECRET)

    assert text_of(screen) == "warning: trying again in 0.0 s: busy\n"
    assert capsys.readouterr() == ("", "")


def test_afterwards_everything_is_as_before() -> None:
    """What was set up is taken down, also when the run fails."""
    handlers = list(logging.getLogger().handlers)
    hooks = retry_hooks()
    with pytest.raises(KeyError, match="_again"), logging_to(console()):
        raise KeyError(*retry_hooks())

    assert logging.getLogger().handlers == handlers
    assert retry_hooks() == hooks


def retry_hooks() -> list[str]:
    """Whom stamina tells of a retry, by name: its own are made anew when they are asked for."""
    return [getattr(hook, "__name__", "") for hook in stamina.instrumentation.get_on_retry_hooks()]
