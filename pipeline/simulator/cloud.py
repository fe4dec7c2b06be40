"""The Marketing Cloud itself, without sockets and clocks: calls in, answers out.

A request passes through in three steps: `arrive` numbers it and draws what it will suffer,
`answer` decides what is said and takes the contacts, `leave` counts how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from . import answers, definitions
from .async_events import AsyncEvents
from .batch_events import BatchEvents, BatchRules
from .capacity import Capacity, Throttle
from .faults import Fault, Kind, Scope
from .history import History, HistoryPolicy
from .history_routes import answer_history
from .journey import EventDefinition, Journey
from .ledger import Ledger
from .lookups import answer_lookup
from .routes import CONTACT_ROUTES, Call, Route
from .schedule import Schedule, Strike
from .single_events import SingleEvents
from .spoiling import spoilt, too_many
from .token_routes import answer_v1, answer_v2
from .traffic import Traffic

if TYPE_CHECKING:
    from .answers import Answer
    from .tokens import Tokens

__all__ = ("Access", "Book", "Call", "Cloud", "Route", "Visit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a request will meet, drawn when it arrived."""

    scope: Scope
    strike: Strike | None = None
    delay_seconds: float = 0.0
    throttled_seconds: float = 0.0

    @property
    def fault(self) -> Fault | None:
        """What it suffers, if anything."""
        return self.strike.fault if self.strike else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a good token opens. `v2_tokens`: on the experimental endpoint, unlike the real one."""

    permitted: bool = True
    endpoint_there: bool = True
    v2_tokens: bool = False
    status_there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What is kept of the contacts, and what is told of them later."""

    keep_data: bool = False
    history: HistoryPolicy = field(default_factory=HistoryPolicy)
    vanishing: str | None = None
    """Contacts whose key this regular expression finds are lost without a cause."""


def _listening(definition: EventDefinition) -> list[tuple[str, str]]:
    """(id, name) of each journey that contacts enter."""
    names = [
        definitions.journey_name(definition, number)
        for number in range(1, definition.published_journeys + 1)
    ]
    return [(definitions.journey_id(name), name) for name in names]


class Cloud:
    """One tenant: its tokens, its event definition, its ledger, and its bad days."""

    def __init__(
        self,
        definition: EventDefinition,
        tokens: Tokens,
        *,
        rules: BatchRules | None = None,
        access: Access | None = None,
        capacity: Capacity | None = None,
        schedule: Schedule | None = None,
        book: Book | None = None,
    ) -> None:
        self.definition = definition
        self.tokens = tokens
        self.schedule = schedule or Schedule()
        self.traffic = {scope: Traffic() for scope in Scope}
        book = book or Book()
        self.ledger = Ledger(keep_data=book.keep_data)
        self.history = History(book.history, _listening(definition))
        self.journey = Journey(
            definition, self.ledger, history=self.history, vanishing=book.vanishing
        )
        self._guids = Random(f"{self.schedule.seed}/guid")
        self._members = Random(f"{self.schedule.seed}/members")
        rules = rules or BatchRules()
        self.events = BatchEvents(rules, self.journey)
        self._async = AsyncEvents(rules, self.journey, guid=self._guid)
        self._single = SingleEvents(rules, self.journey)
        self._access = access or Access()
        self._capacity = capacity or Capacity()
        rate = self._capacity.max_requests_per_second
        self._throttle = Throttle(rate) if rate else None
        self._latencies = Random(f"{self.schedule.seed}/latency")

    def __repr__(self) -> str:
        contacts = self.traffic[Scope.CONTACTS]
        return f"<Cloud {self.definition.keys[0]} {contacts!r} {self.ledger!r}>"

    def arrive(self, route: Route, now: float) -> Visit:
        """A request came: number it, and draw what it will meet."""
        traffic = self.traffic[route.scope]
        traffic.arrive(now)
        contacts = route.scope is Scope.CONTACTS
        delay = self._capacity.delay(self._latencies, traffic.in_flight) if contacts else 0.0
        strike = self.schedule.strike(route.scope)
        throttled = self._throttle.admit(now) if self._throttle and contacts else 0.0
        if throttled:
            return Visit(scope=route.scope, throttled_seconds=throttled)

        slow = strike.fault.seconds if strike and strike.fault.kind is Kind.SLOW else 0.0
        return Visit(scope=route.scope, strike=strike, delay_seconds=delay + slow)

    def answer(self, visit: Visit, call: Call, *, now: float) -> Answer:
        """What is said to a request that was read, and what it changes."""
        if visit.throttled_seconds:
            return too_many(visit.throttled_seconds)

        if visit.strike is None:
            return self._judge(call, now)

        return self._struck(visit.strike, call, now=now)

    def leave(self, visit: Visit, result: str, *, now: float) -> None:
        """A request ended, with `result` as its status or what else became of it."""
        self.traffic[visit.scope].leave(result, now)

    def reset(self) -> None:
        """Forget contacts and counts, and begin the schedule again; the tokens live on."""
        self.journey.forget()
        self.events.count_mismatches = 0
        self._async.forget()
        self.schedule = self.schedule.again()
        for traffic in self.traffic.values():
            traffic.forget()

    def summary(self) -> dict[str, Any]:
        """What really happened, in numbers."""
        contacts = self.ledger.totals()
        contacts["record_count_mismatches"] = self.events.count_mismatches
        return {
            "requests": self.traffic[Scope.CONTACTS].statistics(),
            "contacts": contacts,
            "tokens": {
                **self.traffic[Scope.TOKEN].statistics(),
                "issued": self.tokens.issued,
                "revoked": self.tokens.revoked,
            },
            "lookups": self.traffic[Scope.LOOKUP].statistics(),
            "history": self.traffic[Scope.HISTORY].statistics(),
            "faults": self.schedule.struck(),
        }

    def _struck(self, strike: Strike, call: Call, *, now: float) -> Answer:
        """The answer of a request that suffers a fault; `taken` lets it do its work first."""
        fault = strike.fault
        if fault.kind is Kind.SLOW:
            return self._judge(call, now)

        if fault.kind is Kind.REVOKE:
            self.tokens.revoke()
            return self._judge(call, now)

        if fault.kind is Kind.MEMBERS:
            return self._judge(call, now, fault)

        reads = call.route.scope in {Scope.LOOKUP, Scope.HISTORY}
        honest = self._judge(call, now) if strike.taken or reads else self._untaken(call)
        return spoilt(honest, fault, now=now)

    def _untaken(self, call: Call) -> Answer:
        """What would be said if the contacts were taken."""
        match call.route:
            case Route.ASYNC_EVENTS:
                return self._async.accepted(call.body)
            case Route.EVENTS:
                return self._single.accepted(self._guid())
            case _:
                return self.events.accepted(self._guid())

    def _judge(self, call: Call, now: float, fault: Fault | None = None) -> Answer:
        """The ordinary answer, but for what `fault` says of single contacts."""
        if call.route is Route.TOKEN:
            legacy = call.query.get("legacy") == "1"
            return answer_v1(self.tokens, call.body, now=now, legacy=legacy)

        if call.route is Route.TOKEN_V2:
            return answer_v2(
                self.tokens, call.body, now=now, content_type=call.content_type, host=call.host
            )

        if refused := self._gate(call, now):
            return refused

        contacts = call.route in CONTACT_ROUTES
        return self._take(call, now, fault) if contacts else self._tell(call, now)

    def _tell(self, call: Call, now: float) -> Answer:
        """The answer to a question."""
        if call.route is Route.ASYNC_STATUS:
            there = self._access.status_there
            return self._async.status(call.query, now=now) if there else answers.NOT_FOUND

        if call.route.scope is Scope.HISTORY:
            return answer_history(self.history, call, now)

        return answer_lookup(self.journey, call)

    def _gate(self, call: Call, now: float) -> Answer | None:
        """Endpoint, token, permission: looked at before the body is."""
        contacts = call.route is Route.BATCH_EVENTS  # the experimental endpoint
        described = call.route is Route.DISCOVERY and Route.BATCH_EVENTS.startswith(
            f"/{call.argument}/"
        )
        if (contacts or described) and not self._access.endpoint_there:
            return answers.NOT_FOUND

        kind, _, token = call.authorization.partition(" ")
        v2_counts = not contacts or self._access.v2_tokens
        good = self.tokens.good(token, now) or (v2_counts and self.tokens.good_v2(token, now))
        if kind.lower() != "bearer" or not good:
            return answers.NOT_AUTHORIZED

        return None if self._access.permitted else answers.FORBIDDEN

    def _take(self, call: Call, now: float, fault: Fault | None) -> Answer:
        """The contacts of a request to one of the three endpoints."""
        kind, body = call.content_type, call.body
        match call.route:
            case Route.ASYNC_EVENTS:
                trouble = None if fault is None else partial(self._troubled, fault)
                return self._async.answer(kind, body, now=now, trouble=trouble)
            case Route.EVENTS:
                return self._single.answer(kind, body, instance_id=self._guid(), now=now)
            case _:
                return self.events.answer(kind, body, instance_id=self._guid(), now=now)

    def _troubled(self, fault: Fault, members: int) -> dict[int, tuple[int, str]]:
        """Some of so many members, at least one, with the error that each of them has."""
        code = fault.errorcode or 0
        chosen = self._members.sample(range(members), max(1, round(fault.share * members)))
        return dict.fromkeys(chosen, (code, answers.saying_of(code)))

    def _guid(self) -> str:
        return str(UUID(int=self._guids.getrandbits(128), version=4))
