"""`python -m pipeline.simulator`: a simulator without the rest of the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import ConfigError
from .options import SimulatorOptions
from .serving import serve

__all__ = ("main",)


def main() -> int:
    """Serve what `--config FILE` describes, with `--port`, `--fault`, `--seed` over it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.simulator")
    parser.add_argument("--config", type=Path, help="a TOML file of simulator options")
    parser.add_argument("--port", type=int, help="0: a free one")
    parser.add_argument("--fault", action="append", dest="faults", metavar="SPEC")
    parser.add_argument("--seed", type=int)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    path = given.pop("config", None)
    try:
        serve(SimulatorOptions.from_file(path, **given) if path else SimulatorOptions(**given))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code

    return 0


if __name__ == "__main__":
    sys.exit(main())
