"""The rows of the event's data extension, page by page.

Recorded: the shape, that an empty data extension has no `items`, that names come in small letters
and values as text, and that the next page is found through `links.next`, whose path lacks `/data`.
Our choice: a field without a value is an empty text, and a page shows the rows as they are when it
is asked for. A row's values are told only where the contacts' data is kept (`keep_data`).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from . import answers, definitions
from .answers import Answer, json_answer, refusal
from .routes import Route

if TYPE_CHECKING:
    from .journey import EventDefinition, Journey
    from .routes import Call

__all__ = ("answer_rowset",)

_PAGE: Final = 2_500
_LAST: Final = 2**31 - 1
_SIZES: Final = 2**12 - 1
"""The bits of a request token that hold the size of its pages: nothing need be remembered."""


def answer_rowset(journey: Journey, call: Call) -> Answer:
    """A page of the rows, by the data extension's key or by the token of an earlier page."""
    key = definitions.data_extension_key(journey.definition)
    base = uuid5(NAMESPACE_URL, f"simulator/rowset/{key}").int & ~_SIZES
    try:
        page = min(_LAST, max(1, int(call.query.get("$page") or 1)))
        if call.route is Route.ROWSET:
            size = min(_PAGE, max(1, int(call.query.get("$pagesize") or _PAGE)))
            known = call.argument.lower() == key.lower()
        else:
            size = UUID(call.argument).int & _SIZES
            known = UUID(call.argument).int == base | size and 1 <= size <= _PAGE
    except ValueError:
        return refusal(400, 10003, message="A page or a token is not in its format")

    if not known:
        return answers.NOT_FOUND

    token = str(UUID(int=base | size))
    return json_answer(200, _rowset(journey, token=token, page=page, size=size))


def _rowset(journey: Journey, *, token: str, page: int, size: int) -> dict[str, Any]:
    definition, count = journey.definition, journey.stored()
    own = f"/v1/customobjectdata/token/{token}/rowset?$page="
    more = {"next": f"{own}{page + 1}"} if page * size < count else {}
    first, end = (min(number * size, count) for number in (page - 1, page))
    rows = islice(journey.rows(), first, end)
    items = [{"keys": {}, "values": _values(definition, data)} for data in rows]
    return {
        "links": {"self": f"{own}{page}", **more},
        "requestToken": token,
        "tokenExpireDateUtc": "2024-05-05T05:54:44.95",
        "customObjectId": definitions.data_extension_id(definition),
        "customObjectKey": definitions.data_extension_key(definition),
        "pageSize": size,
        "page": page,
        "count": count,
        "top": 0,
        **({"items": items} if items else {}),
    }


def _values(definition: EventDefinition, data: Any) -> dict[str, str]:
    """A row's values under the names of the fields; none where its data was not kept."""
    if not isinstance(data, dict):
        return {}

    fields = definition.fields
    names = data if fields is None else [field.name for field in fields.fields]
    told = {name: data.get(name) for name in names}
    return {name.lower(): "" if each is None else str(each) for name, each in told.items()}
