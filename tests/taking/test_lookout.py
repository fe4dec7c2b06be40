"""The lookout: whatever a queue answers, or does not, the work goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.errors import SourceError
from pipeline.events import BacklogSeen
from pipeline.intake.queues.message import Backlog, QueueLostError
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from pipeline.taking import lookout
from pipeline.taking.lookout import Lookout

if TYPE_CHECKING:
    from pipeline.events import Event

NOT_KNOWN = BacklogSeen(waiting=None, taken=None, oldest_seconds=None)


class Asked:
    """A queue that answers as it is told to; None: not at all."""

    def __init__(self, answers: list[Backlog | Exception | None]) -> None:
        self.answers = answers
        self.closed = 0

    async def backlog(self) -> Backlog:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer

        if answer is None:
            await anyio.sleep_forever()

        assert answer is not None
        return answer

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    "trouble",
    [QueueLostError("refused"), SourceError("no such user"), KeyError("Attributes"), None],
)
async def test_what_fails_is_not_known_and_asked_anew(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    """By another line; what was known before is not passed off as what is there now."""
    asked = Asked([Backlog(waiting=3), trouble, Backlog(waiting=4, taken=1, oldest_seconds=2.0)])
    monkeypatch.setattr(lookout, "queue_of", lambda _: asked)
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(lookout, "LOOK_EVERY_SECONDS", 0.0)
    told: list[Event] = []
    with anyio.fail_after(10), anyio.CancelScope() as scope:

        def emit(event: Event) -> None:
            told.append(event)
            if len(told) == 3:
                scope.cancel()

        await Lookout(place_of(SourcePolicy(url="redis://host/contacts")), emit=emit).keep()

    assert told == [
        BacklogSeen(waiting=3, taken=None, oldest_seconds=None),
        NOT_KNOWN,
        BacklogSeen(waiting=4, taken=1, oldest_seconds=2.0),
    ]
    assert asked.closed == 2  # after the trouble, and at the end
