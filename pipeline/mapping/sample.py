"""A sample: the first contacts, to be read by a person before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contacts import Contacts

__all__ = ("sample_of",)


def sample_of(contacts: Contacts, count: int = 3) -> str:
    """The first `count` contacts as a JSON list, a line each, byte for byte as they would go."""
    lines = [body.decode() for body in contacts.bodies[:count]]
    return "[" + ",".join(f"\n  {line}" for line in lines) + "\n]"
