"""A Marketing Cloud on loopback, for rehearsals, tests and benchmarks."""
