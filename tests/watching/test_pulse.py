"""What a run's process keeps of it from second to second, and where it may write that."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from pipeline.config import load
from pipeline.events.emitter import Emitter
from pipeline.flow import accompanied, run_leg
from pipeline.running.legs import RunOptions
from pipeline.settling.appending import append_lines
from pipeline.settling.lock import holder
from pipeline.watching import pulse, samples_file
from pipeline.watching.pulse import Pulse
from pipeline.watching.samples import Sampler
from pipeline.watching.samples_file import SampleFile, read_samples
from pipeline.watching.sight import Sight
from pipeline.watching.vitals import Vitals
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pipeline.running.stop import Stop

CONTACTS = 300


async def test_written_while_the_run_is_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its beginning to its last sample the lock is held; nothing is written while a worker
    waits for the next run, nor at its end."""
    holders: list[int | None] = []

    def append(path: Path, line: bytes) -> None:
        holders.append(holder(path.parent))
        append_lines(path, line)

    monkeypatch.setattr(samples_file, "append_lines", append)
    monkeypatch.setattr(samples_file, "LEAST_SECONDS", 0.1)
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.05)
    written: list[int] = []
    write_contacts(tmp_path / "contacts.csv", range(1, CONTACTS + 1))
    emitter, vitals = Emitter(), Vitals()
    emitter.subscribe(vitals.note)
    async with standing(tmp_path) as stand:
        config = load(stand.configured(delivery={"requests_per_second": 40}), {})

        async def work(stop: Stop, sight: Sight) -> None:
            await run_leg(config, RunOptions(), emitter=emitter, stop=stop, sight=sight)
            written.append(len(holders))
            await anyio.sleep(0.4)

        await accompanied(work, config, emitter=emitter, companions=[Pulse(vitals)])

    assert set(holders) == {os.getpid()}
    assert written == [len(holders)]
    assert len(holders) >= 3
    samples = list(read_samples(tmp_path / "run"))
    assert len(samples) == len(holders)
    assert sum(sample["accepted"] for sample in samples) == CONTACTS


def test_a_thread_that_is_late_writes_nothing(tmp_path: Path) -> None:
    """Once the file is closed another process may have the run; by then all is written."""
    file = SampleFile(tmp_path, Sampler(Vitals(), Sight(), now=0.0), now=0.0)
    for end in (1.0, 2.0):
        file.cut(end, at=end)  # and the thread that is to write it has not begun

    file.close()
    file.cut(3.0, at=3.0)
    file.write()
    assert [sample["at"] for sample in read_samples(tmp_path)] == [1.0, 2.0]
