"""Cutting: the records of sources, as messages for a queue.

A message is a JSON array of records, up to so many, none of them mapped: the workers do that, by
the same [mapping]. A cell of delimited text that is empty is left out, as it would be of a contact.
Where one message ends and the next begins depends on the sources alone, and so does its identity: a
key for what they hold, and the first and the last record, counted over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..intake.queues.outlet import Outgoing
from ..intake.ranges import Ranges
from ..intake.source import Rejection, Stage
from ..mapping.exact import encode_record
from ..mapping.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..intake.source import Chunk, FileSource
    from ..running.plan import Plan

__all__ = ("Group", "cut")

GROUP_BYTES: Final = 2 << 20
GROUP_MESSAGES: Final = 50
MESSAGE_BYTES: Final = 200_000
"""No message grows beyond that by its second contact: SQS takes 256 KB, NATS and Kafka 1 MB."""


@dataclass(slots=True)
class Group:
    """Messages that are put together, and the records among theirs that cannot be."""

    messages: list[Outgoing] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Up to which record it goes."""
        return self.messages[-1].last if self.messages else 0

    @property
    def full(self) -> bool:
        """Whether it is enough to be put."""
        size = sum(len(message.body) for message in self.messages)
        return size >= GROUP_BYTES or len(self.messages) >= GROUP_MESSAGES


def cut(plan: Plan, *, key: str, each: int, largest: int) -> Iterator[Group]:
    """Yield all records of the plan's sources in messages of `each`, a group at a time; blocks.

    A record that makes a message of more than `largest` bytes alone is rejected.
    """
    group, before = Group(), 0
    for source, fingerprint in zip(plan.sources, plan.fingerprints, strict=True):
        keeps_empty = fingerprint.reading.startswith("parquet")
        cutter = _Cutter(key, each, before=before, largest=largest, keeps_empty=keeps_empty)
        for message in cutter.messages(source):
            group.messages.append(message)
            if group.full:
                group.rejected += cutter.take_rejected()
                yield group
                group = Group()

        group.rejected += cutter.take_rejected()
        before += cutter.position

    if group.messages or group.rejected:
        yield group


class _Cutter:
    """Cuts the records of one source."""

    def __init__(
        self, key: str, each: int, *, before: int, largest: int, keeps_empty: bool
    ) -> None:
        self._key, self._each, self._before = key, each, before
        self._largest, self._keeps_empty = largest, keeps_empty
        self._rejected: list[Rejection] = []
        self._bodies: list[bytes] = []
        self._size = 0
        self._first = self._last = 0
        self.position = 0
        """Up to where the source was read."""

    def messages(self, source: FileSource) -> Iterator[Outgoing]:
        for chunk in source.chunks(Ranges()):
            self.position = chunk.mark.position
            self._rejected += chunk.rejected
            yield from self._cut(chunk)

        if self._bodies:
            yield self._message()

    def take_rejected(self) -> list[Rejection]:
        rejected, self._rejected = self._rejected, []
        return rejected

    def _cut(self, chunk: Chunk) -> Iterator[Outgoing]:
        for position, values in zip(chunk.positions, chunk.records, strict=True):
            record = values if chunk.columns is None else self._named(chunk.columns, values)
            try:
                body = self._encoded(record)
            except Refused as refused:
                self._rejected.append(_rejection(chunk.source, position, record, refused=refused))
                continue

            if self._bodies and self._size + len(body) > MESSAGE_BYTES:
                yield self._message()

            self._first = self._first or position
            self._last = position
            self._bodies.append(body)
            self._size += len(body) + 1
            if len(self._bodies) == self._each:
                yield self._message()

    def _encoded(self, record: Any) -> bytes:
        body = encode_record(record)
        if len(body) + 2 > self._largest:  # and the brackets
            raise Refused(
                "contact_too_large",
                f"the record takes {len(body):,} bytes, and a message on the queue "
                f"{self._largest:,} at the most",
            )

        return body

    def _named(self, columns: tuple[str, ...], values: Any) -> dict[str, Any]:
        record = zip(columns, values, strict=True)
        if self._keeps_empty:
            return {name: value for name, value in record if value is not None}

        return {name: value for name, value in record if value}

    def _message(self) -> Outgoing:
        first, last = self._before + self._first, self._before + self._last
        message = Outgoing(
            identity=f"{self._key}-{first}-{last}",
            last=last,
            contacts=len(self._bodies),
            body=b"[" + b",".join(self._bodies) + b"]",
        )
        self._bodies, self._size, self._first = [], 0, 0
        return message


def _rejection(source: str, position: int, record: Any, *, refused: Refused) -> Rejection:
    return Rejection(
        source=source,
        position=position,
        stage=Stage.MAPPING,
        reason=refused.reason,
        detail=refused.detail,
        record=record,
    )
