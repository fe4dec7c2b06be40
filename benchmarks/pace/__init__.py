"""The pace against servers of every temper, in simulated time, beside a known adaptive limiter."""
