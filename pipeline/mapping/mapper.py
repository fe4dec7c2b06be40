"""The mapper: chunks of records become contacts, or rejections; nothing else, and none is lost."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import MappingError
from ..intake.source import Rejection, Stage
from ..intake.table import Table
from .checks import Checks
from .columns import ColumnEncoder, Encoded, column_encoder
from .compiler import compile_plan
from .contacts import Contacts, ContactShape
from .exact import encode as encode_exactly
from .exact import holds_no_number, number_hook
from .fitting import misfits
from .pieces import Layout
from .plan import Plan, plan_of
from .python_rule import PythonPlan
from .refused import Refused, nearest
from .target import WAY_OUT
from .template import parse_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..intake.source import Chunk
    from .compiler import Encode, Mend
    from .rules import FieldRule, MappingPolicy
    from .target import Finding, Target

__all__ = ("MAX_CONTACT_BYTES", "Mapper")

MAX_CONTACT_BYTES = 3_999_000
"""What leaves room for an envelope in a payload of 4,000,000 bytes, the default of a batch."""

_SHOWN = 30  # columns named in a message


class Mapper:
    """Maps chunks by one policy; the rules are compiled once per header. May be pickled.

    `target` is the event's data extension, if contacts are to be held against it.
    """

    def __init__(
        self,
        policy: MappingPolicy,
        *,
        shape: ContactShape | None = None,
        target: Target | None = None,
        max_contact_bytes: int = MAX_CONTACT_BYTES,
    ) -> None:
        self._policy = policy
        self._shape = shape or ContactShape()
        self._target = target
        self._max_contact_bytes = max_contact_bytes
        self._plans: dict[tuple[str, ...] | None, Plan | PythonPlan] = {}
        self._encoders: dict[tuple[tuple[str, ...] | None, Layout], Encode] = {}
        self._column_encoders: dict[tuple[str, ...], ColumnEncoder | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        compiled = ("_plans", "_encoders", "_column_encoders")  # anew where unpickled
        return self.__dict__ | {name: {} for name in compiled}

    def __repr__(self) -> str:
        return f"<Mapper compiled for {len(self._plans)} headers>"

    def prepare(self, columns: tuple[str, ...] | None) -> None:
        """Make sure that records with these columns can be mapped, before anything is sent.

        Raises:
            MappingError: a rule names a column that is not there, an optional library or the
                python rule cannot be imported, or the data extension would refuse every contact.
        """
        self._plan(columns)
        fatal = [finding.sentence for finding in self.findings(columns) if finding.fatal]
        if fatal:
            raise MappingError(f"mapping: {'; '.join(fatal)}. {WAY_OUT}")

    def findings(self, columns: tuple[str, ...] | None) -> list[Finding]:
        """What the mapping and the data extension disagree on, as far as it can be known now."""
        names = self.field_names(columns)
        if self._target is None or names is None:
            return []

        rules = self._policy.field_rules() or {}
        return [*self._target.findings(names), *misfits(rules, self._target)]

    def field_names(self, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The fields contacts will have; None where every record names its own."""
        if self._policy.python is not None:
            return None

        return columns if self._policy.fields is None else tuple(self._policy.fields)

    def map(self, chunk: Chunk) -> Contacts:
        """Map a chunk. A record that breaks a rule is rejected and costs no other record.

        Raises:
            MappingError: as `prepare` does for the chunk's columns.
        """
        rejected: list[Rejection] = []
        mend = self._mend(chunk, rejected)
        made = self._by_columns(chunk, mend) or self._by_rows(chunk, mend)
        positions = chunk.positions
        if made.lost:
            gone = set(made.lost)
            positions = [at for index, at in enumerate(positions) if index not in gone]

        if chunk.rejected:
            rejected = sorted((*chunk.rejected, *rejected), key=lambda one: one.position)

        return Contacts(
            source=chunk.source,
            positions=positions,
            keys=made.keys,
            joined=b",".join(made.pieces),
            lengths=made.lengths,
            rejected=rejected,
            mark=chunk.mark,
        )

    def _by_columns(self, chunk: Chunk, mend: Mend) -> Encoded | None:
        """The contacts of a table, unless rows are the better way."""
        columns, table = chunk.columns, chunk.records
        if columns is None or not isinstance(table, Table):
            return None

        if columns not in self._column_encoders:
            plan = self._plan(columns)
            self._column_encoders[columns] = (
                column_encoder(plan, columns, shape=self._shape, max_bytes=self._max_contact_bytes)
                if isinstance(plan, Plan)
                else None
            )

        encoder = self._column_encoders[columns]
        made = None if encoder is None else encoder.encode(table, mend)
        if made is None:  # one such table is followed by others
            self._column_encoders[columns] = None

        return made

    def _by_rows(self, chunk: Chunk, mend: Mend) -> Encoded:
        plan = self._plan(chunk.columns)
        if isinstance(plan, Plan):
            encode = self._encoder(plan, chunk)
            keys, bodies, lost = encode(chunk.records, orjson.dumps, number_hook, mend)
        else:
            keys, bodies, lost = _one_by_one(chunk.records, mend)

        return Encoded(keys, bodies, array("I", map(len, bodies)), lost)

    def _plan(self, columns: tuple[str, ...] | None) -> Plan | PythonPlan:
        plan = self._plans.get(columns)
        if plan is None:
            checks = None if self._target is None else Checks(self._target)
            if self._policy.python is not None:
                plan = PythonPlan(self._policy.python, checks)
            else:
                _check_columns(self._policy, columns)
                plan = plan_of(self._policy, columns, target=self._target)

            self._plans[columns] = plan

        return plan

    def _encoder(self, plan: Plan, chunk: Chunk) -> Encode:
        layout = _layout(chunk)
        encode = self._encoders.get((chunk.columns, layout))
        if encode is None:
            encode = self._encoders[chunk.columns, layout] = compile_plan(
                plan,
                chunk.columns,
                layout=layout,
                shape=self._shape,
                max_bytes=self._max_contact_bytes,
            )

        return encode

    def _mend(self, chunk: Chunk, rejected: list[Rejection]) -> Mend:
        """Make the function that maps one record carefully, and notes why where it cannot."""
        plan, columns = self._plan(chunk.columns), chunk.columns

        def mend(index: int, record: Any) -> tuple[str, bytes] | None:
            try:
                return self._contact(plan, _as_dict(record, columns))
            except Refused as refused:
                rejected.append(
                    Rejection(
                        source=chunk.source,
                        position=chunk.positions[index],
                        stage=Stage.MAPPING,
                        reason=refused.reason,
                        detail=refused.detail,
                        record=_shown(record, columns),
                        contact_key=refused.contact_key,
                    )
                )
                return None

        return mend

    def _contact(self, plan: Plan | PythonPlan, record: Mapping[str, Any]) -> tuple[str, bytes]:
        key, data = plan.contact(record)
        shape = self._shape
        try:
            body = orjson.dumps(shape.filled(key, data), number_hook)
            exact = not (b"null" in body and holds_no_number(data))
        except (TypeError, Refused):
            exact = False

        if not exact:
            body = encode_exactly(key, data, shape=shape)

        if len(body) > self._max_contact_bytes:
            detail = f"{len(body)} bytes of JSON, and a contact takes {self._max_contact_bytes}"
            raise Refused("contact_too_large", detail, contact_key=key)

        return key, body


def _layout(chunk: Chunk) -> Layout:
    if chunk.columns is None:
        return Layout.RECORDS

    first = chunk.records[0] if chunk.records else ()
    text = all(type(value) is str for value in first)
    return Layout.TEXT_ROWS if text else Layout.ROWS


def _one_by_one(records: Sequence[Any], mend: Mend) -> tuple[list[str], list[bytes], list[int]]:
    made = [mend(index, record) for index, record in enumerate(records)]
    kept = [contact for contact in made if contact is not None]
    lost = [index for index, contact in enumerate(made) if contact is None]
    return [key for key, _ in kept], [body for _, body in kept], lost


def _as_dict(record: Any, columns: tuple[str, ...] | None) -> Mapping[str, Any]:
    if columns is not None:
        if len(record) != len(columns):
            detail = f"{len(record)} values for {len(columns)} columns"
            raise Refused("wrong_number_of_values", detail)

        return dict(zip(columns, record, strict=True))

    if not isinstance(record, dict):
        raise Refused("not_an_object", f"a record is an object, not {type(record).__name__}")

    return record


def _shown(record: Any, columns: tuple[str, ...] | None) -> Any:
    """The record as a rejected line holds it: column by column, as it was read."""
    if columns is None or len(record) != len(columns):
        return record

    return dict(zip(columns, record, strict=True))


def _check_columns(policy: MappingPolicy, columns: tuple[str, ...] | None) -> None:
    """Raise MappingError for rules that name a column the source does not have."""
    if columns is None:
        return

    rules = {"contact_key": policy.key_rule()}
    rules |= {f"fields.{name}": rule for name, rule in (policy.field_rules() or {}).items()}
    problems = [
        f"mapping.{place}: the source has no column {column!r}{nearest(column, columns)}"
        for place, rule in rules.items()
        for column in _columns_of(rule)
        if column not in columns
    ]
    if problems:
        more = f", and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
        shown = ", ".join(map(repr, columns[:_SHOWN]))
        raise MappingError(f"{'; '.join(problems)} (its columns: {shown}{more})")


def _columns_of(rule: FieldRule) -> tuple[str, ...]:
    if rule.template is not None:
        return parse_template(rule.template).columns

    return () if rule.column is None else (rule.column,)
