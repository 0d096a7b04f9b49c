"""Builds the description of one route, out of what is said beside its function."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from asgi_security.auth.openapi.schemas import PREFIX, build_field, build_fields, refer
from asgi_security.endpoints.serving.describing import find_description
from asgi_security.policy.endpoints import EndpointCookies
from asgi_security.policy.forms import FORM_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asgi_security.auth.flows import Auth
    from asgi_security.endpoints.serving.describing import Description, EndpointRoute
    from asgi_security.policy.endpoints import EndpointConfig

_JSON, _PROBLEM = "application/json", "application/problem+json"
_CLIENT_FIELDS = ("client_id", "client_secret")
_CLIENT_CODES = ("CLIENT_CREDENTIALS_REQUIRED", "INVALID_CLIENT_CREDENTIALS")
_REFUSED_LOGIN = "LOGIN_BAD_CREDENTIALS"
_BODY_PROBLEMS = {
    400: ("MALFORMED_BODY", "AMBIGUOUS_BODY", "BODY_INCOMPLETE"),
    408: ("BODY_TIMEOUT",),
    413: ("BODY_TOO_LARGE",),
    415: ("UNSUPPORTED_BODY_TYPE",),
}
_QUERY_PROBLEMS = {400: ("AMBIGUOUS_QUERY",)}
_SETS_COOKIES = {"Arrived", "Tokens", "MfaRequired", "MfaEnrolmentRequired"}
_STATUSES_WITH_PROBLEMS = {429, 503}  # what says when to come again says nothing else
_ID = "^[!-.0-~]{1,128}$"  # what `Call.path` takes, and no "/"
_SENT_ON = (
    "A browser without script, which asks for text/html, is sent on to a page, with"
    " `error=CODE` or `done=CODE`; a page of `auth_pages` may be shown instead."
)


@dataclass(frozen=True, slots=True)
class Speech:
    """How the routes of one mount speak: what depends on configurations, and not on a function."""

    is_bearer: bool
    cookies: Mapping[str, str]
    """From the name of a scheme to that of its cookie."""
    refused_status: int
    absent: frozenset[str]
    """Fields, codes and schemas that are never met here."""
    providers: tuple[str, ...]

    @classmethod
    def of(cls, auth: Auth, config: EndpointConfig) -> Speech:
        """Gather it."""
        is_bearer = config.transport == "bearer"
        absent: set[str] = set()
        if auth.mfa is None:
            absent |= {"MfaRequired", "MfaEnrolmentRequired"}
        if config.password_clients is None:
            absent |= {*_CLIENT_CODES, *_CLIENT_FIELDS}
        if not auth.login.config.reveal_unverified:
            absent.add("LOGIN_USER_NOT_VERIFIED")
        if not is_bearer:
            absent.add("NotArrived")
        named = EndpointCookies(secure=config.secure, access_name=config.access_cookie_name)
        cookies = {} if is_bearer else {"session": auth.sessions.cookie_name or ""}
        if config.refresh_cookie:
            cookies["refresh"] = named.refresh_name
        if named.access_name is not None:
            cookies["access"] = named.access_name
        providers = () if auth.oauth is None else auth.oauth.config.providers
        return cls(
            is_bearer=is_bearer,
            cookies=cookies,
            refused_status=auth.login.config.refused_status,
            absent=frozenset(absent),
            providers=tuple(provider.name for provider in providers),
        )

    def list_schemes(self) -> dict[str, Any]:
        """Return the security schemes by their whole name."""
        schemes: dict[str, Any] = {
            f"{PREFIX}{name}": {"type": "apiKey", "in": "cookie", "name": cookie}
            for name, cookie in self.cookies.items()
        }
        if self.is_bearer:
            bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            schemes[f"{PREFIX}bearer"] = bearer
        return schemes

    def list_answers(self, description: Description) -> dict[int, list[str]]:
        """Return what a function answers under these configurations."""
        answers: dict[int, list[str]] = {}
        for status, names in description.answers.items():
            said = answers.setdefault(status, [])
            for name in names:
                if name == _REFUSED_LOGIN:
                    answers.setdefault(self.refused_status, []).append(name)
                elif name not in self.absent:
                    said.append("NOT_SIGNED_IN" if name == "NotArrived" else name)
            if names and not said:
                del answers[status]
        return answers


def build_operation(route: EndpointRoute, speech: Speech) -> dict[str, Any]:
    """Return the operation of one route.

    Raises:
        LookupError: for a route whose function is not described.
    """
    description = find_description(route.function)
    if description is None:
        raise LookupError(f"{route.name} is not described; put @describe(...) above it")
    summary, _, more = (inspect.getdoc(route.function) or "").partition("\n")
    word, _, function = (route.name or "").partition(":")
    operation: dict[str, Any] = {
        "tags": [f"{PREFIX}{word}"],
        "summary": summary,
        "operationId": f"auth_{word}_{function}_{route.method.lower()}",
        "responses": _build_responses(route, description, speech),
        "security": _build_security(route, description, speech),
    }
    if more.strip():
        operation["description"] = more.strip()
    required, optional = _list_fields(description, speech)
    parameters = _build_path_parameters(route, speech)
    if route.method == "GET":
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": build_field(name)}
            for name in (*required, *optional)
        ]
    elif required or optional:
        operation["requestBody"] = {
            "required": bool(required),
            "content": {
                _JSON: {"schema": build_fields(required, optional, form=False)},
                FORM_TYPE: {"schema": build_fields(required, optional, form=True)},
            },
        }
    if parameters:
        operation["parameters"] = parameters
    return operation


def _list_fields(
    description: Description, speech: Speech
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    optional = tuple(name for name in description.optional if name not in speech.absent)
    clients = tuple(name for name in optional if name in _CLIENT_FIELDS)
    rest = tuple(name for name in optional if name not in _CLIENT_FIELDS)
    return (*description.required, *clients), rest


def _build_path_parameters(route: EndpointRoute, speech: Speech) -> list[dict[str, Any]]:
    parameters = []
    for name in route.param_convertors:
        schema: dict[str, Any] = {"type": "string", "pattern": _ID}
        if name == "provider":
            schema = {"type": "string", "enum": list(speech.providers)}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return parameters


def _build_security(
    route: EndpointRoute, description: Description, speech: Speech
) -> list[dict[str, Any]]:
    names = ["bearer"] if speech.is_bearer else ["session"]
    names += ["access"] if "access" in speech.cookies else []
    known: list[dict[str, Any]] = [{f"{PREFIX}{name}": []} for name in names]
    if route.is_private:
        return known
    ways = known if description.knows_account else []
    if "refresh_token" in description.optional and "refresh" in speech.cookies:
        ways.append({f"{PREFIX}refresh": []})
    return [*ways, {}] if ways else []


def _build_responses(
    route: EndpointRoute, description: Description, speech: Speech
) -> dict[str, Any]:
    """Return what the function answers and what `Front` answers in its stead."""
    answers = speech.list_answers(description)
    answers.setdefault(503, []).append("UNAVAILABLE")
    answers.setdefault(303, [])
    if route.is_private:
        answers.setdefault(401, [])
        answers[401] = list(dict.fromkeys(["NOT_SIGNED_IN", *answers[401]]))
        answers.setdefault(403, []).append("NOT_WITH_A_KEY")
    problems: dict[int, list[str]] = {}
    own = _QUERY_PROBLEMS if route.method == "GET" else _BODY_PROBLEMS
    for status, codes in own.items():
        problems.setdefault(status, []).extend(codes)
    if not route.is_foreign and route.method != "GET":
        problems.setdefault(403, []).append("CROSS_SITE_REQUEST")
    responses = {
        str(status): _build_response(status, answers.get(status, ()), problems.get(status, ()))
        for status in sorted({*answers, *problems})
    }
    told = "What the guards around the app refuse before the endpoint is asked."
    plain = {"text/plain": {"schema": {"type": "string"}}}  # to a browser that navigates
    responses["default"] = {"description": told, "content": {**_problem(), **plain}}
    return responses


def _build_response(status: int, said: Iterable[str], problems: Iterable[str]) -> dict[str, Any]:
    names = [name for name in said if not name.isupper()]
    codes = [name for name in said if name.isupper()]
    problems = list(problems)
    if status in _STATUSES_WITH_PROBLEMS:
        codes, problems = [], [*codes, *problems]
    schemas: list[Any] = [refer(name) for name in names]
    if codes:
        detail = {"type": "string", "enum": codes}
        members = {"type": "object", "properties": {"detail": detail}, "required": ["detail"]}
        schemas.append(members)
    content: dict[str, Any] = {}
    if schemas:
        content[_JSON] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    if problems or status in {401, 403}:  # the guards refuse so, too
        content |= _problem()
    told = HTTPStatus(status).phrase if status != 303 else _SENT_ON
    if problems:
        told = f"{told}: {', '.join(f'`{code}`' for code in problems)}."
    response: dict[str, Any] = {"description": told}
    if content:
        response["content"] = content
    headers = _build_headers(status, names)
    return {**response, "headers": headers} if headers else response


def _build_headers(status: int, names: Iterable[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if status == 303:
        headers["Location"] = {"required": True, "schema": {"type": "string"}}
    if status in _STATUSES_WITH_PROBLEMS:
        seconds = {"type": "integer", "minimum": 0}
        headers["Retry-After"] = {"required": True, "schema": seconds}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    if _SETS_COOKIES & set(names):
        headers["Set-Cookie"] = {"schema": {"type": "string"}}
    return headers


def _problem() -> dict[str, Any]:
    return {_PROBLEM: {"schema": refer("Problem")}}
