"""Scripts: what the server of `shared.py` does in one go, in its own language and on its own clock.

Times are microseconds since 1970, which a double holds exactly; lifetimes of keys milliseconds. A
slot is the moment from which the next request may go: it moves on by what each one takes.
"""

from __future__ import annotations

from typing import Final

__all__ = ("CLAIM", "HOLD", "KEEP", "LET_GO", "LOOK", "RESERVE")

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

LOOK: Final = """
local found = redis.call('GET', KEYS[1])
return found and {found, redis.call('PTTL', KEYS[1])}
"""
"""KEYS: one. What it holds, and for how many milliseconds more; false where there is none."""

KEEP: Final = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"
"""KEYS: one. ARGV: what it is to hold, for how many milliseconds."""

CLAIM: Final = """
local who = redis.call('GET', KEYS[1])
if who and who ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""KEYS: one. ARGV: who claims it, for how many milliseconds. 1 where nobody else has it."""

LET_GO: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
"""KEYS: one. ARGV: who had claimed it."""

HOLD: Final = (
    _NOW
    + """
local till = now + ARGV[1]
if till > tonumber(redis.call('GET', KEYS[1]) or '0') then
  redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX', math.ceil(ARGV[1] / 1000) + 1)
end
return 1
"""
)
"""KEYS: the hold. ARGV: for how many microseconds from now."""

RESERVE: Final = (
    _NOW
    + """
local away = tonumber(redis.call('GET', KEYS[3]) or '0') - now
if away > 0 then return {0, math.ceil(away), 'hold'} end

local slack, ahead = tonumber(ARGV[3]), tonumber(ARGV[4])
local function slot(key)
  return math.max(tonumber(redis.call('GET', key) or '0'), now - slack)
end
local function move(key, at)
  local left = math.max(0, at - now)
  redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil(left / 1000) + 60000)
end

local requests, contacts = tonumber(ARGV[1]), tonumber(ARGV[2])
local at, why = now, 'rate'
if requests > 0 then at = slot(KEYS[1]) end
local due = contacts > 0 and slot(KEYS[2]) or 0
if due > at then at, why = due, 'contacts' end

away = math.ceil(math.max(0, at - now))
if away > ahead then return {0, away - ahead, why} end
if requests > 0 then move(KEYS[1], at + requests) end
if contacts > 0 then move(KEYS[2], due + contacts) end
return {1, away, why}
"""
)
"""KEYS: the requests' slot, the contacts' slot, the hold. ARGV: what a request takes and what its
contacts take, 0 where they are not paced; how much of an empty slot is made up for; how far ahead a
slot may be taken. Whether it is taken, in how long it is there (or is to be asked for again), and
what it is that makes one wait: `rate`, `contacts` or `hold`."""
