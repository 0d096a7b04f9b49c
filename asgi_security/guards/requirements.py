"""Writes requirements the way an app's code reads: `requires`, `owns_resource`, `all_of`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.guards.guard import Guard
from asgi_security.policy.access import AllOf, AnyOf, Not, Owns, Resource, Satisfies
from asgi_security.policy.access_needs import build_all, build_requirement, list_parts
from asgi_security.policy.assurance import StepUp, check_step_up
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.policy.access_roles import Roles
    from asgi_security.principal import Principal


def requires(
    *permissions: object,
    roles: Sequence[str] | str = (),
    scopes: Sequence[str] | str = (),
    via: Sequence[str] | str = (),
    registry: Roles | None = None,
    hide_existence: bool = False,
) -> Guard:
    """Require everything that is named; with nothing named, to be authenticated.

    Args:
        permissions: such as `"invoice:read"`; functions of the principal and other guards too.
        roles: all of which the principal must have.
        scopes: all of which the credential must state.
        via: how the principal was proven: "jwt", "session".
        registry: see `Guard`.
        hide_existence: see `Guard`.
    """
    requirement = build_all(permissions, roles=roles, scopes=scopes, via=via)
    return Guard(requirement, registry=registry, hide_existence=hide_existence)


def requires_any(
    *permissions: object,
    roles: Sequence[str] | str = (),
    scopes: Sequence[str] | str = (),
    via: Sequence[str] | str = (),
    registry: Roles | None = None,
    hide_existence: bool = False,
) -> Guard:
    """Require one of the things named. Arguments as of `requires`."""
    parts = list_parts(permissions, roles=roles, scopes=scopes, via=via)
    return Guard(AnyOf(parts), registry=registry, hide_existence=hide_existence)


def all_of(*parts: object, registry: Roles | None = None) -> Guard:
    """Require every part: permissions, functions, guards."""
    return Guard(AllOf(tuple(map(build_requirement, parts))), registry=registry)


def any_of(*parts: object, registry: Roles | None = None) -> Guard:
    """Require one of the parts."""
    return Guard(AnyOf(tuple(map(build_requirement, parts))), registry=registry)


def not_(part: object, *, registry: Roles | None = None) -> Guard:
    """Require that the part is not met. What cannot be told is not met either way."""
    return Guard(Not(build_requirement(part)), registry=registry)


def owns_resource(
    attr: str = "owner_id",
    *,
    resource: str = "resource",
    load: Callable[[Any], Any] | None = None,
    identify: Callable[[Principal], object] | None = None,
    hide_existence: bool = True,
) -> Guard:
    """Require that a record's attribute, or key, is the principal's subject, of the same type.

    Args:
        attr: of the record. One that is missing or None is nobody's.
        resource: the argument that is the record or, with `load`, what it is loaded by; an
            argument of the decorated function, or of the path.
        load: from that argument to the record, sync or async; None for one that there is not.
        identify: what of the principal is compared, where it is not the subject:
            `lambda principal: int(principal.subject)`.
        hide_existence: answer 404 for a record of others and for one that there is not. False
            answers 403 for both.
    """
    return Guard(Owns(attr, Resource(resource, load), identify, hide_existence))


def satisfies(
    predicate: Callable[..., Any],
    *,
    resource: str | None = None,
    load: Callable[[Any], Any] | None = None,
    hide_existence: bool = False,
) -> Guard:
    """Require that a function returns True: of the principal, and of a record if one is named.

    It may be async. Whatever it raises, and any other value, is a denial.
    """
    record = None if resource is None else Resource(resource, load)
    return Guard(Satisfies(predicate, record, hide_existence))


def require_fresh(max_age_seconds: float) -> Guard:
    """Require that the user was authenticated no longer ago: before a mail address is changed.

    Unmet it is a 401 that asks for it (RFC 9470), and not a 403: the same user may come again. What
    counts is `auth_time`, in the token's claims or in the session.

    Raises:
        ConfigError: for less than a second.
    """
    return _build_step_up("require_fresh", StepUp(max_age_seconds=max_age_seconds))


def require_aal(level: int, *, acr_values: Sequence[str] | str = ()) -> Guard:
    """Require an authentication of that assurance level: 2 is two factors.

    What counts is `amr` or `acr`, in the token's claims or in the session. Answers as
    `require_fresh` does.

    Args:
        level: 1 to 3, by NIST SP 800-63B-4. No `amr` makes 3.
        acr_values: what another issuer calls this level; asked for in its words.

    Raises:
        ConfigError: for another level, and for values that no challenge could name.
    """
    values = (acr_values,) if isinstance(acr_values, str) else tuple(acr_values)
    return _build_step_up("require_aal", StepUp(level=level, acr_values=values))


def _build_step_up(owner: str, needed: StepUp) -> Guard:
    findings = Findings(owner)
    check_step_up(findings, needed)
    findings.raise_if_any()
    return Guard(needed)
