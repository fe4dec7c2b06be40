"""Packing: from contacts to sealed batches, their payloads built once."""
