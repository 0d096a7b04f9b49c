"""Decides which permissions a set of roles grants.

A permission is segments joined by colons, `invoice:read`. A wildcard stands for one whole segment
and only in a grant: `invoice:*` grants `invoice:read`, and neither `invoice2:read` nor
`invoice:read:own`.

Source: NIST INCITS 359 (core and hierarchical role-based access control); OWASP ASVS 5.0 section
8.2.1 (functions are reached by explicit permission).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from asgi_security.validation import Findings, suggest_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self, TypeAlias

    Named: TypeAlias = Mapping[str, Collection[str]]

_SEGMENT = r"[A-Za-z0-9_.\-]+"
_PERMISSION = re.compile(rf"{_SEGMENT}(?::{_SEGMENT})*\Z")
_GRANT = re.compile(rf"(?:{_SEGMENT}|\*)(?::(?:{_SEGMENT}|\*))*\Z")
_GRAMMAR = "write segments of letters, digits, '_', '.' and '-' joined by ':', as 'invoice:read'"


def is_permission(name: object) -> bool:
    """Tell whether `name` is one permission, without a wildcard.

    >>> is_permission("invoice:read"), is_permission("invoice:*"), is_permission("")
    (True, False, False)
    """
    return isinstance(name, str) and _PERMISSION.match(name) is not None


class _Grants(NamedTuple):
    """All that one role grants, what it inherits included."""

    exact: frozenset[str]
    patterns: tuple[tuple[str, ...], ...]

    def allow(self, permission: str) -> bool:
        if permission in self.exact:
            return True
        return any(_matches(pattern, permission) for pattern in self.patterns)


def _matches(pattern: tuple[str, ...], permission: str) -> bool:
    segments = permission.split(":")
    return len(pattern) == len(segments) and all(
        wanted in ("*", segment) for wanted, segment in zip(pattern, segments, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """What each role may do. It never changes; `extend` makes another.

    Args:
        grants: for each role its permissions; wildcards are allowed here.
        inherits: for each role those whose grants it has too.
        permissions: every permission there is. With it a misspelt one is found at construction;
            without it, any that a grant names or covers is known.
        implicit: the roles that everyone has who is authenticated.

    Raises:
        ConfigError: for unknown names, ill-formed permissions and cycles.

    >>> roles = Roles({"clerk": ["invoice:read"], "boss": ["user:*"]}, inherits={"boss": ["clerk"]})
    >>> roles.allows(["boss"], "invoice:read"), roles.allows(["clerk"], "user:write")
    (True, False)
    """

    grants: Named
    inherits: Named = field(default_factory=dict, kw_only=True)
    permissions: Collection[str] | None = field(default=None, kw_only=True)
    implicit: Collection[str] = field(default=(), kw_only=True)
    _compiled: Mapping[str, _Grants] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        findings = Findings("Roles")
        grants = _copy_named(findings, "grants", self.grants)
        inherits = _copy_named(findings, "inherits", self.inherits)
        known = None
        if self.permissions is not None:
            known = _copy_names(findings, "permissions", self.permissions)
            for name in sorted(known):
                if not is_permission(name):
                    findings.add("permissions", name, "no permission", _GRAMMAR)
        for role, granted in grants.items():
            for grant in sorted(granted):
                _check_grant(findings, f"grants[{role!r}]", grant, known)
        for role, parents in inherits.items():
            for name in (role, *sorted(parents)):
                _check_role(findings, "inherits", name, grants)
        implicit = _copy_names(findings, "implicit", self.implicit)
        for name in sorted(implicit):
            _check_role(findings, "implicit", name, grants)
        order = _sort_roles(findings, grants, inherits)
        findings.raise_if_any()
        # Copies: a set of the caller's, changed later, may not change who may do what.
        object.__setattr__(self, "grants", MappingProxyType(grants))
        object.__setattr__(self, "inherits", MappingProxyType(inherits))
        object.__setattr__(self, "permissions", known)
        object.__setattr__(self, "implicit", implicit)
        object.__setattr__(self, "_compiled", _compile(grants, inherits, order, known))

    @classmethod
    def guide(cls) -> Self:
        """Return the roles of the guide: everyone is a `user`; `admin`, `support`, `auditor`."""
        sessions = ("security.session.list", "security.session.revoke")
        return cls(
            {
                "user": sessions,
                "admin": (
                    *("user.read", "user.write", "billing.read", "billing.write"),
                    *(*sessions, "admin.impersonate"),
                ),
                "support": ("user.read", "billing.read"),
                "auditor": ("audit.read",),
            },
            inherits={"auditor": ("support",)},
            implicit=("user",),
        )

    def extend(
        self,
        grants: Named,
        *,
        inherits: Named = MappingProxyType({}),
        permissions: Collection[str] = (),
    ) -> Roles:
        """Return these roles with further ones, and further grants of those there are."""
        known = None if self.permissions is None else {*self.permissions, *permissions}
        return Roles(
            _merge(self.grants, grants),
            inherits=_merge(self.inherits, inherits),
            permissions=known,
            implicit=self.implicit,
        )

    def allows(self, roles: Iterable[str], permission: str) -> bool:
        """Tell whether any of the roles grants a permission. Unknown roles grant nothing."""
        if not self.knows_permission(permission):
            return False
        compiled = self._compiled
        for role in (*self.implicit, *roles):
            grants = compiled.get(role)
            if grants is not None and grants.allow(permission):
                return True
        return False

    def list_permissions(self, roles: Iterable[str]) -> frozenset[str]:
        """Return what the roles grant together; wildcards are spelt out where all are known."""
        found: set[str] = set()
        for role in (*self.implicit, *roles):
            grants = self._compiled.get(role)
            if grants is not None:
                found |= grants.exact
                found |= {":".join(pattern) for pattern in grants.patterns}
        return frozenset(found)

    def knows_permission(self, permission: str) -> bool:
        """Tell whether there is such a permission."""
        if not is_permission(permission):
            return False
        if self.permissions is not None:
            return permission in self.permissions
        return any(grants.allow(permission) for grants in self._compiled.values())

    def find_unknown_roles(self, roles: Iterable[str]) -> frozenset[str]:
        """Return those of the roles that there are not."""
        return frozenset(role for role in roles if role not in self._compiled)


def _copy_named(findings: Findings, name: str, value: object) -> dict[str, frozenset[str]]:
    if not isinstance(value, Mapping):
        findings.add(name, value, "no mapping", "write {'role': [...]}")
        return {}
    copied: dict[str, frozenset[str]] = {}
    for role, names in value.items():
        if not isinstance(role, str) or not role or role != role.strip():
            findings.add(name, role, "no name of a role", "give a string without outer blanks")
        else:
            copied[role] = _copy_names(findings, f"{name}[{role!r}]", names)
    return copied


def _copy_names(findings: Findings, name: str, value: object) -> frozenset[str]:
    if isinstance(value, str):
        findings.add(name, value, "one string", f"write [{value!r}]")
        return frozenset()
    if not isinstance(value, Iterable):
        findings.add(name, value, "no list", "write a list of names")
        return frozenset()
    names = tuple(value)
    for item in names:
        if not isinstance(item, str):
            findings.add(name, item, "no name", "give strings")
    return frozenset(item for item in names if isinstance(item, str))


def _check_grant(findings: Findings, name: str, grant: str, known: frozenset[str] | None) -> None:
    if _GRANT.match(grant) is None:
        hint = f"a wildcard is a whole segment; {_GRAMMAR}" if "*" in grant else _GRAMMAR
        findings.add(name, grant, "no permission", hint)
    elif known is not None and not _expand(grant, known):
        near = suggest_name(grant, known)
        hint = f"did you mean {near!r}?" if near else "add it to permissions"
        findings.add(name, grant, "grants no known permission", hint)


def _check_role(findings: Findings, name: str, role: str, known: Collection[str]) -> None:
    if role not in known:
        near = suggest_name(role, known)
        hint = f"did you mean {near!r}?" if near else "add it to grants"
        findings.add(name, role, "no such role", hint)


def _expand(grant: str, known: frozenset[str]) -> frozenset[str]:
    pattern = tuple(grant.split(":"))
    return frozenset(name for name in known if _matches(pattern, name))


def _sort_roles(findings: Findings, grants: Named, inherits: Named) -> tuple[str, ...]:
    """Return the roles, each after those it inherits."""
    graph: dict[str, Collection[str]] = {role: inherits.get(role, ()) for role in grants}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        shown = " -> ".join(reversed(error.args[1]))
        findings.add("inherits", shown, "a cycle", "let no role inherit itself")
        return ()


def _compile(
    grants: Named, inherits: Named, order: Iterable[str], known: frozenset[str] | None
) -> Mapping[str, _Grants]:
    compiled: dict[str, _Grants] = {}
    for role in order:
        exact = {grant for grant in grants[role] if "*" not in grant}
        patterns = {tuple(grant.split(":")) for grant in grants[role] if "*" in grant}
        if known is not None:
            exact.update(*(_expand(":".join(pattern), known) for pattern in patterns))
            patterns = set()
        for parent in inherits.get(role, ()):
            exact |= compiled[parent].exact
            patterns |= set(compiled[parent].patterns)
        compiled[role] = _Grants(frozenset(exact), tuple(sorted(patterns)))
    return MappingProxyType(compiled)


def _merge(first: Named, second: Named) -> dict[str, frozenset[str]]:
    findings = Findings("Roles")
    added = _copy_named(findings, "grants", second)
    findings.raise_if_any()
    return {
        role: frozenset((*first.get(role, ()), *added.get(role, ()))) for role in {**first, **added}
    }
