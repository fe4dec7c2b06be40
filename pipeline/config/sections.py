"""The sections of the config, put together from the policies that obey them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..intake.source import SourcePolicy
from ..mapping.rules import MappingPolicy
from ..packing.batcher import BatchPolicy
from ..sending.account import Account
from ..sending.coordination import CoordinationPolicy
from ..sending.endpoint import JourneyPolicy
from ..sending.policy import DeliveryPolicy
from ..settling.directory import RunPolicy

__all__ = ("Config", "LogForm", "LogLevel", "WorkerPolicy")


class LogForm(StrEnum):
    """How a run logs where stderr is no terminal."""

    AUTO = "auto"  # whoever is watched by machines is read by machines
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """What is logged: of this weight and more."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPolicy:
    """What a run shows to the outside while it lives."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    listen: str | None = None
    """host:port of health, metrics and live page, such as "127.0.0.1:9100"; a bare port means this
    machine alone. Absent: nothing listens."""

    logs: LogForm = LogForm.AUTO
    """What stderr gets where it is no terminal: "text", or "json", an object a line. "auto": json
    where something listens, else text."""

    log_level: LogLevel = LogLevel.INFO
    """How much of it: "debug" (everything that happens), "info" (progress and news), "warning"
    (what somebody may want to look at), "error". SIGHUP reads it anew."""

    drain_seconds: float | None = None
    """How long a first SIGTERM or SIGINT waits for what is under way before it is left; the fate of
    those contacts is unknown then. Absent: as long as the requests take."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "logs", LogForm(self.logs))
        object.__setattr__(self, "log_level", LogLevel(self.log_level))
        if self.listen is not None:
            _ = self.address

        if self.drain_seconds is not None and not 0 <= self.drain_seconds < inf:
            raise ValueError("drain_seconds must be 0 or more")

    @property
    def as_json(self) -> bool:
        """Whether stderr gets JSON where it is no terminal."""
        return self.logs is LogForm.JSON or (self.logs is LogForm.AUTO and self.listen is not None)

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on, or None."""
        if self.listen is None:
            return None

        host, _, port = self.listen.rpartition(":")
        if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65_535:
            raise ValueError('listen must be host:port, such as "127.0.0.1:9100"')

        return host.strip("[]") or "127.0.0.1", int(port)


class Config(BaseModel):
    """Everything a command needs to know; made from a file by `load`, or by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: Account
    """Who asks, and where."""

    journey: JourneyPolicy
    """Which journey the contacts enter, by which door."""

    source: SourcePolicy
    """Where the records come from."""

    mapping: MappingPolicy
    """How a record becomes a contact."""

    batch: BatchPolicy = Field(default_factory=BatchPolicy)
    """When a batch is full enough."""

    delivery: DeliveryPolicy = Field(default_factory=DeliveryPolicy)
    """How batches are delivered."""

    run: RunPolicy
    """Where a run keeps its books."""

    worker: WorkerPolicy = Field(default_factory=WorkerPolicy)
    """What a run shows to the outside while it lives."""

    coordination: CoordinationPolicy = Field(default_factory=CoordinationPolicy)
    """What many workers share."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be printed, as far as the config itself holds it."""
        passwords = (self.source.password, self.coordination.password)
        return (*self.account.secrets, *filter(None, passwords))
