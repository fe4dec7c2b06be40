"""The routes of journey history: how fresh it is, how much there is, and the rows themselves.

Documented: the paths, the header `x-direct-pipe: true` that a download needs, the columns, the
limits of a question. Not documented, and so our choice: the names in the answers of `freshness`
and `estimate`, and what is said to a download without the header (400, 10002). The search is
undocumented altogether; its count stops at 10,000, as practitioners report. So is the summary,
whose members were seen: what they count is our reading.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from . import answers
from .answers import Answer, StreamedAnswer, json_answer, refusal
from .history import COLUMNS, Question
from .routes import Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .history import History
    from .routes import Call

__all__ = ("answer_history",)

_SEARCH_MOST: Final = 10_000
_COMPRESSION: Final = 12
"""How much smaller such rows are under gzip, about."""


def answer_history(history: History, call: Call, now: float) -> Answer:
    """Answer one of the routes."""
    policy = history.policy
    if not policy.there:
        return answers.NOT_FOUND

    if not policy.permitted:
        return answers.FORBIDDEN

    if call.route is Route.FRESHNESS:
        lag = policy.lag_seconds
        return json_answer(200, {"freshness": int(lag) if lag.is_integer() else lag})

    if call.route is Route.SUMMARY:
        return _summary(history, call.body, now=now)

    asked = _question(call.body)
    if asked is None:
        return refusal(400, 10004, message="Unable to parse JSON: it is malformed")

    answer = _search if call.route is Route.SEARCH else _file
    return answer(history, asked, call=call, now=now)


def _file(history: History, asked: Question, *, call: Call, now: float) -> Answer:
    """The rows as a file, or how large it would be."""
    columns = [name for name in call.query.get("columns", "").split(",") if name] or list(COLUMNS)
    tabs = call.query.get("format", "csv") == "tsv"

    def pages() -> Iterator[bytes]:
        return history.pages(asked, now, columns=columns, separator="\t" if tabs else ",")

    if call.route is Route.ESTIMATE:
        rows = sum(len(moment.keys) for moment in history.moments(asked, now))
        return json_answer(200, _estimate(rows, sum(map(len, pages()))))

    if not call.direct_pipe:
        return refusal(400, 10002, message="Required header is missing: x-direct-pipe")

    if sum(map(len, pages())) // _COMPRESSION > history.policy.file_bytes:
        return refusal(400, 10005, message="The file would be larger than 1 GB")

    kind = "text/tab-separated-values" if tabs else "text/csv"
    return StreamedAnswer(status=200, body=b"", content_type=kind, pages=pages())


def _estimate(rows: int, size: int) -> dict[str, Any]:
    return {
        "rowCount": rows,
        "fileSizeInBytes": size,
        "compressedFileSizeInBytes": size // _COMPRESSION,
    }


def _question(body: bytes) -> Question | None:
    try:
        asked = orjson.loads(body or b"{}")
        return Question(
            start=_time(asked.get("start")),
            end=_time(asked.get("end")),
            contact_keys=frozenset(asked.get("contactKeys") or ()),
            activity_types=_words(asked, "activityTypes"),
            definition_ids=_words(asked, "definitionIds"),
            statuses=_words(asked, "statuses"),
        )
    except (ValueError, TypeError, AttributeError):
        return None


def _words(asked: Mapping[str, Any], name: str) -> frozenset[str]:
    return frozenset(str(value).lower() for value in asked.get(name) or ())


def _time(value: object) -> float | None:
    if value is None:
        return None

    moment = datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _search(history: History, asked: Question, *, call: Call, now: float) -> Answer:
    page = max(1, int(call.query.get("$page") or 1))
    size = max(1, int(call.query.get("$pageSize") or 100))
    rows = (
        {
            "contactKey": key,
            "transactionTime": moment.value("TransactionTime"),
            "definitionId": moment.definition_id,
            "definitionName": moment.definition_name,
            "activityName": moment.value("ActivityName"),
            "activityType": moment.activity_type,
            "status": moment.value("Status"),
            "clientStatus": moment.value("Status"),
            "result": {"messages": [moment.cause] if moment.cause else []},
        }
        for moment in reversed(list(history.moments(asked, now)))
        for key in moment.keys
    )
    count = sum(len(moment.keys) for moment in history.moments(asked, now))
    shown = list(islice(rows, (page - 1) * size, page * size))
    content = {"count": min(count, _SEARCH_MOST), "page": page, "pageSize": size, "items": shown}
    return json_answer(200, content)


def _summary(history: History, body: bytes, *, now: float) -> Answer:
    """What history tells of one journey, in numbers. Nobody waits in it."""
    try:
        journey = str(orjson.loads(body)["objectId"]).lower()
    except (ValueError, TypeError, KeyError):
        return refusal(400, 10002, message="Required parameter is missing: objectId")

    counts = {"": 0, "failed": 0}
    contacts: set[str] = set()
    for moment in history.moments(Question(definition_ids=frozenset([journey])), now):
        counts["failed" if moment.cause else ""] += len(moment.keys)
        contacts.update(moment.keys)

    told = dict.fromkeys(("waiting", "expired", "cameOffWait", "warningCount"), 0) | {
        "total": sum(counts.values()),
        "totalContactCount": len(contacts),
        "successCount": counts[""],
        "errorCount": counts["failed"],
    }
    return json_answer(200, told)
