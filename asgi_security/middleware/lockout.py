"""Guards: an app's own login route, without a change to the app.

A request passes in this order: the address's lock, the body (read within bounds), the name in it,
the charge on account and address, the app. What the app's answer says settles the charge before
the answer goes out, so that the next guess finds it counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

import anyio

from asgi_security.asgi.cookies import find_cookies
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import Refusal, build_refusal, build_unavailable
from asgi_security.clock import system_clock, system_entropy
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.lockout import LockedOut, Lockout, Unavailable
from asgi_security.flows.lockout_attempt import LoginAttempt
from asgi_security.flows.lockout_devices import DEVICE_LIFETIME_SECONDS
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.policy.login_names import (
    BodyRefused,
    NameFound,
    NoName,
    check_body_length,
    check_body_type,
    parse_login_name,
)
from asgi_security.policy.login_routes import LoginRouteConfig, LoginRoutes, decide_verdict
from asgi_security.storage.protocols import Admitted, Busy, Outcome
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from asgi_security.asgi.layers import Entered, Exchange, Left
    from asgi_security.asgi.types import ASGIApp, HeaderList, Message, Receive, Scope
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.lockout_accounts import AccountEpoch, AccountKey
    from asgi_security.policy.login_routes import OutcomeRule, Verdict
    from asgi_security.storage.protocols import AttemptStore, Store

Extractor: TypeAlias = Callable[["Scope", bytes], "Awaitable[str | None] | str | None"]
"""Finds the login name where the guard cannot: in multipart, in compressed or nested bodies."""

_BODY_HEADERS = frozenset((b"content-type", b"content-encoding", b"content-length", b"user-agent"))
_DEVICE_COOKIE = b"__Host-known_device"
_DEVICE_ATTRIBUTES = b"; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Lax" % (
    DEVICE_LIFETIME_SECONDS
)
_WAIT = "Too many attempts; try again later."

# One answer for all locks: which key is locked, and of whom, is nobody's business.
_LOCKED_OUT = build_refusal(429, "LOCKED_OUT", detail=_WAIT)
_BUSY = build_refusal(
    429, "TOO_MANY_ATTEMPTS_IN_FLIGHT", detail=_WAIT, headers=((b"retry-after", b"1"),)
)
_UNAVAILABLE = build_unavailable()
_TIMED_OUT = build_refusal(408, "LOGIN_TIMED_OUT")
_DISCONNECTED = build_refusal(400, "CLIENT_DISCONNECTED")
_UNREADABLE = BodyRefused(400, "MALFORMED_LOGIN")
_TOO_LARGE = BodyRefused(413, "LOGIN_TOO_LARGE")


class LockoutLayer(Layer):
    """Charges the requests of a login route, and settles them by what the app answers."""

    def __init__(
        self,
        lockout: Lockout,
        routes: LoginRouteConfig,
        *,
        extractor: Extractor | None = None,
        events: EventSink = log_event,
    ) -> None:
        self._lockout = lockout
        self._config = lockout.config
        self.wants = _BODY_HEADERS | ({b"cookie"} if lockout.config.known_devices else set())
        self._routes = LoginRoutes(routes)
        self._outcome = routes.outcome
        self._field = routes.username_field
        self._extractor = extractor
        self._events = events

    def enter(self, exchange: Exchange) -> Entered:
        """Let everything but a login pass at once."""
        scope = exchange.scope
        if scope["type"] == "http" and self._routes.matches(
            scope["method"], scope["path"], root_path=scope.get("root_path", "")
        ):
            return self._guard(exchange)
        return None

    def leave(self, exchange: Exchange, start: Message) -> Left:
        """Settle before the response starts."""
        attempt = exchange.notes.get(self)
        if not isinstance(attempt, LoginAttempt) or attempt.is_settled:
            return None
        verdict = attempt.verdict or self._decide_verdict(start["status"], start["headers"])
        return self._settle(attempt, verdict, start["headers"])

    def finish(self, exchange: Exchange, error: BaseException | None) -> Left:
        """Give the charge back if the app failed without a response; not if it was cancelled.

        A cancelled attempt stays charged until its time runs out, and is a failure then.
        """
        attempt = exchange.notes.get(self)
        if not isinstance(attempt, LoginAttempt) or not isinstance(error, Exception):
            return None
        if attempt.is_settled:
            return None
        self._report("verifier_failed", error=type(error).__name__)
        return self._settle(attempt, attempt.verdict or "refund", [])

    async def _guard(self, exchange: Exchange) -> Refusal | None:
        peer = exchange.scope.get("client")
        client = exchange.context.client or (peer[0] if peer else None) or None
        refused = await self._lockout.check(client)
        if refused is not None:
            return _build_answer(refused)
        body = await self._read_body(exchange)
        if not isinstance(body, bytes):
            return body
        name = await self._find_name(exchange, body)
        if isinstance(name, BodyRefused):
            return build_refusal(name.status, name.code)
        account = name.name if isinstance(name, NameFound) else None
        cookies = find_cookies(exchange.headers.get(b"cookie", ()), _DEVICE_COOKIE)
        devices = [cookie.decode("latin-1") for cookie in cookies]
        begun = await self._lockout.begin(account=account, client=client, devices=devices)
        if not isinstance(begun, Admitted):
            return _build_answer(begun)
        agents = exchange.headers.get(b"user-agent", (b"",))
        agent = agents[0].decode("latin-1")
        attempt = LoginAttempt(begun, account=account, client=client, user_agent=agent)
        exchange.notes[self] = exchange.context.attempt = attempt
        exchange.receive = _replay(body, exchange.receive)
        return None

    async def _read_body(self, exchange: Exchange) -> bytes | Refusal:
        headers, config = exchange.headers, self._config
        refused = check_body_length(
            headers.get(b"content-length", ()), maximum_bytes=config.max_body_bytes
        )
        if refused is None and self._extractor is None:
            types, encodings = (
                headers.get(b"content-type", ()),
                headers.get(b"content-encoding", ()),
            )
            refused = check_body_type(types, encodings)
        if refused is not None:
            return build_refusal(refused.status, refused.code)
        with anyio.move_on_after(config.body_timeout_seconds):
            return await _read_whole(exchange.receive, maximum_bytes=config.max_body_bytes)
        return _TIMED_OUT

    async def _find_name(self, exchange: Exchange, body: bytes) -> NameFound | NoName | BodyRefused:
        if self._extractor is None:
            (content_type,) = exchange.headers.get(b"content-type", (b"",))
            return parse_login_name(body, field=self._field, content_type=content_type)
        try:
            name = self._extractor(exchange.scope, body)
            if inspect.isawaitable(name):
                name = await name
        except Exception as error:  # noqa: BLE001 -- a user's hook, on bytes of anyone's choice
            # Not "no name": whoever can make it fail would be rid of the account's count.
            self._report("login_extractor_failed", error=type(error).__name__)
            return _UNREADABLE
        return NameFound(name) if isinstance(name, str) else NoName()

    def _decide_verdict(self, status: int, headers: HeaderList) -> Verdict:
        try:
            verdict = decide_verdict(self._outcome, status, headers)
        except Exception as error:  # noqa: BLE001 -- a user's rule; undecided must not be free
            self._report("outcome_rule_failed", error=type(error).__name__)
            return "failure"
        if status >= 500:
            self._report("verifier_failed", status=status)
        return verdict

    async def _settle(self, attempt: LoginAttempt, verdict: Verdict, headers: HeaderList) -> None:
        attempt.is_settled = True
        await self._lockout.settle(
            attempt.admitted,
            Outcome(verdict),
            user_agent=attempt.user_agent,
            address=attempt.client,
        )
        if verdict == "success" and self._config.known_devices and attempt.account is not None:
            token = await self._lockout.issue_device(attempt.admitted, attempt.account)
            if token is not None:
                cookie = b"%s=%s%s" % (_DEVICE_COOKIE, token.encode(), _DEVICE_ATTRIBUTES)
                headers.append((b"set-cookie", cookie))

    def _report(self, name: str, **facts: object) -> None:
        self._events(SecurityEvent(name=name, severity=Severity.ERROR, facts=facts))


def _build_answer(refused: LockedOut | Busy | Unavailable) -> Refusal:
    match refused:
        case LockedOut(seconds):
            headers = (*_LOCKED_OUT.headers, (b"retry-after", b"%d" % seconds))
            return Refusal(_LOCKED_OUT.status, _LOCKED_OUT.code, headers, _LOCKED_OUT.body)
        case Busy():
            return _BUSY
        case Unavailable():
            return _UNAVAILABLE
        case _:
            assert_never(refused)


async def _read_whole(receive: Receive, *, maximum_bytes: int) -> bytes | Refusal:
    chunks: list[bytes] = []
    left = maximum_bytes
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _DISCONNECTED
        chunk: bytes = message.get("body", b"")
        left -= len(chunk)
        if left < 0:
            return build_refusal(_TOO_LARGE.status, _TOO_LARGE.code)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what really comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replaying() -> Message:
        return waiting.pop() if waiting else await receive()

    return replaying


class LockoutMiddleware(Pipeline, fusible=True):
    """Locks accounts and addresses out of a login route. Fields: `LockoutConfig`.

    The rest is the app's part: to answer an unknown name as it answers a wrong password, in as
    much time, which means to verify a dummy hash for it. Here both are counted and refused alike.

    Args:
        attempts: a store, or its attempts facet; one for all processes of the app.
        outcome, login_paths, methods, username_field: see `LoginRouteConfig`.
        account_key, account_epoch: see `Lockout`.
        extractor: finds the name in bodies other than forms and JSON.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: LockoutConfig | None = None,
        *,
        attempts: Store | AttemptStore,
        outcome: Literal["api", "form"] | OutcomeRule,
        login_paths: Sequence[str] = ("/login",),
        methods: Sequence[str] = ("POST",),
        username_field: str = "username",
        account_key: AccountKey | None = None,
        account_epoch: AccountEpoch | None = None,
        extractor: Extractor | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        lockout = Lockout(
            resolve_configuration(LockoutConfig, config, fields),
            attempts,
            account_key=account_key,
            account_epoch=account_epoch,
            clock=clock,
            entropy=entropy,
            events=events,
        )
        routes = LoginRouteConfig(
            outcome=outcome,
            login_paths=login_paths,
            methods=methods,
            username_field=username_field,
        )
        layer = LockoutLayer(lockout, routes, extractor=extractor, events=events)
        super().__init__(app, (layer,), error_body=error_body)
