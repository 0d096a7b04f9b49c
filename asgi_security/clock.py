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
