"""`python -m pipeline` is the command `journey-pipeline`."""

from __future__ import annotations

__all__ = ("main",)


def main() -> None:
    """Run the command line."""
    from .cli import app  # noqa: PLC0415  # the encoder's child process must not pay for it

    app()


if __name__ == "__main__":
    main()
