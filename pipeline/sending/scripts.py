"""Scripts: what the server of `shared.py` does in one go, in its own language and on its own clock.

Times are microseconds since 1970, which a double holds exactly; lifetimes of keys milliseconds. A
slot is the moment from which a request may go: so long after the last one as a request takes.
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

KEEP: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""KEYS: one, and the claim to it. ARGV: what it is to hold, for how many milliseconds; who must
have claimed it. 1 where that is so."""

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

local request, contact, contacts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slack, ahead = tonumber(ARGV[4]), tonumber(ARGV[5])
local function number(at) return string.format('%.0f', at) end

local at, why = now, 'rate'
if request > 0 then
  local last = tonumber(redis.call('GET', KEYS[1]) or '0')
  at = math.max(math.min(last, now + ahead) + request, now - slack)
end
if contact > 0 then
  local last = redis.call('HMGET', KEYS[2], 'at', 'contacts')
  local due = tonumber(last[1] or '0') + tonumber(last[2] or '0') * contact
  due = math.max(due, now - slack)
  if due > at then at, why = due, 'contacts' end
end

away = math.ceil(math.max(0, at - now))
if away > ahead then return {0, away - ahead, why} end
if request > 0 then
  redis.call('SET', KEYS[1], number(at), 'PX', number(math.ceil(request / 1000) + 60000))
end
if contact > 0 then
  redis.call('HSET', KEYS[2], 'at', number(at), 'contacts', number(contacts))
  redis.call('PEXPIRE', KEYS[2], number(math.ceil(contacts * contact / 1000) + 60000))
end
return {1, away, why}
"""
)
"""KEYS: when the last request went; when the last contacts went, and how many; the hold. ARGV: what
a request takes, and what a contact takes, 0 where they are not paced; how many contacts; how much
of an empty slot is made up for; how far ahead a slot may be taken. Whether it is taken, in how long
it is there (or is to be asked for again), and what makes one wait: `rate`, `contacts` or `hold`.

What is kept is what went, not when the next may go: that follows from the pace of who asks, so who
is asked for another pace does not wait for what the old one had planned."""
