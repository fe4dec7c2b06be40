"""The summary that ends a run."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from pipeline.watching.summary import print_summary


def printed(
    summary: dict[str, Any], *, config: str | None, width: int = 80, directory: str = "runs/spring"
) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, _environ={})
    print_summary(console, summary, config=config, directory=directory)
    return file.getvalue().splitlines()


def summary(**changed: Any) -> dict[str, Any]:
    usual = {
        "state": "completed",
        "seconds": 62.3,
        "accepted": 1_234_567,
        "rejected": 0,
        "unknown": 0,
        "unprocessed": 0,
        "requests": 2_470,
        "retries": 1,
        "tokens": 1,
        "contacts_per_second": 19_816.5,
    }
    return usual | changed


def test_a_good_run_says_so() -> None:
    """Counts, effort and place, to the letter; nothing is left to do."""
    assert printed(summary(), config="spring.toml") == [
        "Completed after 1:02",
        "",
        "  accepted     1,234,567",
        "  rejected             0",
        "  unknown              0",
        "  unprocessed          0",
        "",
        "  19,816 contacts/s, 2,470 requests, 1 retry, 1 token",
        "  everything about this run: runs/spring",
    ]


def test_a_retry_that_is_done_is_no_halted_run() -> None:
    """What it was asked for is done, whatever the run is that it has sent contacts of."""
    file = io.StringIO()
    console = Console(file=file, width=120, _environ={})
    print_summary(console, summary(state="halted"), retried=True)
    headline = file.getvalue().splitlines()[0]
    told = "All that was asked for was sent again; the run stands as before: halted after 1:02"
    assert headline == told


def test_every_bad_outcome_names_the_command_that_goes_on() -> None:
    """Rejected and unknown contacts are listed by `results`, the unprocessed sent by `run`."""
    lines = printed(
        summary(state="halted", rejected=120, unknown=3, unprocessed=1_000), config="my config.toml"
    )
    assert lines[0] == "Halted after 1:02"
    assert [line[15:] for line in lines[3:6]] == [
        "      120   journey-pipeline results 'my config.toml' --of rejected",
        "        3   journey-pipeline results 'my config.toml' --of unknown",
        "    1,000   journey-pipeline run 'my config.toml'",
    ]


def test_without_a_config_no_command_is_made_up() -> None:
    """The demo has no config that a command could name."""
    assert "journey-pipeline" not in "\n".join(printed(summary(rejected=1), config=None))


def test_commands_stay_whole_in_a_narrow_terminal() -> None:
    """What is to be copied is never broken by us, however long."""
    config = "/very/long/" + "folder/" * 12 + "spring.toml"
    lines = printed(summary(rejected=7), config=config, width=40)
    assert f"journey-pipeline results {config} --of rejected" in lines[3]


def test_a_run_that_is_going_on_is_not_told_to_begin() -> None:
    """What is read and not yet sent is its own business; rejected contacts can be looked at."""
    lines = printed(summary(state="running", rejected=2, unprocessed=900), config="spring.toml")
    assert [line[15:].strip() for line in lines[3:6]] == [
        "2   journey-pipeline results spring.toml --of rejected",
        "0",
        "900",
    ]


def advice(**changed: Any) -> str:
    told = summary(state="interrupted", unprocessed=30, **changed)
    (line,) = (one for one in printed(told, config="w.toml") if "unprocessed" in one)
    return line.partition("30")[2].strip()


def test_what_went_back_to_a_queue_is_not_to_be_run_again() -> None:
    """Another worker may have it; so it may have what the run held to its end."""
    run, back = (
        "journey-pipeline run w.toml",
        "back to the queue, for whichever worker is given them",
    )
    assert advice() == run
    assert advice(let_go=0) == f"{run}, unless another worker has them"
    assert advice(let_go=20) == f"{run}, unless another worker has them; of them 20 went {back}"
    assert advice(let_go=30) == f"went {back}"
