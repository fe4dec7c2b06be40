"""Loopback: whether a host is this machine itself, where nobody else listens in."""

from __future__ import annotations

from ipaddress import ip_address

__all__ = ("is_loopback",)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine's loopback; no name is looked up."""
    if host == "localhost":
        return True

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
