"""The report: what it draws where nobody watched, and whose words it does not obey."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.settling.directory import RunDirectory
from pipeline.settling.view import viewed
from pipeline.watching.report import report_of
from pipeline.watching.samples_file import SAMPLES_NAME, append, read_samples
from tests.fakes.runs import UNHEARD, begun, fingerprint, identity_of, mark, rejection, settlement
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = {
    "at": 1.0,
    "seconds": 1.0,
    "accepted": 1,
    "rejected": 0,
    "unknown": 0,
    "requests": {"201": 1},
    "limits": {"rate": 1.0},
}


def report(directory: Path) -> str:
    with viewed(directory) as view:
        return report_of(view, directory)


def samples_in(text: str) -> list[dict[str, Any]]:
    told = text.partition('<script type="application/json" id="samples">')[2]
    found: list[dict[str, Any]] = orjson.loads(told.partition("</script>")[0])
    return found


def test_what_nobody_watched_is_drawn_from_the_journal(tmp_path: Path) -> None:
    """Contacts by outcome and how long batches took; reasons, and nothing of a contact."""
    store = begun(tmp_path, identity_of(fingerprint("a"), fingerprint("b")))
    first, second = make_batch(1, {"a": [1, 2]}), make_batch(2, {"a": [3]})
    with store.transaction():
        store.dispatched(first, 1)
        store.dispatched(second, 1)

    with store.transaction():
        told = [settlement(first), settlement(second, UNHEARD)]
        store.settle(told, [rejection(4, "a")], {"a": mark(4)})

    store.close()
    with viewed(tmp_path) as view:
        course = view.course()

    settled = sum((each.settled for each in course.stretches), start=Counter())
    assert settled == {"accepted": 2, "unknown": 1, "rejected": 1}
    assert course.reasons == [
        ("rejected", "mapping", "missing_contact_key", 1),
        ("unknown", "delivery", "timeout", 1),
    ]
    text = report(tmp_path)
    (sample,) = samples_in(text)
    assert (sample["accepted"], sample["rejected"], sample["unknown"]) == (2, 1, 1)
    assert sample["p50"] is not None
    assert "missing_contact_key" in text
    assert "customer_id is empty" not in text  # a detail may quote a record


def test_when_it_ended(tmp_path: Path) -> None:
    """Whose process was killed is not said to go on, and who goes on is."""
    begun(tmp_path).close()
    assert '<td class="number">its process ended</td>' in report(tmp_path)
    with RunDirectory(str(tmp_path)):
        assert '<td class="number">still going on</td>' in report(tmp_path)


def test_nothing_settled_yet(tmp_path: Path) -> None:
    """A report of a run that has only begun is one."""
    begun(tmp_path).close()
    assert samples_in(report(tmp_path)) == []


def test_words_of_others_are_words(tmp_path: Path) -> None:
    """Neither a file's name nor a planted line ends an element, or adds one."""
    begun(tmp_path, identity_of(fingerprint("<script>alert(1)</script>.csv"))).close()
    append(tmp_path, orjson.dumps({**SAMPLE, "requests": {"</script><b>": 1}}) + b"\n")
    text = report(tmp_path)
    assert "<script>alert" not in text
    assert "</script><b>" not in text
    assert samples_in(text)[0]["requests"] == {"</script><b>": 1}


def test_half_a_sample_is_passed_over(tmp_path: Path) -> None:
    """A killed process leaves half a line, and somebody else a line that is no sample."""
    for line in (orjson.dumps(SAMPLE) + b"\n", b'["no"]\n', b'{"at": 1}\n', b'{"at": 2, "sec'):
        append(tmp_path, line)

    assert list(read_samples(tmp_path)) == [SAMPLE]
    (tmp_path / SAMPLES_NAME).unlink()
    assert list(read_samples(tmp_path)) == []
