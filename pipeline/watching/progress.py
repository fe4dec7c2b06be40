"""Progress on stderr: a live bar where it is a terminal, a line every ten seconds where not.

    12:03:10  120,500 accepted · 0 rejected · 0 unknown · 9,870/s · 16 in flight · 12 % ·
              limit: rate since 12:03:01 · 1:02 left

`draw` is a loop for the run's task group: it samples the tally four times a second, whatever the
run does in between, and ends when it is cancelled. Nothing it draws is ever wrapped; what does not
fit is left out, the least important first. stdout is never touched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from .notice import Notice, Tone
from .notices import LOG
from .showing import show

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, RenderableType

    from .tally import Snapshot, Tally

__all__ = ("Bar", "Lines", "draw", "duration", "plain_line", "printable")

_STYLES = {Tone.NEWS: "cyan", Tone.WARNING: "yellow", Tone.TROUBLE: "bold red"}
_NARROWEST_BAR = 8  # columns; below, the bar tells less than the numbers it displaces
_TIME_WIDTH = len("12:03:10  ")

Clock = Callable[[], float]
WallClock = Callable[[], datetime]


def _local_time() -> datetime:
    return datetime.now().astimezone()


async def draw(
    tally: Tally,
    console: Console,
    *,
    interval_seconds: float = 0.25,
    clock: Clock = time.monotonic,
    wall_clock: WallClock = _local_time,
) -> None:
    """Draw `tally` on `console` until cancelled; the last state stays on the screen."""
    animated = console.is_terminal and not console.is_dumb_terminal
    with (
        Bar(tally, console) if animated else Lines(tally, console, wall_clock=wall_clock) as display
    ):
        await show(display, interval_seconds=interval_seconds, clock=clock)


class Lines:
    """Plain lines, for files, pipes and terminals that cannot move their cursor."""

    def __init__(
        self,
        tally: Tally,
        console: Console,
        *,
        wall_clock: WallClock = _local_time,
        interval_seconds: float = 10.0,
    ) -> None:
        self._tally = tally
        self._console = console
        self._wall_clock = wall_clock
        self._interval_seconds = interval_seconds
        self._due: float | None = None

    def tick(self, now: float) -> None:
        """Print the notices that have come up, and a line of progress when one is due."""
        snapshot = self._tally.sample(now)
        self._print_notices()
        if self._due is None:
            self._due = now + self._interval_seconds
        elif now >= self._due:
            missed = (now - self._due) // self._interval_seconds
            self._due += self._interval_seconds * (1 + missed)
            self._print_counts(snapshot)

    def finish(self, now: float) -> None:
        """Print what is left to tell, and the last line."""
        snapshot = self._tally.sample(now)
        self._print_notices()
        self._print_counts(snapshot)

    def _print_counts(self, snapshot: Snapshot) -> None:
        if not LOG.isEnabledFor(logging.INFO):
            return

        width = self._console.width if self._console.is_terminal else None
        self._print(plain_line(snapshot, width))

    def _print_notices(self) -> None:
        for notice in self._tally.take_notices():
            if LOG.isEnabledFor(notice.tone.level):
                self._print(printable(notice.text))

    def _print(self, line: str) -> None:
        text = Text(_encodable(f"{self._wall_clock():%H:%M:%S}  {line}", self._console))
        self._console.print(text, soft_wrap=True, highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to release: lines stand where they were printed."""


class Bar:
    """The live display: notices scroll by above, the bar and the counts stay below."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self._tally = tally
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def tick(self, now: float) -> None:
        """Print the notices that have come up and draw the bar anew."""
        snapshot = self._tally.sample(now)
        for notice in self._tally.take_notices():
            self._console.print(_notice_text(notice, self._console), highlight=False)

        self._live.update(frame(snapshot, self._console), refresh=True)

    def finish(self, now: float) -> None:
        """Draw the last state, which stays."""
        self.tick(now)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


def frame(snapshot: Snapshot, console: Console) -> RenderableType:
    """The live display of one moment: two lines, a third while something stands in the way."""
    separator = _encodable(" · ", console)
    lines: list[RenderableType] = [
        _headline(snapshot, width=console.width, separator=separator),
        _fitting(_counts(snapshot), width=console.width, separator=separator),
    ]
    if snapshot.condition is not None:
        text = Text(_encodable(printable(snapshot.condition), console), style="yellow")
        text.truncate(console.width, overflow="ellipsis" if separator == " · " else "crop")
        lines.append(text)

    return Group(*lines)


def _headline(snapshot: Snapshot, *, width: int, separator: str) -> RenderableType:
    tail = _fitting([Text(part) for part in _pace(snapshot)], width=width, separator=separator)
    room = width - len(tail) - 2
    if snapshot.share is None or room < _NARROWEST_BAR:
        return tail

    bar = ProgressBar(
        total=1.0,
        completed=snapshot.share,
        width=room,
        complete_style="cyan",
        finished_style="green",
    )
    return _Beside(bar, tail, bar_width=room)


class _Beside:
    """A bar and a text on one line, without a table's rounding of widths."""

    def __init__(self, bar: ProgressBar, tail: Text, *, bar_width: int) -> None:
        self._bar, self._tail, self._bar_width = bar, tail, bar_width

    def __rich_console__(self, console: Console, _options: object) -> list[RenderableType]:
        cells = console.render_lines(self._bar, console.options.update(width=self._bar_width))
        line = Text(no_wrap=True)
        # Without colours an empty bar renders to nothing at all: pad it to its place.
        for segment in Segment.adjust_line_length(cells[0] if cells else [], self._bar_width):
            line.append(segment.text, segment.style)

        return [line.append("  ").append_text(self._tail)]


def _pace(snapshot: Snapshot) -> list[str]:
    parts = []
    if snapshot.share is not None:
        parts.append(f"{snapshot.share:.0%}".replace("%", " %"))

    parts.append(_rate(snapshot.per_second))
    if snapshot.limit is not None:
        since = snapshot.limited_since
        parts.append(f"limit: {snapshot.limit}" + (f" since {since:%H:%M:%S}" if since else ""))

    if snapshot.left_seconds is not None:
        parts.append(f"{duration(snapshot.left_seconds)} left")

    return parts


def _counts(snapshot: Snapshot) -> list[Text]:
    parts = [
        Text(f"{snapshot.accepted:,} accepted", "green" if snapshot.accepted else ""),
        Text(f"{snapshot.rejected:,} rejected", "red" if snapshot.rejected else ""),
        Text(f"{snapshot.unknown:,} unknown", "yellow" if snapshot.unknown else ""),
        Text(f"{snapshot.in_flight:,} in flight"),
    ]
    if snapshot.retries:
        parts.append(Text("1 retry" if snapshot.retries == 1 else f"{snapshot.retries:,} retries"))

    return parts


def plain_line(snapshot: Snapshot, width: int | None = None) -> str:
    """The plain line of one moment, without its time; all of it where nothing limits its width."""
    counts = [part.plain for part in _counts(snapshot)]
    share, *pace = _pace(snapshot) if snapshot.share is not None else ["", *_pace(snapshot)]
    rate, *left = pace
    condition = [printable(snapshot.condition)] if snapshot.condition else []
    parts = [*counts[:3], rate, *counts[3:], *([share] if share else []), *left, *condition]
    if width is None:
        return " · ".join(parts)

    return _fitting(
        [Text(part) for part in parts], width=width - _TIME_WIDTH, separator=" · "
    ).plain


def _fitting(parts: list[Text], *, width: int, separator: str) -> Text:
    """As many of `parts`, from the first, as fit on a line."""
    line = Text(no_wrap=True, overflow="crop")
    for part in parts:
        lead = separator if line else ""
        if line and len(line) + len(lead) + len(part) > width:
            break

        line.append(lead, "dim").append_text(part)

    return line


def _notice_text(notice: Notice, console: Console) -> Text:
    return Text(_encodable(printable(notice.text), console), style=_STYLES[notice.tone])


def printable(text: str) -> str:
    """`text` on one line, without anything a terminal would obey (it may quote a server)."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _encodable(text: str, console: Console) -> str:
    if not console.options.ascii_only:
        return text

    return text.replace("·", "-").encode("ascii", "replace").decode("ascii")


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 or not per_second else f"{per_second:.1f}/s"


def duration(seconds: float) -> str:
    """A length of time for people: 0:07, 1:02, 2:15:00, 3 d 4 h."""
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"

    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
