"""The line to Amazon SQS, and what its client raises turned into what must be done.

Credentials, region and endpoint come from the environment, under the names that Amazon's own tools
read: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_SQS …
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ...errors import SourceError
from ..extras import need
from .message import QueueLostError
from .translating import Translating

if TYPE_CHECKING:
    from .place import Place

__all__ = ("AT_ONCE", "IDENTITY", "SqsLine", "Translated")

IDENTITY: Final = "id"
"""The attribute of a message of ours."""
AT_ONCE: Final = 10
"""Messages in a request, which is SQS's own limit."""

_WAY_OUT: Final = (
    "See to the queue's name, and to AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_REFUSED: Final = (
    "AccessDenied",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "InvalidAddress",
)


class SqsLine:
    """A client of SQS, and the queue's URL."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._made: Any = None
        self.client: Any = None
        self.url = ""

    async def open(self) -> None:
        """Connect, if that is not done, and find the queue."""
        if self.client is not None:
            return

        _check_endpoint()
        aio = need("aiobotocore.session", extra="sqs", what=self._place.label)
        config = need("aiobotocore.config", extra="sqs", what=self._place.label)
        with Translated(self._place):
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            if self._place.within:
                region = urlsplit(self._place.within).netloc.split(".")[1]

            self._made = aio.get_session().create_client(
                "sqs",
                region_name=region,
                config=config.AioConfig(
                    connect_timeout=5,
                    read_timeout=30,
                    max_pool_connections=50,
                    retries={"mode": "standard", "total_max_attempts": 2},
                ),
            )
            self.client = await self._made.__aenter__()
            if self._place.within:
                self.url = f"{self._place.within}/{self._place.queue}"
            else:
                found = await self.client.get_queue_url(QueueName=self._place.queue)
                self.url = found["QueueUrl"]

    async def close(self) -> None:
        """Leave; never raises."""
        made, self._made, self.client = self._made, None, None
        if made is not None:
            with suppress(Exception):
                await made.__aexit__(None, None, None)


def _check_endpoint() -> None:
    for name in ("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"):
        parts = urlsplit(os.environ.get(name, ""))
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise SourceError(f"{name} is plain http: only a host on this machine may be")


class Translated(Translating):
    """What aiobotocore raises."""

    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        errors = need("botocore.exceptions", extra="sqs", what=self._place.label)
        if isinstance(error, errors.ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            if any(word in code for word in _REFUSED):
                return SourceError(f"{self._place.label}: {code}. {_WAY_OUT}")

            return QueueLostError(code)

        if isinstance(error, errors.NoCredentialsError | errors.NoRegionError):
            return SourceError(f"{self._place.label}: {error} {_WAY_OUT}")

        if isinstance(error, errors.BotoCoreError | OSError | TimeoutError):
            return QueueLostError(str(error) or type(error).__name__)

        return None
