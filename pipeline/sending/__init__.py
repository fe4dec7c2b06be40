"""Sending: from batches to outcomes, paced, with one token."""
