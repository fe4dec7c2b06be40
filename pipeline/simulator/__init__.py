"""A Marketing Cloud on loopback, for rehearsals, demonstrations, tests and benchmarks.

    server ──Call──▶ cloud ──▶ tokens · definitions · journey ──▶ ledger
                       ▲
                       └── faults, schedule, capacity: what goes wrong, when, and how slowly

`cloud.py` and what lies below it know neither sockets nor clocks: they are told the time and
return the answer. `server.py` speaks HTTP, `audit.py` tells what really happened. Where Marketing
Cloud's behaviour is not known, the module that had to choose says what it chose.
"""
