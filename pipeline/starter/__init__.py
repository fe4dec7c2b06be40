"""The starter config: what `init` writes, for a data file or for none.

Every key of the config stands in it with its description, its unit and its default, all taken from
the policies themselves, so that it cannot fall behind them. Given a data file, the mapping is
proposed from its header and its first records. What is written loads as it is; credentials are
left to the environment.
"""

from __future__ import annotations

from .writing import starter_config, write_starter

__all__ = ("starter_config", "write_starter")
