"""What a source is, and what it yields: chunks of records, each record with its position.

A position is a record's number in its source, from 1; the header is not counted. A record that
cannot be read has a position too, so that nothing in a file is without one.

File sources are plain synchronous iterators: they are read in a thread or in the encoder's child
process, never in the event loop (`mapping/encoder.py`).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from enum import StrEnum
from glob import has_magic
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .plain import Plain
    from .ranges import Ranges

__all__ = (
    "START",
    "Chunk",
    "FileSource",
    "Fingerprint",
    "Format",
    "Mark",
    "Rejection",
    "SourcePolicy",
    "Stage",
)


class Format(StrEnum):
    """How records are written in a file."""

    CSV = "csv"  # delimited text; the delimiter is found
    TSV = "tsv"  # delimited text; the delimiter is the tab
    NDJSON = "ndjson"  # a JSON object a line
    JSON = "json"  # an array of JSON objects
    PARQUET = "parquet"  # columns in row groups; needs the extra of the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy:
    """Where the records come from and how they are written."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    url: str
    """A path, a glob, a directory, a file:// URL, or "-" for standard input. On other machines:
    s3://bucket/key, gs://bucket/key, az://container/blob, sftp://user@host/path, each also a glob
    or, ending in "/", a directory. Queues: redis://host/0/stream, nats://host/stream,
    kafka://broker,broker/topic, sqs://queue, amqp://host/vhost/queue."""

    watch: bool = False
    """Whether url is a folder into which files are put as time goes on: each is taken when it is
    complete, and moved to done/ or failed/ inside. The run lives until a signal. One process alone
    watches a folder."""

    quiet_seconds: float = 10.0
    """After how long without a change a file of a watched folder is complete. One that a file
    NAME.done lies beside is at once."""

    format: Format | None = None
    """csv, tsv, ndjson, json or parquet. Absent: from the file's name; standard input is taken for
    csv."""

    delimiter: str | None = None
    """One character between fields. Absent: found among comma, semicolon, tab and bar."""

    quote: str = '"'
    """One character around fields that hold a delimiter; doubled inside them. "": no quoting."""

    encoding: str | None = None
    """A Python codec, such as cp1252. Absent: by the byte-order mark, else UTF-8."""

    columns: tuple[str, ...] | None = None
    """The names of the columns of a file without a header. Absent: the header names them."""

    password: str | None = field(default=None, repr=False)
    """The password of an SFTP login or of a queue's, or the passphrase of key_file. It belongs into
    the environment, as JOURNEY_SOURCE__PASSWORD."""

    key_file: str | None = None
    """The private key of an SFTP login. Absent: ssh's agent, and the keys in ~/.ssh."""

    known_hosts: str | None = None
    """The keys of the SFTP servers that may be talked to, as ssh writes them. Absent:
    ~/.ssh/known_hosts."""

    group: str | None = None
    """A queue's group of workers: each message goes to one of them. Absent: what ?group= in the
    url says, else "journey". SQS and RabbitMQ have none: who takes from the queue is the group."""

    shared: bool = True
    """Whether other workers take from the same queue and group. If so, a message that the queue
    gave out before, and not to this worker, may have been sent: delivery.on_unknown decides."""

    claim_idle_seconds: float = 600.0
    """After how long what a worker has taken, and left, goes to another one: dead it must be by
    then. A message that waits in a worker that is alive is held longer."""

    remember_seconds: float = 900.0
    """How long the journal knows a message that is done with, where that is longer than
    run.keep_days: a broker that crashes may forget what it was told. On RabbitMQ, where the
    producer names a message and may mean the name anew, it is this long, and no longer."""

    trim: bool = False
    """Whether entries of a Redis or Valkey stream are removed once every group of it has
    acknowledged them. Absent: they stay, and the stream grows, until somebody trims it. Who reads
    it without a group is not asked."""

    sasl_mechanism: str = "PLAIN"
    """How a user logs in to Kafka: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"."""

    ca_file: str | None = None
    """The certificates, as PEM, that a queue's TLS is held against. Absent: the system's."""

    def __post_init__(self) -> None:
        if not self.url:
            raise ValueError("url is empty: name a file, a glob, a directory, or - for stdin")

        # What follows :// up to the path, without a word of it in the message.
        if re.match(r"(?i)[a-z0-9+.-]+://[^/@]*:[^/]*@", self.url):
            raise ValueError(
                "url holds a password: take it out, and see to it that nobody else has read it. "
                "A login's password comes from JOURNEY_SOURCE__PASSWORD"
            )

        if self.format is not None:
            object.__setattr__(self, "format", Format(self.format))

        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in "\r\n"):
            raise ValueError(f"delimiter is one character, not {self.delimiter!r}")

        if len(self.quote) > 1 or self.quote in ("\r", "\n"):
            raise ValueError(f'quote is one character, or "" for none, not {self.quote!r}')

        if self.quote and self.quote == self.delimiter:
            raise ValueError(f"delimiter and quote are the same character, {self.quote!r}")

        if self.trim and not self.url.lower().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("trim is for the streams of Redis and Valkey: take it out")

        self._check_watch()
        self._check_encoding()
        self._check_columns()
        for name in ("claim_idle_seconds", "remember_seconds"):
            if not 1 <= getattr(self, name) <= 86_400:
                raise ValueError(f"{name} lies between 1 and 86400")

    def _check_watch(self) -> None:
        if self.watch and (self.url == "-" or "://" in self.url or has_magic(self.url)):
            raise ValueError("watch needs a folder of this machine as url")

        if not 0 <= self.quiet_seconds <= 86_400:
            raise ValueError("quiet_seconds lies between 0 and 86400")

    def _check_encoding(self) -> None:
        if self.encoding is None:
            return

        try:
            codecs.getincrementaldecoder(self.encoding)
            "".encode(self.encoding)
        except (LookupError, UnicodeError) as error:
            raise ValueError(
                f"encoding {self.encoding!r} is not a text encoding that Python knows"
            ) from error

    def _check_columns(self) -> None:
        if self.columns is None:
            return

        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns or "" in self.columns:
            raise ValueError("columns names every column of the file: a name is missing")

        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")


class Stage(StrEnum):
    """Where a contact was rejected."""

    INTAKE = "intake"  # the line could not be read
    MAPPING = "mapping"  # the record breaks a rule
    DELIVERY = "delivery"  # Marketing Cloud refused the contact, or its fate is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One record that will not be sent, and why. `record` is the raw text where unparsable."""

    source: str
    position: int
    stage: Stage
    reason: str  # a stable word, such as "missing_contact_key"
    detail: str  # a sentence for a person
    record: Any
    contact_key: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to start reading from: record `position + 1` begins at byte `offset`.

    The offset counts bytes of the decoded stream, the header included: uncompressed, and as UTF-8
    where the file is in another encoding. In Parquet, which has no such stream, it counts rows. It
    is None where a limit cut a chunk short: such a mark counts what was read, but no reading starts
    there. `lines` lie before it, where that is known: for messages.
    """

    position: int
    offset: int | None
    lines: int | None = field(default=None, compare=False)


START = Mark(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """How a source is recognised again: by what it holds, not by its name.

    `reading` is what else its positions depend on (format, delimiter, quote, codec, where the
    records begin): a run that is gone on with must be read as it was begun.
    """

    name: str
    size: int | None  # bytes as stored; None where it cannot be known (stdin)
    digest: str  # of head and tail, hexadecimal
    reading: str = ""
    plain: Plain | None = field(default=None, compare=False)  # uncompressed, where that is known

    @property
    def is_text(self) -> bool:
        """Whether what was appended to it would be read behind what was there."""
        return self.reading != "parquet"


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Records read together.

    `records` are rows aligned with `columns`, of text (CSV, TSV: mostly a Table) or of typed
    values (Parquet), or dicts where `columns` is None (NDJSON, JSON). `positions` ascend and pair
    with `records`. `mark` is where the next chunk begins: `mark.position` counts every record up to
    here, the rejected and the skipped too. `share` is how much of the source has been read, 0 to 1;
    None where its size is unknown.
    """

    source: str
    columns: tuple[str, ...] | None
    positions: Sequence[int]
    records: Sequence[Any]
    rejected: list[Rejection]
    mark: Mark
    share: float | None = None


class FileSource(Protocol):
    """One file (or stdin), readable more than once where it is a file. Picklable before reading."""

    @property
    def name(self) -> str:
        """The name outcomes carry."""

    @property
    def is_distant(self) -> bool:
        """Whether the next record may be long in coming: it comes from elsewhere."""

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""

    def columns(self) -> tuple[str, ...] | None:
        """The header's names, or None where every record names its own fields.

        Raises SourceError for duplicate or empty names.
        """

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on.

        Bad records come as `Chunk.rejected`, never as an exception. A chunk may be empty of
        records: its `mark` still moves. Damaged compression raises SourceError after every
        record before the damage has been yielded.
        """
