from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.brokers import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server that the tests of a module share: each empties it first."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey
