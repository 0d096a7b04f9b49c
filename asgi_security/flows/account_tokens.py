"""Issues and redeems the tokens that are mailed: for one account, one purpose, one use.

A token is 256 unpredictable bits; the store knows its SHA-256 only. It dies with its lifetime, with
its use, and with the next change of the account's credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import compute_unkeyed_digest
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.documents import encode_json, is_instant, parse_object

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.storage.protocols import Account, OneTimeStore, Store

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_TOKEN_BYTES = 32
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class TakenToken:
    """A token that was good, and is used up. `account` is the id it was issued to.

    `name` is the login name that it gives the account, for one that gives any.
    """

    account: str
    epoch: int
    expires_at: float
    digest: bytes = field(repr=False)
    name: str | None = field(default=None, repr=False)


class AccountTokens:
    """Tokens of one purpose. Every method raises `StorageError` when the store does not answer."""

    def __init__(
        self,
        purpose: str,
        store: Store | OneTimeStore,
        *,
        lifetime_seconds: float,
        timeout_seconds: float,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.lifetime_seconds = lifetime_seconds
        self._kind = f"account_{purpose}"
        self._once = cast("OneTimeStore", getattr(store, "once", store))
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._entropy = entropy

    async def issue(self, account: Account | None, *, name: str | None = None) -> str:
        """Return a new token. One for nobody takes the same work, and opens nothing."""
        token = encode_base64url(self._entropy(_TOKEN_BYTES)).decode()
        expires_at = self._clock() + self.lifetime_seconds
        owner, epoch = (_NOBODY, 0) if account is None else (account.id, account.epoch)
        digest = compute_unkeyed_digest(self._kind, token)
        await self.put_back(TakenToken(owner, epoch, expires_at, digest, name))
        return token

    async def take(self, token: str) -> TakenToken | None:
        """Use a token up, for exactly one caller; None for all that is no live token."""
        if _TOKEN.match(token) is None:
            return None
        digest = compute_unkeyed_digest(self._kind, token)
        with StoreBound(self._timeout_seconds):
            value = await self._once.take(self._kind, digest, now=self._clock())
        return None if value is None else _parse(value, digest)

    async def put_back(self, taken: TakenToken) -> None:
        """Make a token good again: nothing came of its use."""
        known = {"account": taken.account, "epoch": taken.epoch, "expires_at": taken.expires_at}
        value = encode_json(known if taken.name is None else {**known, "name": taken.name})
        with StoreBound(self._timeout_seconds):
            await self._once.put(
                self._kind,
                taken.digest,
                value,
                expires_at=taken.expires_at,
                now=self._clock(),
            )


def _parse(value: bytes, digest: bytes) -> TakenToken | None:
    """Read what was stored; another release may have written it."""
    known = parse_object(value) or {}
    owner, epoch, expires_at = (known.get(name) for name in ("account", "epoch", "expires_at"))
    if not isinstance(owner, str) or owner == _NOBODY or not is_instant(expires_at):
        return None
    if type(epoch) is not int:
        return None
    name = known.get("name")
    if name is not None and not isinstance(name, str):
        return None
    return TakenToken(owner, epoch, cast("float", expires_at), digest, name)
