from __future__ import annotations

import pytest

from pipeline.settling.identity import paired, rest_host
from tests.fakes.runs import fingerprint, identity_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://mc123.rest.marketingcloudapis.com", "mc123.rest.marketingcloudapis.com"),
        ("https://MC123.rest.example/", "mc123.rest.example"),
        ("https://proxy.example:8443/mc", "proxy.example:8443"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("http://127.0.0.1:9999/", "127.0.0.1"),
        ("http://localhost:8080", "localhost"),
        ("http://[::1]:8080", "::1"),
        ("mc123.rest.example", "mc123.rest.example"),
    ],
)
def test_host(url: str, host: str) -> None:
    """The host tells one Marketing Cloud from another; on loopback its port does not."""
    assert rest_host(url) == host


def test_the_same_by_content() -> None:
    """Sources are the same in any order and under any name."""
    one = identity_of(fingerprint("a", digest="1"), fingerprint("b", digest="2"))
    two = identity_of(fingerprint("c", digest="2"), fingerprint("a", digest="1"))
    assert one.differences(two) == []


def test_equal_sources_count() -> None:
    """Two copies of a file are two sources: one is missing if there is one."""
    twice = identity_of(fingerprint("a", digest="1"), fingerprint("b", digest="1"))
    once = identity_of(fingerprint("a", digest="1"))
    assert twice.differences(once) == ["it reads b (100 bytes)"]
    assert once.differences(twice) == ["it does not read b (100 bytes)"]


@pytest.mark.parametrize(
    ("size", "clause"),
    [
        (2_000, "contacts.csv has grown since, from 100 bytes to 2,000 bytes"),
        (99, "contacts.csv has shrunk since, from 100 bytes to 99 bytes"),
        (100, "contacts.csv has changed since (still 100 bytes)"),
    ],
)
def test_a_changed_file(size: int, clause: str) -> None:
    """A source that changed under its name is told with its old and its new size."""
    changed = identity_of(fingerprint(size=size, digest="other"))
    assert identity_of().differences(changed) == [clause]


def test_another_file() -> None:
    """Another file is told by both names and sizes."""
    other = identity_of(fingerprint("other.csv", size=7))
    assert identity_of().differences(other) == [
        "it reads contacts.csv (100 bytes)",
        "it does not read other.csv (7 bytes)",
    ]


def test_another_journey() -> None:
    """Another journey, or another Marketing Cloud, is told by the old and the new."""
    other = identity_of(journey="APIEvent-2", rest_host="other.example")
    assert identity_of().differences(other) == [
        "its journey is APIEvent-1, not APIEvent-2",
        "its Marketing Cloud is mc.example, not other.example",
    ]


def test_many_sources() -> None:
    """However many sources differ, a message stays short."""
    many = identity_of(*(fingerprint(f"{n}.csv") for n in range(100)))
    assert len(identity_of().differences(many)) == 4
    assert many.names == "0.csv, 1.csv, 2.csv and 97 more"


def test_pairing_prefers_the_name() -> None:
    """Equal content keeps its name; what is left is paired by content alone."""
    known = [fingerprint("a", digest="1"), fingerprint("b", digest="1"), fingerprint("c")]
    wanted = [fingerprint("z", digest="1"), fingerprint("a", digest="1")]
    assert [(old.name, new.name) for old, new in paired(known, wanted)] == [("a", "a"), ("b", "z")]
