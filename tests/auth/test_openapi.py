"""The description of the API says what is served: no more, no less, and in words that validate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from starlette.routing import Route

import asgi_security.flows.oauth_exchange
import asgi_security.flows.oauth_linking
import asgi_security.flows.oauth_outcomes
import asgi_security.policy.oauth_linking
from asgi_security import MemoryStore
from asgi_security.auth import Auth, auth_routes, describe_auth
from asgi_security.auth.openapi.schemas import build_schemas
from asgi_security.auth.routes import list_routes
from asgi_security.endpoints.serving.describing import EndpointRoute, find_description
from asgi_security.endpoints.serving.front import Front
from asgi_security.errors import ConfigError
from asgi_security.policy import oauth_response as answered
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.policy.login import LoginConfig
from asgi_security.policy.oauth_linking import LinkRequired
from asgi_security.policy.oauth_response import OAuthRefused
from tests.auth.everything import build_site
from tests.auth.served import Served
from tests.endpoints.site import ORIGIN, SECRET
from tests.flows.account_world import Mailbox

if TYPE_CHECKING:
    from starlette.routing import Router

both = pytest.mark.parametrize("transport", ["session", "bearer"])
WORDS = ("login", "accounts", "sessions", "refresh", "mfa", "oauth", "api_keys")


def build_document(described: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "Accounts", "version": "1"}, **described}


def list_served(transport: Any = "bearer") -> list[EndpointRoute]:
    auth = build_site(transport=transport).auth
    return list_routes(auth, Front(replace(auth.endpoints, transport=transport)), None)


@both
def test_what_is_described_is_what_is_served(transport: str) -> None:
    site = build_site(transport=transport)
    described = describe_auth(site.auth, transport=transport, prefix="/x")
    there = {(path, method) for path, found in described["paths"].items() for method in found}
    served = {
        (f"/x{route.path}", method.lower())
        for route in site.routes.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert there == served
    assert len(served) >= 34


def resolve_codes(names: tuple[str, ...]) -> set[str]:
    """Return the codes of what is said: those that it names, and those in its schemas."""
    schemas = build_schemas(EndpointConfig(transport="bearer"))
    found: set[str] = set()
    for name in names:
        if name.isupper():
            found.add(name)
        elif name == "NotArrived":
            found.add("NOT_SIGNED_IN")
        else:
            detail = schemas[f"auth.{name}"].get("properties", {}).get("detail", {})
            found |= {detail["const"]} if detail else set()
    return found


@pytest.mark.parametrize("route", list_served(), ids=lambda route: f"{route.method} {route.path}")
def test_an_endpoint_says_what_its_code_does(route: EndpointRoute) -> None:
    description = find_description(route.function)
    assert description is not None, "put @describe(...) above it"
    served = Served(route.function)
    said = {one for name in description.required for one in name.split("|")}
    if route.path.endswith("/callback"):  # the flow reads the query; `next` is kept by the attempt
        said = {"next"}
    else:
        said |= set(description.optional)
    assert said == served.fields
    codes = set().union(*map(resolve_codes, description.answers.values()))
    if route.word != "oauth":  # whose statuses and codes are those of the flow
        assert {*description.answers, 503} == {*served.statuses, 503}
        assert codes | {"UNAVAILABLE"} == served.codes | {"UNAVAILABLE"}


def test_the_way_back_from_a_provider_says_all_that_the_flow_refuses() -> None:
    modules = (
        *(asgi_security.flows.oauth_exchange, asgi_security.flows.oauth_outcomes, answered),
        *(asgi_security.flows.oauth_linking, asgi_security.policy.oauth_linking),
    )
    values = [value for module in modules for value in vars(module).values()]
    values += list(answered._AUTHORIZATION_ERRORS.values())
    refused = {(one.status, one.code.upper()) for one in values if isinstance(one, OAuthRefused)}
    refused.add((LinkRequired().status, LinkRequired().code.upper()))
    [route] = [one for one in list_served() if one.path.endswith("/callback")]
    description = find_description(route.function)
    assert description is not None
    told = {
        (status, code)
        for status, names in description.answers.items()
        for code in names
        if code.isupper()
    }
    assert told == refused - {(503, "UNAVAILABLE")}


def test_a_route_without_words_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    [route, *_] = list_served()
    monkeypatch.delitem(type(route.function.__self__).sign_in.__dict__, "description")  # type: ignore[attr-defined]
    with pytest.raises(LookupError, match="login:sign_in is not described"):
        describe_auth(build_site().auth)


VARIANTS: dict[str, dict[str, Any]] = {
    "session": {},
    "bearer": {"transport": "bearer"},
    "bearer in a cookie": {"transport": "bearer", "refresh_cookie": True},
    "known clients": {"password_clients": {"web": "w" * 32}},
    **{f"{word} alone": {"transport": "bearer", "only": [word]} for word in WORDS},
}


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_it_is_OpenAPI_and_holds_no_secret(fields: dict[str, Any]) -> None:
    described = describe_auth(build_site().auth, **fields)
    validate(build_document(described), cls=OpenAPIV31SpecValidator)
    text = json.dumps(described)
    assert SECRET not in text
    assert "w" * 32 not in text
    assert '"example' not in text
    names = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def test_the_validator_sees_what_is_wrong() -> None:
    described = describe_auth(build_site().auth)
    described["paths"]["/login"]["post"]["responses"] = {"200": {}}
    with pytest.raises(Exception, match="description"):
        validate(build_document(described), cls=OpenAPIV31SpecValidator)


def build_bare(**fields: Any) -> Auth:
    given = {"secret": SECRET, "site_url": ORIGIN, "sender": Mailbox(), **fields}
    return Auth(MemoryStore(), **given)


def find_codes(described: dict[str, Any], path: str, status: str) -> set[str]:
    content = described["paths"][path]["post"]["responses"][status]["content"]
    schema = content["application/json"]["schema"]
    return {code for one in schema.get("anyOf", [schema]) for code in told(one)}


def told(schema: dict[str, Any]) -> list[str]:
    return schema["properties"]["detail"]["enum"] if "properties" in schema else [schema["$ref"]]


def test_it_says_what_the_configuration_makes_of_it() -> None:
    plain = describe_auth(build_bare())
    assert find_codes(plain, "/login", "400") == {"MALFORMED_LOGIN", "LOGIN_BAD_CREDENTIALS"}
    assert "application/json" not in plain["paths"]["/login"]["post"]["responses"].get("401", {})
    body = plain["paths"]["/login"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["username", "password"]
    assert plain["components"]["securitySchemes"]["auth.session"]["name"] == "__Host-session"
    strict = describe_auth(
        build_bare(login=LoginConfig(refused_status=401, reveal_unverified=True)),
        transport="bearer",
        refresh_cookie=True,
        password_clients={"web": "w" * 32},
    )
    assert find_codes(strict, "/login", "400") == {"MALFORMED_LOGIN", "LOGIN_USER_NOT_VERIFIED"}
    assert find_codes(strict, "/login", "401") == {
        *("CLIENT_CREDENTIALS_REQUIRED", "INVALID_CLIENT_CREDENTIALS"),
        *("LOGIN_BAD_CREDENTIALS", "NOT_SIGNED_IN"),
    }
    body = strict["paths"]["/login"]["post"]["requestBody"]["content"]["application/json"]
    assert {"client_id", "client_secret"} <= set(body["schema"]["required"])
    assert "refresh_token" not in strict["components"]["schemas"]["auth.Tokens"]["properties"]
    assert strict["paths"]["/refresh"]["post"]["security"] == [{"auth.refresh": []}, {}]
    assert strict["paths"]["/sessions"]["get"]["security"] == [{"auth.bearer": []}]
    cookies = EndpointConfig(transport="bearer", refresh_cookie=True, access_cookie_name="__Host-a")
    hidden = describe_auth(build_bare(endpoints=cookies))
    validate(build_document(hidden), cls=OpenAPIV31SpecValidator)
    assert set(hidden["components"]["schemas"]["auth.Tokens"]["properties"]) == {
        *("token_type", "expires_in")
    }
    assert hidden["paths"]["/sessions"]["get"]["security"] == [
        *({"auth.bearer": []}, {"auth.access": []})
    ]
    assert hidden["components"]["securitySchemes"]["auth.access"]["name"] == "__Host-a"


def list_words(router: Router) -> set[str]:
    return {one.word for one in router.routes if isinstance(one, EndpointRoute)}


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_mounted_alone(word: str) -> None:
    auth = build_site().auth
    assert list_words(auth_routes(auth, transport="bearer", only=[word])) == {word}
    assert list_words(auth_routes(auth, transport="bearer")) == set(WORDS)


def test_words_that_are_not_there_are_said() -> None:
    with pytest.raises(ConfigError, match="only='mfa'") as caught:
        auth_routes(build_bare(), only=["login", "mfa", "refresh"])
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="one string"):
        auth_routes(build_bare(), only="login")
