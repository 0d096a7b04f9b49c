"""An OpenID provider on Authlib's server side, which can be told to do one thing wrong."""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749 import (  # type: ignore[import-untyped]
    AuthorizationServer,
    ClientMixin,
    InvalidRequestError,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import (  # type: ignore[import-untyped]
    AuthorizationCodeGrant,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import CodeChallenge  # type: ignore[import-untyped]
from authlib.oauth2.rfc9207 import IssuerParameter  # type: ignore[import-untyped]
from authlib.oidc.core.grants import OpenIDCode  # type: ignore[import-untyped]
from joserfc.jwk import RSAKey
from starlette.responses import Response

from tests.token_samples import b64

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

CLIENT_ID = "the client: with a colon"
CLIENT_SECRET = "its secret: 100 % odd + long"
KEY = RSAKey.generate_key(2048, {"kid": "current", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "current"})

USERS: dict[str, dict[str, Any]] = {
    "alice": {"email": "Alice@Example.com", "email_verified": True, "name": "Alice"},
    "bob": {"email": "bob@example.com", "email_verified": False, "name": "Bob"},
    "carol": {"email": "carol@example.com", "email_verified": "true", "name": "Carol"},
    "dave": {"name": "Dave"},
    "kate": {"email": "\u212aate@example.com", "email_verified": True},
}
NUMBERS = {name: 1000 + place for place, name in enumerate(USERS)}


@dataclass
class Code:
    """An authorization code that is out."""

    code: str
    user: str
    scope: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time()) - 5

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> list[str]:
        return ["pwd", "mfa"]


class Client(ClientMixin):  # type: ignore[misc]
    """The one client, however it shows that it is the one."""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith("https://app.example/oauth/")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return True

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Payload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, request: Request, form: FormData | None) -> None:
        items = [*request.query_params.multi_items(), *(form.multi_items() if form else ())]
        self._data = dict(items)
        self._datalist: dict[str, list[Any]] = {}
        for name, value in items:
            self._datalist.setdefault(name, []).append(value)

    @property
    def data(self) -> dict[str, Any]:
        return self._data

    @property
    def datalist(self) -> dict[str, list[Any]]:
        return self._datalist


class Asked(OAuth2Request):  # type: ignore[misc]
    """A request of Starlette's, as Authlib reads it."""

    def __init__(self, request: Request, form: FormData | None = None) -> None:
        headers = {name.title(): value for name, value in request.headers.items()}
        super().__init__(request.method, str(request.url), headers=headers)
        self._form = form
        self.payload = Payload(request, form)

    @property
    def args(self) -> dict[str, Any]:
        data: dict[str, Any] = self.payload.data
        return data

    @property
    def form(self) -> Any:
        return self._form or {}


class Answered(Response):
    """With the place to go as an attribute, which Authlib's extension rewrites."""

    @property
    def location(self) -> str | None:
        return self.headers.get("location")

    @location.setter
    def location(self, value: str) -> None:
        self.headers["location"] = value


@dataclass
class Issuer(AuthorizationServer):  # type: ignore[misc]
    """One issuer; `fault` is what it does wrong, empty for nothing."""

    url: str
    fault: str
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.register_grant(Grant, [Challenge(required=True), IdTokens(require_nonce=False)])
        generator = BearerTokenGenerator(lambda **_: generate_token(42))
        self.register_token_generator("default", generator)
        if self.fault != "no_iss_param":
            self.register_extension(Names(self))

    def query_client(self, client_id: str) -> Client | None:
        return Client() if client_id == CLIENT_ID else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.tokens[token["access_token"]] = request.user

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answered:
        content = json.dumps(body) if isinstance(body, dict) else body
        return Answered(content, status, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody."""

    def describe(self) -> dict[str, Any]:
        """Return the discovery document."""
        url = self.url
        document: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/jwks",
            "userinfo_endpoint": f"{url}/userinfo",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        changes: dict[str, dict[str, Any]] = {
            "other_issuer": {"issuer": f"{url}/"},
            "insecure_token": {"token_endpoint": "http://provider.example/token"},
            "no_token_endpoint": {"token_endpoint": None},
            "moving_keys": {"jwks_uri": f"{url}/jwks?{self.seen.get('discovery')}"},
        }
        return {**document, **changes.get(self.fault, {})}


class Names(IssuerParameter):  # type: ignore[misc]
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def get_issuer(self) -> str:
        url = self._issuer.url
        return "https://attacker.example" if self._issuer.fault == "wrong_iss_param" else url


class Challenge(CodeChallenge):  # type: ignore[misc]
    """Takes no request without an S256 challenge: Authlib lets confidential clients go without."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if not grant.request.payload.data.get("code_challenge_method"):
            raise InvalidRequestError("No code challenge")
        super().validate_code_challenge(grant, redirect_uri)


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        data = request.payload.data
        self.server.codes[code] = Code(
            code=code,
            user=request.user,
            scope=request.scope,
            redirect_uri=request.payload.redirect_uri,
            nonce=data.get("nonce"),
            code_challenge=data["code_challenge"],
            code_challenge_method=data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found: Code | None = self.server.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class IdTokens(OpenIDCode):  # type: ignore[misc]
    """Signs ID tokens; what is wrong with them overwrites what Authlib has put there."""

    _server: Issuer

    def __call__(self, grant: Any) -> None:
        self._server = grant.server
        super().__call__(grant)

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self._server.codes.values())

    def get_client_algorithm(self, client: Client) -> str:
        return "none" if self._server.fault == "alg_none" else "RS256"

    def resolve_client_private_key(self, client: Client) -> Any:
        return OTHER_KEY if self._server.fault == "other_key" else KEY

    def get_encode_header(self, client: Client) -> dict[str, Any]:
        kind = "at+jwt" if self._server.fault == "access_token_type" else "JWT"
        return {"alg": self.get_client_algorithm(client), "kid": "current", "typ": kind}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._server.url, "aud": [CLIENT_ID]}

    def get_authorization_code_claims(self, authorization_code: Code) -> dict[str, Any]:
        claims: dict[str, Any] = super().get_authorization_code_claims(authorization_code)
        if self._server.fault == "no_nonce":
            del claims["nonce"]
        return claims

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        made: str = super().encode_id_token(token, request)
        if self._server.fault != "alg_hmac":
            return made
        # Signed with what everybody knows, as if it were a secret.
        header = b64(b'{"alg":"HS256","kid":"current"}')
        signed = f"{header}.{made.split('.')[1]}"
        secret = KEY.as_pem(private=False)
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def generate_user_info(self, user: str, scope: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {"sub": f"{user}-1", **USERS[user]}
        if self._server.fault in {"lean", "other_subject", "userinfo_bad_json", "userinfo_503"}:
            claims = {"sub": f"{user}-1"}
        wrong: dict[str, dict[str, Any]] = {
            "wrong_issuer": {"iss": "https://attacker.example"},
            "wrong_nonce": {"nonce": token_hex(16)},
            "wrong_audience": {"aud": "another client"},
            "two_audiences": {"aud": [CLIENT_ID, "another client"]},
            "two_audiences_ours": {"aud": [CLIENT_ID, "another client"], "azp": CLIENT_ID},
            "wrong_azp": {"azp": "another client"},
            "expired": {"iat": now - 7200, "exp": now - 3600},
            "not_yet": {"iat": now + 3600, "exp": now + 7200},
            "no_expiry": {"exp": None},
            "wrong_at_hash": {"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"},
            "empty_subject": {"sub": ""},
        }
        return {**claims, **wrong.get(self._server.fault, {})}


def rewrite_query(url: str, *more: tuple[str, str]) -> str:
    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query), *more]
    return urlunsplit(parts._replace(query=urlencode(pairs)))
