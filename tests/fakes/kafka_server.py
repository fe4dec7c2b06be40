"""The mock cluster that librdkafka has in itself, as a server for other processes.

It speaks Kafka's protocol over TCP, groups and offsets included, and keeps everything in memory.
"""

from __future__ import annotations

import signal
import sys

from confluent_kafka import Producer


def main() -> None:
    """Serve until killed."""
    producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    sys.stdout.write(f"serving on {broker.port}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
