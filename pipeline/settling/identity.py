"""Identity: what makes a run the same run again.

The event definition, the host of Marketing Cloud (on loopback its port does not count: a
simulator is given another one each time) and the sources by what they hold, in any order, under
any name and however compressed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..intake.holdings import Holdings
    from ..intake.plain import Plain
    from ..intake.recognised import Content
    from ..intake.source import Fingerprint

__all__ = (
    "Identity",
    "begun_sizes",
    "contents_of",
    "cut_off",
    "differences_of",
    "paired",
    "rest_host",
    "told",
)

LOOPBACK = ("localhost", "127.0.0.1", "::1")

NAMED = 3
"""How many sources a message names before it counts the rest."""


def rest_host(url: str) -> str:
    """The part of `url` that tells one Marketing Cloud from another."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = parts.hostname or ""
    if parts.port is None or host in LOOPBACK:
        return host

    return f"{host}:{parts.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which contacts go into which journey."""

    event_definition_key: str
    rest_host: str
    sources: tuple[Fingerprint, ...]

    def told(self, plains: Sequence[Plain | None]) -> Identity:
        """The same, with what its sources are uncompressed; none of them where nobody knows."""
        return replace(self, sources=told(self.sources, plains))

    @property
    def names(self) -> str:
        """The sources as a person would name them."""
        names = [source.name for source in self.sources]
        return ", ".join(names[:NAMED]) + (
            f" and {len(names) - NAMED} more" if names[NAMED:] else ""
        )

    def differences(self, wanted: Identity) -> list[str]:
        """What sets `wanted` apart from this run, a clause each; none if it is the same run."""
        clauses = []
        if self.event_definition_key != wanted.event_definition_key:
            clauses.append(
                f"its journey is {self.event_definition_key}, not {wanted.event_definition_key}"
            )

        if self.rest_host != wanted.rest_host:
            clauses.append(f"its Marketing Cloud is {self.rest_host}, not {wanted.rest_host}")

        return clauses + _source_differences(self.sources, wanted.sources)

    def shared(self, wanted: Identity) -> list[Fingerprint]:
        """The sources of `wanted` that this run has, too, if it is into the same journey."""
        if (self.event_definition_key, self.rest_host) != (
            wanted.event_definition_key,
            wanted.rest_host,
        ):
            return []

        return [new for _, new in paired(self.sources, wanted.sources)]

    def is_fetched_again(self, wanted: Identity, holdings: Holdings) -> bool:
        """Whether the one source of this run, which could not be read to its end, is the beginning
        of the one that is wanted: all positions are what they were."""
        if len(self.sources) != 1 or len(wanted.sources) != 1:
            return False

        (old,), (new,) = self.sources, wanted.sources
        if old.plain is None or old.plain.whole or old.reading != new.reading:
            return False

        return old.plain.content in set(holdings.beginnings({old.plain.size}))

    def readings_changed(self, wanted: Identity) -> list[str]:
        """Sources of the same content that are now cut into records in another way, a clause each.

        Their positions mean other records then: a run cannot be gone on with, but it is no other
        run either.
        """
        return [
            f"{new.name} was read as {old.reading}, and now as {new.reading}"
            for old, new in paired(self.sources, wanted.sources)
            if old.reading != new.reading
        ]


def told(sources: Sequence[Fingerprint], plains: Sequence[Plain | None]) -> tuple[Fingerprint, ...]:
    """Sources with what they are uncompressed; as they are where nobody knows."""
    if not plains:
        return tuple(sources)

    return tuple(replace(one, plain=each) for one, each in zip(sources, plains, strict=True))


def paired(
    known: Iterable[Fingerprint], wanted: Iterable[Fingerprint]
) -> list[tuple[Fingerprint, Fingerprint]]:
    """Pair what is the same content, under the same name where there is one.

    What is not the same as it is stored may be the same uncompressed.
    """
    known, wanted = list(known), list(wanted)
    stock: defaultdict[Content, dict[str, Fingerprint]] = defaultdict(dict)
    for one in wanted:
        stock[_content(one)][one.name] = one

    pairs, renamed, left = [], [], []
    for one in known:
        twin = stock[_content(one)].pop(one.name, None)
        if twin is None:
            renamed.append(one)
        else:
            pairs.append((one, twin))

    for one in renamed:
        same = stock[_content(one)]
        if same:
            pairs.append((one, same.pop(min(same))))
        else:
            left.append(one)

    return pairs + _paired_plain(left, [one for same in stock.values() for one in same.values()])


def _paired_plain(
    known: Sequence[Fingerprint], wanted: Sequence[Fingerprint]
) -> list[tuple[Fingerprint, Fingerprint]]:
    """Pair what is the same uncompressed, under the same name where there is one."""
    stock: defaultdict[Content, list[Fingerprint]] = defaultdict(list)
    for one in wanted:
        if one.plain is not None:
            stock[one.plain.content].append(one)

    pairs = []
    for one in known:
        same = stock[_content(one) if one.plain is None else one.plain.content]
        twins = [each for each in same if _is_plain_twin(one, each)]
        if twins:
            twin = min(twins, key=lambda each: (each.name != one.name, each.name))
            same.remove(twin)
            pairs.append((one, twin))

    return pairs


def _is_plain_twin(known: Fingerprint, wanted: Fingerprint) -> bool:
    """Whether one with the same size and digest is the same. Of what was injected by an earlier
    program it is not known what it was uncompressed: it is what it is stored, or nothing."""
    return known.plain is None or (wanted.plain is not None and wanted.plain.equals(known.plain))


def cut_off(
    known: Iterable[Fingerprint], wanted: Iterable[Fingerprint]
) -> list[tuple[Fingerprint, Fingerprint]]:
    """Pairs of a known source and a wanted one that looks like the beginning of it."""
    whole = [(one, one.plain) for one in known if one.plain is not None]
    parts = [(one, one.plain) for one in wanted if one.plain is not None]
    return [
        (one, other) for one, all_of in whole for other, part in parts if part.looks_begun(all_of)
    ]


def begun_sizes(known: Iterable[Fingerprint], wanted: Sequence[Fingerprint]) -> set[int]:
    """Of what sizes a beginning of what is wanted may be a known source."""
    heads = {None, *(one.plain.head for one in wanted if one.plain is not None)}
    unknown = any(one.plain is None for one in wanted)
    sizes = set()
    for one in known:
        if (one.plain is None or unknown) and one.size is not None:
            sizes.add(one.size)

        if one.plain is not None and one.plain.head in heads:
            sizes.add(one.plain.size)

    return sizes


def contents_of(source: Fingerprint) -> set[Content]:
    """By what a source may be recognised."""
    return {_content(source)} | ({source.plain.content} if source.plain is not None else set())


def _source_differences(
    known: tuple[Fingerprint, ...], wanted: tuple[Fingerprint, ...]
) -> list[str]:
    twins = {id(one) for pair in paired(known, wanted) for one in pair}
    gone = {one.name: one for one in known if id(one) not in twins}
    new = {one.name: one for one in wanted if id(one) not in twins}
    clauses = [
        _changed(gone[name], new[name]) if name in new else f"it reads {_told(gone[name])}"
        for name in sorted(gone)
    ]
    clauses += [f"it does not read {_told(new[name])}" for name in sorted(new.keys() - gone.keys())]
    if len(clauses) > NAMED:
        return [*clauses[:NAMED], f"and {len(clauses) - NAMED} more sources differ"]

    return clauses


def differences_of(old: Fingerprint, new: Fingerprint) -> list[str]:
    """How what a source holds has changed, as a clause; none where it is the same."""
    return [] if _content(old) == _content(new) else [_changed(old, new)]


def _changed(old: Fingerprint, new: Fingerprint) -> str:
    if old.size is None or new.size is None or old.size == new.size:
        return f"{old.name} has changed since (still {_size(new.size)})"

    verb = "grown" if new.size > old.size else "shrunk"
    return f"{old.name} has {verb} since, from {_size(old.size)} to {_size(new.size)}"


def _told(source: Fingerprint) -> str:
    return f"{source.name} ({_size(source.size)})"


def _size(size: int | None) -> str:
    return "size unknown" if size is None else f"{size:,} bytes"


def _content(source: Fingerprint) -> Content:
    return (-1 if source.size is None else source.size, source.digest)
