"""Bodies: the records in a message, which is one JSON object, an array of them, or one a line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..blocks import Sizes
from ..encoding import readable
from ..json_array import BLANKS, JsonArrayParser
from ..json_text import parse_object
from ..ndjson import NdjsonParser
from ..precision import inexact_places
from ..source import Rejection, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..reading import Fault, Parsed

__all__ = ("Body", "parse_body")

_SIZES: Final = Sizes(quote_bytes=1 << 40, line_bytes=1 << 40)  # a message is in memory anyway


@dataclass(slots=True, kw_only=True)
class Body:
    """What is in a message: `count` records, each good or rejected; places count from 1."""

    count: int
    places: Sequence[int]
    records: list[Any]
    rejected: list[Rejection] = field(default_factory=list)

    def rejected_at(self, first: int) -> Iterator[Rejection]:
        """The rejected ones, where the message's first record has position `first`."""
        for each in self.rejected:
            yield replace(each, position=each.position + first - 1)


def parse_body(body: bytes, *, source: str, identity: str) -> Body:
    """Parse a message; whatever is in it, nothing is raised and nothing is lost."""
    try:
        value = orjson.loads(body)
        exact = not any(True for _ in inexact_places(body))
    except ValueError:
        value, exact = None, False

    if exact and isinstance(value, dict):
        return Body(count=1, places=range(1, 2), records=[value])

    if exact and isinstance(value, list) and (not value or set(map(type, value)) == {dict}):
        return Body(count=len(value), places=range(1, len(value) + 1), records=value)

    return _carefully(body, source=source, identity=identity)


def _carefully(body: bytes, *, source: str, identity: str) -> Body:
    """Parse what is several lines, or holds long numbers, or is broken somewhere."""
    whole = parse_object(body)
    if isinstance(whole, dict):
        return Body(count=1, places=range(1, 2), records=[whole])

    text = body.lstrip(BLANKS)
    if text.startswith(b"["):
        parsed = JsonArrayParser(source=source, sizes=_SIZES).parse(text, 0, final=True)
    else:
        lines = NdjsonParser(source=source, sizes=_SIZES, lines=None)
        parsed = lines.parse(body, 0, final=True)

    if not parsed.records:  # one broken record, on however many lines
        poison = _poison(body, whole, source=source, identity=identity)
        return Body(count=1, places=(), records=[], rejected=[poison])

    return _named(parsed, identity)


def _poison(body: bytes, fault: Fault, *, source: str, identity: str) -> Rejection:
    return Rejection(
        source=source,
        position=1,
        stage=Stage.INTAKE,
        reason=fault.reason,
        detail=f"message {identity} {fault.detail}",
        record=readable(body),
    )


def _named(parsed: Parsed, identity: str) -> Body:
    return Body(
        count=parsed.count,
        places=parsed.positions,
        records=list(parsed.records),
        rejected=[
            replace(each, detail=f"message {identity}, {each.detail}") for each in parsed.rejected
        ],
    )
