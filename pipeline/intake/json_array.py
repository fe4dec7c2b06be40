"""JSON arrays: the elements of one array, parsed a block at a time.

A block in which all is well is cut between its objects and parsed object by object in one call;
only a block that shows trouble is walked bracket by bracket. One bad element costs one record as
long as its brackets tell where it ends. A text in JSON holds no raw line end, so that a quote that
is never closed goes no further than its line. Where brackets do not tell, the element and all
behind it is one rejected record, and reading ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from .json_text import mend_numbers, parse_object
from .precision import inexact_places
from .reading import SHOWN_BYTES, Fault, Parsed, Place

if TYPE_CHECKING:
    from .blocks import Sizes
    from .source import Rejection

__all__ = ("BLANK", "BLANKS", "JsonArrayParser")

BLANKS: Final = b" \t\r\n"
BLANK: Final = re.compile(rb"[ \t\r\n]*")
_BOUNDARY: Final = re.compile(rb"(?<=\})[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_MOST_TRIES: Final = 12  # at an object's end; beyond, walking it is cheaper
_TOKEN: Final = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*"|["\[\]{},]')
_OPENED_BY: Final = {b"}": b"{", b"]": b"["}


@dataclass(slots=True)
class _Found:
    """What was found in a block; a record or rejection each, in order."""

    place: Place
    positions: list[int] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.records) + len(self.rejected)

    def add(self, raw: bytes) -> None:
        value = parse_object(raw) if raw else Fault("malformed_json", "is no JSON: it is empty")
        if isinstance(value, dict):
            self.records.append(value)
            self.positions.append(self.place.position + self.count)
        else:
            self.reject(raw, value)

    def reject(self, raw: bytes, fault: Fault) -> None:
        if _BOUNDARY.search(raw):
            fault = replace(fault, detail=f"{fault.detail}; elements behind it may be in it")

        self.rejected.append(self.place.reject(raw, fault, count=self.count + 1, line=0))


class JsonArrayParser:
    """Parses blocks of UTF-8, each of which begins with the bracket or comma before an element."""

    columns: ClassVar[None] = None
    lines: ClassVar[None] = None
    line_ends: ClassVar[tuple[bytes, ...]] = ()

    def __init__(self, *, source: str, sizes: Sizes) -> None:
        self.source = source
        self.ended = False
        """Whether the array was closed, or cannot be read further."""
        self._over = False  # nothing that follows is looked at
        self._sizes = sizes

    def parse(self, block: bytes, position: int, *, final: bool) -> Parsed:
        """Parse the elements behind which another or the end is seen; see `reading.Parser`."""
        if not (self.ended or final) and (parsed := self._parse_whole(block, position)):
            return parsed

        found = _Found(Place(source=self.source, position=position, lines=None))
        consumed = 0 if self.ended else self._walk(block, found, final=final)
        if not self.ended and (final or len(block) - consumed > self._sizes.line_bytes):
            _give_up(block[consumed:], found, self._sizes.line_bytes)
            self.ended = self._over = True

        if self.ended:
            self._look_behind(block[consumed:], found)
            consumed = len(block)

        return Parsed(
            positions=found.positions,
            records=found.records,
            rejected=found.rejected,
            count=found.count,
            consumed=consumed,
        )

    def _parse_whole(self, block: bytes, position: int) -> Parsed | None:
        """Parse elements that are objects; None if the first of them shows trouble.

        An object's end is where its brackets close, so what parses as one from an element's
        beginning is that element, wherever the block was cut.
        """
        cut = block.rfind(b"},") + 1
        if not 0 < cut <= self._sizes.line_bytes:
            return None

        try:
            ends, texts, records = _objects(block, cut)
            if places := list(inexact_places(block[: ends[-1]])):
                mend_numbers(records, texts, starts=ends, places=places)
        except ValueError:
            return None

        if not records:
            return None

        positions = range(position + 1, position + 1 + len(records))
        return Parsed(
            positions=positions,
            records=records,
            rejected=[],
            count=len(records),
            consumed=ends[-1],
        )

    def _walk(self, block: bytes, found: _Found, *, final: bool) -> int:
        """Take element by element; return how far, which is at the bracket or comma before one."""
        at = 0
        while not self.ended:
            end = _end_of_element(block, at + 1, final=final)
            if end is None:
                return at

            raw = block[at + 1 : end].strip(BLANKS)
            self.ended = block[end : end + 1] == b"]"
            if raw or not self.ended:  # nothing stands in [], nor behind a comma too many
                found.add(raw)

            at = end

        return at + 1

    def _look_behind(self, rest: bytes, found: _Found) -> None:
        if not self._over and rest.strip(BLANKS):
            fault = Fault("malformed_json", "stands behind the end of the array; it was not read")
            found.reject(rest.strip(BLANKS)[:SHOWN_BYTES], fault)
            self._over = True


def _objects(block: bytes, cut: int) -> tuple[list[int], list[bytes], list[Any]]:
    """Take objects until there is trouble: where each and the last ends, their texts and values.

    An object is tried up to the next boundary, then up to that behind it, and so on: between
    objects inside of it the boundaries look alike.
    """
    commas = [block.index(b",", match.start()) for match in _BOUNDARY.finditer(block, 1, cut)]
    ends, texts, records = [0], [], []
    tries = 0
    for end in (*commas, cut):
        text = block[ends[-1] + 1 : end]
        try:
            value = orjson.loads(text)
        except ValueError:
            tries += 1
            if tries == _MOST_TRIES:
                break

            continue

        if type(value) is not dict:
            break

        tries = 0
        ends.append(end)
        texts.append(text)
        records.append(value)

    return ends, texts, records


def _end_of_element(block: bytes, begin: int, *, final: bool) -> int | None:
    """Where the comma or bracket behind an element stands; None where that is not in the block.

    A bracket closes the nearest one of its kind, whatever was left open within.
    """
    opened: list[bytes] = []
    for match in _TOKEN.finditer(block, begin):
        token = match[0]
        if token == b'"':  # not closed on its line, or not yet
            if not final and block.find(b"\n", match.end()) < 0:
                return None
        elif token in (b"{", b"["):
            opened.append(token)
        elif token in _OPENED_BY:
            wanted = _OPENED_BY[token]
            if wanted in opened:
                while opened.pop() != wanted:
                    pass
            elif token == b"]":
                return match.start()
        elif token == b"," and not opened:
            return match.start()

    return None


def _give_up(rest: bytes, found: _Found, most: int) -> None:
    """Reject what is left: from here on nothing tells one element from the next."""
    raw = rest[1:].strip(BLANKS)
    if raw and isinstance(parse_object(raw), dict):
        found.add(raw)
        raw = b""

    if not raw:
        fault = Fault("unclosed_array", "is missing: the array is not closed, the file may be cut")
    elif len(rest) > most:
        fault = Fault(
            "unclosed_element",
            f"does not end within {most} bytes: a quote or bracket in it is not closed. "
            "It was not read, and nothing behind it",
        )
    else:
        fault = Fault(
            "unclosed_element",
            "does not end: a quote or bracket in it is not closed, or the file is cut off",
        )

    found.reject(raw[:SHOWN_BYTES], fault)
