"""Places: what the URL of a queue says, without a secret in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from ...errors import SourceError

if TYPE_CHECKING:
    from ..source import SourcePolicy

__all__ = ("KINDS", "Place", "is_queue", "place_of")

KINDS: Final = {
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "nats": "nats",
    "natss": "nats",
    "kafka": "kafka",
    "kafkas": "kafka",
    "sqs": "sqs",
    "amqp": "amqp",
    "amqps": "amqp",
}
"""What stands before :// and which queue, and extra, that is. A second s: over TLS."""

GROUP: Final = "journey"
_SQS_URL: Final = re.compile(r"https://sqs\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/\d+/[\w.-]+")
_HOST: Final = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
)
_NAMED: Final = {
    "redis": "redis://host:6379/0/stream",
    "nats": "nats://host:4222/stream",
    "kafka": "kafka://broker:9092,broker:9092/topic",
    "sqs": "sqs://queue",
    "amqp": "amqp://host:5672/vhost/queue",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One queue: where it is, and which group takes from it."""

    kind: str
    queue: str
    group: str
    policy: SourcePolicy = field(repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    user: str | None = None
    tls: bool = False
    within: str = ""
    """What the queue lies in: a database, a virtual host, a region's URL."""
    socket: str | None = None
    """The path of a local socket, instead of hosts."""
    password_from: str = "JOURNEY_SOURCE__PASSWORD"  # noqa: S105  # the variable's name
    """Where its password comes from, as users know it."""

    @property
    def host(self) -> str:
        return self.hosts[0][0]

    @property
    def port(self) -> int | None:
        return self.hosts[0][1]

    @property
    def label(self) -> str:
        """What messages call it."""
        hosts = ",".join(
            (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
            for host, port in self.hosts
        )
        within = self.within if self.kind == "sqs" else quote(self.within, safe="")
        parts = [part for part in (hosts or self.socket, within, self.queue) if part]
        return f"{self.kind}{'s' if self.tls else ''}://{'/'.join(parts)}"

    @property
    def way_out(self) -> str:
        """What to look at when the broker refuses."""
        return f"See to its URL and [source] group, and to {self.password_from}"


def is_queue(url: str) -> bool:
    """Whether a URL names a queue."""
    return url.partition("://")[0].lower() in KINDS or _SQS_URL.fullmatch(url) is not None


def place_of(policy: SourcePolicy) -> Place:
    """What `policy.url` names. Raises SourceError that says how it is written."""
    if _SQS_URL.fullmatch(policy.url):
        within, _, queue = policy.url.rpartition("/")
        return Place(kind="sqs", queue=queue, group="", within=within, policy=policy)

    scheme = policy.url.partition("://")[0].lower()
    kind = KINDS[scheme]
    try:
        # The brokers of a cluster are a list; urlsplit knows one host alone.
        parts = urlsplit(policy.url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise _unreadable(kind, str(error)) from None

    if unknown := query.keys() - {"group", "stream", "db"}:
        raise _unreadable(kind, f"it takes ?group=, not ?{min(unknown)}=")

    within, queue = _path_of(parts, query, kind)
    if not queue:
        raise _unreadable(kind, "it names no queue")

    return Place(
        kind=kind,
        queue=queue,
        group=_group_of(policy, query.get("group")),
        policy=policy,
        hosts=() if scheme in ("unix", "sqs") else _hosts_of(parts, kind),
        user=None if parts.username is None else unquote(parts.username),
        tls=scheme not in (kind, "unix"),
        within=within,
        socket=unquote(parts.path) if scheme == "unix" else None,
    )


def _path_of(parts: SplitResult, query: dict[str, str], kind: str) -> tuple[str, str]:
    """What the queue lies in, and its name."""
    if parts.scheme == "unix":
        return query.get("db", "0"), query.get("stream", "")

    if kind == "sqs":
        return "", unquote(parts.netloc + parts.path.rstrip("/"))

    first, _, rest = parts.path.removeprefix("/").partition("/")
    if kind == "redis":
        within, queue = (first, rest) if rest else ("0", first)
        if not within.isdigit():
            raise _unreadable(kind, f"{within!r} is no number of a database")
    elif kind == "amqp":
        within, queue = (first, rest) if rest else ("/", first)
    else:
        within, queue = "", f"{first}/{rest}" if rest else first

    return unquote(within), query.get("stream") or unquote(queue)


def _hosts_of(parts: SplitResult, kind: str) -> tuple[tuple[str, int | None], ...]:
    hosts = []
    for each in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{each}")
            host, port = one.hostname or "", one.port
        except ValueError as error:
            raise _unreadable(kind, str(error)) from None

        if not _HOST.fullmatch(host):
            raise _unreadable(kind, "it names no host")

        hosts.append((host, port))

    if len(hosts) > 1 and kind not in ("kafka", "nats"):
        raise _unreadable(kind, "it names several hosts")

    return tuple(hosts)


def _group_of(policy: SourcePolicy, told: str | None) -> str:
    if told and policy.group and told != policy.group:
        raise SourceError(
            f"[source] group is {policy.group}, and the url says ?group={told}: take one away"
        )

    return policy.group or told or GROUP


def _unreadable(kind: str, why: str) -> SourceError:
    return SourceError(f"[source] url is no address of a queue: {why}. Write {_NAMED[kind]}")
