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

from asgi_security.storage.protocols.accounts import (
    Account,
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    AccountStore,
    Factor,
    Identity,
    IdentityTaken,
    LastIdentity,
    Linked,
    NameTaken,
    Unlinked,
)
from asgi_security.storage.protocols.api_keys import (
    ApiKey,
    ApiKeyStore,
)
from asgi_security.storage.protocols.audit import (
    Appended,
    AuditHead,
    AuditRecord,
    AuditStore,
    HeadMoved,
)
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
from asgi_security.storage.protocols.refresh import (
    Advance,
    FamilyGone,
    RefreshFamily,
    RefreshStore,
    Retried,
    Reused,
    Rotated,
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
    "Account",
    "AccountConflict",
    "AccountCreated",
    "AccountGone",
    "AccountSaved",
    "AccountStore",
    "Admitted",
    "Advance",
    "ApiKey",
    "ApiKeyStore",
    "Appended",
    "AttemptKey",
    "AttemptRecord",
    "AttemptStatus",
    "AttemptStore",
    "AuditHead",
    "AuditRecord",
    "AuditStore",
    "Busy",
    "Charge",
    "Conflict",
    "Created",
    "Factor",
    "FamilyGone",
    "Gone",
    "HeadMoved",
    "Identity",
    "IdentityTaken",
    "LastIdentity",
    "LimitReached",
    "Linked",
    "Locked",
    "LockoutSchedule",
    "NameTaken",
    "OneTimeStore",
    "Outcome",
    "Receipt",
    "RefreshFamily",
    "RefreshStore",
    "Retried",
    "Reused",
    "RevocationStore",
    "Rotated",
    "Saved",
    "SessionRecord",
    "SessionStore",
    "Settled",
    "Store",
    "ThrottleRule",
    "ThrottleState",
    "ThrottleStore",
    "Unlinked",
]
