"""Says what is asked of a provider: in the browser first, then at its token endpoint.

Source: RFC 6749 sections 2.3.1, 4.1.1 and 4.1.3, RFC 7636 section 4, OpenID Connect Core 1.0
section 3.1.2.1.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from asgi_security.policy.oauth_registration import OAuthProvider


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form and its headers. Neither is shown: they hold the code and the client's secret."""

    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)


def build_authorization_url(
    endpoint: str,
    provider: OAuthProvider,
    *,
    state: str,
    nonce: str,
    challenge: str,
) -> str:
    """Return where the browser goes to log in.

    `challenge` is the S256 one of the verifier; it and the nonce are left out where the provider
    takes none.
    """
    parameters = [
        ("response_type", "code"),
        ("client_id", provider.client_id),
        ("redirect_uri", provider.redirect_uri),
        ("scope", " ".join(provider.scopes)),
        ("state", state),
    ]
    if provider.profile is None and not provider.dangerously_skip_nonce:
        parameters.append(("nonce", nonce))
    if not provider.dangerously_skip_pkce:
        parameters += [("code_challenge", challenge), ("code_challenge_method", "S256")]
    parameters += dict(provider.authorization_parameters).items()
    separator = "&" if "?" in endpoint else "?"
    return f"{endpoint}{separator}{urlencode(parameters)}"


def build_token_request(provider: OAuthProvider, *, code: str, verifier: str) -> TokenRequest:
    """Return what turns a code into tokens."""
    form: list[tuple[str, str | bytes]] = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", provider.redirect_uri),
    ]
    if not provider.dangerously_skip_pkce:
        form.append(("code_verifier", verifier))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    secret = _reveal(provider)
    if provider.client_auth == "client_secret_basic":
        # Each half is form-encoded first (RFC 6749 section 2.3.1): a secret may hold a colon. A
        # blank becomes %20 and not "+", which some providers take for itself.
        pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form.append(("client_id", provider.client_id))
        if provider.client_auth == "client_secret_post":
            form.append(("client_secret", secret))
    return TokenRequest(urlencode(form).encode(), headers)


def _reveal(provider: OAuthProvider) -> bytes:
    secret = provider.client_secret
    return b"" if secret is None else secret.reveal()  # type: ignore[union-attr] # wrapped by now
