"""csv.DictReader and httpx.AsyncClient: as many tasks as requests may be under way."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from .payload import HEADERS, arguments, batches, endpoint, payload

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ()


async def _post_all(
    client: httpx.AsyncClient, url: str, rows: Iterator[list[dict[str, str]]]
) -> None:
    for batch in rows:
        response = await client.post(endpoint(url), json=payload(batch))
        response.raise_for_status()


async def main() -> None:
    path, url, in_flight = arguments()
    rows = batches(path)
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)

    async with (
        httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=60) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(in_flight):
            tasks.create_task(_post_all(client, url, rows))


if __name__ == "__main__":
    asyncio.run(main())
