"""Decides: who is let in with a right password, and how little a refusal says.

Source: OWASP ASVS 5.0 6.3.8 (accounts cannot be enumerated), OWASP Authentication Cheat Sheet
(one answer to every failure), RFC 9110 sections 15.5.1 and 15.5.2 (400, 401).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from asgi_security.validation import Findings, configuration

RefusalReason: TypeAlias = Literal[
    "unknown_name", "no_password", "wrong_password", "inactive", "unverified", "changed_meanwhile"
]
"""Why a sign-in was refused: for the audit log only."""


@configuration
class LoginConfig:
    """The login of an app's accounts.

    Args:
        require_verified: refuse accounts whose address has not been verified.
        reveal_unverified: say so when that is the reason, and only after the right password: it
            then tells nothing to anyone but the owner, and he knows what to do. Otherwise it is
            refused like a wrong one.
        refused_status: 400 is the guide's. 401 is what HTTP means, and then has to carry a
            `WWW-Authenticate`.
        store_timeout_seconds: the time bound of every call to the store.
    """

    require_verified: bool = True
    reveal_unverified: bool = False
    refused_status: Literal[400, 401] = 400
    store_timeout_seconds: float = 1.0

    def __post_init__(self) -> None:
        findings = Findings("LoginConfig")
        findings.check_boolean("require_verified", self.require_verified)
        findings.check_boolean("reveal_unverified", self.reveal_unverified)
        findings.check_choice("refused_status", self.refused_status, (400, 401))
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        if self.reveal_unverified is True and self.require_verified is False:
            hint = "leave it out, or require_verified=True"
            findings.add("reveal_unverified", True, "nobody is refused for it", hint)
        findings.raise_if_any()


def decide_entry(
    config: LoginConfig, *, is_active: bool, is_verified: bool
) -> Literal["inactive", "unverified"] | None:
    """Return what keeps an account out although its password was right, None for nothing.

    >>> decide_entry(LoginConfig(), is_active=False, is_verified=False)
    'inactive'
    """
    if not is_active:
        return "inactive"
    return "unverified" if config.require_verified and not is_verified else None
