"""`python -m pipeline` is the command `journey-pipeline`."""

from __future__ import annotations

import os
import signal
import sys

__all__ = ("main",)

_INTERRUPTED_CODE = 5  # flow.py's, which is not loaded yet


def main() -> None:
    """Run the command line."""
    # While the program loads, a signal ends it on the spot. A KeyboardInterrupt in the middle of
    # an import is swallowed by some libraries, and makes others crash.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)

    try:
        # Not at the top: the package may be imported for its version alone.
        from .cli import main as command_line  # noqa: PLC0415

        command_line()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED_CODE)


def _leave(*_: object) -> None:
    os._exit(_INTERRUPTED_CODE)


if __name__ == "__main__":
    main()
