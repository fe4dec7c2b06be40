from __future__ import annotations

import csv
import hashlib
import json
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.contacts import COLUMNS, contacts_file, lines

if TYPE_CHECKING:
    from pathlib import Path


def test_same_everywhere() -> None:
    """The file is the same on every machine and Python: figures are of the same input."""
    digest = hashlib.sha256("".join(lines(2_000)).encode()).hexdigest()

    assert digest == "50263d73e3c214c95f44b51c2ad67a07ffbaf1c9997523d37a318fdce53f01a9"


def test_shape(tmp_path: Path) -> None:
    """Nine columns, no empty cell, every key its own, about 274 bytes of JSON a contact."""
    with contacts_file(20_000, directory=tmp_path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    size = sum(
        len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()) + 1
        for body in ({"ContactKey": row["customer_id"], "Data": row} for row in rows)
    )
    assert len(rows) == 20_000
    assert all(tuple(row) == COLUMNS and all(row.values()) for row in rows)
    assert len(COLUMNS) == 9
    assert len({row["customer_id"] for row in rows}) == 20_000
    assert 265 < size / len(rows) < 280


def test_shorter_file_begins_the_longer_one() -> None:
    """Sizes may be compared: n contacts are the first n of any longer file."""
    assert list(lines(15_000)) == list(islice(lines(25_000), 15_000))


def test_file_is_kept(tmp_path: Path) -> None:
    """A file that is there is not made again, and no half of one is ever found."""
    path = contacts_file(10, directory=tmp_path)
    path.write_text("kept", encoding="utf-8")

    assert contacts_file(10, directory=tmp_path).read_text(encoding="utf-8") == "kept"
    assert list(tmp_path.iterdir()) == [path]
