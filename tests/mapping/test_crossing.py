"""What crosses between two processes arrives as it was, or is told to have broken off."""

from __future__ import annotations

import pickle
import socket
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.source import Mark
from pipeline.mapping.contacts import Contacts
from pipeline.mapping.crossing import Crossing

MESSAGES = st.lists(
    st.tuples(st.text(max_size=5), st.lists(st.binary(max_size=400_000), max_size=3)), max_size=3
)


@given(messages=MESSAGES)
def test_arrives_as_it_was(messages: list[tuple[str, list[bytes]]]) -> None:
    """Whatever the sizes, and however many buffers a message has."""
    ours, end = Crossing.pair()
    theirs = Crossing(end)

    def send() -> None:
        for text, buffers in messages:
            theirs.send((text, [pickle.PickleBuffer(buffer) for buffer in buffers]))

    sending = Thread(target=send)
    sending.start()
    for text, buffers in messages:
        came, views = ours.receive()
        assert (came, [bytes(view) for view in views]) == (text, buffers)

    sending.join()
    assert not ours.waits()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_cut_off(share: float) -> None:
    """A message of which a part is missing is none."""
    whole, there = Crossing.pair()
    whole.send({"some": pickle.PickleBuffer(b"x" * 1_000)})
    message = there.recv(10_000)
    ours, end = Crossing.pair()
    end.sendall(message[: int(len(message) * share)])
    end.close()
    assert ours.waits()
    with pytest.raises(EOFError):
        ours.receive()

    there.close()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_contacts_are_pickled_by_any_protocol(protocol: int) -> None:
    """Also where there is nobody to take their bytes uncopied."""
    contacts = Contacts.of(
        [b"{}", b'{"a":1}'],
        source="a.csv",
        positions=range(1, 3),
        keys=["x", "ü"],
        rejected=[],
        mark=Mark(2, 20),
    )
    same = pickle.loads(pickle.dumps(contacts, protocol=protocol))
    assert (same, same.bodies) == (contacts, contacts.bodies)


def test_nobody_there() -> None:
    """Sending to one who is gone says so."""
    ours, end = Crossing.pair()
    end.shutdown(socket.SHUT_RDWR)
    end.close()
    with pytest.raises(BrokenPipeError):
        ours.send("anything")
