"""What `enqueue` puts on a queue is what the sources hold, cut the same way every time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import load
from pipeline.intake.queues.bodies import parse_body
from pipeline.running.plan import Plan
from pipeline.verbs.cutting import cut
from tests.fakes.configs import write_config

if TYPE_CHECKING:
    from pipeline.verbs.cutting import Group


def groups(directory: Path, source: str, *, each: int = 2, largest: int = 1_000_000) -> list[Group]:
    config = write_config(
        directory / "journey.toml",
        url="http://127.0.0.1:1",
        source=str(directory / source),
        mapping={"contact_key": "customer_id", "fields": None},
    )
    return list(cut(Plan.of(load(config)), key="k", each=each, largest=largest))


def test_messages_are_cut_by_the_sources_alone(tmp_path: Path) -> None:
    """So many records a message, none over two files; positions count over all of them."""
    for name in ("a.csv", "b.csv"):
        lines = [f"{name}-{number},x" for number in range(3)]
        (tmp_path / name).write_text("\n".join(["customer_id,City", *lines]) + "\n")

    (group,) = groups(tmp_path, "*.csv")
    assert [each.identity for each in group.messages] == ["k-1-2", "k-3-3", "k-4-5", "k-6-6"]
    assert [(each.contacts, each.last) for each in group.messages] == [
        (2, 2),
        (1, 3),
        (2, 5),
        (1, 6),
    ]
    assert group.messages[2].body == (
        b'[{"customer_id":"b.csv-0","City":"x"},{"customer_id":"b.csv-1","City":"x"}]'
    )
    assert groups(tmp_path, "*.csv") == [group]


def test_what_is_rejected_in_any_file_is_told(tmp_path: Path) -> None:
    """Also where a group of messages begins in one file and is full in the next."""
    (tmp_path / "a.csv").write_text("customer_id,City\n1,x\n2,x,y\n")
    lines = [f"{number},x" for number in range(3, 120)]
    (tmp_path / "b.csv").write_text("\n".join(["customer_id,City", *lines, "120,x,y"]) + "\n")
    told = [one.source for group in groups(tmp_path, "*.csv") for one in group.rejected]
    assert [Path(source).name for source in told] == ["a.csv", "b.csv"]


def test_records_arrive_as_they_were_read(tmp_path: Path) -> None:
    """Digit for digit; an empty cell is left out; what no JSON can carry is rejected, alone."""
    (tmp_path / "a.csv").write_text("customer_id,City\n007,\n008,Köln\n009,a,b\n")
    (group,) = groups(tmp_path, "a.csv", each=9)
    (message,) = group.messages
    assert message.body == '[{"customer_id":"007"},{"customer_id":"008","City":"Köln"}]'.encode()
    assert [each.position for each in group.rejected] == [3]
    (tmp_path / "b.ndjson").write_bytes(
        b'{"customer_id": 12345678901234567890123, "n": 0.12345678901234567890, "e": ""}\n'
        b'{"customer_id": "\\ud800"}\n'
        b'{"customer_id": null}\n'
    )
    (group,) = groups(tmp_path, "b.ndjson", each=9)
    (message,) = group.messages
    parsed = parse_body(message.body, source="queue", identity="k")
    assert [str(value) for value in parsed.records[0].values()] == [
        "12345678901234567890123",
        "0.12345678901234567890",
        "",
    ]
    assert parsed.records[1] == {"customer_id": None}
    assert [(each.position, each.reason) for each in group.rejected] == [(2, "malformed_json")]


def test_a_message_is_no_larger_than_a_queue_takes(tmp_path: Path) -> None:
    """Two records that are too much together travel one by one."""
    filling = "x" * 150_000
    (tmp_path / "a.csv").write_text(f"customer_id,City\n1,{filling}\n2,{filling}\n3,y\n")
    (group,) = groups(tmp_path, "a.csv", each=9)
    assert [each.identity for each in group.messages] == ["k-1-1", "k-2-3"]


def test_a_record_that_no_queue_takes_is_rejected(tmp_path: Path) -> None:
    """Alone; those around it arrive."""
    (tmp_path / "a.csv").write_text(f"customer_id,City\n1,x\n2,{'x' * 400}\n3,y\n")
    (group,) = groups(tmp_path, "a.csv", each=9, largest=300)
    assert [each.contacts for each in group.messages] == [2]
    (rejected,) = group.rejected
    assert (rejected.position, rejected.reason) == (2, "contact_too_large")
    assert "a message on the queue 300 at the most" in rejected.detail
