from __future__ import annotations

import functools
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from asgi_security import ConfigError, Principal, SecurityContext
from asgi_security.asgi.context import current_context
from asgi_security.guards import (
    AccessDenied,
    access_errors,
    all_of,
    any_of,
    authorize,
    check,
    load_once,
    not_,
    owns_resource,
    requires,
    requires_any,
    satisfies,
)
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.policy.access import Allowed, Denied
from asgi_security.policy.access_roles import Roles
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

ROLES = Roles(
    {"clerk": ["invoice:read"], "boss": ["invoice:*"]}, permissions=["invoice:read", "invoice:pay"]
)
CLERK = Principal(subject="1", via="session", roles=frozenset({"clerk"}))
BEARER = Principal(subject="1", via="jwt", roles=frozenset({"clerk"}), scopes=frozenset({"a"}))


def enter(principal: Principal | None) -> SecurityContext:
    """Stand inside a request of that principal, until the test ends."""
    context = SecurityContext()
    context.principal = principal
    context.session = {}  # something has authenticated by cookie
    current_context.set(context)
    return context


@pytest.fixture
def inside() -> Callable[[Principal | None], SecurityContext]:
    return enter


async def serve(work: Callable[[], Any], principal: Principal | None, **fields: Any) -> Any:
    """Run `work` inside a request that passed an AccessMiddleware, and return what it returns."""
    results = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        results.append(await work())

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_security"] = enter(principal)
        await AccessMiddleware(app, **fields)(scope, receive, send)

    await call(authenticated)
    return results[0]


async def status_of(guard: Any, principal: Principal | None, **arguments: Any) -> int:
    enter(principal)
    try:
        await check(guard, **arguments)
    except AccessDenied as error:
        return error.status_code
    return 200


# -- what is decorated


async def test_Y104_async_functions() -> None:
    @requires("invoice:read", registry=ROLES)
    async def read(number: int, *, full: bool = False) -> tuple[int, bool]:
        """Read."""
        return number, full

    assert inspect.iscoroutinefunction(read)
    assert list(inspect.signature(read).parameters) == ["number", "full"]
    assert read.__doc__ == "Read."
    enter(CLERK)
    assert await read(7, full=True) == (7, True)
    enter(None)
    with pytest.raises(AccessDenied):
        await read(7)


async def test_Y104_plain_functions_stay_plain() -> None:
    @requires("invoice:pay", registry=ROLES)
    def pay(number: int) -> int:
        return number

    assert not inspect.iscoroutinefunction(pay)
    enter(Principal(subject="1", via="session", roles=frozenset({"boss"})))
    assert pay(7) == 7
    enter(CLERK)
    with pytest.raises(AccessDenied):
        pay(7)


async def test_Y104_methods_partials_and_callable_objects() -> None:
    guard = requires("invoice:pay", registry=ROLES)

    class Invoices:
        @guard
        def pay(self) -> str:
            return "method"

        @guard
        @staticmethod
        def count() -> str:
            return "static"

        @guard
        @classmethod
        def name(cls) -> str:
            return cls.__name__

        async def __call__(self, number: int) -> int:
            return number

    async def add(first: int, second: int) -> int:
        return first + second

    partial, instance = guard(functools.partial(add, 1)), guard(Invoices())
    assert inspect.iscoroutinefunction(partial)
    enter(Principal(subject="1", via="session", roles=frozenset({"boss"})))
    assert (Invoices().pay(), Invoices.count(), Invoices.name()) == ("method", "static", "Invoices")
    assert (await partial(2), await instance(3)) == (3, 3)
    enter(CLERK)
    for refused in (Invoices().pay, Invoices.count, Invoices.name):
        with pytest.raises(AccessDenied):
            refused()
    for awaited in (partial(2), instance(3)):
        with pytest.raises(AccessDenied):
            await awaited


@pytest.mark.parametrize("target", [7, "invoice:read", int])
def test_Y104_what_is_no_function_is_a_mistake(target: object) -> None:
    with pytest.raises(TypeError, match="decorates functions"):
        requires()(target)


async def test_Y104_streams_are_checked_before_their_first_item() -> None:
    begun = []
    guard = requires("invoice:pay", registry=ROLES)

    @guard
    def count() -> Iterator[int]:
        begun.append("plain")
        yield 1

    @guard
    async def count_later() -> AsyncIterator[int]:
        begun.append("async")
        yield 1

    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(count_later)
    enter(CLERK)
    with pytest.raises(AccessDenied):
        next(count())
    with pytest.raises(AccessDenied):
        await anext(count_later())
    assert begun == []
    enter(Principal(subject="1", via="session", roles=frozenset({"boss"})))
    assert list(count()) == [1]
    assert [item async for item in count_later()] == [1]


async def test_Y104_asgi_apps_answer_themselves() -> None:
    served = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ran"})

    guarded = requires("invoice:read", registry=ROLES)(app)
    enter(None)
    assert (await call(guarded)).json()["code"] == "AUTHENTICATION_REQUIRED"
    denied = await connect_websocket(guarded)
    assert (denied.status, denied.accepted) == (401, False)
    assert (await connect_websocket(guarded, denial=False)).close_code == 1008
    assert served == []
    enter(CLERK)
    assert (await call(guarded)).body == b"ran"
    await guarded({"type": "lifespan"}, None, None)
    assert served == ["http", "lifespan"]


# -- what is decided


async def test_Y105_without_a_middleware_nothing_is_allowed() -> None:
    current_context.set(None)
    with pytest.raises(RuntimeError, match="no asgi_security middleware"):
        await check(requires())
    with pytest.raises(RuntimeError, match="no asgi_security middleware"):
        requires()(lambda: None)()


async def test_Y105_a_permission_without_roles_is_a_mistake() -> None:
    enter(CLERK)
    with pytest.raises(RuntimeError, match="no roles are known"):
        await check("invoice:read")


@pytest.mark.parametrize(
    ("guard", "principal", "status", "challenge"),
    [
        pytest.param(requires(), None, 401, None, id="Z108 anonymous"),
        pytest.param(requires(roles="clerk"), CLERK, 200, None, id="Z108 has the role"),
        pytest.param(requires(roles="boss"), CLERK, 403, None, id="Z108 cookie: no challenge"),
        pytest.param(
            requires(roles="boss"),
            BEARER,
            403,
            'Bearer realm="api", error="insufficient_scope"',
            id="Z108 bearer: insufficient_scope",
        ),
        pytest.param(requires(scopes=["a"]), BEARER, 200, None, id="P36 scopes"),
        pytest.param(requires(scopes=["a", "b"]), BEARER, 403, ..., id="P36 all scopes"),
        pytest.param(requires_any(scopes=["a", "b"]), BEARER, 200, None, id="P36 any scope"),
        pytest.param(requires_any(roles=["boss", "clerk"]), CLERK, 200, None, id="P36 any role"),
        pytest.param(requires(via="jwt"), CLERK, 403, None, id="P36 by another way"),
        pytest.param(
            requires("invoice:read", registry=ROLES), CLERK, 200, None, id="P36 permission"
        ),
        pytest.param(
            requires_any("invoice:pay", "invoice:read", registry=ROLES),
            CLERK,
            200,
            None,
            id="P36 any permission",
        ),
        pytest.param(
            requires(roles="boss", hide_existence=True), CLERK, 404, None, id="Z112 hidden"
        ),
        pytest.param(
            requires(roles="boss", hide_existence=True), None, 401, None, id="Z112 anonymous first"
        ),
        pytest.param(not_(requires(roles="boss")), CLERK, 200, None, id="not_"),
        pytest.param(not_(requires(roles="clerk")), CLERK, 403, None, id="not_ denies"),
    ],
)
async def test_who_may(
    guard: Any, principal: Principal | None, status: int, challenge: Any
) -> None:
    assert await status_of(guard, principal) == status
    if status != 200 and challenge is not ...:
        with pytest.raises(AccessDenied) as caught:
            await check(guard)
        assert (caught.value.headers or {}).get("www-authenticate") == challenge


async def test_Z108_without_sessions_an_anonymous_request_is_challenged() -> None:
    enter(None).session = None
    with pytest.raises(AccessDenied) as caught:
        await check(requires())
    assert (caught.value.headers or {})["www-authenticate"] == 'Bearer realm="api"'


async def test_Z112_what_is_missing_is_told_to_nobody_who_did_not_ask() -> None:
    enter(CLERK)
    guard = requires("invoice:pay", registry=ROLES)
    denied = await authorize(guard)
    assert denied == Denied("forbidden", ("invoice:pay",), None)
    with pytest.raises(AccessDenied) as caught:
        await check(guard)
    assert b"invoice:pay" not in caught.value.refusal.body
    assert "invoice:pay" not in str(caught.value)

    async def work() -> AccessDenied:
        with pytest.raises(AccessDenied) as told:
            await check("invoice:pay")
        return told.value

    told = await serve(work, CLERK, roles=ROLES, reveal_missing=True)
    assert b'"missing":["invoice:pay"]' in told.refusal.body
    assert told.detail == "FORBIDDEN: invoice:pay"


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(all_of, id="Y102 all_of()"),
        pytest.param(any_of, id="Y102 any_of()"),
        pytest.param(requires_any, id="Y102 requires_any()"),
        pytest.param(lambda: not_(all_of()), id="Y102 within not_"),
        pytest.param(lambda: requires("invoice:*"), id="Y103 a wildcard outside a grant"),
        pytest.param(lambda: requires("invoice read"), id="Y103 no permission"),
        pytest.param(lambda: requires("invoice:raed", registry=ROLES), id="Y102 permission"),
        pytest.param(lambda: requires(roles="bos", registry=ROLES), id="Y102 role"),
        pytest.param(lambda: requires(scopes="a b"), id="scope with a blank"),
        pytest.param(lambda: requires(registry={"a": []}), id="registry"),  # type: ignore[arg-type]
        pytest.param(lambda: requires(hide_existence="no"), id="switch"),  # type: ignore[arg-type]
        pytest.param(lambda: all_of(7), id="no requirement"),
    ],
)
def test_mistakes_are_found_at_construction(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        build()


# -- records


RECORDS: dict[object, Any] = {1: {"owner_id": "1"}, 2: {"owner_id": "2"}, 3: {"owner_id": None}}


@pytest.mark.parametrize(
    ("record", "status"),
    [
        pytest.param({"owner_id": "1"}, 200, id="Y106 mine"),
        pytest.param({"owner_id": "2"}, 404, id="Y106 not mine"),
        pytest.param(None, 404, id="Y106 missing"),
        pytest.param({"owner_id": 1}, 404, id="Y106 1 is not '1'"),
        pytest.param({"owner_id": True}, 404, id="Y106 True is not '1'"),
        pytest.param({}, 404, id="Z111 no attribute"),
        pytest.param({"owner_id": None}, 404, id="Z111 None"),
        pytest.param({"owner_id": None, "user_id": "1"}, 404, id="P37 no falling back to user_id"),
    ],
)
async def test_ownership(record: object, status: int) -> None:
    assert await status_of(owns_resource(), CLERK, resource=record) == status
    shown = 403 if status == 404 else status
    assert await status_of(owns_resource(hide_existence=False), CLERK, resource=record) == shown


@pytest.mark.parametrize("record", [None, {}, {"owner_id": None}], ids=repr)
async def test_Z111_not_the_owner_needs_an_owner(record: object) -> None:
    assert await status_of(not_(owns_resource()), CLERK, resource=record) == 404
    assert await status_of(not_(owns_resource()), CLERK, resource={"owner_id": "2"}) == 200


async def test_P37_ownership_by_another_identity_and_by_attribute() -> None:
    class Record:
        author = 1

    guard = owns_resource("author", identify=lambda principal: int(principal.subject))
    assert await status_of(guard, CLERK, resource=Record()) == 200


async def test_Y106_records_are_loaded_by_an_argument() -> None:
    async def load(number: int) -> Any:
        return RECORDS.get(number)

    @owns_resource(resource="number", load=load)
    async def read(number: int = 2) -> int:
        return number

    enter(CLERK)
    assert await read(1) == 1
    assert await read(number=1) == 1
    for call_ in (read(), read(3), read(99)):
        with pytest.raises(AccessDenied) as caught:
            await call_
        assert caught.value.status_code == 404


async def test_Y108_a_record_is_loaded_once_per_request_and_key() -> None:
    loaded = []

    async def load(number: object) -> Any:
        loaded.append(number)
        await anyio.lowlevel.checkpoint()
        return {"owner_id": "1"}

    guard = owns_resource(load=load)
    enter(CLERK)

    async def ask() -> None:
        await check(guard, resource=1)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    assert loaded == [1]
    assert await load_once(load, 1) == {"owner_id": "1"}
    assert loaded == [1]
    await check(guard, resource=True)
    assert loaded == [1, True]
    enter(CLERK)
    await check(guard, resource=1)
    assert loaded == [1, True, 1]


async def test_Y108_errors_are_not_kept() -> None:
    answers: list[Any] = [ValueError("secret"), {"owner_id": "1"}]

    async def load(number: object) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    guard = owns_resource(load=load)
    assert await status_of(guard, CLERK, resource=1) == 404
    await check(guard, resource=1)


# -- rules of the user's


async def raising(principal: Principal) -> bool:
    raise ValueError("secret")


async def sleeping(principal: Principal) -> bool:
    await anyio.sleep_forever()
    return True


RAISES, SLOW = satisfies(raising), satisfies(sleeping)


@pytest.mark.parametrize(
    ("guard", "allowed", "failures"),
    [
        pytest.param(satisfies(lambda who: who.subject == "1"), True, [], id="yes"),
        pytest.param(satisfies(lambda who: False), False, [], id="no"),
        pytest.param(RAISES, False, ["ValueError"], id="Z110 raises"),
        pytest.param(SLOW, False, ["TimeoutError"], id="Z110 times out"),
        pytest.param(satisfies(lambda who: 1), False, ["TypeError"], id="Z110 1 is no True"),
        pytest.param(satisfies(lambda who: None), False, ["TypeError"], id="Z110 None"),
        pytest.param(not_(satisfies(lambda who: None)), False, ["TypeError"], id="Z110 not None"),
        pytest.param(not_(RAISES), False, ["ValueError"], id="Y107 not_(error)"),
        pytest.param(
            all_of(RAISES, not_(requires())), False, ["ValueError"], id="Y107 all_of: no wins"
        ),
        pytest.param(
            not_(all_of(RAISES, not_(requires()))), True, ["ValueError"], id="Y107 and is a no"
        ),
        pytest.param(any_of(RAISES, requires()), True, ["ValueError"], id="Y107 any_of: yes wins"),
        pytest.param(any_of(RAISES, not_(requires())), False, ["ValueError"], id="Y107 any_of"),
        pytest.param(all_of(RAISES, requires()), False, ["ValueError"], id="Y107 all_of"),
        pytest.param(owns_resource(), False, ["KeyError"], id="no such argument"),
    ],
)
async def test_rules(
    *, guard: Any, allowed: bool, failures: list[str], events: EventRecorder
) -> None:
    async def work() -> Any:
        return await authorize(guard)

    decision = await serve(work, CLERK, events=events, timeout_seconds=0.01)
    assert isinstance(decision, Allowed) is allowed
    failed = [event for event in events.events if event.name == "access_rule_failed"]
    assert [event.facts["error"] for event in failed] == failures
    assert "secret" not in repr(events.events)


async def test_rules_see_records_and_missing_ones_are_unknown() -> None:
    guard = satisfies(lambda who, record: record["open"], resource="record")
    assert await status_of(guard, CLERK, record={"open": True}) == 200
    assert await status_of(guard, CLERK, record={"open": False}) == 403
    assert await status_of(not_(guard), CLERK, record=None) == 403


async def test_async_rules_of_plain_functions_run_from_worker_threads() -> None:
    async def rule(principal: Principal) -> bool:
        await anyio.lowlevel.checkpoint()
        return True

    @satisfies(rule)
    def work() -> str:
        return "ran"

    enter(CLERK)
    assert await to_thread.run_sync(work) == "ran"
    with pytest.raises(AccessDenied):  # on the loop's own thread nothing can be awaited
        work()


# -- who asks


async def test_Z113_a_session_gets_its_roles_from_the_loader(events: EventRecorder) -> None:
    loads = []

    async def load(principal: Principal) -> Principal:
        loads.append(principal.subject)
        return Principal(subject=principal.subject, via="session", roles=frozenset({"clerk", "x"}))

    async def work() -> Any:
        context = current_context.get()
        assert context is not None
        context.session = Session()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(check, "invoice:read")
        return await check("invoice:read")

    class Session(dict[str, Any]):
        is_filled = True
        user = "7"

    found = await serve(work, None, roles=ROLES, load_principal=load, events=events)
    assert (found.subject, loads) == ("7", ["7"])
    assert events.names == ["unknown_role"]  # Y102: it grants nothing, and is reported once


@pytest.mark.parametrize(
    ("load", "status"),
    [
        pytest.param(lambda who: None, 401, id="an account that is gone"),
        pytest.param(lambda who: who, 403, id="as it was"),
        pytest.param(lambda who: "admin", 503, id="no principal"),
        pytest.param(lambda who: 1 / 0, 503, id="fails closed"),
        pytest.param(sleeping, 503, id="times out"),
    ],
)
async def test_Z113_loaders(load: Any, status: int, events: EventRecorder) -> None:
    async def work() -> int:
        with pytest.raises(AccessDenied) as caught:
            await check(requires(roles="boss"))
        return caught.value.status_code

    fields = {"load_principal": load, "events": events, "timeout_seconds": 0.01}
    assert await serve(work, CLERK, **fields) == status


# -- denials that get out


async def test_access_errors_answers_until_the_response_has_started() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await check(requires())

    enter(None)
    answering = access_errors(app)
    answered = await call(answering)
    assert (answered.status, answered.json()["code"]) == (401, "AUTHENTICATION_REQUIRED")
    assert (await connect_websocket(answering)).status == 401
    assert (await connect_websocket(answering, denial=False)).close_code == 1008
    late = await call(answering, target="/late", catch=True)
    assert isinstance(late.error, AccessDenied)
    assert [message["type"] for message in late.messages] == ["http.response.start"]


async def test_keywords_and_paths_hold_a_records_key() -> None:
    guard = owns_resource(resource="number", load=RECORDS.get)

    @guard
    async def collect(**kwargs: Any) -> str:
        return "ran"

    @guard
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    enter(CLERK)
    assert await collect(number=1) == "ran"
    with pytest.raises(AccessDenied):
        await collect(other=1)
    assert (await call(app, path_params={"number": 1})).status == 204
    for extra in ({"path_params": {"number": 2}}, {"number": 1}, {}):
        assert (await call(app, **extra)).status == 404


async def test_a_framework_that_takes_a_guard_for_a_plain_function_still_checks() -> None:
    enter(CLERK)
    guard = requires(roles="boss")
    with pytest.raises(AccessDenied):
        await to_thread.run_sync(guard)
    assert repr(guard).startswith("<Guard Holds(")
    assert not hasattr(guard, "unheard_of")


async def test_W103_denials_of_sockets_close_them() -> None:
    connection = SimpleNamespace(scope={"type": "websocket"})
    enter(CLERK)
    with pytest.raises(AccessDenied) as caught:
        await check(requires(roles="boss"), connection=connection)
    assert getattr(caught.value, "code", None) == 1008


def test_frameworks_are_told_what_to_inject() -> None:
    def load(number: int) -> object:
        return number

    guards = [owns_resource(resource="a", load=load), owns_resource(resource="b")]
    signature = inspect.signature(all_of(*guards, owns_resource(resource="c", load=lambda: None)))  # type: ignore[arg-type, misc]
    kinds = [parameter.annotation for parameter in signature.parameters.values()]
    assert list(signature.parameters) == ["connection", "a", "b", "c"]
    assert kinds[1:] == [int, inspect.Parameter.empty, inspect.Parameter.empty]
