"""Identity: what makes a run the same run again.

The event definition, the host of Marketing Cloud (on loopback its port does not count: a
simulator is given another one each time) and the sources by what they hold, in any order and
under any name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..intake.source import Fingerprint

__all__ = ("Identity", "differences_of", "paired", "rest_host")

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


def paired(
    known: Iterable[Fingerprint], wanted: Iterable[Fingerprint]
) -> list[tuple[Fingerprint, Fingerprint]]:
    """Pair what is the same content, under the same name where there is one."""
    stock: defaultdict[tuple[int, str], dict[str, Fingerprint]] = defaultdict(dict)
    for one in wanted:
        stock[_content(one)][one.name] = one

    pairs, renamed = [], []
    for one in known:
        twin = stock[_content(one)].pop(one.name, None)
        if twin is None:
            renamed.append(one)
        else:
            pairs.append((one, twin))

    for one in renamed:
        same = stock[_content(one)]
        pairs += [(one, same.pop(name)) for name in sorted(same)[:1]]

    return pairs


def _source_differences(
    known: tuple[Fingerprint, ...], wanted: tuple[Fingerprint, ...]
) -> list[str]:
    gone, new = _without_twin(known, wanted), _without_twin(wanted, known)
    clauses = [
        _changed(gone[name], new[name]) if name in new else f"it reads {_told(gone[name])}"
        for name in sorted(gone)
    ]
    clauses += [f"it does not read {_told(new[name])}" for name in sorted(new.keys() - gone.keys())]
    if len(clauses) > NAMED:
        return [*clauses[:NAMED], f"and {len(clauses) - NAMED} more sources differ"]

    return clauses


def _without_twin(
    these: tuple[Fingerprint, ...], others: tuple[Fingerprint, ...]
) -> dict[str, Fingerprint]:
    spare = Counter(map(_content, others))
    left = {}
    for one in these:
        if spare[_content(one)]:
            spare[_content(one)] -= 1
        else:
            left[one.name] = one

    return left


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


def _content(source: Fingerprint) -> tuple[int, str]:
    return (-1 if source.size is None else source.size, source.digest)
