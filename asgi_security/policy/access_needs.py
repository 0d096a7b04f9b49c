"""Builds requirements from what users write, and finds those that nobody could ever meet.

Source: NIST SP 800-162 section 2 (attributes); RFC 6749 section 3.3 (scopes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.access import (
    AllOf,
    AnyOf,
    Authenticated,
    Holds,
    Not,
    Requirement,
    Satisfies,
)
from asgi_security.policy.access_roles import is_permission
from asgi_security.validation import suggest_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.policy.access_roles import Roles
    from asgi_security.validation import Findings


def build_all(
    permissions: Sequence[object],
    *,
    roles: Sequence[str] | str = (),
    scopes: Sequence[str] | str = (),
    via: Sequence[str] | str = (),
    needs: object = None,
) -> Requirement:
    """Build the requirement of everything that is named."""
    parts = list_parts(permissions, roles=roles, scopes=scopes, via=via)
    if needs is not None:
        parts = (*parts, build_requirement(needs))
    if not parts:
        return Authenticated()
    return parts[0] if len(parts) == 1 else AllOf(parts)


def list_parts(
    permissions: Sequence[object],
    *,
    roles: Sequence[str] | str = (),
    scopes: Sequence[str] | str = (),
    via: Sequence[str] | str = (),
) -> tuple[Requirement, ...]:
    """Return a requirement for each thing named; a plain string is one name, not its letters."""
    found = [build_requirement(permission) for permission in _names(permissions)]
    found += [Holds("role", role) for role in _names(roles)]
    found += [Holds("scope", scope) for scope in _names(scopes)]
    found += [Holds("via", way) for way in _names(via)]
    return tuple(found)


def _names(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def build_requirement(part: object) -> Requirement:
    """Return the requirement that a user wrote: a permission, a function, or what holds one.

    Raises:
        ConfigError: for anything else.
    """
    held = getattr(part, "requirement", part)
    if isinstance(held, Requirement):
        return held
    if isinstance(held, str):
        return Holds("permission", held)
    if callable(held):
        return Satisfies(held)
    hint = "give a permission such as 'invoice:read', a function, or requires(...)"
    raise ConfigError("requires", [Problem("requirement", repr(part)[:80], "no requirement", hint)])


def check_requirement(findings: Findings, requirement: Requirement, roles: Roles | None) -> None:
    """Note each name in a requirement that nobody could ever hold, and each empty combination."""
    match requirement:
        case AllOf(parts) | AnyOf(parts):
            if not parts:
                # Empty, the one would be met by everyone and the other by nobody.
                name = "all_of" if isinstance(requirement, AllOf) else "any_of"
                findings.add(name, parts, "empty", "name what is required")
            for part in parts:
                check_requirement(findings, part, roles)
        case Not(part):
            check_requirement(findings, part, roles)
        case Holds("permission", name):
            _check_permission(findings, name, roles)
        case Holds(kind, name):
            _check_name(findings, kind, name, roles)
        case _:
            pass


def _check_permission(findings: Findings, name: object, roles: Roles | None) -> None:
    if not isinstance(name, str) or not is_permission(name):
        hint = "write 'invoice:read'; wildcards stand in grants only"
        findings.add("permissions", name, "no permission", hint)
    elif roles is not None and not roles.knows_permission(name):
        near = suggest_name(name, roles.permissions or roles.list_permissions(roles.grants))
        hint = f"did you mean {near!r}?" if near else "let a role grant it"
        findings.add("permissions", name, "no role grants it", hint)


def _check_name(findings: Findings, kind: str, name: object, roles: Roles | None) -> None:
    if not isinstance(name, str) or not name or " " in name:
        findings.add(f"{kind}s", name, "no name", "give one name, without blanks")
    elif kind == "role" and roles is not None and name not in roles.grants:
        near = suggest_name(name, roles.grants)
        hint = f"did you mean {near!r}?" if near else "add it to Roles"
        findings.add("roles", name, "no such role", hint)
