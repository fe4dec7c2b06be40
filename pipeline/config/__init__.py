"""The config: a TOML file and the environment become one frozen `Config`.

Each section is the policy that stands beside the code obeying it; this module puts them together,
reads them, and says what is wrong with them, all of it at once.

- Every key can be overridden by an environment variable: `JOURNEY_` + section + `__` + key, as in
  `JOURNEY_DELIVERY__REQUESTS_PER_SECOND=20`. The variable takes the key's place whole; tables and
  lists are written as JSON. An empty variable counts as absent. A variable of this shape that
  names no key is an error; names that begin with `JOURNEY_TEST_` are left alone.
- Paths are relative to the directory the command is started in, as on a command line: the
  source's, the run directory's, the secret file's.
"""

from __future__ import annotations

from ..sending.coordination import CoordinationPolicy
from .loading import load
from .sections import Config, WorkerPolicy

__all__ = ("Config", "CoordinationPolicy", "WorkerPolicy", "load")
