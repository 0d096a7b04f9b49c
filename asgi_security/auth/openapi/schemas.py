"""Says what is in the bodies: of fields that are sent, and of what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from asgi_security.endpoints.serving.calls import LONGEST_TEXT
from asgi_security.flows.mfa_outcomes import RefusalReason
from asgi_security.policy.api_keys import Fault
from asgi_security.policy.mfa import METHODS
from asgi_security.policy.passwords import PASSWORD_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.endpoints import EndpointConfig

PREFIX = "auth."
_SECRET_FIELDS = {
    *("password", "current_password", "token", "refresh_token", "pre_token", "code"),
    *("recovery_code", "mailed_code", "client_secret"),
}
_JSON_FIELDS: dict[str, Any] = {
    "data": {"type": "object", "description": "Of the app's own."},
    "lifetime_seconds": {"type": ["number", "null"]},
    "scopes": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
}
_JSON_ONLY = {"data", "lifetime_seconds"}

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_INSTANT = {"type": "number", "description": "Seconds since the Unix epoch."}
_INSTANT_OR_NONE = {"type": ["number", "null"], "description": "Seconds since the Unix epoch."}
_TIME = {"type": "string", "format": "date-time"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_TEXTS = {"type": "array", "items": _TEXT}


def refer(name: str) -> dict[str, str]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{PREFIX}{name}"}


def build_fields(required: tuple[str, ...], optional: tuple[str, ...], *, form: bool) -> Any:
    """Return the schema of a body with these fields; of "a|b" either is required."""
    names = [one for name in required for one in name.split("|")] + list(optional)
    taken = [name for name in names if not (form and name in _JSON_ONLY)]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: build_field(name, form=form) for name in taken},
    }
    always = [name for name in required if "|" not in name]
    if always:
        schema["required"] = always
    either = [name.split("|") for name in required if "|" in name]
    if either:
        schema["allOf"] = [{"anyOf": [{"required": [one]} for one in names]} for names in either]
    return schema


def build_field(name: str, *, form: bool = True) -> dict[str, Any]:
    """Return the schema of one field; a form's are all text."""
    if name in _JSON_FIELDS and not form:
        return dict(_JSON_FIELDS[name])
    schema: dict[str, Any] = {"type": "string", "maxLength": LONGEST_TEXT}
    return {**schema, "format": "password"} if name in _SECRET_FIELDS else schema


def build_schemas(config: EndpointConfig) -> dict[str, Any]:
    """Return all schemas of answers, by their whole name."""
    tokens = {"token_type": {"const": "bearer"}, "expires_in": _COUNT}
    if config.access_cookie_name is None:
        tokens["access_token"] = _TEXT
    if not config.refresh_cookie:
        tokens["refresh_token"] = _TEXT
    signed_in = _object({"account": _TEXT, "amr": _TEXTS})
    schemas = {
        **_build_refusals(),
        **_build_shown(),
        "Tokens": _object(tokens),
        "Arrived": refer("Tokens") if config.transport == "bearer" else signed_in,
        "Confirmed": {"allOf": [refer("Arrived"), refer("RecoveryCodes")]},
    }
    return {f"{PREFIX}{name}": schema for name, schema in schemas.items()}


def _build_refusals() -> dict[str, Any]:
    pre_token = {"pre_token": _TEXT}
    reason = _object({"code": {"enum": list(PASSWORD_CODES)}, "text": _TEXT})
    reasons = {"type": "array", "items": reason, "minItems": 1}
    errors = {"enum": ["invalid_grant", "invalid_scope"]}
    methods = {"type": "array", "items": {"enum": list(METHODS)}}
    return {
        "Problem": {
            **_object({**dict.fromkeys(("type", "title", "code"), _TEXT), "status": _COUNT}),
            "description": "RFC 9457. `code` is stable.",
        },
        "CodeRefused": _detail(
            "CODE_REFUSED", may={"reason": {"enum": [*get_args(RefusalReason)]}}
        ),
        "KeyRefused": _detail("KEY_REFUSED", reason={"enum": [*get_args(Fault)]}),
        "PasswordRefused": _detail("PASSWORD_REFUSED", reasons=reasons),
        "RefreshRefused": _detail("INVALID_REFRESH_TOKEN", error=errors),
        "InvalidRequest": _object({"error": {"const": "invalid_request"}}),
        "MfaRequired": _detail("MFA_REQUIRED", **pre_token, methods=methods),
        "MfaEnrolmentRequired": _detail("MFA_ENROLMENT_REQUIRED", **pre_token),
    }


def _build_shown() -> dict[str, Any]:
    key = {
        "id": _TEXT,
        "name": _TEXT,
        "scopes": _TEXTS,
        "created_at": _INSTANT,
        **dict.fromkeys(("expires_at", "revoked_at", "last_used_at"), _INSTANT_OR_NONE),
    }
    session = {
        "handle": _TEXT,
        "kind": {"enum": ["session", "token"]},
        "user_agent": _TEXT,
        "client": _TEXT_OR_NONE,
        "created_at": _TIME,
        "last_seen_at": _TIME,
        "is_current": _FLAG,
    }
    identity = {"handle": _TEXT, "provider": _TEXT_OR_NONE, "linked_at": _INSTANT}
    status = {
        "enabled": _FLAG,
        "methods": {"type": "array", "items": {"enum": list(METHODS)}},
        "confirmed_at": _INSTANT_OR_NONE,
        "recovery_codes_left": _COUNT,
        "email_otp": _FLAG,
        "email_mask": _TEXT_OR_NONE,
    }
    return {
        "ApiKey": _object(key),
        "ApiKeys": _list("keys", refer("ApiKey")),
        "NewApiKey": {"allOf": [refer("ApiKey"), _object({"key": _TEXT})]},
        "Session": _object(session),
        "Sessions": _list("sessions", refer("Session")),
        "Identity": _object(identity),
        "Identities": _list("identities", refer("Identity")),
        "IdentityLinked": _object({"linked": _TEXT}),
        "MfaStatus": _object(status),
        "RecoveryCodes": _object({"codes": _TEXTS}),
        "Enrolment": _object({"secret": _TEXT, "otpauth_url": _TEXT, "qr_svg": _TEXT}),
        "CodeSent": _object({"sent": {"const": True}, "cooldown_seconds": _NUMBER}),
        "Verified": _object({"amr": _TEXTS}),
        "Nothing": {"type": "object", "maxProperties": 0},
    }


def _object(members: Mapping[str, Any], **may: Any) -> dict[str, Any]:
    properties = {**members, **may}
    return {"type": "object", "properties": properties, "required": list(members)}


def _detail(code: str, *, may: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return _object({"detail": {"const": code}, **members}, **(may or {}))


def _list(name: str, item: Any) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": item}})
