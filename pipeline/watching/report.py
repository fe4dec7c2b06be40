"""The report: a run as one HTML file that needs nothing else, to be kept, sent on, or printed.

Counts, times and the program's own words for what went wrong; nothing of a contact. What was seen
while the run went on (samples_file.py) is drawn; where nothing was seen, as of a run that was
embedded, the journal's own times are.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..settling.state import RunState
from .latency import Latency, quantile
from .progress import duration
from .samples import QUANTILES
from .samples_file import read_samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..settling.history import Stretch
    from ..settling.view import JournalView

__all__ = ("report_of",)

PLACE: Final = Path(__file__).parent / "dashboard"
SCRIPTS: Final = ("uPlot.iife.min.js", "charts.js", "report.js")
STYLES: Final = ("uPlot.min.css", "page.css")


def report_of(view: JournalView, directory: Path) -> str:
    """The report of the run in `directory`, as HTML."""
    run, course = view.run(), view.course()
    samples = list(read_samples(directory)) or _from_journal(course.stretches)
    scripts = [(PLACE / name).read_text(encoding="utf-8") for name in SCRIPTS]
    style = "\n".join((PLACE / name).read_text(encoding="utf-8") for name in STYLES)
    summary = view.summary().to_dict()
    environment = Environment(
        loader=FileSystemLoader(PLACE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"whole": lambda count: f"{count:,}", "duration": duration}
    return environment.get_template("report.html").render(
        version=__version__,
        summary=summary,
        began=_told(summary["started_at"]),
        ended=_ended(summary["ended_at"], summary["state"]),
        event_definition_key=run.identity.event_definition_key,
        sources=[source.name for source in run.identity.sources],
        reasons=course.reasons,
        statuses=_statuses(samples),
        scripts=[Markup(script) for script in scripts],  # noqa: S704  # our own files
        style=Markup(style),  # noqa: S704  # our own files
        policy=_policy(scripts, style),
        samples=_inert(samples),
    )


def _from_journal(stretches: Iterable[Stretch]) -> list[dict[str, Any]]:
    return [
        {
            "at": round(stretch.until, 3),
            "seconds": round(stretch.seconds, 3),
            **{name: stretch.settled[name] for name in ("accepted", "rejected", "unknown")},
            **_quantiles(stretch.took),
            "requests": {},
            "limits": {},
        }
        for stretch in stretches
    ]


def _quantiles(took: Iterable[float]) -> dict[str, float | None]:
    latency = Latency()
    for seconds in took:
        latency.add(seconds)

    return {name: quantile(latency.counts, share) for name, share in QUANTILES.items()}


def _statuses(samples: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for sample in samples:
        counts.update(sample["requests"])

    return sorted(counts.items())


def _policy(scripts: Sequence[str], style: str) -> str:
    """What a browser may run and load: these scripts, this style, and nothing from anywhere."""
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(samples: Sequence[Mapping[str, Any]]) -> Markup:
    """The samples as JSON that cannot end the element it stands in."""
    text = orjson.dumps(samples).decode().replace("<", "\\u003c")
    return Markup(text)  # noqa: S704  # made harmless


def _ended(at: str | None, state: str) -> str:
    if at is not None:
        return _told(at)

    return "still going on" if state == RunState.RUNNING else "its process ended"


def _told(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%d %b %Y %H:%M:%S %Z}"
