"""Asks, at each refresh, whether its subject may go on, and with which claims.

Without it a role that was taken away stays in access tokens until the login ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.policy.documents import encode_json
from asgi_security.policy.refresh_grants import check_claims

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgi_security.policy.refresh_grants import RefreshGrant
    from asgi_security.storage.protocols import Account, AccountStore

Claims: TypeAlias = Mapping[str, Any]

Renewal: TypeAlias = Callable[[str, "RefreshGrant"], "Awaitable[Claims | None] | Claims | None"]
"""Given a subject and what its login was granted, returns the claims of the next access token.

They take the place of those that the login began with. None ends the login.
"""


class RenewalFailedError(Exception):
    """A hook raised, or gave what can be no claims; its error is the cause."""


def renew_from_accounts(
    accounts: AccountStore, build_claims: Callable[[Account], Claims]
) -> Renewal:
    """Return the `Renewal` of subjects that are account ids: it ends those that are not active."""

    async def renew(subject: str, _grant: RefreshGrant) -> Claims | None:
        account = await accounts.load(subject)
        return build_claims(account) if account is not None and account.is_active else None

    return renew


def build_account_claims(account: Account) -> dict[str, Any]:
    """Return what access tokens say of an account: its roles, and its tenant if it has one."""
    claims: dict[str, Any] = {"roles": list(account.roles)}
    if account.tenant is not None:
        claims["tenant"] = account.tenant
    return claims


async def ask_renewal(renewal: Renewal | None, subject: str, grant: RefreshGrant) -> Claims | None:
    """Return the claims of the next access token, or None if there is to be none.

    Raises:
        StorageError: The hook's own store failed.
        RenewalFailedError: The hook failed in any other way.
    """
    if renewal is None:
        return grant.claims
    try:
        answer = renewal(subject, grant)
        if inspect.isawaitable(answer):
            answer = await answer
        return None if answer is None else _check(answer)
    except StorageError:
        raise
    except Exception as error:
        raise RenewalFailedError from error


def _check(claims: Claims) -> Claims:
    reserved = check_claims(claims)
    if reserved:
        raise ValueError(f"not a login's own claims: {', '.join(reserved)}")
    encode_json(dict(claims))
    return claims
