"""The last thing a run prints: what became of the contacts, and what to do about the rest."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from .progress import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, RenderableType

__all__ = ("counted", "outcome_lines", "print_summary", "shared_keys", "summary_lines")

_HEADLINES = {
    "completed": ("Completed", "bold green"),
    "interrupted": ("Interrupted", "bold yellow"),
    "halted": ("Halted", "bold red"),
    "over_budget": ("Stopped: the error budget is spent", "bold red"),
    "running": ("Running", "bold"),
}
_COMMANDS = {
    "rejected": "results {} --of rejected",
    "unknown": "results {} --of unknown",
    "unprocessed": "run {}",
    "missing": "results {} --of missing",
    "pending": "verify {}",
}
_STYLES = {
    "accepted": "green",
    "  entered": "green",  # these three once it was asked
    "  missing": "red",
    "  pending": "yellow",
    "rejected": "red",
    "unknown": "yellow",
    "unprocessed": "yellow",
}


def print_summary(
    console: Console,
    summary: Mapping[str, Any],
    *,
    config: str | None = None,
    directory: str | None = None,
    retried: bool = False,
) -> None:
    """Print `summary_lines`; commands longer than a line stay whole, so they can be copied."""
    lines = summary_lines(summary, config=config, directory=directory, retried=retried)
    console.print(lines, soft_wrap=True, highlight=False)


def summary_lines(
    summary: Mapping[str, Any],
    *,
    config: str | None = None,
    directory: str | None = None,
    retried: bool = False,
) -> RenderableType:
    """The summary as lines of text.

    Args:
        summary: As in `summary.json`.
        config: The config file, as the user typed it; None where there is none to name (demo).
        directory: Where journal, result files and report lie.
        retried: A retry has come to its end, whatever became of the run before.
    """
    headline = _headline(summary, retried=retried)
    return Group(headline, *_lines(summary, config=config, directory=directory))


def _headline(summary: Mapping[str, Any], *, retried: bool) -> Text:
    headline, style = _HEADLINES[summary["state"]]
    after = f" after {duration(summary['seconds'])}"
    if retried and summary["state"] != "completed":
        done, (_, green) = "All that was asked for was sent again", _HEADLINES["completed"]
        return Text.assemble(
            (done, green), f"; the run stands as before: {headline.lower()}{after}"
        )

    return Text.assemble((headline, style), after)


def _lines(
    summary: Mapping[str, Any], *, config: str | None, directory: str | None
) -> Iterator[Text]:
    yield Text()
    yield from outcome_lines(summary, config=config)

    yield Text()
    yield Text(f"  {_effort(summary)}")
    if doubles := summary.get("duplicates"):
        yield Text(shared_keys(doubles))

    if directory is not None:
        yield Text(f"  everything about this run: {directory}")


def shared_keys(doubles: int) -> str:
    """So many contacts have a key that another one had before."""
    share = "shares its key" if doubles == 1 else "share their key"
    return f"  {counted(doubles, 'contact')} {share} with an earlier one"


def outcome_lines(summary: Mapping[str, Any], *, config: str | None) -> Iterator[Text]:
    """A line an outcome: how many contacts, and what to do about them."""
    told = [label for label in _STYLES if label.strip() in summary]
    width = max(len(f"{summary[label.strip()]:,}") for label in told)
    for label in told:
        count = summary[label.strip()]
        shown = _STYLES[label] if count else "dim"
        line = Text.assemble("  ", (f"{label:<11}  {count:>{width},}", shown))
        yield line.append(_advice(label.strip(), summary, config=config))


def _advice(name: str, summary: Mapping[str, Any], *, config: str | None) -> str:
    """What to do about the contacts of one outcome, as a command to type."""
    if not summary[name] or config is None or name not in _COMMANDS:
        return ""

    if name == "unprocessed" and "let_go" in summary:
        return _queue_advice(summary, config=config)

    if name == "unprocessed" and summary["state"] == "running":
        return ""  # the run that is going on has them before it

    return f"   journey-pipeline {_COMMANDS[name].format(shlex.quote(config))}"


def _queue_advice(summary: Mapping[str, Any], *, config: str) -> str:
    """The same about what a run of a queue has not sent: another worker may be given it."""
    let_go = summary["let_go"]
    told = []
    if let_go < summary["unprocessed"] and summary["state"] != "running":
        told.append(f"journey-pipeline run {shlex.quote(config)}, unless another worker has them")

    if let_go:
        which = "went" if let_go == summary["unprocessed"] else f"of them {let_go:,} went"
        told.append(f"{which} back to the queue, for whichever worker is given them")

    return "   " + "; ".join(told) if told else ""


def _effort(summary: Mapping[str, Any]) -> str:
    parts = (
        f"{summary['contacts_per_second']:,.0f} contacts/s",
        counted(summary["requests"], "request"),
        counted(summary["retries"], "retry", plural="retries"),
        counted(summary["tokens"], "token"),
    )
    return ", ".join(parts)


def counted(number: int, noun: str, *, plural: str | None = None) -> str:
    """The number with its noun, which is one or many."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
