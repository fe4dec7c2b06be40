"""journey-pipeline: millions of contacts into a Marketing Cloud journey.

    intake ──chunks──▶ mapping ──▶ packing ──batches──▶ sending ──outcomes──▶ settling
      ▲                                                                          │
      └───────────────── positions that are done, and need no second reading ◀───┘

Read the folders top to bottom and you have read the program; `flow.py` tells the whole run.
"""

from __future__ import annotations

__all__ = ("__version__",)

__version__ = "0.1.0"
