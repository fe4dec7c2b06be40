"""Entries: what Marketing Cloud tells of who entered. The questions, and how answers are read.

The paths, the header and the limits are documented; the names inside the answers of `freshness`
and `estimate` are not, so a number is looked for that can only be the one asked for. What cannot
be read is None, and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..errors import EndpointError
from .answers import parse
from .asking import trouble
from .endpoint import (
    bearer,
    data_extension_url,
    history_url,
    memberships_url,
    rows_url,
)
from .lookup import data_extension_of
from .reply import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from .address import Addressed
    from .asking import Asker
    from .reply import Broken

__all__ = ("COLUMNS", "Entries", "Estimate", "Freshness", "read_estimate", "read_freshness")

COLUMNS: Final = (
    "ContactKey",
    "DefinitionId",
    "ActivityType",
    "Status",
    "TransactionTime",
    "EpochTimeInMilliseconds",
    "Result.Status",
    "Result.Messages",
)
"""What is asked of each row."""

MEMBERSHIPS: Final = 50
_HISTORY: Final = "the journey history (Journeys: read; Tracking Events: read)"
_MEMBERS: Final = "the contacts' journeys (Journeys: read)"
_ROWS: Final = "the rows of the event's data extension (Data Extensions: read)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """History is `behind_seconds` late (None: not told). `ahead_seconds`: their clock and ours."""

    behind_seconds: float | None
    ahead_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How much a download would bring, about; None for what is not told."""

    rows: int | None
    file_bytes: int | None


class Entries:
    """Asks who entered."""

    def __init__(self, address: Addressed, asker: Asker) -> None:
        self._address = address
        self._asker = asker

    async def freshness(self) -> Freshness:
        """How late history is. Raises as `Asker` does.

        Salesforce's own pages give two paths for it, so the other is tried where one is not there.
        """
        url = history_url(self._address, "freshness")
        try:
            reply = await self._asker.reply(url, subject=_HISTORY)
        except EndpointError:
            other = url.replace("/interactions/", "/interaction/")
            reply = await self._asker.reply(other, subject=_HISTORY)

        return Freshness(
            behind_seconds=read_freshness(parse(reply.body)),
            ahead_seconds=self._asker.ahead_seconds(reply),
        )

    async def estimate(self, question: Mapping[str, Any]) -> Estimate:
        """How much a download would bring. Raises as `Asker` does."""
        url = history_url(self._address, "estimate", COLUMNS)
        content = await self._asker.post(url, question, subject=_HISTORY)
        return read_estimate(content)

    async def download(
        self, question: Mapping[str, Any], sink: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Hand the rows to `sink` as they come; asked once, for a download cannot be resumed.

        Raises:
            PassingError: It did not come, or not whole: what `sink` was given is worth nothing.
            HaltError: As `Asker`.
        """
        url, body = history_url(self._address, "download", COLUMNS), orjson.dumps(question)
        token = await self._asker.token()
        reply = await self._pour(url, body, token=token, sink=sink)
        if isinstance(reply, Reply) and reply.status == 401:
            token = await self._asker.token(token)
            reply = await self._pour(url, body, token=token, sink=sink)

        if isinstance(reply, Reply) and 200 <= reply.status < 300 and reply.whole:
            return

        raise trouble(reply, subject=_HISTORY, now=self._asker.clock.wall())

    async def _pour(
        self, url: str, body: bytes, *, token: str, sink: Callable[[bytes], Awaitable[None]]
    ) -> Reply | Broken:
        headers = {**bearer(token), "x-direct-pipe": "true"}
        return await self._asker.client.download(url, body, headers=headers, sink=sink)

    async def memberships(self, keys: Sequence[str]) -> dict[str, frozenset[str]]:
        """The keys of the journeys each contact is in now; fifty contacts at most.

        Raises:
            HaltError: As `Asker`.
        """
        url = memberships_url(self._address)
        content = await self._asker.post(url, {"ContactKeyList": list(keys)}, subject=_MEMBERS)
        results = content.get("results")
        found = results.get("contactMemberships") if isinstance(results, Mapping) else None
        if not isinstance(found, list):
            raise EndpointError(f"The answer to a request for {_MEMBERS} holds no memberships")

        inside: dict[str, set[str]] = {}
        for each in found:
            if isinstance(each, Mapping):
                inside.setdefault(str(each.get("contactKey")), set()).add(
                    str(each.get("definitionKey"))
                )

        return {key: frozenset(journeys) for key, journeys in inside.items()}

    async def stored(self, definition: Mapping[str, Any]) -> int | None:
        """How many rows the event's data extension has; None where that is not told.

        Raises:
            HaltError: As `Asker`.
        """
        extension_id = data_extension_of(dict(definition))
        if extension_id is None:
            return None

        url = data_extension_url(self._address, extension_id)
        key = (await self._asker.get(url, subject=_ROWS)).get("key")
        if not isinstance(key, str) or not key:
            return None

        content = await self._asker.get(rows_url(self._address, key), subject=_ROWS)
        count = content.get("count")
        return count if isinstance(count, int) and not isinstance(count, bool) else None


def read_freshness(content: object) -> float | None:
    """The seconds: a bare number, the member that is named for it, or the only number there is."""
    numbers = list(_numbers(content))
    named = [value for name, value in numbers if any(word in name for word in _LATE)]
    candidates = named or [value for _, value in numbers]
    if len(set(candidates)) != 1 or candidates[0] < 0:
        return None

    return candidates[0]


_LATE: Final = ("fresh", "lag", "behind", "second", "delay")


def read_estimate(content: object) -> Estimate:
    """Rows, and the size of the file as it travels: compressed, where both sizes are told."""
    numbers = list(_numbers(content))
    sizes = [(name, value) for name, value in numbers if "byte" in name or "size" in name]
    packed = [value for name, value in sizes if _is_compressed(name)]
    rows = [value for name, value in numbers if "row" in name or "count" in name]
    chosen = packed or [value for _, value in sizes]
    return Estimate(
        rows=int(max(rows)) if rows else None, file_bytes=int(max(chosen)) if chosen else None
    )


def _is_compressed(name: str) -> bool:
    return ("compress" in name or "zip" in name) and "un" not in name and "without" not in name


def _numbers(content: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of an answer with the names that lead to it, in small letters."""
    match content:
        case bool():
            return
        case int() | float():
            yield name, float(content)
        case str():
            try:
                yield name, float(content)
            except ValueError:
                return
        case Mapping():
            for key, value in content.items():
                yield from _numbers(value, f"{name}.{str(key).lower()}")
