"""Calls to a simulated cloud without sockets, for tests that state what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pipeline.simulator.routes import Call, Route

if TYPE_CHECKING:
    from pipeline.simulator.answers import Answer
    from pipeline.simulator.cloud import Cloud

__all__ = ("batch", "contact", "post_batch", "send")

JSON = "application/json; charset=UTF-8"


def contact(key: str, **data: Any) -> dict[str, Any]:
    """A contact that enters the rehearsal's journey, unless `data` breaks it."""
    return {"ContactKey": key, "Data": {"EmailAddress": "ann@example.com"} | data}


def batch(*contacts: Any, **others: Any) -> bytes:
    """A payload of the experimental endpoint."""
    content = {
        "EventDefinitionKey": "APIEvent-rehearsal",
        "BatchId": "",
        "RecordCount": len(contacts),
        "BatchDetails": list(contacts),
    }
    return orjson.dumps(content | others)


def send(cloud: Cloud, call: Call, *, now: float = 0.0) -> Answer:
    """One request from its arrival to its end."""
    visit = cloud.arrive(call.route, now)
    answer = cloud.answer(visit, call, now=now)
    cloud.leave(visit, str(answer.status), now=now)
    return answer


def post_batch(
    cloud: Cloud, body: bytes, *, token: str | None = None, content_type: str = JSON, now: float = 0
) -> Answer:
    """POST contacts, with a token that is good unless another is given."""
    call = Call(
        route=Route.BATCH_EVENTS,
        authorization=f"Bearer {cloud.tokens.issue(now) if token is None else token}",
        content_type=content_type,
        body=body,
    )
    return send(cloud, call, now=now)
