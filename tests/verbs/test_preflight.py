"""The check before a run: every finding is a line that says what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stamina

from pipeline.events import ListenersRead
from pipeline.sending.journeys import journeys_of, let_in, told_of
from pipeline.verbs.preflight import Finding, check
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELDS = (
    "EmailAddress:EmailAddress:required",
    "FirstName:Text(50)",
    "Points:Number",
    "VisitedOn:Date",
)


@pytest.fixture(autouse=True)
def short_waits() -> Iterator[None]:
    """Look-ups that are tried again do not wait."""
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


async def checked(
    place: Path, *faults: str, mapping: dict[str, Any] | None = None, **options: Any
) -> dict[str, Finding]:
    """The findings of a check by their subject."""
    write_contacts(place / "contacts.csv", range(1, 4))
    async with standing(place, *faults, **options) as stand:
        path = stand.configured(mapping=mapping or {})
        found = [each async for each in check(path, offline=False)]
        assert stand.taken() == {}

    return {each.subject: each for each in found}


@pytest.mark.parametrize(
    ("fields", "holds", "told"),
    [
        (
            {"emailaddress": "EmailAddress"},
            False,
            "did you mean 'EmailAddress'? Names are compared with their case: use its own names",
        ),
        ({"EmailAdress": "EmailAddress"}, False, "did you mean 'EmailAddress'? Use its own names"),
        ({"FirstName": "FirstName"}, False, "requires EmailAddress, and no field maps to it: map"),
        (
            {"EmailAddress": "EmailAddress", "VisitedOn": {"value": "31/31/2026"}},
            False,
            "value '31/31/2026' is not a date (field VisitedOn): give another value",
        ),
        (
            {"EmailAddress": "EmailAddress", "Points": {"column": "EmailAddress", "type": "email"}},
            False,
            'mapping.fields.Points has type = "email", and the field is a Number: change',
        ),
        (
            {"EmailAddress": {"column": "EmailAddress", "default": "nobody"}},
            True,
            "mapping.fields.EmailAddress: its default does not fit",
        ),
        (
            {
                "EmailAddress": "EmailAddress",
                "FirstName": {"column": "FirstName", "transform": "truncate:80"},
            },
            True,
            "leaves more than the 50 characters that the field takes: write truncate:50",
        ),
        (
            {"EmailAddress": "EmailAddress", "eventInstanceId": "FirstName"},
            True,
            "eventInstanceId is reserved: Marketing Cloud ignores it and stores its own: leave it",
        ),
    ],
)
async def test_the_mapping_against_the_fields(
    fields: dict[str, Any], *, holds: bool, told: str, tmp_path: Path
) -> None:
    """What would cost every contact fails; what may cost some is told beside an ok."""
    found = await checked(tmp_path, mapping={"fields": fields}, fields=FIELDS)
    assert (found["fields"].holds, told in found["fields"].text) == (holds, True), found["fields"]


@pytest.mark.parametrize(
    ("options", "holds", "told"),
    [
        ({}, True, "version 1, is published: contacts may enter any number of times"),
        (
            {"entry_mode": "SingleEntryAcrossAllVersions"},
            True,
            "is published: a contact who ever was in it does not enter again, without a word",
        ),
        (
            {"journey_status": "Paused"},
            False,
            "is paused: events are said to wait until it is resumed",
        ),
        ({"journey_status": "Stopped"}, False, "is stopped: publish a new version"),
        ({"published_journeys": 0}, False, "publish the journey whose entry event it is"),
    ],
)
async def test_who_listens(
    options: dict[str, Any], *, holds: bool, told: str, tmp_path: Path
) -> None:
    """A journey that lets nobody in fails the check, and a run says so before it sends."""
    found = await checked(tmp_path, **options)
    event = found["event definition"]
    assert (event.holds, told in event.text) == (holds, True), event.text
    async with standing(tmp_path, **options) as stand:
        injected = await stand.inject()
        (read,) = injected.seen(ListenersRead)
        assert read.listening is holds
        assert injected.counts == (3, 3, 0, 0, 0)


async def test_journeys_that_cannot_be_listed(tmp_path: Path) -> None:
    """That costs the check nothing but its line."""
    found = await checked(tmp_path, "403:at=2,on=lookup")
    assert found["event definition"].holds
    assert found["event definition"].text == "APIEvent-rehearsal exists, a journey listens"


def test_the_version_that_counts() -> None:
    """The newest version is told of, unless an older one is what lets contacts in."""
    journeys = journeys_of(
        {"key": "J", "name": "Welcome", "version": version, "status": status, "entryMode": "Odd"}
        for version, status in ((1, "Stopped"), (2, "Published"), (3, "Draft"))
    )
    assert let_in(journeys)
    assert told_of(journeys) == ["journey 'Welcome', version 2, is published: entry mode Odd"]
    (drafted,) = told_of(journeys[:1])
    assert drafted == "journey 'Welcome', version 3, is a draft: publish it"
