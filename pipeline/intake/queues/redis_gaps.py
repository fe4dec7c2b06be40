"""Gaps in what a group of a Redis stream is given: entries that were trimmed before it. Sans-IO.

The server counts what was ever added to a stream and, logically, how many of these a group has been
given. What is neither there any more nor counted as given was removed before that.

Of these counts the group's is right behind a gap only since Valkey 9.1 and Redis 8.2. Earlier ones
leave the gap out for good: there nothing is told but what is sure, by a count that was put right
when the group had been given everything there was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Gap", "Gaps", "begins_behind", "counts_rightly")

NOWHERE: Final = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """So many entries, and which ones, for a person."""

    messages: int
    where: str


class Gaps:
    """Told how a stream and a group stand, it says what is gone; of each gap once."""

    def __init__(self, *, rightly: bool) -> None:
        """`rightly`: whether the server's counts are right behind a gap."""
        self._rightly = rightly
        self._amiss: int | None = 0 if rightly else None  # by how much; None: nobody knows
        self._told: tuple[tuple[int, int], int] = (NOWHERE, 0)

    def found(self, stream: Mapping[str, Any], group: Mapping[str, Any]) -> Gap | None:
        """What `XINFO STREAM` and, asked after it, `XINFO GROUPS` tell.

        What lies behind what was given then was not given before: the gap is there.
        """
        added, given = stream.get("entries-added"), group.get("entries-read")
        if added is None or given is None:
            return None

        reached, last = _id(group["last-delivered-id"]), _id(stream["last-generated-id"])
        if reached == last:
            self._amiss = added - given
            return None

        if self._amiss is None or not begins_behind(stream, group) or reached == NOWHERE:
            return None

        # What was deleted out of the midst of what is there is counted too.
        length = stream["length"]
        if length and _id(stream["max-deleted-entry-id"]) > _id(stream["recorded-first-entry-id"]):
            return None

        return self._new(added - length - given - self._amiss, reached, _where(stream, group))

    def _new(self, gone: int, reached: tuple[int, int], where: str) -> Gap | None:
        """The gap behind `reached`, as far as it was not told yet."""
        known = self._told[1] if self._told[0] == reached else 0
        if gone <= known:
            return None

        self._told = reached, gone
        if not self._rightly:
            self._amiss = None

        return Gap(messages=gone - known, where=where)

    def __repr__(self) -> str:
        return f"<Gaps, counts amiss by {self._amiss}>"


def begins_behind(stream: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    """Whether a stream has nothing any more of what the group was given."""
    first = stream.get("recorded-first-entry-id")
    if first is None:  # a server that does not tell
        return False

    return not stream["length"] or _id(first) > _id(group["last-delivered-id"])


def counts_rightly(server: Mapping[str, Any]) -> bool:
    """Whether what `INFO server` tells is of a server whose counts are right behind a gap."""
    for name, since in (("valkey_version", (9, 1)), ("redis_version", (8, 2))):
        if (version := server.get(name)) is not None:
            numbers = str(version).split(".")[:2]
            return all(map(str.isdigit, numbers)) and tuple(map(int, numbers)) >= since

    return False


def _where(stream: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    reached = group["last-delivered-id"].decode()
    if stream["length"]:
        return f"(entries after {reached} and before {stream['recorded-first-entry-id'].decode()})"

    return f"(entries after {reached}, up to {stream['last-generated-id'].decode()})"


def _id(told: bytes) -> tuple[int, int]:
    milliseconds, _, number = told.partition(b"-")
    return int(milliseconds), int(number or 0)
