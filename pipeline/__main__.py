"""`python -m pipeline` is the command `journey-pipeline`."""

from __future__ import annotations

import sys

__all__ = ("main",)


def main() -> None:
    """Run the command line."""
    try:
        # Not at the top: the package may be imported for its version alone, and a Ctrl-C may come
        # while the program is still being loaded.
        from .cli import main as command_line  # noqa: PLC0415

        command_line()
    except KeyboardInterrupt:
        sys.exit(5)  # as every interrupted run: see flow.py


if __name__ == "__main__":
    main()
