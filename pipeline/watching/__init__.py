"""Watching: what a person or a monitor sees of a run."""
