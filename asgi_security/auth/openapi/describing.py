"""Builds the OpenAPI description of the routes that an `Auth` serves, from those routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.auth.openapi.operations import Speech, build_operation
from asgi_security.auth.openapi.schemas import build_schemas
from asgi_security.auth.routes import list_routes, resolve_endpoints
from asgi_security.endpoints.serving.front import Front

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asgi_security.auth.flows import Auth
    from asgi_security.policy.endpoints import EndpointConfig

_REFERENCE = "#/components/schemas/"


def describe_auth(
    auth: Auth,
    config: EndpointConfig | None = None,
    *,
    prefix: str = "",
    only: Sequence[str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return `paths` and `components` of OpenAPI 3.1, of the routes of `auth_routes`.

    All that is named has "auth." before its name, so that nothing of an app is meant by it. What
    the guards refuse before the endpoints is the `default` answer.

    Args:
        prefix: of every path: where the routes are mounted.
        config, only, fields: as of `auth_routes`.
    """
    resolved = resolve_endpoints(auth, config, fields)
    speech = Speech.of(auth, resolved)
    paths: dict[str, dict[str, Any]] = {}
    for route in list_routes(auth, Front(resolved, events=auth.events), only):
        operation = build_operation(route, speech)
        paths.setdefault(f"{prefix}{route.path}", {})[route.method.lower()] = operation
    schemas = build_schemas(resolved)
    used = _find_used(paths, schemas)
    return {
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(used)},
            "securitySchemes": speech.list_schemes(),
        },
    }


def _find_used(paths: object, schemas: dict[str, Any]) -> set[str]:
    """Return the names of the schemas that are referred to, also by one another."""
    used: set[str] = set()
    waiting = set(_find_references(paths))
    while waiting:
        name = waiting.pop()
        used.add(name)
        waiting |= set(_find_references(schemas[name])) - used
    return used


def _find_references(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_REFERENCE)
        for one in value.values():
            yield from _find_references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _find_references(one)
