"""Verifying: who really entered, held against what the journal says was accepted."""
