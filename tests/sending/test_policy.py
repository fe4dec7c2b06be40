"""The delivery policy: wrong values are refused with a sentence that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.sending.policy import DeliveryPolicy, OnUnknown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_in_flight", 0),
        ("max_attempts", 0),
        ("requests_per_second", 0),
        ("requests_per_second", -1),
        ("requests_per_second", float("nan")),
        ("contacts_per_hour", 0),
        ("timeout_seconds", 0),
        ("timeout_seconds", float("inf")),
        ("on_unknown", "forget"),
        ("max_errors", -1),
        ("max_errors", "5 percent"),
        ("max_errors", "101%"),
        ("max_errors", "%"),
    ],
)
def test_values_that_make_no_sense(field: str, value: Any) -> None:
    """Each is refused by name."""
    with pytest.raises(ValueError, match=field):
        DeliveryPolicy(**{field: value})


@pytest.mark.parametrize("max_errors", [0, 5, "5", "0%", "2.5%", "100 %", None])
def test_error_budgets(max_errors: int | str | None) -> None:
    """A count, a share, or none."""
    DeliveryPolicy(max_errors=max_errors)


def test_filled_by_pydantic() -> None:
    """Text from the environment becomes numbers and members."""
    policy = TypeAdapter(DeliveryPolicy).validate_python(
        {"max_in_flight": "4", "requests_per_second": "0.5", "on_unknown": "resend"}
    )
    assert (policy.max_in_flight, policy.requests_per_second) == (4, 0.5)
    assert policy.on_unknown is OnUnknown.RESEND
