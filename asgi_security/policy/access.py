"""Decides whether a principal meets a requirement of permissions, roles, scopes and attributes.

There are three answers, as in Kleene's logic: yes, no and unknown. What cannot be known (a rule
that raised, a missing attribute) stays unknown under `Not`, so that "not the owner" is never met by
a record without one; no in an `AllOf` and yes in an `AnyOf` outweigh it. Only yes grants.

Source: NIST SP 800-162 (attributes), XACML 3.0 section 7 (indeterminate is no permit); RFC 6750
section 3 (challenges); RFC 9110 sections 15.5.2 (401), 15.5.4 (403) and 15.5.5 (404 to hide).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from asgi_security.policy.assurance import StepUp, build_challenge

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from asgi_security.policy.access_roles import Roles
    from asgi_security.principal import Principal


_BEARERS = frozenset({"jwt", "introspection"})
"""Whose credential is a bearer token, so that a challenge means something to them."""


class Truth(Enum):
    """What a rule says of a principal."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Resource:
    """Where the record in question comes from.

    Attributes:
        name: the argument that is the record, or, with `load`, what it is loaded by.
        load: a function, sync or async, from that argument to the record; None where there is none.
    """

    name: str
    load: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Met by everyone who has proven who they are."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Met by who holds one permission, role or scope, or came by one way ("jwt", "session")."""

    kind: Literal["permission", "role", "scope", "via"]
    name: str


@dataclass(frozen=True, slots=True)
class Owns:
    """Met by whom the record's attribute names."""

    attr: str
    resource: Resource
    identify: Callable[[Principal], object] | None = None
    hides: bool = True


@dataclass(frozen=True, slots=True)
class Satisfies:
    """Met where a function of the principal, and of the record if there is one, returns True."""

    predicate: Callable[..., Any]
    resource: Resource | None = None
    hides: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Met where every part is."""

    parts: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Met where a part is."""

    parts: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Met where its part is known not to be."""

    part: Requirement


Requirement: TypeAlias = Authenticated | Holds | Owns | Satisfies | StepUp | AllOf | AnyOf | Not
Question: TypeAlias = Owns | Satisfies | StepUp
"""What takes a record, a user's function, or the time to answer."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The principal may."""

    principal: Principal


Reason: TypeAlias = Literal["anonymous", "step_up", "forbidden", "hidden", "unavailable"]


@dataclass(frozen=True, slots=True)
class Denied:
    """The principal may not.

    Attributes:
        reason: "anonymous" and "step_up" are a 401, "forbidden" is a 403, "hidden" a 404,
            "unavailable" a 503.
        missing: what the principal lacks, for logs; shown to no client unless asked for.
        challenge: the value of WWW-Authenticate, or None.
        step_up: the authentication that would be enough.
    """

    reason: Reason
    missing: tuple[str, ...] = ()
    challenge: str | None = None
    step_up: StepUp | None = None


AccessDecision: TypeAlias = Allowed | Denied

STATUSES: Mapping[Reason, int] = {
    "anonymous": 401,
    "step_up": 401,  # and not 403: the same user may come again (RFC 9470 section 3)
    "forbidden": 403,
    "hidden": 404,
    "unavailable": 503,
}


def weigh(
    requirement: Requirement, principal: Principal, roles: Roles | None
) -> Generator[Question, Truth, Truth]:
    """Weigh a requirement, handing out each question and taking its answer: this waits for nothing.

    Without `roles` no permission is held.
    """
    match requirement:
        case Authenticated():
            return Truth.YES
        case Holds():
            return Truth.YES if _holds(requirement, principal, roles) else Truth.NO
        case Owns() | Satisfies() | StepUp():
            return (yield requirement)
        case AllOf(parts):
            return (yield from _weigh_parts(parts, principal, roles, Truth.NO, Truth.YES))
        case AnyOf(parts):
            return (yield from _weigh_parts(parts, principal, roles, Truth.YES, Truth.NO))
        case Not(part):
            return _OPPOSITES[(yield from weigh(part, principal, roles))]
        case _:
            assert_never(requirement)


_OPPOSITES = {Truth.YES: Truth.NO, Truth.NO: Truth.YES, Truth.UNKNOWN: Truth.UNKNOWN}


def _weigh_parts(
    parts: Sequence[Requirement],
    principal: Principal,
    roles: Roles | None,
    decisive: Truth,
    otherwise: Truth,
) -> Generator[Question, Truth, Truth]:
    answer = otherwise
    for part in parts:
        truth = yield from weigh(part, principal, roles)
        if truth is decisive:
            return decisive
        if truth is Truth.UNKNOWN:
            answer = Truth.UNKNOWN
    return answer


def _holds(leaf: Holds, principal: Principal, roles: Roles | None) -> bool:
    match leaf.kind:
        case "permission":
            if principal.via == "api_key" and leaf.name not in principal.scopes:
                return False  # a key reaches no further than it says, whatever its owner may
            return roles is not None and roles.allows(principal.roles, leaf.name)
        case "role":
            implicit = () if roles is None else roles.implicit
            return leaf.name in principal.roles or leaf.name in implicit
        case "scope":
            return leaf.name in principal.scopes
        case "via":
            return leaf.name == principal.via
        case _:
            assert_never(leaf.kind)


def decide_ownership(owns: Owns, record: object, principal: Principal) -> Truth:
    """Decide whether a record is the principal's; a record without an owner is nobody's.

    Only equal values of one type are equal: `"1"`, `1` and `True` are three accounts. A missing
    record, attribute or identity is unknown, and None is no owner: None == None would make every
    orphan everyone's.

    Raises:
        Exception: whatever the record's attribute or `identify` raises.
    """
    if isinstance(record, Mapping):
        owner = record.get(owns.attr)
    else:
        owner = getattr(record, owns.attr, None)
    asker = principal.subject if owns.identify is None else owns.identify(principal)
    if owner is None or asker is None or owner == "":
        return Truth.UNKNOWN
    return Truth.YES if type(owner) is type(asker) and owner == asker else Truth.NO


def parse_answer(answer: object) -> Truth:
    """Return what a predicate's value says: only True and False say anything.

    A truthy value of another kind is most often a forgotten call, and never a permission.
    """
    if answer is True:
        return Truth.YES
    return Truth.NO if answer is False else Truth.UNKNOWN


def deny(
    requirement: Requirement,
    principal: Principal | None,
    roles: Roles | None,
    *,
    bears_tokens: bool,
    realm: str = "api",
    hides: bool = False,
    step_up: StepUp | None = None,
) -> Denied:
    """Return the denial that fits who asks.

    Args:
        bears_tokens: whether a token, and not only a cookie, could have answered.
        hides: deny as if nothing were there, whatever the requirement says.
        step_up: the authentication that is all the principal lacks, who then learns of it.
    """
    if principal is None:
        return Denied("anonymous", (), f'Bearer realm="{realm}"' if bears_tokens else None)
    if step_up is not None:
        asked = build_challenge(step_up, realm=realm) if principal.via in _BEARERS else None
        return Denied("step_up", (), asked, step_up)
    missing = tuple(
        dict.fromkeys(
            leaf.name
            for leaf in find_leaves(requirement, within_not=False)
            if isinstance(leaf, Holds) and not _holds(leaf, principal, roles)
        )
    )
    if hides or any(getattr(leaf, "hides", False) for leaf in find_leaves(requirement)):
        return Denied("hidden", missing)
    challenge = None
    if principal.via in _BEARERS:
        challenge = f'Bearer realm="{realm}", error="insufficient_scope"'
    return Denied("forbidden", missing, challenge)


def find_leaves(
    requirement: Requirement, *, within_not: bool = True
) -> Iterator[Authenticated | Holds | Question]:
    """Return the parts of a requirement that have no parts, those below `Not` on demand."""
    match requirement:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from find_leaves(part, within_not=within_not)
        case Not(part):
            if within_not:
                yield from find_leaves(part)
        case _:
            yield requirement


def asks_permission(requirement: Requirement) -> bool:
    """Tell whether a requirement cannot be weighed without knowing what roles grant."""
    leaves = find_leaves(requirement)
    return any(isinstance(leaf, Holds) and leaf.kind == "permission" for leaf in leaves)
