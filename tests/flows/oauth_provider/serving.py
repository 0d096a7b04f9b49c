"""Serves providers as a process of its own: `python -m tests.flows.oauth_provider.serving PORT`.

Every path `/{fault}.{anything}` is an issuer of its own, which does that one thing wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.flows.oauth_provider.issuing import (
    KEY,
    NUMBERS,
    USERS,
    Asked,
    Issuer,
    rewrite_query,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from tests.flows.oauth_provider.issuing import Answered

HUGE = b'{"issuer": "' + b"x" * 300_000 + b'"}'

_issuers: dict[str, Issuer] = {}


def find(request: Request, what: str) -> Issuer:
    name = request.path_params["issuer"]
    if name not in _issuers:
        _issuers[name] = Issuer(f"{request.base_url}{name}", name.partition(".")[0])
    issuer = _issuers[name]
    issuer.seen[what] = issuer.seen.get(what, 0) + 1
    return issuer


async def misbehave(fault: str, place: str) -> Response | None:
    """Return the answer of a place that does not work; faults are named `{place}_{how}`."""
    if not fault.startswith(f"{place}_"):
        return None
    how = fault.removeprefix(f"{place}_")
    if how == "slow":
        await anyio.sleep(60)  # longer than any client waits
    answers: dict[str, Response] = {
        "huge": Response(HUGE, media_type="application/json"),
        "redirect": RedirectResponse("/elsewhere", 307),
        "bad_json": PlainTextResponse("<html>not JSON</html>"),
        "twice": Response('{"access_token": "a", "access_token": "b"}'),
        "gzip": Response(b"{}", headers={"content-encoding": "gzip"}),
        "200_error": JSONResponse(
            {"error": "bad_verification_code", "error_description": "spent\r\nby alice"}
        ),
        "invalid_grant": JSONResponse({"error": "invalid_grant"}, 400),
        "invalid_client": JSONResponse({"error": "invalid_client"}, 401),
        "busy": JSONResponse({"error": "temporarily_unavailable"}, 400),
    }
    if how.isdigit():
        return PlainTextResponse("no", int(how))
    return answers.get(how)


def endpoint(
    place: str, serve: Callable[[Request, Issuer], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        issuer = find(request, place)
        return await misbehave(issuer.fault, place) or await serve(request, issuer)

    return answer


async def discovery(request: Request, issuer: Issuer) -> Response:
    return JSONResponse(issuer.describe())


async def authorize(request: Request, issuer: Issuer) -> Response:
    """Log the user of `as` in without asking; nobody is a user who says no."""
    asked = Asked(request)
    user = request.query_params.get("as")
    grant = issuer.get_consent_grant(asked, end_user=user)
    response: Answered = issuer.create_authorization_response(
        asked, grant_user=None if user == "nobody" else user, grant=grant
    )
    location = response.location or ""
    more = {
        "duplicate_code": [("code", "another")],
        "duplicate_state": [("state", "another")],
        "code_and_error": [("error", "access_denied")],
    }
    response.location = rewrite_query(location, *more.get(issuer.fault, []))
    return response


async def token(request: Request, issuer: Issuer) -> Response:
    response: Answered = issuer.create_token_response(Asked(request, await request.form()))
    if issuer.fault == "no_id_token":
        body = json.loads(bytes(response.body))
        body.pop("id_token", None)
        return JSONResponse(body, response.status_code)
    return response


async def jwks(request: Request, issuer: Issuer) -> Response:
    return JSONResponse({"keys": [KEY.as_dict(private=False)]})


def find_user(request: Request, issuer: Issuer) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return issuer.tokens.get(value) if scheme == "Bearer" else None


async def userinfo(request: Request, issuer: Issuer) -> Response:
    user = find_user(request, issuer)
    if user is None:
        return JSONResponse({"error": "invalid_token"}, 401)
    subject = "somebody-else" if issuer.fault == "other_subject" else f"{user}-1"
    return JSONResponse({"sub": subject, **USERS[user]})


async def api_user(request: Request, issuer: Issuer) -> Response:
    """Answer as GitHub does: a number that stays, a login name that does not."""
    user = find_user(request, issuer)
    if user is None:
        return JSONResponse({"message": "Bad credentials"}, 401)
    subject: Any = True if issuer.fault == "profile_without_id" else NUMBERS[user]
    # GitHub's public address is whatever the user has put there, verified or not.
    return JSONResponse({"id": subject, "login": user, "email": "public@example.com", "name": user})


async def api_emails(request: Request, issuer: Issuer) -> Response:
    user = find_user(request, issuer)
    if user is None or issuer.fault == "no_emails":
        return JSONResponse({"message": "Not Found"}, 404)
    known = USERS[user]
    emails = [{"email": f"old-{user}@example.com", "primary": False, "verified": True}]
    if "email" in known:
        verified = known["email_verified"]
        emails.append({"email": known["email"], "primary": True, "verified": verified})
    return JSONResponse(emails)


async def seen(request: Request) -> Response:
    return JSONResponse(find(request, "seen").seen)


async def ready(request: Request) -> Response:
    return PlainTextResponse("ready")


app = Starlette(
    routes=[
        Route("/", ready),
        Route("/{issuer}/seen", seen),
        Route("/{issuer}/.well-known/openid-configuration", endpoint("discovery", discovery)),
        Route("/{issuer}/authorize", endpoint("authorize", authorize)),
        Route("/{issuer}/token", endpoint("token", token), methods=["POST"]),
        Route("/{issuer}/jwks", endpoint("jwks", jwks)),
        Route("/{issuer}/userinfo", endpoint("userinfo", userinfo)),
        Route("/{issuer}/api/user", endpoint("api", api_user)),
        Route("/{issuer}/api/user/emails", endpoint("emails", api_emails)),
    ]
)


def end_with_parent() -> None:
    """Wait until whoever started this process is gone: its end of the pipe closes with it."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[-1]), log_level="warning")


if __name__ == "__main__":
    main()
