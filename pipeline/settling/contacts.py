"""Contacts that failed, as rows: what a rejection or a failed batch looks like in the journal.

Text that SQLite cannot hold (a lone surrogate in a record that was rejected for it) is written
with the surrogate spelt out, a backslash and `udXXX`, which every JSON parser reads. Nothing here
may lose a contact for its contents.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from ..intake.source import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..intake.source import Rejection
    from ..sending.outcome import Outcome, Rejected, Settlement, Unknown

__all__ = (
    "INTERRUPTED",
    "FailedRow",
    "as_json",
    "as_text",
    "failed_rows",
    "in_doubt",
    "interrupted_rows",
    "outcome_name",
    "rejection_row",
)

INTERRUPTED = (
    "interrupted",
    "the process ended while the batch was in flight: the contact may have been taken",
)
"""Reason and detail of a contact that was dispatched and never heard of again."""

DOUBT = "; an earlier attempt may have been taken"
"""What is added to the refusal of a contact that was unknown before."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")

FailedRow = tuple[Any, ...]
"""The columns of `contact` from `outcome` to `attempt`, in the table's order."""


def as_text(text: str) -> str:
    """`text`, or what comes nearest to it that can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()

    return text


def as_json(record: Any) -> str:
    """`record` as JSON, whatever it holds: what JSON has no word for becomes text."""
    try:
        return orjson.dumps(record, default=_spelt, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, or an integer of more than 64 bits
        text = json.dumps(record, default=str, ensure_ascii=False)
        return LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


def rejection_row(rejection: Rejection, ordinals: Mapping[str, int]) -> FailedRow:
    """The row of a record that was rejected before it was sent."""
    key = rejection.contact_key
    return (
        "rejected",
        ordinals[rejection.source],
        rejection.position,
        None if key is None else as_text(key),
        rejection.stage.value,
        rejection.reason,
        as_text(rejection.detail),
        as_json(rejection.record),
        None,
        None,
    )


def failed_rows(
    settlement: Settlement, outcome: Rejected | Unknown, ordinals: Mapping[str, int]
) -> list[FailedRow]:
    """The rows of a failed batch; each record is the contact as it was sent."""
    batch = settlement.batch
    name, detail = outcome_name(outcome), as_text(outcome.detail)
    return [
        (
            name,
            ordinals[source],
            position,
            key,
            Stage.DELIVERY.value,
            outcome.reason,
            detail,
            body.decode(),
            batch.batch_id,
            settlement.attempt,
        )
        for (source, position), key, body in zip(
            batch.places(), batch.keys, batch.bodies(), strict=True
        )
    ]


def interrupted_rows(
    batch_id: int, attempt: int, contacts: Iterable[tuple[tuple[int, int], str]]
) -> list[FailedRow]:
    """The rows of a batch whose process died: ((ordinal, position), key) of each contact.

    Their payload died with the process, so their record is null: the source still has it.
    """
    return [
        (
            "unknown",
            ordinal,
            position,
            key,
            Stage.DELIVERY.value,
            *INTERRUPTED,
            "null",
            batch_id,
            attempt,
        )
        for (ordinal, position), key in contacts
    ]


def in_doubt(row: FailedRow) -> FailedRow:
    """The row of a contact that was unknown before it was sent again, or was to be.

    Refused by Marketing Cloud, it is rejected, but an earlier attempt may have been taken. What
    was not sent this time is as unknown as before.
    """
    outcome, ordinal, position, key, stage, reason, detail, *rest = row
    if outcome != "rejected":
        return row

    fate = "rejected" if stage == Stage.DELIVERY else "unknown"
    return (fate, ordinal, position, key, stage, reason, detail + DOUBT, *rest)


def outcome_name(outcome: Outcome) -> str:
    """`accepted`, `rejected` or `unknown`."""
    return type(outcome).__name__.lower()


def _spelt(value: Any) -> str | orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))

    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")

    return str(value)
