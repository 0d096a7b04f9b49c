"""Checks, hashes and verifies passwords without holding up the event loop, or letting floods in.

What is worth knowing about the tempting wrong roads: hashing on the event loop stops every other
request for the time of a hash; an unbounded thread pool lets a hundred logins take a hundred times
the memory of one; giving the slot of a cancelled request to the next while its thread still works
lets whoever hangs up at once have as many threads as he likes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from asgi_security.clock import system_entropy
from asgi_security.crypto.password_formats import parse_password_hash
from asgi_security.crypto.passwords import (
    DIGEST_BYTES,
    SALT_BYTES,
    MissingLibraryError,
    PasswordHasher,
    verify_password_hash,
)
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.breaches import BreachChecker
from asgi_security.flows.per_loop import PerLoop
from asgi_security.policy.breaches import BreachUnavailable
from asgi_security.policy.passwords import (
    PasswordPolicy,
    check_password,
    encode_password,
    normalise_password,
)
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import anyio

    from asgi_security.clock import Entropy
    from asgi_security.crypto.password_formats import StoredHash
    from asgi_security.events import EventSink
    from asgi_security.policy.passwords import PasswordViolation

T = TypeVar("T")

UnavailableReason: TypeAlias = Literal["busy", "no_memory", "missing_library"]

_DEFAULT_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class PasswordHashed:
    """The text to store. It is not shown: guesses can be tried against it."""

    stored: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """The password may not be set, for these reasons."""

    violations: tuple[PasswordViolation, ...]


@dataclass(frozen=True, slots=True)
class PasswordsUnavailable:
    """Nothing was computed: answer 503 with this `Retry-After`, and charge nobody for it.

    "missing_library" is a fault of the installation, which the event of it names.
    """

    reason: UnavailableReason
    retry_after_seconds: int = 1


@dataclass(frozen=True, slots=True)
class PasswordMatches:
    """The password is right.

    `needs_rehash` says that the stored text is not what would be made today; `new_hash` is then the
    text to put in its place, if it could be had. Save it only over the very text that was verified
    (compare-and-set), or a password changed meanwhile comes back; and let a failure of that pass.
    """

    needs_rehash: bool = False
    new_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PasswordDiffers:
    """The password is wrong, or there is none that could be right."""


HashOutcome: TypeAlias = PasswordHashed | PasswordRefused | PasswordsUnavailable
VerifyOutcome: TypeAlias = PasswordMatches | PasswordDiffers | PasswordsUnavailable


class Passwords:
    """All that an application does with passwords, under one policy.

    Args:
        policy: the rules for new ones.
        hasher: makes the hashes; by default Argon2id where its extra is installed, else scrypt.
        breaches: asked where the policy says so; a `BreachChecker` of its own defaults by default.
        threads: how many hashes are computed at once; by default one a processor, at most 4.
        waiting: how many more may wait for a thread. Beyond it the answer is `busy`, at once.
        events: told of damaged hashes, refused work, and breach checks that failed.
        entropy: makes salts.
    """

    def __init__(
        self,
        policy: PasswordPolicy | None = None,
        hasher: PasswordHasher | None = None,
        *,
        breaches: BreachChecker | None = None,
        threads: int = _DEFAULT_THREADS,
        waiting: int = 64,
        events: EventSink = log_event,
        entropy: Entropy = system_entropy,
    ) -> None:
        findings = Findings("Passwords")
        findings.check_number("threads", threads, minimum=1, maximum=256, integer=True)
        findings.check_number("waiting", waiting, minimum=0, integer=True)
        findings.raise_if_any()
        self.policy = policy or PasswordPolicy()
        self.hasher = hasher or PasswordHasher()
        self._breaches = breaches or BreachChecker()
        self._lanes = _Lanes(threads, waiting)
        self._events = events
        self._entropy = entropy
        noise = entropy(SALT_BYTES + DIGEST_BYTES)
        self._dummy = self.hasher.build_dummy(noise, form=self.policy.normalisation)

    async def check(
        self, password: str, *, context: Iterable[str] = (), current: str | None = None
    ) -> tuple[PasswordViolation, ...]:
        """Return what speaks against a new password, in order; nothing if it may be set.

        Breaches are looked up only if nothing else speaks against it.

        Args:
            password: as it was typed.
            context: what is known of its owner: login name, mail address, names.
            current: the present password, already verified; None when there is none.
        """
        policy, known = self.policy, tuple(context)
        violations = check_password(password, policy, context=known, current=current)
        if violations or not policy.breach_check:
            return violations
        finding = await self._breaches.check(normalise_password(password, policy.normalisation))
        if isinstance(finding, BreachUnavailable):
            facts = {"reason": finding.reason, "action": policy.on_breach_error}
            self._report("breach_check_unavailable", facts, Severity.WARNING)
        return check_password(password, policy, context=known, breached=finding, current=current)

    async def accept(
        self, password: str, *, context: Iterable[str] = (), current: str | None = None
    ) -> HashOutcome:
        """Check a new password and hash it: for registration, reset and change."""
        violations = await self.check(password, context=context, current=current)
        return PasswordRefused(violations) if violations else await self.hash(password)

    async def hash(self, password: str) -> HashOutcome:
        """Hash a password by no rule but those that make it hashable: `accept` has the others."""
        secret = encode_password(password, self.policy.normalisation)
        if secret is None:
            return PasswordRefused(
                tuple(
                    violation
                    for violation in check_password(password, self.policy)
                    if violation.code in {"too_long", "bad_character"}
                )
            )
        outcome = await self._work(partial(self._make_hash, secret))
        return PasswordHashed(outcome) if isinstance(outcome, str) else outcome

    async def verify(
        self, password: str, stored: str | None, *, rehash: bool = True
    ) -> VerifyOutcome:
        """Tell whether a password is that of a stored hash. No rule for new ones applies.

        Args:
            password: as it was typed.
            stored: None if there is no such user, or one without a password. That takes the same
                work as a wrong password, but for hashes that still are of another profile.
            rehash: make the new hash, in the same slot, where the old one needs replacing.
        """
        found = parse_password_hash(self._dummy if stored is None else stored)
        if found is None or not found.hash.is_affordable:
            reason = "unreadable" if found is None else "too_costly"
            self._report("password_hash_unusable", {"reason": reason}, Severity.ERROR)
            # As slow as any: an account with a damaged hash is not to be told from others.
            found = parse_password_hash(self._dummy)
        secret = encode_password(password, found.form if found else None)
        if found is None or secret is None:
            return PasswordDiffers()
        return await self._work(partial(self._compare, found, password, secret, rehash=rehash))

    def _make_hash(self, secret: bytes) -> str:
        form = self.policy.normalisation
        return self.hasher.hash(secret, form=form, salt=self._entropy(SALT_BYTES))

    def _compare(
        self, found: StoredHash, password: str, secret: bytes, *, rehash: bool
    ) -> PasswordMatches | PasswordDiffers:
        if not verify_password_hash(found, secret):
            return PasswordDiffers()
        form = self.policy.normalisation
        if not self.hasher.needs_rehash(found, form=form):
            return PasswordMatches()
        anew = encode_password(password, form) if rehash else None
        try:
            return PasswordMatches(True, None if anew is None else self._make_hash(anew))
        except MemoryError:  # the login is right all the same; the next one tries again
            return PasswordMatches(needs_rehash=True)

    async def _work(self, job: Callable[[], T]) -> T | PasswordsUnavailable:
        try:
            outcome = await self._lanes.run(job)
        except MissingLibraryError as error:
            return self._refuse("missing_library", hint=str(error))
        except MemoryError:
            return self._refuse("no_memory")
        return self._refuse("busy") if outcome is None else outcome

    def _refuse(self, reason: UnavailableReason, **facts: str) -> PasswordsUnavailable:
        self._report("passwords_unavailable", {"reason": reason, **facts}, Severity.ERROR)
        return PasswordsUnavailable(reason)

    def _report(self, name: str, facts: dict[str, str], severity: Severity) -> None:
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))


class _Lanes:
    """A few threads and a short queue before them, for each event loop."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._threads = threads
        self._most = threads + waiting
        self._lanes = PerLoop(self._make_lane)

    async def run(self, job: Callable[[], T]) -> T | None:
        """Return what the job returns, or None at once if the queue is full."""
        from anyio import to_thread  # noqa: PLC0415 -- only who hashes waits

        lane = self._lanes.get()
        if lane.jobs >= self._most:
            return None
        lane.jobs += 1
        try:
            # Not abandoned when the request is cancelled: the slot is free when the thread is.
            return await to_thread.run_sync(job, limiter=lane.limiter, abandon_on_cancel=False)
        finally:
            lane.jobs -= 1

    def _make_lane(self) -> _Lane:
        from anyio import CapacityLimiter  # noqa: PLC0415 -- only who hashes waits

        return _Lane(CapacityLimiter(self._threads))


@dataclass(slots=True)
class _Lane:
    limiter: anyio.CapacityLimiter
    jobs: int = 0
