"""Adds the description of an `Auth` to the one that an app makes of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from asgi_security.auth.openapi.describing import describe_auth
from asgi_security.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.auth.flows import Auth
    from asgi_security.policy.endpoints import EndpointConfig


_App = TypeVar("_App")


def add_openapi(
    app: _App,
    auth: Auth,
    config: EndpointConfig | None = None,
    *,
    path: str | None = None,
    **fields: Any,
) -> _App:
    """Let a FastAPI app's `/openapi.json` and `/docs` list the routes of `auth`; return the app.

    Where both have something of one name, the app's own stays.

    Args:
        path: where the routes are within this app; by default `auth.path`.
        config, fields: as they were given to `auth_routes` or `auth_pages`, `only` included.

    Raises:
        ConfigError: for an app that makes no description of itself.
    """
    described: Any = app
    own: object = getattr(app, "openapi", None)
    if not callable(own):
        hint = "give the FastAPI app, not what harden or mount_auth made of it"
        raise ConfigError("add_openapi", [Problem("app", type(app).__name__, "no openapi()", hint)])
    prefix = auth.path if path is None else path
    described.openapi = _Merged(own, describe_auth(auth, config, prefix=prefix, **fields))
    return app


class _Merged:
    """Makes the whole description once for every one that the app makes, which is left as it is."""

    def __init__(self, own: Callable[[], dict[str, Any]], added: Mapping[str, Any]) -> None:
        self._own = own
        self._added = added
        self._last: tuple[dict[str, Any], dict[str, Any]] | None = None

    def __call__(self) -> dict[str, Any]:
        own = self._own()
        # Kept beside what it was made of: an app that forgets its description makes a new object.
        if self._last is None or self._last[0] is not own:
            self._last = (own, _merge(own, self._added))
        return self._last[1]


def _merge(own: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    paths = dict(own.get("paths", {}))
    for path, operations in added["paths"].items():
        paths[path] = {**operations, **paths.get(path, {})}
    components = dict(own.get("components", {}))
    for kind, named in added["components"].items():
        components[kind] = {**named, **components.get(kind, {})}
    return {**own, "paths": paths, "components": components}
