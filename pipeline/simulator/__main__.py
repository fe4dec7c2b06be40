"""`python -m pipeline.simulator`: a simulator without the rest of the command line."""

from __future__ import annotations

import sys

import typer

from ..errors import ConfigError
from .command import simulate

__all__ = ("main",)


def main() -> None:
    """Serve until a signal."""
    try:
        typer.run(simulate)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
