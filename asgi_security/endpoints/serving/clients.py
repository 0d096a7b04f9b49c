"""Asks the program that sends a password for its own credentials, where that is asked for."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from asgi_security.endpoints.serving.answers import CHALLENGE, UNAVAILABLE, refuse, refuse_until
from asgi_security.flows.lockout import LockedOut
from asgi_security.secret import Secret
from asgi_security.storage.protocols import Admitted, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.flows.lockout import Lockout

_REQUIRED = refuse(401, "CLIENT_CREDENTIALS_REQUIRED", headers=CHALLENGE)
_INVALID = refuse(401, "INVALID_CLIENT_CREDENTIALS", headers=CHALLENGE)
_NOBODY = Secret(b"")


class ClientGate:
    """Lets through the clients that are known, by `client_id` and `client_secret`.

    Wrong ones are counted by address, with the wrong passwords from there: otherwise the secret of
    a client could be guessed without end.
    """

    def __init__(self, clients: Mapping[str, Secret], lockout: Lockout) -> None:
        self._digests = {name: _digest(secret.reveal()) for name, secret in clients.items()}
        self._lockout = lockout

    async def check(self, call: Call) -> Answer | None:
        """Return the refusal of a client, or None for one that is known."""
        name, secret = call.text("client_id"), call.text("client_secret")
        if not name or not secret:
            return _REQUIRED
        begun = await self._lockout.begin(client=call.visit.client)
        if isinstance(begun, LockedOut):
            return refuse_until(begun.retry_after_seconds)
        if not isinstance(begun, Admitted):
            return UNAVAILABLE
        # Constant-time because of digests of one length, and one more for an id that nobody has.
        kept = self._digests.get(name, _digest(_NOBODY.reveal()))
        is_right = hmac.compare_digest(kept, _digest(secret.encode()))
        outcome = Outcome.REFUND if is_right else Outcome.FAILURE
        await self._lockout.settle(
            begun, outcome, user_agent=call.visit.user_agent, address=call.visit.client
        )
        return None if is_right else _INVALID


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
