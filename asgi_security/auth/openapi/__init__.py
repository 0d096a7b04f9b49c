"""Describes the routes of an `Auth` in OpenAPI 3.1, and adds that to the description of an app."""

from __future__ import annotations

from asgi_security.auth.openapi.adding import add_openapi
from asgi_security.auth.openapi.describing import describe_auth

__all__ = ["add_openapi", "describe_auth"]
