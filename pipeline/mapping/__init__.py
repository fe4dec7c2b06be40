"""Mapping: from records to contacts, by rules compiled once."""
