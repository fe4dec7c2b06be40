"""The last thing a verification prints: who entered, who did not and probably why, what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from .progress import printable
from .summary import counted, outcome_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

__all__ = ("print_verified", "retry_warnings", "taken_over")


def print_verified(
    console: Console, summary: Mapping[str, Any], told: Mapping[str, Any], *, config: str
) -> None:
    """Print what became of the accepted contacts; what is quoted obeys no terminal."""
    console.print(Text(""))
    console.print(Text(_headline(told), style="bold"), soft_wrap=True)
    console.print(Text(""))
    for line in outcome_lines(summary, config=config):
        console.print(line, soft_wrap=True, highlight=False)

    for text in _lines(told, config=config):
        console.print(Text(printable_indented(text)), soft_wrap=True)


def printable_indented(text: str) -> str:
    """`text` on one line, its indentation kept."""
    return " " * (len(text) - len(text.lstrip())) + printable(text)


def _headline(told: Mapping[str, Any]) -> str:
    if told["by"] == "sample":
        return "Who entered, by a sample of contacts"

    names = sorted({journey["name"] for journey in told["journeys"]})
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    return f"Who entered {shown}" if names else "Who entered"


def _lines(told: Mapping[str, Any], *, config: str) -> Iterator[str]:
    if told["reasons"] or any(told["unknown"].values()):
        yield ""

    for reason in told["reasons"]:
        detail = f": {reason['detail']}" if reason["detail"] else ""
        name = f"{reason['outcome']} ({reason['reason']})"
        yield f"  {counted(reason['contacts'], 'contact')} {name}{detail}"

    yield from _unknown(told["unknown"], config=config)
    for note in told["notes"]:
        yield f"  note: {note}"


def _unknown(unknown: Mapping[str, int], *, config: str) -> Iterator[str]:
    if unknown["entered"]:
        yield (
            f"  {counted(unknown['entered'], 'contact')} whose fate was unknown entered, "
            "and count as accepted from now on"
        )

    if unknown["absent"]:
        yield (
            f"  {counted(unknown['absent'], 'unknown contact')} certainly did not enter: "
            f"journey-pipeline retry {config} --of absent"
        )

    if unknown["undecided"]:
        yield f"  {counted(unknown['undecided'], 'contact')} stay unknown"


def taken_over(absent: int) -> str:
    """What is to be seen to before so many contacts of another worker's messages are sent."""
    return (
        f"{counted(absent, 'contact')} of those that did not enter came with messages that another "
        "worker had taken (redelivered). See that its process has ended: one that was stopped just "
        "before a request sends that when it goes on, and its contacts would come twice"
    )


def retry_warnings(
    outcome: str, *, missing: int, duplicates: int, unknown: int, absent: int, redelivered: int = 0
) -> list[str]:
    """What a retry of this outcome could double, a sentence each; none where it is safe.

    So many of the `absent` were `redelivered`.
    """
    if outcome == "absent" and redelivered:
        return [taken_over(redelivered)]

    if outcome == "missing" and missing:
        told = (
            f"{counted(missing, 'contact')} would be sent again that Marketing Cloud had accepted. "
            "Whoever entered all the same, later than it was asked, enters twice"
        )
        shared = (
            f"{counted(duplicates, 'contact')} of them share the key of one who entered, and would "
            "come twice"
        )
        return [told, shared] if duplicates else [told]

    if outcome == "unknown" and unknown > absent:
        told = (
            f"{counted(unknown - absent, 'contact')} of {unknown:,} unknown ones may have entered, "
            "and would come twice"
        )
        safe = f"; `--of absent` sends the {absent:,} that certainly did not enter"
        return [told + (safe if absent else "")]

    return []
