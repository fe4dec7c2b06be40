"""What the groups of a Redis stream tell: what lies there for one, and what none needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .message import Backlog
from .redis_gaps import begins_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("TRIM", "backlog_of", "group_of", "trim")

TRIM: Final = b"""
local function before(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  if am == bm then am, bm = as, bs end
  if #am ~= #bm then return #am < #bm end
  return am < bm
end
local least
for _, told in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for at = 1, #told, 2 do group[told[at]] = told[at + 1] end
  local reached = group['last-delivered-id']
  if group['pending'] > 0 then reached = redis.call('XPENDING', KEYS[1], group['name'])[2] end
  if not least or before(reached, least) then least = reached end
end
if not least then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', least)
"""
"""Removes what every group has acknowledged, in one step, so that no group is made meanwhile.

An entry is kept from the first on that any group has not been given, or has not acknowledged.
"""


async def group_of(redis: Any, stream: str, name: str) -> dict[str, Any] | None:
    """What the server tells of a group; None where it, or the stream, is not there."""
    if not await redis.exists(stream):
        return None

    groups = await redis.xinfo_groups(stream)
    return next((one for one in groups if one["name"].decode() == name), None)


async def trim(redis: Any, stream: str) -> int:
    """Remove what every group has acknowledged; how many entries those were.

    The server removes whole blocks of entries, a hundred or so: some always stay.
    """
    removed: int = await redis.eval(TRIM, 1, stream)
    return removed


async def backlog_of(redis: Any, stream: str, name: str) -> Backlog:
    """What lies on a stream for a group: what there is, where the group is not there yet."""
    group = await group_of(redis, stream, name)
    if group is None:
        waiting = int(await redis.xlen(stream))
        entries = await redis.xrange(stream, count=1)
        return Backlog(waiting=waiting, taken=0, oldest_seconds=await _age(redis, entries))

    taken, lag = int(group["pending"]), group.get("lag")
    told = await redis.xinfo_stream(stream)
    if begins_behind(told, group):
        lag = told["length"]  # what was trimmed before the group was given it counts as well

    return Backlog(
        waiting=None if lag is None else int(lag),  # entries were deleted out of its midst
        taken=taken,
        oldest_seconds=await _oldest(redis, stream, group),
    )


async def _oldest(redis: Any, stream: str, group: Mapping[str, Any]) -> float | None:
    if group["pending"]:
        pending = await redis.xpending(stream, group["name"])
        return await _age(redis, [(pending["min"], None)])

    after = b"(" + group["last-delivered-id"]
    return await _age(redis, await redis.xrange(stream, min=after, count=1))


async def _age(redis: Any, entries: list[Any]) -> float | None:
    """How old the first of these is, by the server's clock: an id begins with milliseconds.

    None where its producer has given it another meaning.
    """
    if not entries:
        return 0.0

    seconds, microseconds = await redis.time()
    age = seconds + microseconds / 1e6 - int(entries[0][0].partition(b"-")[0]) / 1e3
    return max(0.0, age) if -60 < age < _OLDEST_SECONDS else None


_OLDEST_SECONDS: Final = 10 * 365 * 86_400.0
