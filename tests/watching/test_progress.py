"""The two displays, read line by line."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from rich.console import Console

from pipeline.events import (
    AttemptFailed,
    BatchSettled,
    ChunkRead,
    HoldStarted,
    RequestStarted,
    RunHalted,
    RunStarted,
)
from pipeline.watching.progress import Bar, Lines, draw, duration, frame, printable
from pipeline.watching.tally import Snapshot, Tally


class Utf8(io.StringIO):
    """A stream as a terminal would be: text goes in, an encoding is named."""

    encoding = "utf-8"


class Ascii(io.StringIO):
    """A stream of a machine without a locale."""

    encoding = "ascii"


def terminal(width: int = 80, *, colour: bool = True, file: io.StringIO | None = None) -> Console:
    return Console(
        file=file or Utf8(),
        force_terminal=True,
        color_system="standard" if colour else None,
        no_color=not colour,
        width=width,
        legacy_windows=False,
        _environ={"TERM": "xterm"},
    )


def plain(width: int = 80) -> Console:
    return Console(file=Utf8(), force_terminal=False, width=width, _environ={})


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def snapshot(
    *,
    accepted: int = 120_500,
    retries: int = 0,
    share: float | None = 0.12,
    left_seconds: float | None = 62.0,
    condition: str | None = None,
    limit: str | None = None,
) -> Snapshot:
    return Snapshot(
        read=130_000,
        accepted=accepted,
        rejected=0,
        unknown=0,
        before=0,
        requests=241,
        retries=retries,
        in_flight=16,
        per_second=9_870.2,
        share=share,
        left_seconds=left_seconds,
        condition=condition,
        limit=limit,
        limited_since=datetime(2026, 3, 1, 12, 3, 1, tzinfo=UTC),
    )


def shown(moment: Snapshot, console: Console) -> list[str]:
    console.print(frame(moment, console))
    return text_of(console).splitlines()


class Wall:
    """A clock on the wall that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def steady_run(display: Lines, tally: Tally, wall: Wall, *, seconds: int) -> None:
    start = wall.now
    for second in range(seconds + 1):
        wall.now = start + timedelta(seconds=second)
        display.tick(float(second))
        tally.note(BatchSettled(batch_id=second, outcome="accepted", contacts=5_000))


def test_plain_lines_come_every_ten_seconds() -> None:
    """A line per ten seconds says everything, to the letter."""
    tally, wall, console = Tally(), Wall(), plain()
    tally.note(RunStarted(run_id="r", resumed=False, settled=0, total=400_000, directory="d"))
    tally.note(RequestStarted(batch_id=1))
    steady_run(Lines(tally, console, wall_clock=wall), tally, wall, seconds=25)
    assert text_of(console).splitlines() == [
        (
            "12:03:10  50,000 accepted · 0 rejected · 0 unknown · 5,000/s · 1 in flight · 12 % "
            "· 1:10 left"
        ),
        (
            "12:03:20  100,000 accepted · 0 rejected · 0 unknown · 5,000/s · 1 in flight · 25 % "
            "· 1:00 left"
        ),
    ]


def test_plain_lines_without_an_end_in_sight_leave_share_and_time_out() -> None:
    """A queue has neither a share nor an end."""
    tally, wall, console = Tally(), Wall(), plain()
    steady_run(Lines(tally, console, wall_clock=wall), tally, wall, seconds=10)
    assert text_of(console).splitlines() == [
        "12:03:10  50,000 accepted · 0 rejected · 0 unknown · 5,000/s · 0 in flight",
    ]


def test_plain_notices_come_at_once_and_whole() -> None:
    """A notice does not wait for ten seconds, and no width cuts it."""
    tally, console = Tally(), plain(width=40)
    lines = Lines(tally, console, wall_clock=Wall())
    tally.note(RunHalted(detail="403 Forbidden: " + "the package lacks a permission " * 4))
    lines.tick(0.0)
    assert text_of(console) == (
        "12:03:00  halted: 403 Forbidden: "
        + "the package lacks a permission " * 3
        + "the package lacks a permission\n"
    )


def test_plain_lines_missed_are_not_made_up_for() -> None:
    """After a stall one line is printed, not one for each interval that passed."""
    tally, console = Tally(), plain()
    lines = Lines(tally, console, wall_clock=Wall())
    for now in (0.0, 95.0, 95.25):
        lines.tick(now)

    assert len(text_of(console).splitlines()) == 1


def test_plain_lines_on_a_terminal_that_cannot_move_its_cursor_fit_its_width() -> None:
    """TERM=dumb still has a right edge."""
    console = Console(
        file=Utf8(),
        force_terminal=True,
        width=60,
        height=25,
        legacy_windows=False,
        _environ={"TERM": "dumb"},
    )
    tally, wall = Tally(), Wall()
    steady_run(Lines(tally, console, wall_clock=wall), tally, wall, seconds=10)
    assert text_of(console).splitlines() == [
        "12:03:10  50,000 accepted · 0 rejected · 0 unknown · 5,000/s"
    ]


def test_bar_at_eighty_columns() -> None:
    """Share, rate and time left stand beside the bar, the counts below it."""
    bar, counts = shown(snapshot(retries=3), terminal(colour=False))
    assert len(bar) == 80
    assert bar.endswith("  12 % · 9,870/s · 1:02 left")
    assert bar.startswith("━━━━━━ ")
    assert counts == ("120,500 accepted · 0 rejected · 0 unknown · 16 in flight · 3 retries")


def test_an_empty_bar_without_colours_keeps_its_place() -> None:
    """The numbers stand at the right edge from the first moment on."""
    bar, _ = shown(snapshot(share=0.0), terminal(colour=False))
    assert len(bar) == 80
    assert bar.endswith("  0 % · 9,870/s · 1:02 left")


def test_what_limits_the_run_is_one_word() -> None:
    """With since when, beside the rate it limits, also where the counts leave little room."""
    first, second = shown(snapshot(limit="rate", accepted=120_500_000), terminal(colour=False))
    assert first.endswith("  12 % · 9,870/s · limit: rate since 12:03:01 · 1:02 left")
    assert "limit" not in second


def test_bar_shows_what_stands_in_the_way() -> None:
    """A third line appears with the condition, cut where the terminal ends."""
    lines = shown(snapshot(condition="paused, 12 s more (429) " * 9), terminal(colour=False))
    assert len(lines) == 3
    assert len(lines[2]) == 80
    assert lines[2].endswith("…")


@pytest.mark.parametrize("width", [10, 16, 24, 40, 60, 80, 200])
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("colour", [True, False])
def test_no_line_is_ever_wrapped(*, width: int, share: float | None, colour: bool) -> None:
    """Whatever the width, two lines stay two lines."""
    moment = snapshot(accepted=123_456_789, share=share, left_seconds=400_000.0, retries=99_999)
    console = terminal(width, colour=colour)
    with console.capture() as capture:
        console.print(frame(moment, console))

    lines = capture.get().splitlines()
    assert len(lines) == 2
    if not colour:
        assert max(map(len, lines)) <= width


def test_without_colours_no_escape_is_written() -> None:
    """NO_COLOR is obeyed by every line."""
    console = Console(
        file=Utf8(),
        force_terminal=True,
        width=80,
        legacy_windows=False,
        _environ={"TERM": "xterm", "NO_COLOR": "1"},
    )
    moment = snapshot(condition="paused, 12 s more (429)")
    assert all("[3" not in line for line in shown(moment, console))


def test_ascii_terminals_get_ascii() -> None:
    """A machine without a locale sees no torn characters."""
    lines = shown(snapshot(condition="Mañana · bald"), terminal(colour=False, file=Ascii()))
    assert all(line.isascii() for line in lines)
    assert lines[1] == "120,500 accepted - 0 rejected - 0 unknown - 16 in flight"
    assert lines[2] == "Ma?ana - bald"


def test_live_notices_stand_above_the_bar() -> None:
    """Notices scroll by; the last state of the bar is what remains."""
    console, tally = terminal(), Tally()
    tally.note(ChunkRead(source="a", records=100, rejected=0, share=1.0))
    with Bar(tally, console) as display:
        display.tick(0.0)
        tally.note(HoldStarted(seconds=3.0, reason="429"))
        display.tick(0.25)
        tally.note(BatchSettled(batch_id=1, outcome="accepted", contacts=100))
        display.finish(4.0)

    text = text_of(console)
    notice = text.index("Marketing Cloud asked for a pause of 3 s (429)")
    assert notice < text.index("paused, 3 s more (429)") < text.rindex("100 accepted")
    assert "100 %" in text[text.rindex("paused") :]


@pytest.mark.parametrize("kind", ["terminal", "dumb", "file"])
async def test_draw_ends_when_cancelled_with_the_last_state(kind: str) -> None:
    """Cancelling `draw` leaves a final line that knows what was settled after the last tick."""
    consoles = {
        "terminal": terminal,
        "file": plain,
        "dumb": lambda: Console(
            file=Utf8(), force_terminal=True, width=80, _environ={"TERM": "dumb"}
        ),
    }
    console, tally = consoles[kind](), Tally()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: draw(tally, console, clock=lambda: 0.0, wall_clock=Wall()))
        await anyio.wait_all_tasks_blocked()
        tally.note(BatchSettled(batch_id=1, outcome="accepted", contacts=777))
        tasks.cancel_scope.cancel()

    assert "777 accepted" in text_of(console)
    assert text_of(console).count("\n") <= (4 if kind == "terminal" else 1)


def test_text_of_a_server_cannot_drive_the_terminal() -> None:
    """Escape sequences and line ends in an answer come out as spaces."""
    tally, console = Tally(), plain()
    failed = AttemptFailed(
        batch_id=1, attempt=1, reason="503", detail="\x1b[2Jgone\nfor good", delay_seconds=1.0
    )
    tally.note(failed)
    Lines(tally, console, wall_clock=Wall()).finish(0.0)
    assert text_of(console).endswith("sending again: [2Jgone for good\n")
    assert printable("a\x00b\r\n  c") == "a b c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (7.4, "0:07"),
        (59.6, "1:00"),
        (62, "1:02"),
        (8_100, "2:15:00"),
        (172_800, "2 d 0 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    """Minutes and seconds, hours, then days."""
    assert duration(seconds) == text
