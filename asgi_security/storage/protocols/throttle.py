"""How much of a quota is used up: requests counted, not failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """A quota as data, so that no backend knows a policy.

    `limit` units are admitted at once, and come back evenly over `window_seconds` (GCRA). With
    `fixed_window` they come back all together at the multiples of `window_seconds` since the
    epoch, which lets twice the limit through around one.
    """

    limit: int
    window_seconds: float
    fixed_window: bool = False


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """The answer to a request for units, and the state of its key after it.

    `remaining` whole units are left; the quota is whole again after `reset_seconds`; the units
    that were refused will be there after `retry_after_seconds` (0 when admitted).
    """

    admitted: bool
    remaining: int
    reset_seconds: float
    retry_after_seconds: float


class ThrottleStore(Protocol):
    """Quotas in use.

    A store may have the attribute `is_process_local = True`: nobody else reads its keys, and no
    operation ever waits. Then it needs no time bound, and a secret may be made up at the start.
    """

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        """Take `cost` units of the key's quota, or none if they are not all there.

        A refusal changes nothing, so that asking in vain does not push the time away. When `now`
        lies before what is stored (the clock went back), no unit is taken back and none is given.
        Called again after a lost reply it takes again: a unit too many, never one too few.

        Atomic because reading and writing apart admits any number of parallel requests.
        """
        ...
