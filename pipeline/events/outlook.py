"""What is reported of the event before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("FieldsRead", "FieldsUnreadable", "ListenersRead")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsRead:
    """The event's data extension was read; contacts are held against its fields."""

    event_definition_key: str
    fields: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenersRead:
    """The journeys behind the event were looked at; `lines` tell of each."""

    listening: bool  # whether one lets contacts in
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsUnreadable:
    """The fields could not be read; contacts go unchecked."""

    detail: str
