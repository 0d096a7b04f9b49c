"""Decides who somebody is, from what a provider has signed or answered.

Source: OpenID Connect Core 1.0 sections 2, 3.1.3.6-3.1.3.8, 5.1 and 5.3.2, RFC 8176 (amr), RFC 9068
section 2.1 (an access token is no ID token); OWASP ASVS 5.0 10.5.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.policy.login_names import normalise_login_name
from asgi_security.policy.oauth_urls import is_same_issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.oauth_registration import OAuthProvider, ProfileApi

FEDERATED = "fed"
"""The method of everybody who was let in by a provider."""
MFA = "mfa"

IdTokenFault: TypeAlias = Literal[
    "wrong_issuer",
    "wrong_type",
    "bad_subject",
    "wrong_nonce",
    "wrong_party",
    "wrong_hash",
]

_MAX_SUBJECT = 255
_MAX_NAME = 320
_MAX_METHODS = 16
_LATEST = 2.0**53
_ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFacts:
    """Who somebody is, as one provider says. Name and address are not shown.

    `email` is in the one form of a login name, None for none; `email_verified` is what the
    provider itself says. `amr` and `auth_time` are the ID token's.
    """

    issuer: str
    subject: str
    email: str | None = field(default=None, repr=False)
    email_verified: bool = False
    name: str | None = field(default=None, repr=False)
    amr: tuple[str, ...] = ()
    auth_time: float | None = None


def check_id_token(
    claims: Mapping[str, Any],
    header: Mapping[str, Any],
    provider: OAuthProvider,
    *,
    nonce: str,
    access_token: str,
) -> IdTokenFault | None:
    """Tell why an ID token is not the answer to this attempt, or None.

    Signature, `exp`, `iat` and `aud` have been checked by then.

    Args:
        claims: of the token.
        header: its protected header.
        provider: at which the attempt was made.
        nonce: that of the attempt.
        access_token: that came with the token.
    """
    if not is_same_issuer(provider.issuer, claims.get("iss"), tenant=claims.get("tid")):
        return "wrong_issuer"
    if str(header.get("typ")).lower() in _ACCESS_TOKEN_TYPES:
        return "wrong_type"
    if _parse_subject(claims.get("sub")) is None:
        return "bad_subject"
    given = claims.get("nonce")
    if ("nonce" in claims or not provider.dangerously_skip_nonce) and not _is_equal(given, nonce):
        return "wrong_nonce"
    # For several, it is for the one that asked (section 3.1.3.7, items 4 and 5).
    needs_party = isinstance(claims.get("aud"), list) and len(claims["aud"]) != 1
    if ("azp" in claims or needs_party) and claims.get("azp") != provider.client_id:
        return "wrong_party"
    if "at_hash" in claims and not _is_equal(
        claims["at_hash"], compute_token_hash(access_token, str(header.get("alg")))
    ):
        return "wrong_hash"
    return None


def compute_token_hash(token: str, algorithm: str) -> str:
    """Return the `at_hash` of a token: half of the hash that the signature's algorithm goes by.

    >>> compute_token_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256")
    '77QmUPtjPfzWtF2AnpK9RQ'
    """
    name = {"256": "sha256", "384": "sha384"}.get(algorithm[-3:], "sha512")
    digest = hashlib.new(name, token.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _is_equal(given: object, expected: str) -> bool:
    # Constant-time because both are secrets of one attempt.
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode()
    )


def parse_claims(claims: Mapping[str, Any]) -> IdentityFacts:
    """Return who an ID token that has passed `check_id_token` is about."""
    amr = claims.get("amr")
    methods = amr if isinstance(amr, (list, tuple)) else ()
    at: Any = claims.get("auth_time")
    return IdentityFacts(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=parse_email(claims.get("email")),
        email_verified=claims.get("email_verified") is True,
        name=_parse_name(claims.get("name")),
        amr=tuple(one for one in methods if isinstance(one, str))[:_MAX_METHODS],
        auth_time=float(at) if type(at) in {int, float} and 0 < at < _LATEST else None,
    )


def merge_userinfo(facts: IdentityFacts, document: Mapping[str, Any]) -> IdentityFacts | None:
    """Add what the UserInfo endpoint says; None if that is about somebody else (section 5.3.2)."""
    if document.get("sub") != facts.subject:
        return None
    email = parse_email(document.get("email"))
    return replace(
        facts,
        email=email or facts.email,
        email_verified=(
            facts.email_verified if email is None else document.get("email_verified") is True
        ),
        name=facts.name or _parse_name(document.get("name")),
    )


def parse_profile(
    api: ProfileApi, issuer: str, document: Mapping[str, Any], emails: object = None
) -> IdentityFacts | None:
    """Return who a profile is about; None if it names nobody.

    Args:
        api: how it is read.
        issuer: of the provider.
        document: the profile.
        emails: the list of addresses, where there is one: only its primary address counts.
    """
    subject = document.get(api.subject_member)
    # An id of a database: 1 and True are equal to Python, and True is nobody's id.
    parsed = _parse_subject(str(subject) if type(subject) is int else subject)
    if parsed is None:
        return None
    mail: Mapping[str, Any] = document
    verified = "email_verified"
    if api.emails_url is not None:
        listed = emails if isinstance(emails, list) else []
        entries = [one for one in listed if isinstance(one, dict) and one.get("primary") is True]
        mail = entries[0] if len(entries) == 1 else {}
        verified = "verified"
    return IdentityFacts(
        issuer=issuer,
        subject=parsed,
        email=parse_email(mail.get("email")),
        email_verified=mail.get(verified) is True,
        name=_parse_name(document.get("name")),
    )


def _parse_subject(value: object) -> str | None:
    fine = isinstance(value, str) and 0 < len(value) <= _MAX_SUBJECT and value.isprintable()
    return str(value) if fine else None


def _parse_name(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    name = "".join(one for one in value[:_MAX_NAME] if one.isprintable()).strip()
    return name or None


def parse_email(value: object) -> str | None:
    r"""Return a mail address as a login name, or None for what is none.

    An address whose letters only look like those of the name is none: whoever owns
    `\u212aate@example.com` would otherwise open the account of `kate@example.com`.

    >>> parse_email("Kate@Example.com"), parse_email("\u212aate@example.com")
    ('kate@example.com', None)
    """
    if not isinstance(value, str) or value.count("@") != 1:
        return None
    name = normalise_login_name(value)
    if name is None or any(one.isspace() or not one.isprintable() for one in value):
        return None
    box, _, host = name.partition("@")
    if not box or not host or name != (value.lower() if value.isascii() else value):
        return None
    return name


def is_multi_factor(facts: IdentityFacts, provider: OAuthProvider) -> bool:
    """Tell whether a provider says, and is believed, that it has asked for more than one factor."""
    return provider.amr_counts_as_mfa and MFA in facts.amr
