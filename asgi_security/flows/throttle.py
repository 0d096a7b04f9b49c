"""Does: takes units of a quota in a store, in time, and says what follows if it does not answer.

Usable without ASGI: `Throttle` for whatever has a key, `SendThrottle` for mail and codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.digests import KeyedDigests
from asgi_security.errors import ConfigError, Problem, StorageError
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.clients import compute_client_key
from asgi_security.policy.login_names import normalise_login_name
from asgi_security.policy.throttle import Exceeded, ThrottlePolicy, Within
from asgi_security.secret import Secret
from asgi_security.storage.protocols import ThrottleRule

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.policy.throttle import ThrottleConfig
    from asgi_security.storage.protocols import Store, ThrottleState, ThrottleStore

_SECRET_BYTES = 32
_KEPT_DIGESTS = 4096
_LONGEST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Uncounted:
    """The store did not answer; `admitted` as the configuration says for that."""

    admitted: bool


Taken: TypeAlias = Within | Exceeded | Uncounted


class Throttle:
    """One quota, by key, in a store that is shared by all who count.

    Args:
        throttles: where the counts are: a store, or its throttles facet.

    Raises:
        ConfigError: for no secret, with a store that does not say `is_process_local`.
    """

    def __init__(
        self,
        config: ThrottleConfig,
        throttles: Store | ThrottleStore,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        self.config = config
        self.policy = ThrottlePolicy(config)
        self._throttles = resolve_throttles(throttles)
        self._is_local = bool(getattr(self._throttles, "is_process_local", False))
        secret = _choose_secret(config, entropy, is_local=self._is_local)
        self._keyed = KeyedDigests(secret)
        self._rule = ThrottleRule(config.limit, float(config.window_seconds), config.fixed_window)
        self._clock = clock
        self._events = events
        self._digests: dict[tuple[str, str], bytes] = {}

    async def take(self, key: str, *, kind: str = "key", cost: int | None = None) -> Taken:
        """Take a key's units: `config.cost` of them, or `cost`.

        Args:
            kind: what the key is; equal keys of two kinds have a quota each.

        Raises:
            ValueError: for a cost that is not from 1 to the limit.
        """
        units = self.config.cost if cost is None else cost
        if not 1 <= units <= self.config.limit:
            raise ValueError(f"cost must be from 1 to the limit of {self.config.limit}")
        digest = self._digests.get((kind, key)) or self._compute_digest(kind, key)
        try:
            state = await self._ask(digest, units)
        except StorageError:
            passes = self.config.on_store_error == "pass"
            self._report("throttle_unavailable", Severity.ERROR, passed=passes)
            return Uncounted(passes)
        decision = self.policy.decide(
            admitted=state.admitted,
            remaining=state.remaining,
            reset_seconds=state.reset_seconds,
            retry_after_seconds=state.retry_after_seconds,
        )
        if isinstance(decision, Exceeded):
            self._report("throttle_exceeded", Severity.INFO, kind=kind)
        return decision

    async def take_client(self, address: str | None, *, cost: int | None = None) -> Taken:
        """Take an address's units, IPv6 by its /64. Those who have none share one quota."""
        return await self.take(address or "", kind="client", cost=cost)

    async def _ask(self, digest: bytes, units: int) -> ThrottleState:
        now = self._clock()
        if self._is_local:
            # In memory there is nothing to wait for, and the bound would cost twice the rest.
            return await self._throttles.take(digest, self._rule, now=now, cost=units)
        with StoreBound(self.config.store_timeout_seconds):
            return await self._throttles.take(digest, self._rule, now=now, cost=units)

    def _compute_digest(self, kind: str, key: str) -> bytes:
        value = compute_client_key(key) if kind == "client" else key
        digest = self._keyed.compute("throttle", self.config.name, kind, value)
        if len(key) <= _LONGEST_KEPT:
            if len(self._digests) >= _KEPT_DIGESTS:
                self._digests.clear()
            self._digests[kind, key] = digest
        return digest

    def _report(self, name: str, severity: Severity, **facts: object) -> None:
        facts = {"throttle": self.config.name, **facts}
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))


class SendThrottle:
    """Bounds how much is sent to one recipient, and how much one address can have sent.

    Ask before the recipient is looked up, and answer alike whether it is known or not: what was
    refused then says nothing about who has an account here.

    Args:
        recipients: the quota of each recipient, such as 3 in an hour.
        clients: the quota of each address, for recipients of any number.
    """

    def __init__(
        self,
        recipients: ThrottleConfig,
        clients: ThrottleConfig,
        throttles: Store | ThrottleStore,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        self._recipients = Throttle(
            recipients, throttles, clock=clock, entropy=entropy, events=events
        )
        self._clients = Throttle(clients, throttles, clock=clock, entropy=entropy, events=events)

    async def take(self, recipient: str, *, client: str | None) -> Taken:
        """Take one sending of both; what stands in the way of it is the answer.

        The address first: one that has used up its own quota cannot use up a stranger's.
        """
        taken = await self._clients.take_client(client)
        if not taken.admitted:
            return taken
        # Spellings that one mailbox may have share a quota; what can be no name shares another.
        name = normalise_login_name(recipient) or ""
        return await self._recipients.take(name, kind="recipient")


def resolve_throttles(store: Store | ThrottleStore) -> ThrottleStore:
    """Return the throttles of a whole store, or what is that facet already."""
    return cast("ThrottleStore", getattr(store, "throttles", store))


def _choose_secret(config: ThrottleConfig, entropy: Entropy, *, is_local: bool) -> Secret:
    """Return the configured secret, or a random one for a store that dies with the process."""
    if config.secret is not None:
        return Secret(config.secret)
    if is_local:
        return Secret(entropy(_SECRET_BYTES))
    problem = Problem(
        "secret",
        "None",
        "the store may be shared with other processes, and they must compute the same digests",
        "give 32 bytes or more, such as secrets.token_hex(32), the same in every process",
    )
    raise ConfigError("ThrottleConfig", [problem])
