"""Intake: from a URL to chunks of records, each record with its position."""
