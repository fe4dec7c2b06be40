"""The verbs of the command line, and what they do that is no part of a run."""
