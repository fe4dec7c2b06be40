"""Starting and ending a simulator: inside a program, or as a program of its own."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from ..errors import ConfigError
from .server import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .cloud import Cloud
    from .options import SimulatorOptions

__all__ = ("running", "serve")


@asynccontextmanager
async def running(cloud: Cloud, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve a cloud inside this event loop; the value is its URL, on a free port unless named.

    Raises:
        ConfigError: The port is taken.
    """
    # A client that leaves ends its request: hanging answers must not pile up.
    runner = web.AppRunner(
        application(cloud), access_log=None, handler_cancellation=True, shutdown_timeout=0.5
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()
        except OSError as error:
            raise ConfigError(f"the simulator cannot listen on {host}:{port}: {error}") from None

        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def serve(options: SimulatorOptions) -> None:
    """Run a simulator until SIGINT or SIGTERM, after a welcome on stdout.

    Raises:
        ConfigError: An option cannot be used, or the port is taken.
    """
    cloud = options.cloud()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(cloud, options))


async def _serve(cloud: Cloud, options: SimulatorOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    async with running(cloud, port=options.port, host=options.host) as url:
        sys.stdout.write(_welcome(url, options))
        sys.stdout.flush()
        # The ledger is one dictionary of millions: each full collection would walk through it.
        gc.freeze()
        await stop.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # an extra: used where it is installed
    except ImportError:
        return None

    return uvloop.new_event_loop


def _welcome(url: str, options: SimulatorOptions) -> str:
    """The ready line, and what a first run needs."""
    auth = "v2" if options.package == "enhanced" else "v1"
    return f"""\
Marketing Cloud simulator on {url}
  client id            {options.client_id}
  client secret        {options.client_secret}
  event definition     {", ".join(options.event_definition_keys)}
  what really happened {url}/_simulator/summary

A config for it:

  [account]
  auth = "{auth}"
  auth_url = "{url}"
  rest_url = "{url}"
  client_id = "{options.client_id}"
  client_secret = "{options.client_secret}"

  [journey]
  event_definition_key = "{options.event_definition_keys[0]}"

Stop it with Ctrl-C.
"""
