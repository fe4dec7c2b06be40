"""Settling: what became of every contact, on disk."""
