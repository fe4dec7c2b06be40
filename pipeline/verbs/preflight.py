"""Preflight: what can be proven before a contact is sent.

`check` proves, in order, that everything a run needs is there: a finding a step, with the way out
where a step does not hold. A step that fails ends the check where the later ones need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import orjson
from anyio import move_on_after, to_thread

from ..config import load
from ..errors import ConfigError, HaltError, JourneyError
from ..intake.inbox import Inbox
from ..intake.locate import is_remote
from ..intake.ranges import Ranges
from ..mapping.target import Target, parse_fields
from ..packing.batch import Span, Trigger
from ..packing.payload import seal
from ..running.plan import Plan
from ..running.sharing import open_account
from ..sending.clock import Clock
from ..sending.journeys import let_in, told_of
from ..sending.lookup import Lookup
from .trial import tried

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ..config import Config
    from ..intake.queues.source import QueueSource
    from ..intake.source import Chunk
    from ..mapping.contacts import Contacts
    from ..sending.journeys import Journey
    from ..sending.token import TokenKeeper

__all__ = ("Finding", "check")

FIRST_RECORDS = 1_000
"""How many records the mapping is tried on."""

SAMPLE_CONTACTS = 3

LISTING_SECONDS = 20.0
"""How long the journeys of a tenant are looked through for those that listen."""

ATTEMPTS = 3
"""How often Marketing Cloud is asked: somebody sits and waits for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A step of the check: what was looked at, whether it holds, and if not, the way out."""

    subject: str
    holds: bool
    text: str


def _ok(subject: str, text: str) -> Finding:
    return Finding(subject=subject, holds=True, text=text)


def _fail(subject: str, text: str) -> Finding:
    return Finding(subject=subject, holds=False, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A plan and its first records, if there are any."""

    plan: Plan
    chunk: Chunk | None = None
    contacts: Contacts | None = None


async def check(path: Path, *, offline: bool) -> AsyncIterator[Finding]:
    """Yield the findings in order. `offline` stops before the network."""
    try:
        config = await to_thread.run_sync(load, path)
    except JourneyError as error:
        yield _fail("config", str(error))
        return

    yield _ok("config", str(path))
    if offline and is_remote(config.source.url):
        yield _ok("source", "it lies on another machine: not looked at without the network")
        return

    findings, sample = await to_thread.run_sync(_look_at_source, config, abandon_on_cancel=True)
    for finding in findings:
        yield finding

    if sample is None:
        return

    if not offline:
        holds = True
        for finding in await _look_at_account(sample):
            holds = holds and finding.holds
            yield finding

        if not holds:
            return

    if sample.contacts is not None:
        yield _payload(sample.contacts, sample.plan)


def _look_at_source(config: Config) -> tuple[list[Finding], _Sample | None]:
    """The source, and the mapping against its first records; blocks on files."""
    findings: list[Finding] = []
    try:
        if config.source.watch and not Inbox.of(config.source).holds_files():
            return [_ok("source", "the folder is watched; no file lies in it yet")], None

        plan = Plan.before_mapping(config)
        told = _sources_told(plan) if plan.queue is None else _queue_told(plan.queue)
        findings.append(_ok("source", told))
        plan.hold_against(None)
        chunk = next(_first_chunks(plan), None)
    except JourneyError as error:
        return [*findings, _fail(_subject(error), str(error))], None

    if chunk is None:
        nothing = "the source is empty" if plan.queue is None else "no message can be looked at"
        empty = _ok("mapping", f"{nothing}: nothing to map")
        return [*findings, empty], _Sample(plan=plan)

    contacts = plan.mapper().map(chunk)
    mapped = _mapped(contacts, config, subject="mapping")
    sample = _Sample(plan=plan, chunk=chunk, contacts=contacts) if mapped.holds else None
    return [*findings, mapped], sample


def _subject(error: JourneyError) -> str:
    name = type(error).__name__
    return {"MappingError": "mapping", "ConfigError": "config"}.get(name, "source")


def _first_chunks(plan: Plan) -> Iterator[Chunk]:
    """The first records of each source that has any."""
    for source in plan.sources:
        for chunk in source.chunks(Ranges()):
            if chunk.records or chunk.rejected:
                chunk.positions = chunk.positions[:FIRST_RECORDS]
                chunk.records = chunk.records[:FIRST_RECORDS]
                last = chunk.positions[-1] if chunk.positions else FIRST_RECORDS
                chunk.rejected = [each for each in chunk.rejected if each.position <= last]
                yield chunk
                break


def _sources_told(plan: Plan) -> str:
    first = plan.sources[0]
    columns = first.columns()
    parts = [first.name + (f" and {len(plan.sources) - 1:,} more" if plan.sources[1:] else "")]
    if plan.size_bytes is not None:
        parts.append(f"{plan.size_bytes:,} bytes")

    if columns:
        shown = ", ".join(columns[:8]) + (", …" if columns[8:] else "")
        parts.append(f"{len(columns)} columns: {shown}")

    return "; ".join(parts)


def _queue_told(queue: QueueSource) -> str:
    return f"{queue.place.label}: {queue.look()}"


def _mapped(contacts: Contacts, config: Config, *, subject: str) -> Finding:
    holds, text = tried(contacts, max_errors=config.delivery.max_errors)
    return Finding(subject=subject, holds=holds, text=text)


async def _look_at_account(sample: _Sample) -> list[Finding]:
    """Credentials, event definition, fields: whatever can be found out from Marketing Cloud."""
    config, clock = sample.plan.config, Clock()
    key = config.journey.event_definition_key
    findings: list[Finding] = []
    office = open_account(config, clock=clock, emit=lambda _: None, attempts=ATTEMPTS)
    async with office as (client, keeper):
        lookup = Lookup(
            config.account, client=client, keeper=keeper, clock=clock, attempts=ATTEMPTS
        )
        try:
            await keeper.token()
            findings.append(_ok("credentials", _token_told(keeper, config)))
            definition = await lookup.event_definition(key)
            findings.append(_definition(definition, key, await _listeners(lookup, key)))
            fields = await lookup.fields(definition)
        except (HaltError, ConfigError) as error:
            step = ("credentials", "event definition", "fields")[len(findings)]
            return [*findings, _fail(step, str(error))]

    target = Target(fields=parse_fields({"fields": fields}), event_definition_key=key)
    return [*findings, await to_thread.run_sync(_fields, sample, target)]


def _token_told(keeper: TokenKeeper, config: Config) -> str:
    if keeper.renewals:
        return f"a token from {config.account.auth_base}"

    return (
        f"the token that other workers share on {config.coordination.label}; client_secret was not "
        "tried, for a new token could end theirs"
    )


async def _listeners(lookup: Lookup, key: str) -> list[Journey] | None:
    """The journeys behind the event; None where the package may not list them, or has too many."""
    try:
        with move_on_after(LISTING_SECONDS):
            return await lookup.journeys(key)
    except HaltError:
        pass

    return None


def _definition(definition: dict[str, Any], key: str, journeys: list[Journey] | None) -> Finding:
    """Whether the event is there for contacts to enter by, and who listens to it."""
    name = definition.get("name") or key
    if definition.get("publishedInteractionCount") == 0:
        return _fail(
            "event definition",
            f"{name} exists, but no published journey listens to it: publish the journey whose "
            "entry event it is",
        )

    lines = told_of(journeys or ())
    if journeys and not let_in(journeys):
        text = f"{name} exists, but no journey that listens to it lets anybody in"
        return _fail("event definition", "\n".join([text, *lines]))

    mode = definition.get("mode")
    told = f", mode {mode}" if mode and mode != "Production" else ""
    return _ok("event definition", "\n".join([f"{name} exists, a journey listens{told}", *lines]))


def _fields(sample: _Sample, target: Target) -> Finding:
    """The mapping, and the first contacts, against the data extension's fields."""
    mapper = sample.plan.mapper(target)
    columns = (source.columns() for source in sample.plan.sources)
    found = list(chain.from_iterable(mapper.findings(each) for each in columns))
    if any(finding.fatal for finding in found):
        return _fail("fields", "\n".join(dict.fromkeys(finding.line for finding in found)))

    notes = "".join(f"\n{line}" for line in dict.fromkeys(finding.line for finding in found))
    names = ", ".join(field.name for field in islice(target.fields, 8))
    names += ", …" if target.fields[8:] else ""
    text = f"{len(target.fields)} fields ({names})"
    if sample.chunk is None:
        return _ok("fields", text + notes)

    mapped = _mapped(mapper.map(sample.chunk), sample.plan.config, subject="fields")
    return Finding(subject="fields", holds=mapped.holds, text=f"{text}; {mapped.text}{notes}")


def _payload(contacts: Contacts, plan: Plan) -> Finding:
    """What a request would look like."""
    contacts.shorten(SAMPLE_CONTACTS)
    batch = seal(
        [contacts.joined],
        contacts.lengths,
        batch_id=0,
        spans=(Span(contacts.source, contacts.positions),),
        keys=contacts.keys,
        trigger=Trigger.DRAIN,
        envelope=plan.envelope,
    )
    shown = orjson.dumps(orjson.loads(batch.payload), option=orjson.OPT_INDENT_2).decode()
    return _ok("payload", f"the first {len(batch)} contacts would be sent as\n{shown}")
