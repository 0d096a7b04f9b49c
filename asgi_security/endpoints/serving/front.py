"""Turns requests into calls, and answers into responses.

An endpoint is a function from a `Call` to an `Answer`; `Front.serve` makes a Starlette endpoint of
it. Clients that send JSON get JSON; a form without script is sent on to a page (303), with
`?error=CODE` or `?done=CODE`.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from asgi_security.asgi.context import CONTEXT_KEY
from asgi_security.asgi.headers import get_values
from asgi_security.asgi.refusals import build_refusal
from asgi_security.endpoints.serving.answers import NOT_SIGNED_IN, UNAVAILABLE, refuse
from asgi_security.endpoints.serving.calls import Call, find_values
from asgi_security.endpoints.serving.describing import EndpointRoute
from asgi_security.errors import StorageError
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.visits import Visit
from asgi_security.policy.csrf import READS, CsrfConfig, CsrfPolicy, CsrfRefused
from asgi_security.policy.endpoints import EndpointCookies
from asgi_security.policy.forms import FieldsRead, FieldsRefused, parse_fields
from asgi_security.policy.return_paths import parse_return_path
from asgi_security.policy.session_state import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from starlette.requests import Request

    from asgi_security.asgi.refusals import Refusal
    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.events import EventSink
    from asgi_security.policy.endpoints import EndpointConfig

    Draw: TypeAlias = Callable[[Call, Answer, str], Answer | None]

_LONGEST_ID = 128
_SHOWN_AGENT = 256
_NOT_WITH_A_KEY = refuse(403, "NOT_WITH_A_KEY")


class Front:
    """Turns requests into calls, and answers into responses, for all endpoints of one mount.

    `draw` may make a page of what a form is answered with: from the call, the answer, and the page
    that the form would be sent to. None from it leaves the answer as it is.
    """

    def __init__(
        self, config: EndpointConfig, *, events: EventSink = log_event, draw: Draw | None = None
    ) -> None:
        self.config = config
        self._draw = draw
        self.cookies = EndpointCookies(secure=config.secure, access_name=config.access_cookie_name)
        self.events = events
        self._not_signed_in = replace(NOT_SIGNED_IN, page=config.login_page)
        self._csrf = CsrfPolicy(CsrfConfig(trusted_origins=config.trusted_origins))

    def route(
        self,
        path: str,
        function: Callable[[Call], Awaitable[Answer]],
        *,
        method: str = "POST",
        page: str | None = None,
        is_private: bool = False,
        is_foreign: bool = False,
    ) -> EndpointRoute:
        """Return a function's route, named after its module and itself, as "mfa:verify".

        The arguments are those of `serve`; without a page, it is that of the account.
        """
        endpoint = self.serve(
            function,
            page=page or self.config.account_page,
            is_private=is_private,
            is_foreign=is_foreign,
        )
        return EndpointRoute(
            path,
            endpoint,
            method=method,
            function=function,
            is_private=is_private,
            is_foreign=is_foreign,
        )

    def serve(
        self,
        function: Callable[[Call], Awaitable[Answer]],
        *,
        page: str,
        is_private: bool = False,
        is_foreign: bool = False,
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make a Starlette endpoint of a function.

        Args:
            page: where a form is sent back to when it is refused.
            is_private: only who is signed in may call.
            is_foreign: other sites may send it by design, as a provider's answer is.
        """

        async def endpoint(request: Request) -> Response:
            refusal = None if is_foreign else self._check_site(request)
            if refusal is not None:
                return _build_refused(refusal)
            read = await self._read(request)
            if isinstance(read, FieldsRefused):
                return _build_refused(build_refusal(read.status, read.code))
            call = self._build_call(request, read)
            try:
                call = await self._find_account(call)
                if is_private and call.account is None:
                    answer = _NOT_WITH_A_KEY if _is_by_key(call) else self._not_signed_in
                else:
                    answer = await function(call)
            except StorageError:
                # A flow bounds and reports its own calls; what it lets through ends here.
                self._report("endpoint_store_failed", Severity.ERROR, endpoint=function.__name__)
                answer = UNAVAILABLE
            return self._build(answer, call, page=page)

        return endpoint

    def _check_site(self, request: Request) -> Refusal | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in request.scope["headers"]:
            if name in READS:
                headers.setdefault(name, []).append(value)
        decision = self._csrf.decide(
            headers,
            method=request.method,
            path=request.scope["path"],
            scheme=request.scope.get("scheme", "http"),
        )
        if not isinstance(decision, CsrfRefused):
            return None
        self._report("csrf_refused", Severity.WARNING, rule=decision.rule)
        return build_refusal(403, "CROSS_SITE_REQUEST")

    async def _read(self, request: Request) -> FieldsRead | FieldsRefused:
        """Read the body within its bounds of size and time."""
        if request.method in {"GET", "HEAD"}:
            pairs = request.query_params.multi_items()
            fields = dict(pairs)
            if len(fields) != len(pairs):
                return FieldsRefused(400, "AMBIGUOUS_QUERY")
            return FieldsRead(fields)
        body = b""
        with anyio.move_on_after(self.config.body_timeout_seconds) as scope:
            try:
                async with aclosing(request.stream()) as chunks:
                    async for chunk in chunks:
                        body += chunk
                        if len(body) > self.config.max_body_bytes:
                            return FieldsRefused(413, "BODY_TOO_LARGE")
            except ClientDisconnect:
                return FieldsRefused(400, "BODY_INCOMPLETE")
        if scope.cancelled_caught:
            return FieldsRefused(408, "BODY_TIMEOUT")
        types = get_values(request.scope["headers"], b"content-type")
        return parse_fields(body, types=types)

    def _build_call(self, request: Request, read: FieldsRead) -> Call:
        scope = request.scope
        context = scope.get(CONTEXT_KEY)
        session = scope.get("session")
        return Call(
            request=request,
            fields=read.fields,
            visit=self._build_visit(request, context),
            account=None,
            principal=getattr(context, "principal", None),
            session=session if isinstance(session, Session) else None,
            is_form=_wants_page(request, is_form=read.is_form),
        )

    async def _find_account(self, call: Call) -> Call:
        """Return the call with who is signed in: a person, never a program with an API key.

        Such a key reaches what its scopes say, and its owner's sessions, factors and other keys are
        none of it.
        """
        session, principal = call.session, call.principal
        if session is not None and not session.is_filled:
            await session.load()
        if self.config.transport == "session":
            return replace(call, account=None if session is None else session.user)
        if principal is None or _is_by_key(call):
            return call
        return replace(call, account=principal.subject)

    def _build_visit(self, request: Request, context: Any) -> Visit:
        headers = request.headers
        browsers = find_values(request, self.cookies.browser_name)
        request_id = headers.get("x-request-id", "")
        known = getattr(context, "client", None)
        peer = request.client
        return Visit(
            client=known if known is not None else (peer.host if peer else None),
            user_agent=_show(headers.get("user-agent", ""), _SHOWN_AGENT),
            request_id=_show(request_id, _LONGEST_ID) or None,
            devices=find_values(request, self.cookies.device_name),
            # Two different ones: a sibling domain has tossed one in. Neither binds.
            browser=browsers[0] if len(browsers) == 1 else None,
        )

    def _build(self, answer: Answer, call: Call, *, page: str) -> Response:
        if call.is_form and self._draw is not None:
            answer = self._draw(call, answer, page) or answer
        response: Response
        if answer.html is not None:
            response = HTMLResponse(answer.html, answer.status)
        elif answer.status == 303 or (call.is_form and not answer.is_shown):
            response = RedirectResponse(_build_target(answer, call, page), status_code=303)
        elif answer.content is None and answer.status >= 400:
            response = _build_refused(build_refusal(answer.status, answer.code))
        elif answer.content is None:
            response = Response(status_code=answer.status)
        else:
            response = JSONResponse(dict(answer.content), status_code=answer.status)
        lines = [*answer.headers, *((b"set-cookie", line) for line in answer.cookies)]
        response.raw_headers.extend(lines)
        response.headers["cache-control"] = "no-store"
        return response

    def _report(self, name: str, severity: Severity, **facts: object) -> None:
        self.events(SecurityEvent(name=name, severity=severity, facts=facts))


def _build_target(answer: Answer, call: Call, page: str) -> str:
    target = page if answer.page is None else answer.page
    if not answer.code:
        return target
    told = {"error" if answer.status >= 400 else "done": answer.code}
    following = parse_return_path(call.fields.get("next"))
    if following is not None:  # kept until somebody is let in
        told["next"] = following
    return f"{target}{'&' if '?' in target else '?'}{urlencode(told)}"


def _build_refused(refusal: Refusal) -> Response:
    response = Response(refusal.body, refusal.status)
    response.raw_headers[:] = [*refusal.headers]
    return response


def _wants_page(request: Request, *, is_form: bool) -> bool:
    """Tell whether a browser navigates: a script asks for JSON even when it sends a form."""
    if not is_form and request.method not in {"GET", "HEAD"}:
        return False
    return "text/html" in request.headers.get("accept", "")


def _is_by_key(call: Call) -> bool:
    return call.principal is not None and call.principal.via == "api_key"


def _show(text: str, longest: int) -> str:
    return "".join(each for each in text[:longest] if each.isprintable())
