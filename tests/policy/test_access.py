from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.access import (
    STATUSES,
    AllOf,
    AnyOf,
    Authenticated,
    Denied,
    Holds,
    Not,
    Owns,
    Resource,
    Satisfies,
    Truth,
    asks_permission,
    decide_ownership,
    deny,
    find_leaves,
    parse_answer,
    weigh,
)
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.assurance import StepUp
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from asgi_security.policy.access import (
        Requirement,
    )

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
ROLES = Roles({"clerk": ["invoice:read"], "user": ["me:read"]}, implicit=["user"])
CLERK = Principal(
    subject="1", via="jwt", roles=frozenset({"clerk"}), scopes=frozenset({"invoice:pay"})
)
ASKED = Satisfies(bool)


def settle(
    requirement: Requirement, answers: dict[Any, Truth] | None = None, roles: Roles | None = ROLES
) -> Truth:
    """Weigh a requirement, answering its questions from a table."""
    weighing = weigh(requirement, CLERK, roles)
    given_answer: Any = None
    while True:
        try:
            question = weighing.send(given_answer)
        except StopIteration as end:
            truth: Truth = end.value
            return truth
        given_answer = (answers or {})[question]


@pytest.mark.parametrize(
    ("requirement", "truth"),
    [
        (Authenticated(), YES),
        (Holds("permission", "invoice:read"), YES),
        (Holds("permission", "invoice:pay"), NO),  # a scope of that name is no permission
        (Holds("permission", "me:read"), YES),
        (Holds("role", "clerk"), YES),
        (Holds("role", "user"), YES),
        (Holds("role", "admin"), NO),
        (Holds("scope", "invoice:pay"), YES),
        (Holds("scope", "invoice:read"), NO),
        (Holds("via", "jwt"), YES),
        (Holds("via", "session"), NO),
    ],
)
def test_what_is_held(requirement: Requirement, truth: Truth) -> None:
    assert settle(requirement) is truth


def test_without_roles_no_permission_is_held() -> None:
    assert settle(Holds("permission", "invoice:read"), roles=None) is NO
    assert settle(Holds("role", "clerk"), roles=None) is YES
    assert settle(Holds("role", "user"), roles=None) is NO


def test_P36_an_api_key_reaches_no_further_than_its_scopes() -> None:
    for scopes, truth in [({"invoice:read"}, YES), ({"invoice:*"}, NO), (set(), NO)]:
        key = Principal(
            subject="1", via="api_key", roles=frozenset({"clerk"}), scopes=frozenset(scopes)
        )
        weighing = weigh(Holds("permission", "invoice:read"), key, ROLES)
        with pytest.raises(StopIteration) as end:
            next(weighing)
        assert end.value.value is truth


def parts_of(truths: tuple[Truth, ...]) -> tuple[tuple[Satisfies, ...], dict[Any, Truth]]:
    parts = tuple(Satisfies(bool, Resource(str(index))) for index in range(len(truths)))
    return parts, dict(zip(parts, truths, strict=True))


@pytest.mark.parametrize("truths", list(product(Truth, repeat=2)), ids=str)
def test_Y107_errors_stay_errors_unless_outweighed(truths: tuple[Truth, ...]) -> None:
    parts, answers = parts_of(truths)
    everything = NO if NO in truths else UNKNOWN if UNKNOWN in truths else YES
    anything = YES if YES in truths else UNKNOWN if UNKNOWN in truths else NO
    assert settle(AllOf(parts), answers) is everything
    assert settle(AnyOf(parts), answers) is anything


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(Truth), min_size=1, max_size=4))
def test_Y107_not_swaps_all_and_any(listed: list[Truth]) -> None:
    parts, answers = parts_of(tuple(listed))
    inverted = AnyOf(tuple(Not(part) for part in parts))
    assert settle(Not(AllOf(parts)), answers) is settle(inverted, answers)
    assert settle(Not(Not(parts[0])), answers) is listed[0]


def test_a_decided_question_is_not_asked() -> None:
    assert settle(AllOf((Holds("role", "no"), ASKED))) is NO
    assert settle(AnyOf((Authenticated(), ASKED))) is YES


class Record:
    owner_id = "1"


@pytest.mark.parametrize(
    ("record", "truth"),
    [
        pytest.param({"owner_id": "1"}, YES, id="Y106 mine"),
        pytest.param(Record(), YES, id="Y106 by attribute"),
        pytest.param({"owner_id": "2"}, NO, id="Y106 not mine"),
        pytest.param({"owner_id": 1}, NO, id="Y106 1"),
        pytest.param({"owner_id": True}, NO, id="Y106 True"),
        pytest.param({"owner_id": None, "user_id": "1"}, UNKNOWN, id="P37 None"),
        pytest.param({"owner_id": ""}, UNKNOWN, id="Z111 empty"),
        pytest.param({}, UNKNOWN, id="Z111 missing key"),
        pytest.param(object(), UNKNOWN, id="Z111 missing attribute"),
        pytest.param(None, UNKNOWN, id="Y106 no record"),
    ],
)
def test_ownership(record: object, truth: Truth) -> None:
    assert decide_ownership(Owns("owner_id", Resource("r")), record, CLERK) is truth


@pytest.mark.parametrize(("identity", "truth"), [(1, YES), (True, NO), (1.0, NO), (None, UNKNOWN)])
def test_Y106_an_identity_of_the_apps_own(identity: object, truth: Truth) -> None:
    owns = Owns("owner_id", Resource("r"), lambda _: identity)
    assert decide_ownership(owns, {"owner_id": 1}, CLERK) is truth


def test_Z111_none_is_not_equal_to_none() -> None:
    owns = Owns("owner_id", Resource("r"), lambda _: None)
    assert decide_ownership(owns, {"owner_id": None}, CLERK) is UNKNOWN


@pytest.mark.parametrize(
    ("answer", "truth"), [(True, YES), (False, NO), (1, UNKNOWN), (0, UNKNOWN), (None, UNKNOWN)]
)
def test_Z110_only_booleans_answer(answer: object, truth: Truth) -> None:
    assert parse_answer(answer) is truth


PAY = AllOf((Holds("permission", "invoice:pay"), Holds("permission", "invoice:read")))
HIDDEN = AllOf((PAY, Owns("owner_id", Resource("r"))))
COOKIE = Principal(subject="1", via="session")


@pytest.mark.parametrize(
    ("requirement", "principal", "fields", "denied"),
    [
        pytest.param(
            PAY,
            None,
            {"bears_tokens": True},
            Denied("anonymous", (), 'Bearer realm="api"'),
            id="Z108 anonymous",
        ),
        pytest.param(
            HIDDEN, None, {"bears_tokens": False}, Denied("anonymous"), id="Z108 by cookie"
        ),
        pytest.param(
            PAY,
            CLERK,
            {"bears_tokens": False, "realm": "x"},
            Denied("forbidden", ("invoice:pay",), 'Bearer realm="x", error="insufficient_scope"'),
            id="Z108 bearer",
        ),
        pytest.param(
            PAY,
            Principal(subject="1", via="introspection"),
            {"bears_tokens": False},
            Denied(
                "forbidden",
                ("invoice:pay", "invoice:read"),
                'Bearer realm="api", error="insufficient_scope"',
            ),
            id="Z108 a bearer that was asked about",
        ),
        pytest.param(
            Not(Holds("via", "session")),
            COOKIE,
            {"bears_tokens": True},
            Denied("forbidden"),
            id="Z108 cookie: no challenge",
        ),
        pytest.param(
            HIDDEN,
            CLERK,
            {"bears_tokens": True},
            Denied("hidden", ("invoice:pay",)),
            id="Y106 hidden",
        ),
        pytest.param(
            Not(HIDDEN), COOKIE, {"bears_tokens": True}, Denied("hidden"), id="Y106 below Not"
        ),
        pytest.param(
            Authenticated(),
            COOKIE,
            {"bears_tokens": True, "hides": True},
            Denied("hidden"),
            id="Z112 hidden",
        ),
    ],
)
def test_denials(
    requirement: Requirement, principal: Principal | None, fields: dict[str, Any], denied: Denied
) -> None:
    assert deny(requirement, principal, ROLES, **fields) == denied


def test_leaves() -> None:
    assert len(list(find_leaves(AnyOf((HIDDEN, Not(ASKED)))))) == 4
    assert list(find_leaves(Not(ASKED), within_not=False)) == []
    assert asks_permission(Not(PAY))
    assert not asks_permission(AllOf((ASKED, Holds("role", "x"))))


def test_M98_step_up_is_a_question() -> None:
    fresh = StepUp(max_age_seconds=300)
    for truth in (YES, NO):
        assert settle(fresh, {fresh: truth}) is truth
    assert list(find_leaves(AllOf((fresh, ASKED)))) == [fresh, ASKED]


@pytest.mark.parametrize(
    ("principal", "fields", "challenge"),
    [
        pytest.param(
            CLERK,
            {"realm": "bank"},
            'Bearer realm="bank", error="insufficient_user_authentication", max_age="300"',
            id="M98 token",
        ),
        pytest.param(COOKIE, {}, None, id="M98 session"),
        pytest.param(COOKIE, {"hides": True}, None, id="M98 who could pass learns of it"),
    ],
)
def test_step_up_denials(
    principal: Principal, fields: dict[str, Any], challenge: str | None
) -> None:
    fresh = StepUp(max_age_seconds=300)
    denied = deny(fresh, principal, ROLES, bears_tokens=True, step_up=fresh, **fields)
    assert denied == Denied("step_up", (), challenge, fresh)
    assert STATUSES[denied.reason] == 401


def test_M98_nobody_has_nothing_to_step_up_from() -> None:
    fresh = StepUp(max_age_seconds=300)
    assert deny(fresh, None, ROLES, bears_tokens=False, step_up=fresh) == Denied("anonymous")
