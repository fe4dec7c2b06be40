"""Retries of tokens and look-ups do not wait in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stamina
from stamina.instrumentation import set_on_retry_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    set_on_retry_hooks([])
    with stamina.set_testing(True, attempts=3, cap=True):
        yield

    set_on_retry_hooks(None)
