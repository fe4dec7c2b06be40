"""Running: what a run is made of, put together from its config, for `flow.py` to run."""
