"""Entries of a Redis stream, as messages.

An entry is a contact or many in a field called `contacts`, or in its only field; of an entry with
several fields, none of them called that, the fields are the contact, all of them text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from .message import Message, known_as
from .redis_line import BODY, IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ("messages_of",)


def messages_of(
    entries: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]], *, redelivered: bool = False
) -> Iterator[Message]:
    """Those that are there still; `redelivered`: another worker had them."""
    for entry_id, fields in entries:
        if not fields:
            continue  # deleted from the stream meanwhile

        given, body = fields.get(IDENTITY) if BODY in fields else None, _body(fields)
        yield Message(
            identity=known_as((given or entry_id).decode("utf-8", "backslashreplace"), body),
            body=body,
            redelivered=redelivered,
            handle=entry_id,
        )


def _body(fields: Mapping[bytes, bytes]) -> bytes:
    if BODY in fields:
        return fields[BODY]

    if len(fields) == 1:
        (body,) = fields.values()
        return body

    try:
        return orjson.dumps({name.decode(): value.decode() for name, value in fields.items()})
    except UnicodeDecodeError:
        return b"\n".join(b"%s=%s" % pair for pair in fields.items())  # not text: no contact
