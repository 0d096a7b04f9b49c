"""What several scripts begin with."""

from __future__ import annotations

import math

LIFETIME = b"""
local function number(value) return string.format('%.17g', value) end

-- How long a key is kept, in milliseconds. Verdicts come from what is stored and from `now`; a key
-- is only kept longer than it says anything, whatever the clocks: 5 minutes and at most ten years.
local function lifetime(expires_at, now)
  local seconds = expires_at - now
  if not (seconds < 315360000) then seconds = 315360000 end
  return string.format('%d', math.ceil((math.max(seconds, 0) + 300) * 1000))
end
"""
"""Defines `number`, which writes one for good, and `lifetime`."""


def get_lifetime_milliseconds(expires_at: float, now: float) -> bytes:
    """Return the same as the Lua function `lifetime`."""
    seconds = expires_at - now
    if not seconds < 315_360_000:
        seconds = 315_360_000.0
    return b"%d" % math.ceil((max(seconds, 0.0) + 300) * 1000)


def expect_ok(reply: object) -> None:
    """Raise `ValueError` at any reply but OK."""
    if reply != b"OK":
        raise ValueError("not OK")
