"""The worker: the process around a run, that shows it, is steered, and may outlive it."""
