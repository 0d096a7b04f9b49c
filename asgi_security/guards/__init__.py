"""Guards what the app's code does: decorators, dependencies and plain checks, in any framework."""

from asgi_security.guards.denials import AccessDenied, access_errors, answer_denied
from asgi_security.guards.guard import Guard, authorize, check, load_once
from asgi_security.guards.requirements import (
    all_of,
    any_of,
    not_,
    owns_resource,
    require_aal,
    require_fresh,
    requires,
    requires_any,
    satisfies,
)

__all__ = [
    "AccessDenied",
    "Guard",
    "access_errors",
    "all_of",
    "answer_denied",
    "any_of",
    "authorize",
    "check",
    "load_once",
    "not_",
    "owns_resource",
    "require_aal",
    "require_fresh",
    "requires",
    "requires_any",
    "satisfies",
]
