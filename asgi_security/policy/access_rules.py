"""Decides what each path requires: nothing is reachable that no rule speaks of.

The longest rule that holds a path decides; a `forbid` anywhere above wins over it. A path whose
spelling some router could read as another, under another rule, is denied: `//admin`, `/x/../admin`,
`/ADMIN`, `/admin%2fx`.

Source: OWASP ASVS 5.0 sections 8.2 and 8.3.1; RFC 3986 section 6.2 (normal forms of a path).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.errors import ConfigError
from asgi_security.policy.access import Authenticated
from asgi_security.policy.access_needs import build_all, check_requirement
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.login_routes import normalise_path
from asgi_security.validation import Findings, configuration, is_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.policy.access import Requirement

WEBSOCKET = "WEBSOCKET"
"""Stands for a WebSocket where rules name methods."""

PrincipalLoader: TypeAlias = Callable[[Any], Any]
"""From a `Principal` with its subject to the one with roles, or None for an account that is gone;
sync or async."""

_REALM = re.compile(r"[ !#-\[\]-~]+\Z")


@configuration
class AccessRule:
    """What some paths require. Written by `permit` and `forbid`.

    Args:
        paths: prefixes that end at a segment, as the app routes them, without `root_path`.
        methods: those it speaks of, `"WEBSOCKET"` for handshakes; none for all.
        effect: "public" lets everyone pass, "deny" nobody, "require" those who meet the
            requirement.
    """

    paths: Sequence[str]
    methods: Sequence[str] = ()
    effect: Literal["public", "require", "deny"] = "require"
    requirement: Requirement = Authenticated()

    def __post_init__(self) -> None:
        findings = Findings("AccessRule")
        for name in ("paths", "methods"):
            value = getattr(self, name)
            if isinstance(value, str):
                findings.add(name, value, "one string", f"write [{value!r}]")
                findings.raise_if_any()
            object.__setattr__(self, name, tuple(value))
        if not self.paths:
            findings.add("paths", (), "empty", "name at least one path")
        paths: Sequence[object] = self.paths
        for path in paths:
            if not isinstance(path, str) or not path.startswith("/"):
                findings.add("paths", path, "no absolute path", f"write '/{path}'")
        methods: Sequence[object] = self.methods
        for method in methods:
            if not isinstance(method, str) or not is_token(method) or method != method.upper():
                findings.add("methods", method, "no method", "write it as 'POST'")
        findings.check_choice("effect", self.effect, ("public", "require", "deny"))
        check_requirement(findings, self.requirement, None)
        findings.raise_if_any()


def permit(
    *paths: str,
    public: bool = False,
    permissions: Sequence[str] = (),
    roles: Sequence[str] = (),
    scopes: Sequence[str] = (),
    needs: object = None,
    methods: Sequence[str] = (),
) -> AccessRule:
    """Let those pass who hold everything named; with nothing named, all who are authenticated.

    `needs` is a further requirement, such as `any_of(...)`; `public` lets everyone pass.
    """
    requirement = build_all(permissions, roles=roles, scopes=scopes, needs=needs)
    if not public:
        return AccessRule(paths=paths, methods=methods, requirement=requirement)
    if requirement != Authenticated():
        findings = Findings("permit")
        findings.add("public", public, "and yet something is required", "leave one of them out")
        findings.raise_if_any()
    return AccessRule(paths=paths, methods=methods, effect="public")


def forbid(*paths: str, methods: Sequence[str] = ()) -> AccessRule:
    """Let nobody pass, whatever other rules say."""
    return AccessRule(paths=paths, methods=methods, effect="deny")


@configuration
class AccessConfig:
    """Who may do what.

    Args:
        roles: what each role grants; without it only roles and scopes can be required.
        rules: what paths require, made by `permit` and `forbid`; a path that none speaks of is
            denied. None leaves paths to the decorators in the app.
        load_principal: gives a principal its roles, sync or async, once for each request that
            asks. A session names only its user, so without it a session has no roles. A role taken
            away is gone at the next request; what a token states, when its loader leaves it
            alone, lasts as long as the token.
        realm: of the Bearer challenge. None sends one only where no session could have answered.
        hide_existence: answer 404 and not 403.
        reveal_missing: name in the answer what the principal lacks.
        timeout_seconds: how long an async rule or loader may take; then it counts as failed.
    """

    roles: Roles | None = None
    rules: Sequence[AccessRule] | None = None
    load_principal: PrincipalLoader | None = None
    realm: str | None = None
    hide_existence: bool = False
    reveal_missing: bool = False
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        findings = Findings("AccessConfig")
        roles: object = self.roles
        if roles is not None and not isinstance(roles, Roles):
            findings.add("roles", roles, "no Roles", "write Roles({'admin': [...]})")
        elif self.rules is not None:
            _check_rules(self, findings)
        load: object = self.load_principal
        if load is not None and not callable(load):
            findings.add("load_principal", load, "not callable", "give a function")
        realm: object = self.realm
        if realm is not None and (not isinstance(realm, str) or _REALM.match(realm) is None):
            findings.add("realm", realm, "needs quoting", "give printable text without quotes")
        for name in ("hide_existence", "reveal_missing"):
            findings.check_boolean(name, getattr(self, name))
        findings.check_number("timeout_seconds", self.timeout_seconds, minimum=0.001)
        findings.raise_if_any()


def _check_rules(config: AccessConfig, findings: Findings) -> None:
    given: Any = config.rules
    rules = (given,) if isinstance(given, AccessRule) else tuple(given)
    object.__setattr__(config, "rules", rules)
    if not rules:
        findings.add("rules", rules, "nothing could be reached", "add permit(...), or give None")
    seen: set[tuple[str, str | None]] = set()
    for index, rule in enumerate(rules):
        if not isinstance(rule, AccessRule):
            findings.add("rules", rule, "no rule", "write permit(...) or forbid(...)")
            continue
        nested = Findings("rules")
        check_requirement(nested, rule.requirement, config.roles)
        try:
            nested.raise_if_any()
        except ConfigError as error:
            findings.extend(error, prefix=f"rules[{index}].")
        if rule.effect == "deny":
            continue
        for path in rule.paths:
            for method in rule.methods or (None,):
                pair = (path.rstrip("/"), method)
                if pair in seen:
                    hint = "keep one: which of two should hold?"
                    findings.add("rules", path, "spoken of by two rules", hint)
                seen.add(pair)


@dataclass(frozen=True, slots=True)
class PathOpen:
    """Everyone may pass."""


@dataclass(frozen=True, slots=True)
class PathNeeds:
    """Those may pass who meet the requirement."""

    requirement: Requirement


@dataclass(frozen=True, slots=True)
class PathClosed:
    """Nobody may pass: "no_rule", "forbidden", or "ambiguous"."""

    rule: str


PathDecision: TypeAlias = PathOpen | PathNeeds | PathClosed

_NO_RULE = PathClosed("no_rule")
_FORBIDDEN = PathClosed("forbidden")
_AMBIGUOUS = PathClosed("ambiguous")


class AccessPolicy:
    """The rules of an `AccessConfig`, compiled."""

    __slots__ = ("_depth", "_literal", "_normal")

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        self._literal = _compile(rules, lambda path: path.rstrip("/"))
        self._normal = _compile(rules, lambda path: normalise_path(path).rstrip("/"))
        self._depth = max(stem.count("/") for stem in (*self._literal, *self._normal))

    def decide(self, method: str, path: str, *, root_path: str = "") -> PathDecision:
        """Decide what a request for `path` needs; `method` is "WEBSOCKET" for a handshake."""
        root = root_path.rstrip("/")
        if root and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :]  # as routers do
        method = method.upper()
        literal = self._find(self._literal, path, method)
        normal = self._find(self._normal, normalise_path(path), method)
        return literal if literal == normal else _AMBIGUOUS

    def _find(self, table: _Table, path: str, method: str) -> PathDecision:
        # Cut first: each step up copies what is left of a path that may be 60 KB of slashes.
        stem = "/".join(path.split("/", self._depth + 1)[: self._depth + 1]).rstrip("/")
        # HEAD shows what GET does; a rule for the method is nearer than one for all.
        names = (method, "GET", "") if method == "HEAD" else (method, "")
        found: PathDecision | None = None
        while True:
            here = table.get(stem)
            if here is not None:
                if any(("deny", name) in here for name in names):
                    return _FORBIDDEN
                if found is None:
                    found = next((here["permit", n] for n in names if ("permit", n) in here), None)
            if not stem:
                return found or _NO_RULE
            stem = stem.rpartition("/")[0]


_Table: TypeAlias = "Mapping[str, Mapping[tuple[str, str], PathDecision]]"


def _compile(rules: Sequence[AccessRule], form: Callable[[str], str]) -> _Table:
    table: dict[str, dict[tuple[str, str], PathDecision]] = {}
    for rule in rules:
        decision: PathDecision = PathNeeds(rule.requirement)
        if rule.effect != "require":
            decision = PathOpen() if rule.effect == "public" else _FORBIDDEN
        kind = "deny" if rule.effect == "deny" else "permit"
        for path in rule.paths:
            here = table.setdefault(form(path), {})
            here.update({(kind, method): decision for method in rule.methods or ("",)})
    return table
