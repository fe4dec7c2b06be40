"""What Kafka's clients are told, and what they raise turned into what must be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import SourceError
from ..extras import need
from .message import QueueLostError

if TYPE_CHECKING:
    from .place import Place

__all__ = ("ANSWER_SECONDS", "IDENTITY", "Translated", "settings")

IDENTITY: Final = "journey-id"
"""The header of a message of ours."""

ANSWER_SECONDS: Final = 10


def settings(place: Place) -> dict[str, Any]:
    """What consumer and producer have in common."""
    policy = place.policy
    told: dict[str, Any] = {
        "bootstrap.servers": ",".join(f"{host}:{port or 9092}" for host, port in place.hosts),
        "client.id": "journey-pipeline",
        "socket.connection.setup.timeout.ms": 1000 * ANSWER_SECONDS,
        "log_level": 0,  # what goes wrong is told by the call it goes wrong for
    }
    protocol = "SSL" if place.tls else "PLAINTEXT"
    if place.user is not None:
        protocol = "SASL_SSL" if place.tls else "SASL_PLAINTEXT"
        told |= {
            "sasl.mechanism": policy.sasl_mechanism,
            "sasl.username": place.user,
            "sasl.password": policy.password or "",
        }

    if policy.ca_file is not None:
        told["ssl.ca.location"] = policy.ca_file

    return told | {"security.protocol": protocol}


class Translated:
    """Turns what the clients raise into what the caller must do."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, SourceError | QueueLostError):
            return

        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        if not isinstance(error, kafka.KafkaException):
            return

        raised = error.args[0]
        told = raised.str() if isinstance(raised, kafka.KafkaError) else str(raised)
        code = raised.code() if isinstance(raised, kafka.KafkaError) else None
        refused = {
            kafka.KafkaError._AUTHENTICATION,  # noqa: SLF001  # so the library names it
            kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
            kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
            kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
            kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
            kafka.KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  # as above
            kafka.KafkaError.OFFSET_METADATA_TOO_LARGE,
            kafka.KafkaError.MSG_SIZE_TOO_LARGE,
        }
        if code in refused:
            raise SourceError(f"{self._place.label}: {told}. {self._place.way_out}") from error

        raise QueueLostError(told) from error
