"""Python rules: `python = "module:function"` maps whole records by the user's own code.

The module runs with all rights of this program. It is found as installed, or in the current
directory, which is searched last: a file there never takes the place of an installed module.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MappingError
from .plan import key_text
from .refused import Refused, cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .checks import Checks

__all__ = ("PythonPlan", "load")


def load(named: str) -> Callable[[dict[str, Any]], Any]:
    """Import the function of "module:function"; MappingError says what is not there."""
    module_name, _, function_name = named.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)

    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # importing runs the user's code: anything may come
        raise MappingError(
            f"mapping.python: module {module_name!r} cannot be imported "
            f"({_told(error)}); it is looked up as installed and in {here}"
        ) from error

    function = getattr(module, function_name, None)
    if not callable(function):
        hint = nearest(function_name, vars(module))
        raise MappingError(
            f"mapping.python: module {module_name!r} has no function {function_name!r}{hint}"
        )

    found: Callable[[dict[str, Any]], Any] = function
    return found


class PythonPlan:
    """A plan whose rules are one function of the user's.

    It is called once per record, with a dict it may keep and change. What it returns as data
    travels as returned, but for nulls, which are left out.
    """

    def __init__(self, named: str, checks: Checks | None) -> None:
        self._named = named
        self._function = load(named)
        self._checks = checks

    def contact(self, record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The key and the data of one record. Raises Refused."""
        answer = self._answer(record)
        if answer is None:
            raise Refused("skipped", f"{self._named} skipped this record")

        key, data = self._key_and_data(answer)
        kept = {name: value for name, value in data.items() if value is not None}
        for name in kept:
            if not isinstance(name, str):
                detail = f"{self._named} returned a field name that is no text: {cut(name)}"
                raise Refused("python_rule", detail, contact_key=key)

        if self._checks is not None:
            self._hold(kept, self._checks, key=key)

        return key, kept

    def _answer(self, record: Mapping[str, Any]) -> Any:
        try:
            return self._function(dict(record))
        except KeyboardInterrupt:  # a person's
            raise
        except BaseException as error:  # the user's code: whatever it raises costs this record
            raise Refused("python_rule", f"{self._named} raised {_told(error)}") from error

    def _key_and_data(self, answer: Any) -> tuple[str, dict[Any, Any]]:
        try:
            key, data = self._taken_apart(answer)
            text = key_text(key, f"the contact key from {self._named}")
            return str.__str__(text), dict(data)  # whatever else its class can do
        except Refused:
            raise
        except Exception as error:  # an answer of the user's own: whatever is done to it may raise
            detail = f"{self._named} returned what cannot be looked at: {_told(error)}"
            raise Refused("python_rule", detail) from error

    def _hold(self, data: dict[str, Any], checks: Checks, *, key: str) -> None:
        try:
            checks.hold(data)
        except Refused as refused:
            raise Refused(refused.reason, refused.detail, contact_key=key) from None
        except Exception as error:  # a value of the user's own: whatever is done to it may raise
            detail = f"{self._named} returned a value that cannot be looked at: {_told(error)}"
            raise Refused("python_rule", detail, contact_key=key) from error

    def _taken_apart(self, answer: Any) -> tuple[Any, dict[Any, Any]]:
        if isinstance(answer, dict) and answer.keys() == {"contact_key", "data"}:
            answer = (answer["contact_key"], answer["data"])

        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict):
            return answer

        raise Refused(
            "python_rule",
            f"{self._named} returned {cut(answer)}, not a dict of contact_key and data, "
            "nor (contact_key, data), nor None",
        )


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # the user's code, too
        text = ""

    return f"{type(error).__name__}: {cut(text, 200)}"
