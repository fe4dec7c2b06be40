"""Delivery: how fast, how many at once, how often again (section `[delivery]`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from .window import Window

__all__ = ("DeliveryPolicy", "OnUnknown")


class OnUnknown(StrEnum):
    """What becomes of a batch whose fate cannot be known."""

    HOLD = "hold"  # it is never sent twice
    RESEND = "resend"  # it is sent again; contacts may enter twice


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How batches are delivered."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    max_in_flight: int = 16
    """Requests under way at once, at most."""

    requests_per_second: float = 10.0
    """Requests started per second, retries counted. Marketing Cloud names no limit; support has
    spoken of 2,500 a minute for a whole account."""

    contacts_per_hour: float | None = None
    """Contacts sent per hour, evenly: what the journey can digest. Absent: as fast as the
    requests go."""

    window: str | None = None
    """When contacts may be sent, such as "Mon-Fri 08:00-20:00"; several with commas between.
    Outside it the run waits. Absent: at any time."""

    time_zone: str | None = None
    """Whose clock the window is read by, such as "Europe/Berlin"; daylight saving is heeded.
    Absent: this machine's."""

    timeout_seconds: float = 60.0
    """Seconds until a request without an answer is given up; its contacts are unknown then."""

    max_attempts: int = 6
    """How often a batch is sent that was certainly not taken while others are; and how often it is
    tried at the beginning, while nothing has got through yet, before the run halts."""

    max_outage_seconds: float = 900.0
    """Seconds for which nothing gets through, though it did before, until the run halts. It holds
    all batches meanwhile, and one at a time finds out whether it is over."""

    on_unknown: OnUnknown = OnUnknown.HOLD
    """"hold": a contact whose fate is unknown is never sent twice. "resend": it is."""

    max_errors: int | str | None = None
    """Contacts that may be rejected or unknown before the run stops: a count, or a share such as
    "5%", judged once a thousand have an outcome. Absent: any number, but for some whole batches
    that are refused alike to the last contact: that halts the run. "100%" lets even those pass."""

    def __post_init__(self) -> None:
        for name in ("max_in_flight", "max_attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

        for name in (
            "requests_per_second",
            "contacts_per_hour",
            "timeout_seconds",
            "max_outage_seconds",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")

        if not math.isfinite(self.timeout_seconds):
            raise ValueError("timeout_seconds must be a number of seconds")

        if self.on_unknown not in tuple(OnUnknown):
            raise ValueError(f'on_unknown must be "hold" or "resend", not {self.on_unknown!r}')

        self.delivery_window()
        self._check_max_errors()

    def delivery_window(self) -> Window | None:
        """The window, read; None where contacts may be sent at any time."""
        if self.window is None:
            if self.time_zone is not None:
                raise ValueError("time_zone is the window's, and there is no window")

            return None

        return Window.parse(self.window, self.time_zone)

    def _check_max_errors(self) -> None:
        if self.max_errors is None:
            return

        text = str(self.max_errors).strip()
        share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
        if not text.isdecimal() and (share is None or float(share[1]) > 100):
            raise ValueError(
                f'max_errors must be a count of contacts or a share such as "5%", '
                f"not {self.max_errors!r}"
            )
