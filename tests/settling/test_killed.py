"""A process that writes through the journal is killed, for real, again and again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from pipeline.settling.admission import Kind
from pipeline.settling.directory import RunDirectory
from tests.fakes.runs import identity_of, lines_of
from tests.fakes.writing import CONTACTS, EVERY, SIZE

ROOT = Path(__file__).parents[2]
NAMES = ("accepted", "rejected", "unknown")


def write_and_be_killed(directory: Path, *, after: int) -> Counter[tuple[str, int]]:
    """Let a process write until it has said `after` lines; what it said of each first position."""
    said: Counter[tuple[str, int]] = Counter()
    command = [sys.executable, "-m", "tests.fakes.writing", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            word, position = line.split()
            said[word, int(position)] += 1
            if said.total() == after:
                process.kill()

    return said


def test_killed_again_and_again(tmp_path: Path) -> None:
    """Whenever it is killed: nothing said to be settled is lost, and nothing is sent twice."""
    said: Counter[tuple[str, int]] = Counter()
    kills = (1, 7, 30, 61, 10_000)  # the last one comes to its end
    for after in kills:
        said += write_and_be_killed(tmp_path, after=after)

    sent = Counter({position: n for (word, position), n in said.items() if word == "sent"})
    assert max(sent.values()) == 1
    with RunDirectory(tmp_path) as directory:
        opened = directory.open(identity_of(), endpoint="events")
        counts = opened.replay.counts

    assert opened.kind is Kind.CONTINUED
    assert opened.replay.resumptions == len(kills)
    assert (counts.read, counts.settled) == (CONTACTS, CONTACTS)
    for position in (position for word, position in said if word == "settled"):
        assert position in opened.replay.done["contacts.csv"]

    lines = {name: lines_of(tmp_path, name) for name in NAMES}
    accepted = [p for line in lines["accepted"] for p in range(line["first"], line["last"] + 1)]
    failed = [line["position"] for name in NAMES[1:] for line in lines[name]]
    assert sorted(accepted + failed) == list(range(1, CONTACTS + 1))
    assert len(accepted) == counts.accepted
    for position in (position for word, position in said if word == "settled"):
        file = "rejected" if position % EVERY == 1 else "accepted"
        assert any(line.get("first", line.get("position")) == position for line in lines[file])

    unknown = {line["position"] for line in lines["unknown"]}
    settled = {first for word, first in said if word == "settled"}
    assert not unknown & {first + n for first in settled for n in range(SIZE)}
    assert all(line["reason"] == "interrupted" for line in lines["unknown"])
    assert len(unknown) <= 4 * SIZE * (len(kills) - 1)
