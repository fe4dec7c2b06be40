"""GET /{section}/v1/rest: a section of the API lists its routes.

Seen live for `interaction`, in the style of Google's discovery documents, and for `data`, whose
document is its methods alone. Whether `interaction-experimental` answers is not known: ours does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import answers
from .answers import Answer, json_answer
from .routes import CONTACT_ROUTES, Route

if TYPE_CHECKING:
    from .routes import Call

__all__ = ("answer_discovery",)

_TITLES: Final = {
    "data": "Data Extensions",
    "interaction": "Journeys and Events",
    "interaction-experimental": "Journeys and Events",
}
_POSTED: Final = CONTACT_ROUTES | {
    Route.MEMBERSHIP,
    Route.ESTIMATE,
    Route.DOWNLOAD,
    Route.SEARCH,
    Route.SUMMARY,
}


def answer_discovery(call: Call) -> Answer:
    """The methods of the section in the path."""
    section = call.argument
    if section not in _TITLES:
        return answers.NOT_FOUND

    base = f"/{section}/v1/"
    methods = {
        route.name.lower(): {
            "id": f"{section}.{route.name.lower()}",
            "path": route.removeprefix(base),
            "httpMethod": "POST" if route in _POSTED else "GET",
        }
        for route in Route
        if route.startswith(base)
    }
    if section == "data":
        return json_answer(200, {"methods": methods})

    about = {"kind": "discovery#restDescription", "name": section, "version": "v1"}
    return json_answer(
        200, {**about, "title": _TITLES[section], "basePath": base, "methods": methods}
    )
