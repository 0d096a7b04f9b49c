"""Tells time: the two sources of the outside world that shells hold and pass down as values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Returns the present instant in seconds since the Unix epoch."""

Entropy: TypeAlias = Callable[[int], bytes]
"""Returns that many unpredictable bytes."""

system_clock: Clock = time.time
system_entropy: Entropy = os.urandom


def is_within(now: float, since: float, seconds: float) -> bool:
    """Tell whether `now` is in the span; a clock that went back is outside it.

    >>> is_within(10.0, 8.0, 2.0), is_within(9.5, 8.0, 2.0), is_within(7.0, 8.0, 2.0)
    (False, True, False)
    """
    return 0 <= now - since < seconds
