"""`python -m pipeline` is the command `journey-pipeline`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

__all__ = ("main",)

_INTERRUPTED_CODE = 5  # InterruptedRunError's (errors.py), which is not loaded yet
_CALLERS = {
    "check": "verbs.preflight",
    "demo": "verbs.demo",
    "retry": "worker.showing",
    "run": "worker.showing",
    "verify": "verbs.verification",
}
"""The verbs that call Marketing Cloud, and what each of them loads to do so."""
_HALTED_CODE = 3  # HaltError's, as above
_NO_THREADS = (
    "the system starts no more threads for this program: see to its limits (ulimit -u, a "
    "container's pids.max, systemd's TasksMax), 32 are enough. A run that was going on is in its "
    "journal: `run`, without --again, goes on with it; what was on its way is unknown"
)
_GOODBYE_SECONDS = 2.0
"""How long a collector of logs that reads no more is waited for at the end."""


def main() -> None:
    """Run the command line."""
    # While the program loads, a signal ends it on the spot. A KeyboardInterrupt in the middle of
    # an import is swallowed by some libraries, and makes others crash.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)

    _open_what_is_closed()
    try:
        gc.disable()  # what is loaded stays: a sixth of the start would go into looking for more
        verb = "".join(sys.argv[1:2])
        if verb in _CALLERS:
            with suppress(RuntimeError):  # no thread is to be had: it is loaded all the same
                Thread(target=_load_client, name="loading", daemon=True).start()

            import_module(f".{_CALLERS[verb]}", __package__)

        # Not at the top: the package may be imported for its version alone.
        from .cli import main as command_line  # noqa: PLC0415

        gc.freeze()  # nor is it looked through once, now that it is loaded
        gc.enable()
        command_line()
    except KeyboardInterrupt:
        _end(_INTERRUPTED_CODE)
    except SystemExit as ending:
        _end(ending.code)
    except (RuntimeError, BaseExceptionGroup) as error:
        if not _lacks_threads(error):
            raise

        sys.stderr.write(f"error: {_NO_THREADS}\n")
        _end(_HALTED_CODE)


def _lacks_threads(error: BaseException) -> bool:
    """Whether there is nothing else but that the system starts no more threads."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_lacks_threads, error.exceptions))

    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def _load_client() -> None:
    """Load the HTTP client beside the rest: it reads the system's certificates, which need no GIL.

    Whoever imports it meanwhile waits for it. Trouble it has is theirs to tell.
    """
    with suppress(Exception):
        import aiohttp  # noqa: F401, PLC0415  # as above


def _open_what_is_closed() -> None:
    """Where a standard stream is closed, a file that is opened next would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # for good


def _end(code: Any) -> NoReturn:
    """End the process once all it has said has left, without taking it apart first.

    What a run leaves in memory would be freed piece by piece, a fifth of a second after a million
    contacts; the system takes it back at once. What lasts was closed by whoever opened it.
    """
    with suppress(OSError):  # what cannot be said: the ordinary end tells of it
        sys.stdout.flush()
        last = Thread(target=_flush_errors, daemon=True)
        try:
            last.start()
            last.join(_GOODBYE_SECONDS)
        except RuntimeError:  # no thread is to be had
            _flush_errors()

        if code is None or isinstance(code, int):
            os._exit(code or 0)

    sys.exit(code)


def _flush_errors() -> None:
    with suppress(OSError, ValueError):
        sys.stderr.flush()


def _leave(*_: object) -> None:
    os._exit(_INTERRUPTED_CODE)


if __name__ == "__main__":
    main()
