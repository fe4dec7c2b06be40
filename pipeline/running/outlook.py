"""The outlook: what a run learns from Marketing Cloud before its first contact is sent.

The event's fields, who listens to it, and what is counted already (who ever entered its journeys,
the rows of its data extension), which a verification holds against what is counted then. What
cannot be read costs the run nothing but the check.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import move_on_after

from ..errors import EventDefinitionError, HaltError
from ..events import FieldsRead, FieldsUnreadable, ListenersRead
from ..mapping.target import Target, parse_fields
from ..sending.address import Address
from ..sending.asking import Asker
from ..sending.entries import Entries
from ..sending.journeys import let_in, populations, told_of
from ..sending.lookup import Lookup
from ..settling.beginning import Beginning

if TYPE_CHECKING:
    from ..events import Emit
    from ..sending.client import Client
    from ..sending.clock import Clock
    from ..sending.journeys import Journey
    from ..sending.token import TokenKeeper
    from .plan import Plan

__all__ = ("Outlook", "outlook_of")

LISTING_SECONDS = 5.0
"""How long a run looks through the tenant's journeys, and counts rows, before it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The event's fields, to hold contacts against, and what is counted; None: not to be had."""

    target: Target | None = None
    beginning: Beginning | None = None


async def outlook_of(
    plan: Plan, client: Client, *, keeper: TokenKeeper, emit: Emit, clock: Clock, counted: bool
) -> Outlook:
    """Look; unless it is `counted`, nothing is counted. Told not to check fields, it asks nothing.

    Raises:
        HaltError: The credentials are refused, or there is no such event definition. Other
            trouble is reported.
    """
    journey = plan.config.journey
    if not journey.check_fields:
        return Outlook()

    await keeper.token()
    lookup = Lookup(plan.config.account, client=client, keeper=keeper, clock=clock)
    key = journey.event_definition_key
    try:
        definition = await lookup.event_definition(key)
        journeys = await _listeners(lookup, definition, key=key)
        emit(_told(definition, journeys))
        fields = await lookup.fields(definition)
    except EventDefinitionError:
        raise
    except HaltError as error:
        emit(FieldsUnreadable(detail=str(error)))
        return Outlook()

    emit(FieldsRead(event_definition_key=key, fields=len(fields)))
    target = Target(fields=parse_fields({"fields": fields}), event_definition_key=key)
    if not counted:
        return Outlook(target=target)

    asker = Asker(client=client, keeper=keeper, clock=clock)
    entries = Entries(Address(plan.config.account, keeper), asker)
    beginning = Beginning(
        populations=populations(journeys or ()), stored=await _stored(entries, definition)
    )
    return Outlook(target=target, beginning=beginning)


async def _listeners(
    lookup: Lookup, definition: dict[str, Any], *, key: str
) -> list[Journey] | None:
    """The journeys that listen; None where they cannot be found out in some seconds."""
    if definition.get("publishedInteractionCount") == 0:
        return None

    with suppress(HaltError), move_on_after(LISTING_SECONDS):
        return await lookup.journeys(key)

    return None


def _told(definition: dict[str, Any], journeys: list[Journey] | None) -> ListenersRead:
    """Who listens to the event; whatever could not be found out is taken for well."""
    if definition.get("publishedInteractionCount") == 0:
        return ListenersRead(
            listening=False, lines=("publish the journey whose entry event it is",)
        )

    listening = not journeys or let_in(journeys)
    return ListenersRead(listening=listening, lines=tuple(told_of(journeys or ())))


async def _stored(entries: Entries, definition: dict[str, Any]) -> int | None:
    with suppress(HaltError), move_on_after(LISTING_SECONDS):
        return await entries.stored(definition)

    return None
