"""`python -m pipeline` is the command `journey-pipeline`."""

from __future__ import annotations

__all__ = ("main",)


def main() -> None:
    """Run the command line."""
    # Not at the top: the package may be imported for its version alone.
    from .cli import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
