"""Everything that can go wrong, by what the caller must do about it.

    JourneyError                    every error this package raises on purpose
    ├── UsageError          exit 2  change what was typed, the config, or the file: nothing was sent
    │   ├── ConfigError             a key or value of the config
    │   ├── SourceError             the source cannot be read at all (a bad record is no error)
    │   ├── MappingError            a rule does not fit the source's columns
    │   ├── AlreadyInjectedError    the run is finished: `--again` starts a new one
    │   │   └── InjectedInPartError some of what is in the source was injected by another run
    │   └── RunDirectoryError       the run directory is busy, foreign or not writable
    │       └── JournalInUseError   somebody works on it, or reads what must be put aside: it passes
    ├── HaltError           exit 3  Marketing Cloud will refuse everything: mend, then `run` goes on
    │   ├── CredentialsError        client id, secret or token refused
    │   ├── PermissionDeniedError   403: the package lacks a permission
    │   ├── EndpointError           404, a redirect, a request it refuses as such
    │   ├── EventDefinitionError    unknown event definition key
    │   └── UnavailableError        nothing gets through although every attempt was made
    ├── InterruptedRunError exit 5  a signal came before anything was begun
    ├── BudgetError         exit 4  more contacts failed than `delivery.max_errors` allows
    └── ConservationError   exit 3  the program's own books do not balance: the journal stands

Each message names the thing, the place and the way out, and never a secret.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = (
    "AlreadyInjectedError",
    "BudgetError",
    "ConfigError",
    "ConservationError",
    "CredentialsError",
    "EndpointError",
    "EventDefinitionError",
    "HaltError",
    "InjectedInPartError",
    "InterruptedRunError",
    "JournalInUseError",
    "JourneyError",
    "MappingError",
    "PermissionDeniedError",
    "RunDirectoryError",
    "SourceError",
    "UnavailableError",
    "UsageError",
    "ungrouped",
)


class JourneyError(Exception):
    """Base of every error raised on purpose; its text is fit to show to a user."""

    exit_code: ClassVar[int] = 3


class UsageError(JourneyError):
    """The user must change something before anything can be sent."""

    exit_code = 2


class ConfigError(UsageError):
    """A key or a value of the config is wrong."""


class SourceError(UsageError):
    """The source as a whole cannot be read."""


class MappingError(UsageError):
    """A mapping rule does not fit the columns of the source."""


class AlreadyInjectedError(UsageError):
    """The run of this source into this journey is finished."""


class InjectedInPartError(AlreadyInjectedError):
    """The source has grown since it was injected, or lies among others: who is new is not sent."""


class RunDirectoryError(UsageError):
    """The run directory is in use, belongs to something else, or cannot be written."""


class JournalInUseError(RunDirectoryError):
    """Somebody works on the run, or reads the journal that is to be put aside; the same again will
    do."""


class HaltError(JourneyError):
    """Marketing Cloud refuses on grounds that sending again cannot mend; nothing is lost."""


class CredentialsError(HaltError):
    """The client id, the secret or a fresh token was refused."""


class PermissionDeniedError(HaltError):
    """The package behind the credentials lacks a permission."""


class EndpointError(HaltError):
    """The endpoint is not there, or refuses the request itself rather than a contact."""


class EventDefinitionError(HaltError):
    """Marketing Cloud does not know the event definition key."""


class UnavailableError(HaltError):
    """Every attempt was made and nothing gets through."""


class InterruptedRunError(JourneyError):
    """A signal came before the run had begun; there is nothing to go on with."""

    exit_code = 5


class BudgetError(JourneyError):
    """More contacts were rejected or left unknown than `delivery.max_errors` allows."""

    exit_code = 4


class ConservationError(JourneyError):
    """read = accepted + rejected + unknown + unprocessed does not hold."""


@contextmanager
def ungrouped(*consequences: type[BaseException]) -> Iterator[None]:
    """Task groups raise groups of errors: where all were raised on purpose, raise the first.

    `consequences` are what such an error causes elsewhere, as a stream that breaks because the
    task at its other end is gone; beside one raised on purpose they are left out.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        meant, others = group.split(JourneyError)
        if meant is not None and (others is None or _only(others, consequences)):
            raise _first(meant) from None

        raise


def _only(group: BaseExceptionGroup[BaseException], kinds: tuple[type[BaseException], ...]) -> bool:
    return bool(kinds) and group.split(kinds)[1] is None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
