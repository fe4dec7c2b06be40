"""Keys: which spellings of a contact key are the same contact's."""

from __future__ import annotations

__all__ = ("alike",)


def alike(key: str) -> str:
    """What two spellings of the same contact key have in common.

    Marketing Cloud compares contact keys without their case and the blanks around them.
    """
    return key.strip().lower()
