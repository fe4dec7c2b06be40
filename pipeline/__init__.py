"""journey-pipeline: millions of contacts into a Marketing Cloud journey.

    intake ──chunks──▶ mapping ──▶ packing ──batches──▶ sending ──outcomes──▶ settling
      ▲                                                                          │
      └───────────────── positions that are done, and need no second reading ◀───┘

These folders are the stages, in the data's order; `flow.py` tells the whole run. `events/` is what
it reports, `running/` what it is made of, `worker/` the process around it, `verbs/` what else the
command line does.
"""

from __future__ import annotations

__all__ = ("__version__",)

__version__ = "0.1.0"
