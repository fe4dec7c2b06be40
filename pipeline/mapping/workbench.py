"""The workbench: contacts are made there of messages of a queue.

Which positions they have the journal says, which is asked how many there are: so they are made as
if the first had position 1, and moved on. Where it knows some of them, or holds some in doubt, they
are made again, as it says. The workbench stands in a thread or in a child process
(`taking/workshop.py`).

Protocol of the connection to a child: it says READY; the parent sends the workbench, then pieces of
work, callables that are given the workbench; the child answers each in its turn, with what the work
returns or with the JourneyError that it raises. It takes in the next piece while it is at one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from ..errors import JourneyError
from ..intake.queues.bodies import parse_body
from ..intake.queues.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from ..intake.queues.bodies import Body
    from .contacts import Contacts
    from .crossing import Crossing
    from .mapper import Mapper

__all__ = ("Made", "Portion", "Workbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Records of the message that is at `index`, whose first has position `first`.

    Those whose position is `wanted`; None: all of them.
    """

    index: int
    first: int
    wanted: AbstractSet[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What messages hold: how many records each, and the contacts, at positions from 1 on."""

    counts: list[int]
    contacts: Contacts


class Workbench:
    """Makes contacts of messages, (identity, body) each. May be pickled."""

    def __init__(self, mapper: Mapper, *, source: str) -> None:
        self._mapper = mapper
        self._source = source

    def make(self, messages: Sequence[tuple[str, bytes]]) -> Made:
        """All that is in them, one message behind the other.

        Raises:
            MappingError: as the mapper does.
        """
        parsed, portions, first = self._parsed(messages), [], 1
        for index, body in enumerate(parsed):
            portions.append(Portion(index=index, first=first))
            first += body.count

        counts = [body.count for body in parsed]
        return Made(counts=counts, contacts=self._mapped(parsed, portions))

    def make_of(
        self, messages: Sequence[tuple[str, bytes]], orders: Sequence[Sequence[Portion]]
    ) -> list[Contacts]:
        """The contacts of each order, whose portions ascend. Raises as `make` does."""
        parsed = self._parsed(messages)
        return [self._mapped(parsed, portions) for portions in orders]

    def serve(self, connection: Crossing) -> None:
        """Be the child, until the parent is gone: then EOFError is raised."""
        given = SimpleQueue[Any]()
        Thread(target=_take_in, args=(connection, given), daemon=True).start()
        while (work := given.get()) is not None:
            try:
                answer = work(self)
            except JourneyError as error:
                answer = error

            try:
                connection.send(answer)
            except OSError:
                break

        raise EOFError

    def _parsed(self, messages: Sequence[tuple[str, bytes]]) -> list[Body]:
        return [
            parse_body(body, source=self._source, identity=identity) for identity, body in messages
        ]

    def _mapped(self, parsed: Sequence[Body], portions: Sequence[Portion]) -> Contacts:
        gathered = Gathered()
        for portion in portions:
            gathered.add(parsed[portion.index], portion.first, wanted=portion.wanted)

        return self._mapper.map(gathered.chunk(self._source))

    def __repr__(self) -> str:
        return f"<Workbench of {self._source}>"


def _take_in(connection: Crossing, given: SimpleQueue[Callable[[Workbench], Any] | None]) -> None:
    """Receive one piece of work after the other, and None at the end; in a thread.

    So whoever sends the next one need not wait until the last one is done. The end comes where one
    cannot be received, too: who waits for an answer waits for ever otherwise.
    """
    try:
        with suppress(EOFError, OSError, MemoryError):
            while True:
                given.put(connection.receive())
    finally:
        given.put(None)
