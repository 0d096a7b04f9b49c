"""Builds what attempts are counted by: digests and schedules, so that no store sees a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.crypto.digests import KeyedDigests
from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.clients import compute_client_key
from asgi_security.policy.lockout import CLIENT_RULES, CODE_RULES, compute_cooldowns
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AttemptKey, LockoutSchedule

if TYPE_CHECKING:
    from asgi_security.clock import Entropy
    from asgi_security.policy.lockout import LockoutConfig, LockoutRules
    from asgi_security.storage.protocols import AttemptStore

PASSWORD = "password"  # noqa: S105 -- the name of a factor
FACTORS = (PASSWORD, "totp", "recovery", "mailed_code")
"""What is counted apart for each account: a right password must not clear guesses at a code."""

CLIENT = "client"
DEVICE = "device:"
_ACCOUNT = "account:"
_SECRET_BYTES = 32


def name_account_kind(factor: str) -> str:
    """Return the kind of an account's key for one of its factors."""
    return _ACCOUNT + factor


def build_schedule(rules: LockoutRules) -> LockoutSchedule:
    """Build the rules as the data that travel to a store."""
    return LockoutSchedule(
        threshold=rules.threshold,
        window_seconds=rules.window_minutes * 60,
        cooldowns_seconds=compute_cooldowns(rules),
        max_consecutive=rules.max_consecutive,
        attempt_timeout_seconds=rules.attempt_timeout_seconds,
    )


class AttemptKeys:
    """Builds the keys of accounts and addresses under a configuration's rules and secrets."""

    def __init__(self, config: LockoutConfig, secret: Secret) -> None:
        # The configuration has made Secrets of them; this only narrows the type.
        old_secrets = [Secret(old) for old in config.old_secrets]
        self.digests = KeyedDigests(secret, old_secrets)
        self._password = build_schedule(config)
        self._code = build_schedule(config.code_rules or CODE_RULES)
        self._client = build_schedule(config.client_rules or CLIENT_RULES)

    def build_account_key(self, account: str, *, factor: str = PASSWORD) -> AttemptKey:
        """Build the key of one factor of an account."""
        kind = name_account_kind(factor)
        schedule = self._password if factor == PASSWORD else self._code
        return self._build(kind, account, schedule=schedule, forgets_on_success=True)

    def build_device_key(self, account: str, device: str) -> AttemptKey:
        """Build the key of an account's password on one known device."""
        return self._build(
            DEVICE + PASSWORD, account, device, schedule=self._password, forgets_on_success=True
        )

    def build_client_key(self, address: str) -> AttemptKey:
        """Build the key of an address: IPv6 by its /64."""
        value = compute_client_key(address)
        # A success must not clear it, or an attacker would alternate with an account of his own.
        return self._build(CLIENT, value, schedule=self._client, forgets_on_success=False)

    def _build(
        self, kind: str, *values: str, schedule: LockoutSchedule, forgets_on_success: bool
    ) -> AttemptKey:
        return AttemptKey(
            kind=kind,
            digest=self.digests.compute(kind, *values),
            schedule=schedule,
            forgets_on_success=forgets_on_success,
            old_digests=self.digests.compute_old(kind, *values),
        )


def choose_secret(config: LockoutConfig, attempts: AttemptStore, entropy: Entropy) -> Secret:
    """Return the configured secret, or a random one for a store that dies with the process.

    Never a constant: anyone could compute digests under it. Nor a random one for other stores:
    no second process, and none after a restart, would find the locks.

    Raises:
        ConfigError: for no secret, with a store that does not say `is_process_local`.
    """
    if config.secret is not None:
        return Secret(config.secret)
    if getattr(attempts, "is_process_local", False):
        return Secret(entropy(_SECRET_BYTES))
    problem = Problem(
        "secret",
        "None",
        "the store may be shared with other processes, and they must compute the same digests",
        "give 32 bytes or more, such as secrets.token_hex(32), the same in every process",
    )
    raise ConfigError("LockoutConfig", [problem])
