"""Errors: what comes out of task groups in groups reaches the user as the one sentence it is."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError, JourneyError, RunDirectoryError, ungrouped


def test_the_first_error_of_a_group_is_raised() -> None:
    """Groups in groups of errors raised on purpose become the first of them."""
    first, second = RunDirectoryError("the disk is full"), ConfigError("no secret")
    group = ExceptionGroup("", [ExceptionGroup("", [first]), second])
    with pytest.raises(RunDirectoryError) as raised, ungrouped():
        raise group

    assert raised.value is first


def test_what_was_not_raised_on_purpose_is_left_alone() -> None:
    """A mistake of the program's is not hidden behind an error of the user's."""
    with pytest.raises(ExceptionGroup) as raised, ungrouped():
        raise ExceptionGroup("", [ConfigError("no secret"), KeyError("oops")])

    assert raised.group_contains(KeyError)


def test_a_lone_error_passes() -> None:
    """What is no group passes as it is."""
    with pytest.raises(JourneyError, match="alone"), ungrouped():
        raise JourneyError("alone")
