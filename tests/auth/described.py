"""Holds answers of a site against the description of its API."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx


class Described:
    """A description, asked about single answers."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.paths: dict[str, Any] = description["paths"]
        self._components = description["components"]
        # A path without parameters goes before one with.
        ranked = sorted(self.paths, key=lambda path: path.count("{"))
        self._patterns = [
            (re.compile(re.sub(r"{\w+}", "[^/]+", one) + r"\Z"), one) for one in ranked
        ]

    def find(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the operation that answers there."""
        for pattern, template in self._patterns:
            if pattern.match(path) and method.lower() in self.paths[template]:
                operation: dict[str, Any] = self.paths[template][method.lower()]
                return operation
        return None

    def list_faults(self, answer: httpx.Response) -> list[str]:
        """Return what of an answer to a described request is not as described."""
        request = answer.request
        operation = self.find(request.method, request.url.path)
        if operation is None:
            return [f"{request.method} {request.url.path} is not described"]
        where = f"{operation['operationId']} {answer.status_code}"
        said = operation["responses"].get(str(answer.status_code))
        if said is None:
            return [f"{where} is not described: {answer.text}"]
        faults = [
            f"{where} has no {name}"
            for name, header in said.get("headers", {}).items()
            if header.get("required") and name not in answer.headers
        ]
        kind = answer.headers.get("content-type", "").partition(";")[0]
        content = said.get("content", {})
        if kind not in content:
            return [*faults, f"{where} is {kind!r}"] if answer.content else faults
        return faults + [
            f"{where}: {error.message}"
            for error in self.validator(content[kind]["schema"]).iter_errors(
                json.loads(answer.text)
            )
        ]

    def validator(self, schema: Mapping[str, Any]) -> Any:
        """Return what validates a schema that may refer to others."""
        return OAS31Validator(
            {**schema, "components": self._components},
            format_checker=oas31_format_checker,
        )
