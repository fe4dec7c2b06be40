"""Extras: libraries that only some sources need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import SourceError

__all__ = ("need",)


def need(module: str, *, extra: str, what: str) -> Any:
    """Import a library of an extra. Raises SourceError that says how it is installed."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        if (error.name or "").partition(".")[0] not in ("", library):
            raise

        raise SourceError(
            f"{what} needs {library}: pip install 'journey-pipeline[{extra}]'"
        ) from None
