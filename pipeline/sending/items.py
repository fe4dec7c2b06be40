"""Items: what `async-events`' status route tells, a page at a time.

The three words it knows are documented, the fields of its items are not: so names are read in any
case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .answers import folded, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("paged", "read_page", "words_of")

PAGE: Final = 50

_WORDS: Final = {"queued", "processed", "errored"}


def paged(asked: Mapping[str, str], number: int) -> dict[str, str | int]:
    """What is asked for, page `number` of it, from 1."""
    return {**asked, "$page": number, "$pageSize": PAGE}


def read_page(content: object) -> tuple[list[dict[str, Any]], int] | None:
    """The items, their names in small letters, and how many there are in all; None for no page."""
    page = folded(content)
    items, count = page.get("items"), whole_number(page.get("count"))
    if not isinstance(items, list) or count is None:
        return None

    return list(map(folded, items)), count


def words_of(item: dict[str, Any]) -> set[str]:
    """Which of the three an item says of itself."""
    told = {str(item.get(name)).strip().lower() for name in ("type", "status", "eventstatus")}
    return told & _WORDS
