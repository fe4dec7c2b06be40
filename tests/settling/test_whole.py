"""Files that are replaced as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.settling.whole import drafted, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_half_a_draft_is_taken_away(tmp_path: Path) -> None:
    """What cannot be written to its end leaves the file as it was, and nothing beside it."""
    path = tmp_path / "accepted-2026-11-29.ndjson"
    write_whole(path, b"whole")
    with pytest.raises(OSError, match="full"), drafted(path):
        raise OSError("the disk is full")

    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
