"""Recognises a browser that has signed in to an account before, so that no stranger locks it out.

The token is worth nothing but a count of its own: it replaces no password and no second factor,
and lifts no lock of an address. Whoever steals one can guess as often as any stranger.

After OWASP's device cookies.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from asgi_security.crypto.base64url import encode_base64url, parse_base64url

if TYPE_CHECKING:
    from asgi_security.clock import Entropy
    from asgi_security.crypto.digests import KeyedDigests

DEVICE_LIFETIME_SECONDS = 180 * 24 * 3600

_KIND = "device-token"
_IDENTIFIER_BYTES = 16
_LONGEST_TOKEN = 128


class KnownDevices:
    """Makes and reads tokens `<random id>.<expiry>.<mac>`, each for one account at one epoch."""

    def __init__(self, digests: KeyedDigests, *, entropy: Entropy) -> None:
        self._digests = digests
        self._entropy = entropy

    def build_token(self, account: str, *, epoch: str, now: float) -> str:
        """Build the token of a device that has just signed in to `account`."""
        identifier = encode_base64url(self._entropy(_IDENTIFIER_BYTES)).decode()
        expires = str(int(now) + DEVICE_LIFETIME_SECONDS)
        mac = self._digests.compute(_KIND, account, epoch, identifier, expires)
        return f"{identifier}.{expires}.{encode_base64url(mac).decode()}"

    def parse_token(self, token: str, account: str, *, epoch: str, now: float) -> str | None:
        """Return the id of a device that is known to `account`; None for all else.

        Constant-time because a MAC that is compared byte by byte can be guessed byte by byte.
        """
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            return None
        parts = token.split(".")
        if len(parts) != 3 or not parts[1].isdigit():
            return None
        identifier, expires, text = parts
        mac = parse_base64url(text.encode())
        if mac is None or int(expires) <= now:
            return None
        facts = (_KIND, account, epoch, identifier, expires)
        for expected in (self._digests.compute(*facts), *self._digests.compute_old(*facts)):
            if hmac.compare_digest(mac, expected):
                return identifier
        return None
