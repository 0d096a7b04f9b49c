"""The contracts that every backend keeps, each operation one atomic call.

What holds for all of them:

* Time is an argument: `now` and every `*_at` are seconds since the Unix epoch. A backend's own
  clock and expiry are housekeeping; no verdict depends on them.
* Absent and expired are the same answer.
* Keys are digests made by the caller. No raw token, session id, address or login name is stored.
* Only `StorageError` comes out, also when the time bound of the store has run out. After it the
  caller cannot know whether the step was taken: every operation is safe to call again with the
  same arguments.
"""

from asgi_security.storage.protocols.lockout import (
    Admitted,
    AttemptKey,
    AttemptRecord,
    AttemptStatus,
    AttemptStore,
    Busy,
    Charge,
    Locked,
    LockoutSchedule,
    Outcome,
    Receipt,
    Settled,
)
from asgi_security.storage.protocols.once import (
    OneTimeStore,
)
from asgi_security.storage.protocols.revocations import (
    RevocationStore,
)
from asgi_security.storage.protocols.sessions import (
    Conflict,
    Created,
    Gone,
    LimitReached,
    Saved,
    SessionRecord,
    SessionStore,
)
from asgi_security.storage.protocols.store import (
    Store,
)
from asgi_security.storage.protocols.throttle import (
    ThrottleRule,
    ThrottleState,
    ThrottleStore,
)

__all__ = [
    "Admitted",
    "AttemptKey",
    "AttemptRecord",
    "AttemptStatus",
    "AttemptStore",
    "Busy",
    "Charge",
    "Conflict",
    "Created",
    "Gone",
    "LimitReached",
    "Locked",
    "LockoutSchedule",
    "OneTimeStore",
    "Outcome",
    "Receipt",
    "RevocationStore",
    "Saved",
    "SessionRecord",
    "SessionStore",
    "Settled",
    "Store",
    "ThrottleRule",
    "ThrottleState",
    "ThrottleStore",
]
