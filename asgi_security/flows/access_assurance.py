"""Reads what the credential of a request says of its own authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from asgi_security.flows.access_driving import Steps
    from asgi_security.principal import Principal


class CredentialFacts(Protocol):
    """What is read of a request's context."""

    claims: Mapping[str, Any] | None
    session: MutableMapping[str, Any] | None


def read_statement(
    facts: CredentialFacts, principal: Principal, *, waits: bool
) -> Steps[Mapping[str, Any]]:
    """Return where `amr`, `acr` and `auth_time` of the principal's credential stand.

    Of a session they are its entries, of a token its claims: the token's own, because an app that
    loads its principals has mostly left the claims out of them.
    """
    if principal.via == "session":
        return (yield from fill_session(facts, waits=waits)) or {}
    return principal.claims if facts.claims is None else facts.claims


def fill_session(facts: CredentialFacts, *, waits: bool) -> Steps[MutableMapping[str, Any] | None]:
    """Return the request's session, read in if there is one."""
    session: Any = facts.session
    if session is not None and waits and not getattr(session, "is_filled", True):
        yield session.load()
    filled: MutableMapping[str, Any] | None = session
    return filled
