"""Delivery tags: nothing is acknowledged that is not done with, and nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.queues.amqp_tags import Tags

if TYPE_CHECKING:
    from collections.abc import Iterable


class Broker:
    """What RabbitMQ makes of acknowledgements: it closes the channel over one it does not know."""

    def __init__(self, tags: Iterable[int]) -> None:
        self.waiting = set(tags)

    def hear(self, frames: list[tuple[int, bool]]) -> None:
        for tag, multiple in frames:
            assert tag in self.waiting
            self.waiting -= {each for each in self.waiting if each <= tag} if multiple else {tag}


@given(st.permutations(range(1, 30)), st.lists(st.integers(1, 6)))
def test_what_is_done_with_is_acknowledged_and_nothing_else(
    order: list[int], sizes: list[int]
) -> None:
    """In whatever order messages are done with, and however many at a time, some of them twice."""
    tags, broker, done = Tags(), Broker(order), set[int]()
    while order:
        size = sizes.pop() if sizes else 3
        some, order = order[:size], order[size:]
        done.update(some)
        broker.hear(tags.acknowledged([*some, *some[:1]]))
        assert broker.waiting == set(range(1, 30)) - done
        assert tags.acknowledged(some) == []


def test_what_is_in_order_is_one_frame() -> None:
    """And no tag goes for one that was not given to the worker, whatever became of it."""
    tags = Tags()
    assert tags.acknowledged(range(1, 41)) == [(40, True)]
    assert tags.acknowledged([42, 43]) == [(42, False), (43, False)]
    assert tags.acknowledged([41, 44]) == [(44, True)]
