"""The workbench: messages of a queue are parsed on it, and mapped once their positions are known.

Between the two, what was taken is written into the journal: it gives the positions, and may know
some of them. The workbench stands in a thread or in a child process (`taking/workshop.py`).

Protocol of the connection to a child: it says READY; the parent sends the workbench, then one piece
of work after the other, a callable that is given the workbench; the child answers each with what
the work returns, or with the JourneyError that it raises.
"""

from __future__ import annotations

from dataclasses import dataclass
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

__all__ = ("Portion", "Workbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Records of the message that was laid at `index`, whose first has position `first`.

    Those whose position is `wanted`; None: all of them.
    """

    index: int
    first: int
    wanted: AbstractSet[int] | None = None


class Workbench:
    """Makes contacts of messages. May be pickled, without what lies on it."""

    def __init__(self, mapper: Mapper, *, source: str) -> None:
        self._mapper = mapper
        self._source = source
        self._laid: list[Body] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_laid": []}

    def lay(self, messages: Sequence[tuple[str, bytes]]) -> list[int]:
        """Parse messages, (identity, body) each; how many records are in each.

        They lie there until contacts are made of them, or others are laid there.
        """
        self._laid = [
            parse_body(body, source=self._source, identity=identity) for identity, body in messages
        ]
        return [each.count for each in self._laid]

    def make(self, orders: Sequence[Sequence[Portion]]) -> list[Contacts]:
        """The contacts of each order, whose portions ascend; nothing lies there any more.

        Raises:
            MappingError: as the mapper does.
        """
        laid, self._laid = self._laid, []
        made = []
        for portions in orders:
            gathered = Gathered()
            for portion in portions:
                gathered.add(laid[portion.index], portion.first, wanted=portion.wanted)

            made.append(self._mapper.map(gathered.chunk(self._source)))

        return made

    def serve(self, connection: Crossing) -> None:
        """Be the child, until the parent is gone: then EOFError is raised."""
        while True:
            work: Callable[[Workbench], Any] = connection.receive()
            try:
                answer = work(self)
            except JourneyError as error:
                answer = error

            connection.send(answer)

    def __repr__(self) -> str:
        return f"<Workbench of {self._source}, {len(self._laid)} messages on it>"
