"""Says where verification keys come from: secrets, key material, or a published set, never two.

Source: RFC 7518 section 3.2 (secret length), RFC 8725 section 3.1 (one family per issuer),
RFC 7517 section 5 (sets); OWASP ASVS 5.0 section 9.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KeyMaterial: TypeAlias = Mapping[str, Any] | str | bytes
"""PEM, DER, a JWK, or a JWK set."""

_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_PUBLIC = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"ES256K", "EdDSA", "Ed25519", "Ed448"}
_ADVICE = "generate one with: asgi-security keys new"


@configuration
class IssuerKeys:
    """The keys of one issuer: exactly one of `secret`, `keys` and `jwks_url`.

    Args:
        secret: signs and verifies (HS256); as long as the hash of every allowed algorithm.
        old_secrets: retired secrets that still verify.
        keys: PEM, DER, JWK or JWK sets.
        jwks_url: where the issuer publishes its set; https, or http on this machine.
        algorithms: what may be used; None for HS256 with a secret, and for whatever the keys are
            made for otherwise.
    """

    secret: Secret | str | bytes | None = None
    old_secrets: Sequence[Secret | str | bytes] = ()
    keys: KeyMaterial | Sequence[KeyMaterial] = field(default=(), repr=False)
    jwks_url: str | None = None
    algorithms: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings(type(self).__name__)
        settle_key_source(findings, self)
        findings.raise_if_any()


def settle_key_source(findings: Findings, source: Any) -> None:
    """Check the five fields of a key source, and give them their one form."""
    if isinstance(source.keys, (Mapping, str, bytes)):
        object.__setattr__(source, "keys", (source.keys,))
    elif isinstance(source.keys, (list, tuple)):
        object.__setattr__(source, "keys", tuple(source.keys))
    else:
        findings.add_secret("keys", "no key material", "give PEM, DER, a JWK, a JWK set, or a list")
    given = [
        name
        for name, value in (
            ("secret", source.secret is not None),
            ("keys", source.keys),
            ("jwks_url", source.jwks_url is not None),
        )
        if value
    ]
    if len(given) != 1:
        reason = f"{' and '.join(given)} at once" if given else "no key to verify with"
        hint = f"give one of secret, keys and jwks_url; for a secret, {_ADVICE}"
        findings.add_secret(given[0] if given else "secret", reason, hint)
    _settle_algorithms(findings, source)
    _settle_secrets(findings, source)
    if source.jwks_url is not None:
        check_url(findings, "jwks_url", source.jwks_url)


def _settle_algorithms(findings: Findings, source: Any) -> None:
    given = source.algorithms
    if given is None:
        if source.secret is not None:
            object.__setattr__(source, "algorithms", ("HS256",))
        return
    names = settle_strings(findings, "algorithms", given)
    object.__setattr__(source, "algorithms", names)
    known = (*_SECRET_BYTES, *sorted(_PUBLIC))
    for name in names:
        if name not in known:
            findings.check_choice("algorithms", name, known)
    if given in ((), []):
        findings.add("algorithms", given, "nothing is allowed", "leave it out, or name one")
    symmetric = _SECRET_BYTES.keys() & set(names)
    if symmetric and _PUBLIC & set(names):
        # Whoever has the public key could sign with it as an HMAC secret (RFC 8725 section 2.1).
        reason = "mixes HMAC with public-key algorithms"
        findings.add("algorithms", names, reason, "allow HS* for a secret, or the others for keys")
    elif (source.secret is not None and not symmetric) or (source.jwks_url and symmetric):
        hint = "allow HS* for a secret, and only public-key algorithms for a published set"
        findings.add("algorithms", names, "no algorithm of the keys that are given", hint)


def _settle_secrets(findings: Findings, source: Any) -> None:
    old = source.old_secrets
    if isinstance(old, (str, bytes, Secret)):
        findings.add_secret("old_secrets", "one secret, not a list", "wrap it in a list")
        old = ()
    if source.secret is None:
        if old:
            findings.add_secret("old_secrets", "old secrets without a current one", "give secret=")
        return
    needed = max((_SECRET_BYTES.get(name, 0) for name in source.algorithms or ()), default=0)
    current = _wrap(findings, "secret", source.secret, needed)
    retired = [_wrap(findings, f"old_secrets[{i}]", value, needed) for i, value in enumerate(old)]
    object.__setattr__(source, "secret", current)
    kept = tuple(value for value in dict.fromkeys(retired) if value not in (current, None))
    object.__setattr__(source, "old_secrets", kept)


def _wrap(findings: Findings, name: str, value: object, needed: int) -> Secret | None:
    if not isinstance(value, (str, bytes, Secret)):
        findings.add_secret(name, "not a string or bytes", _ADVICE)
        return None
    secret = Secret(value)
    if len(secret) < max(needed, 32):
        reason = f"{len(secret)} bytes where the algorithm needs {max(needed, 32)}"
        findings.add_secret(name, reason, _ADVICE)
    return secret


def settle_strings(findings: Findings, name: str, value: Iterable[str]) -> tuple[str, ...]:
    """Return a list of strings as a tuple; note a bare string, or an entry that is none."""
    if isinstance(value, str):
        findings.add(name, value, "a string, not a list", f"write [{value!r}]")
        return (value,)
    if not isinstance(value, (list, tuple, set, frozenset)):
        findings.add(name, value, "not a list of strings", 'write ["..."]')
        return ()
    entries = tuple(sorted(value) if isinstance(value, (set, frozenset)) else value)
    for entry in entries:
        if not isinstance(entry, str) or not entry:
            findings.add(name, entry, "not a string with something in it", "remove it")
    return tuple(entry for entry in entries if isinstance(entry, str))


def check_url(findings: Findings, name: str, value: object) -> None:
    """Note what is no https URL: http is for this machine only, and no URL carries a password."""
    hint = "give an https URL"
    if not isinstance(value, str) or not value.isascii() or any(c <= " " for c in value):
        findings.add(name, value, "not a URL", hint)
        return
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 -- raises for a port that is none
    except ValueError:
        findings.add(name, value, "not a URL", hint)
        return
    if parts.username is not None or parts.fragment:
        findings.add_secret(name, "a URL with user name or fragment", hint)
    elif parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        findings.add(name, value, "keys fetched in the clear can be replaced on the way", hint)
    elif not parts.hostname:
        findings.add(name, value, "a URL without host", hint)


def _is_loopback(host: str | None) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}
