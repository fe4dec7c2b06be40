"""Admission: is a run begun, gone on with, or refused? Decided from what the journals say.

    the directory's run is   finished                       unfinished
    the same                 refused: already injected      gone on with
    another                  put aside, the new one begun   refused: it would be lost from sight

A new run is refused all the same if one that was put aside here is the same, or one of the run
directory that this one was put aside in: finished, it was already injected; unfinished, a part of
its contacts may have been sent. An unfinished run of which nothing was read or sent is put aside as
a finished one is: its source was replaced before it was opened. It keeps nobody from beginning the
same run elsewhere, so whoever goes on with it is refused if somebody has. `--again` overrules all
of it.

What is the same uncompressed is the same. To find that out costs reading, so it is asked for where
what is stored does not decide: never where an unfinished run is gone on with as it was begun.
A run whose source was damaged or cut off is gone on with when that was fetched again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import AlreadyInjectedError, InjectedInPartError, RunDirectoryError
from ..intake.holdings import UNASKED
from .identity import begun_sizes, contents_of, cut_off
from .known import Known

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..intake.holdings import Holdings
    from ..intake.recognised import Content
    from .identity import Identity
    from .rows import RunRow

__all__ = ("Kind", "Known", "admit", "admit_retry")


class Kind(StrEnum):
    """How a run that is admitted begins."""

    NEW = "new"  # from the first record on
    CONTINUED = "continued"  # where an earlier process left it
    RETRIED = "retried"  # with contacts that have an outcome


def admit(
    present: Known | None,
    previous: Iterable[Known],
    wanted: Identity,
    *,
    holdings: Holdings = UNASKED,
) -> Kind:
    """Decide about `wanted`, given the directory's run and those put aside, the newest first.

    `holdings` tells what those that are wanted are uncompressed, and what they were when they had
    so many bytes: one of them may be an earlier source and something appended.
    Raises AlreadyInjectedError or RunDirectoryError, which name the ways out.
    """
    if present is not None:
        if present.differences(wanted):
            wanted = wanted.told(holdings.plains())

        differences = present.differences(wanted)
        if differences and not present.run.finished and _is_mended(present, wanted, holdings):
            differences = []

        if not differences and present.run.finished:
            _refuse_once_more(present, wanted)

        if not differences:
            _refuse_other_reading(present, wanted)
            if present.untouched:
                since = [known for known in previous if _ended_after(known, present)]
                _refuse_again(since, wanted, holdings)

            return Kind.CONTINUED

        if not present.run.finished and not present.untouched:
            raise RunDirectoryError(_another(present, differences))

    runs = [present, *previous] if present is not None else list(previous)
    _refuse_again(runs, wanted, holdings)
    return Kind.NEW


def _is_mended(present: Known, wanted: Identity, holdings: Holdings) -> bool:
    """Whether what is wanted is its source, fetched again because it was damaged or cut off."""
    known = present.run.identity
    return _into_the_same(present, wanted) and known.is_fetched_again(wanted, holdings)


def _ended_after(known: Known, began: Known) -> bool:
    """Whether a run was not over when another one began, as far as clocks tell."""
    return (known.run.ended_at or known.run.started_at) > began.run.started_at


def _refuse_again(runs: Sequence[Known], wanted: Identity, holdings: Holdings) -> None:
    """Raise where one of these runs may have sent what is wanted, or some of it."""
    if not runs:
        return

    wanted = wanted.told(holdings.plains())
    for known in runs:
        if not known.differences(wanted):
            _refuse_once_more(known, wanted)

    sent = [known for known in runs if not known.untouched and _into_the_same(known, wanted)]
    sources = [source for known in sent for source in known.run.identity.sources]
    grown = set(holdings.beginnings(begun_sizes(sources, wanted.sources)))
    for known in sent:
        _refuse_parts(known, wanted, grown)


def _into_the_same(known: Known, wanted: Identity) -> bool:
    """Whether a run is into the same journey, whatever it is of."""
    identity = known.run.identity
    return not identity.differences(replace(wanted, sources=identity.sources))


def _refuse_parts(known: Known, wanted: Identity, grown: set[Content]) -> None:
    """Raise InjectedInPartError where some of what is wanted was injected by another run."""
    identity = known.run.identity
    way_out = "put what is new into a file of its own, or use --again, which sends all of it"
    if shared := identity.shared(wanted):
        names = ", ".join(source.name for source in shared)
        raise InjectedInPartError(
            f"{names}: injected already, among other sources ({_run_of(known)}). To send nobody "
            f"twice, move that away; or {way_out.rpartition(', or ')[2]}"
        )

    for source in identity.sources:
        if contents_of(source) & grown:
            raise InjectedInPartError(
                f"{source.name} has grown since it was injected ({_run_of(known)}): those whom it "
                f"held then would be sent once more. To send nobody twice, {way_out}"
            )

    for whole, part in cut_off(identity.sources, wanted.sources):
        raise InjectedInPartError(
            f"{part.name} looks like the beginning of the {whole.name} that was injected "
            f"({_run_of(known)}): an upload that was cut off, or an older version of it. Those "
            "whom it holds would be sent once more. To send nobody twice, leave it away; if it is "
            "another file all the same, --again sends all of it"
        )


def admit_retry(present: Known, wanted: Identity) -> Kind:
    """Let contacts of the directory's run be sent again, if `wanted` is this run.

    Raises RunDirectoryError: their records are read again, by their positions.
    """
    differences = present.differences(wanted) + present.run.identity.readings_changed(wanted)
    if differences:
        raise RunDirectoryError(
            f"{present.directory} holds run {present.run.run_id}, and its contacts cannot be found "
            f"again: {'; '.join(differences)}. A retry reads them from what the run has read: put "
            "that back. To send mended records, take `results --of rejected` for a file of their "
            "own, with a run.directory of its own"
        )

    return Kind.RETRIED


def _refuse_other_reading(known: Known, wanted: Identity) -> None:
    changed = known.run.identity.readings_changed(wanted)
    if changed and known.counts.read:
        raise RunDirectoryError(
            f"{known.directory} holds an unfinished run of the same source, but "
            f"{'; '.join(changed)}: its records are counted differently, so going on would send "
            "some twice and leave others out. Put [source] back as it was, or use --again, which "
            "puts that run aside and sends everything anew"
        )


def _refuse_once_more(known: Known, wanted: Identity) -> None:
    if known.run.finished:
        # There may be more in what is damaged, so nobody may think that all of it is injected.
        for source in wanted.sources:
            if source.plain is not None and not source.plain.whole:
                raise InjectedInPartError(
                    f"{source.name} is damaged or cut off, and all that can be read of it was "
                    f"injected already ({_run_of(known)}): fetch it again. To send nobody twice, "
                    "leave it away; --again sends what can be read once more"
                )

        raise AlreadyInjectedError(_injected(known))

    if not known.untouched:
        raise RunDirectoryError(
            f"{known.directory} holds an unfinished run of {known.run.identity.names} into "
            f"{known.run.identity.event_definition_key}, with {known.counts.settled:,} contacts "
            "settled and maybe others sent: name that as run.directory to go on with it; --again "
            "starts a new run, which sends them once more"
        )


def _run_of(known: Known) -> str:
    run = f"run {known.run.run_id}"
    if known.removed_at is None:
        return f"{run} in {known.directory}"

    return f"{run}, removed on {datetime.fromtimestamp(known.removed_at, UTC):%Y-%m-%d}"


def _injected(known: Known) -> str:
    run, counts = known.run, known.counts
    ended = datetime.fromtimestamp(run.ended_at or run.started_at, UTC)
    return (
        f"{run.identity.names}: already injected on {ended:%Y-%m-%d at %H:%M} UTC into "
        f"{run.identity.event_definition_key} ({_run_of(known)}: "
        f"{counts.accepted:,} accepted, {counts.rejected:,} rejected, {counts.unknown:,} unknown); "
        f"{_retrying(run)}--again starts a new run"
    )


def _retrying(run: RunRow) -> str:
    if run.retrying is None:
        return ""

    return f"`retry --of {run.retrying}` goes on with the retry that was begun; "


def _another(known: Known, differences: list[str]) -> str:
    run, counts = known.run, known.counts
    return (
        f"{known.directory} holds an unfinished run ({run.run_id}, {run.state}, "
        f"{counts.settled:,} of {counts.read:,} contacts read are settled), and not this one: "
        f"{'; '.join(differences)}. Finish it with its own config, or use --again, which puts it "
        "aside and starts a new run"
    )
