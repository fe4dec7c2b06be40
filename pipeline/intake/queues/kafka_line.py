"""What Kafka's clients are told, and what they raise turned into what must be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from .message import QueueLostError
from .translating import Translating

if TYPE_CHECKING:
    from types import TracebackType

    from ...errors import SourceError
    from .place import Place

__all__ = ("ANSWER_SECONDS", "IDENTITY", "InGroup", "Translated", "reading", "settings", "sharing")

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


def reading(place: Place) -> dict[str, Any]:
    """What a consumer is told: nothing is committed but on purpose, and nothing is passed over."""
    return settings(place) | {
        "group.id": place.group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }


def sharing(place: Place, *, session_seconds: float) -> dict[str, Any]:
    """What a consumer is told that divides the topic with others of its group.

    Its group forgets it when it has been silent for so long.
    """
    session_ms = round(1000 * session_seconds)
    return reading(place) | {
        "max.poll.interval.ms": 300_000,
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": session_ms // 3,
    }


class InGroup:
    """Leaves off what the broker refuses because the group is being divided, or has forgotten us.

    Whoever was away for long learns it by that. The client joins the group again where it is asked
    for messages, and by nothing else.
    """

    def __init__(self, place: Place) -> None:
        self._kafka = need("confluent_kafka", extra="kafka", what=place.label)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Whether it was that."""
        kafka = self._kafka
        if not isinstance(error, kafka.KafkaException):
            return False

        raised = error.args[0]
        return isinstance(raised, kafka.KafkaError) and raised.code() in {
            kafka.KafkaError.REBALANCE_IN_PROGRESS,
            kafka.KafkaError.UNKNOWN_MEMBER_ID,
            kafka.KafkaError.ILLEGAL_GENERATION,
        }


class Translated(Translating):
    """What confluent-kafka raises."""

    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        if not isinstance(error, kafka.KafkaException):
            return None

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
            return self.refused(told)

        return QueueLostError(told)
