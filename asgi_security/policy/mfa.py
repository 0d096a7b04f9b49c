"""Decides whether a second factor is due, and says what second factors are like.

* What is enforced wins over the app's own rule; the rule wins over whether the account has one.
* A recovery code is a way back and no factor by itself: an account with nothing else has none.
* Mailed codes are off by default. Whoever reads a mailbox can mostly reset the password with it,
  so they prove little more; NIST takes them for no second factor at all.

Source: NIST SP 800-63B-4 sections 3.1.2, 3.1.3.1 and 3.1.4, OWASP ASVS 5.0 6.5 and 6.6, RFC 6238
section 5.2; the Key URI Format of the authenticator apps (`otpauth:`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote, urlencode

from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Sequence

    from asgi_security.secret import Secret

Method: TypeAlias = Literal["totp", "recovery", "mailed_code"]
METHODS: tuple[Method, ...] = ("totp", "recovery", "mailed_code")
"""The kinds of factors, named as the lockout names its counts."""

DueHook: TypeAlias = Callable[[Any, Any], "Awaitable[bool | None] | bool | None"]
"""From the `Account` that has passed its first factor and the `Visit` to whether a second is due;
None leaves it to whether the account has one."""

Due: TypeAlias = Literal["none", "verify", "enrol"]

LONGEST_PRE_TOKEN_SECONDS = 300

_LONGEST_ISSUER = 64
# Those of `crypto/one_time_codes`, which a test holds equal: pillars do not know one another.
_FEWEST_LETTERS, _MOST_LETTERS = 23, 48


@configuration
class MfaConfig:
    """Second factors.

    Args:
        issuer: the name of the service, as authenticator apps show it.
        secret: at least 32 bytes; the keys of stored secrets, pre-tokens and digests come from it.
        old_secrets: retired ones, under which stored secrets are still found. Each is sealed anew
            when its user next signs in with it.
        digits: of an authenticator's codes, 6 to 8. Not all apps can do more than 6.
        step_seconds: how long one of its codes is shown.
        window: how many steps a clock may be off, 0 or 1. 0 is what ASVS 6.5.5 asks for.
        enrolment_lifetime_seconds: how long a new secret waits for its first code.
        pre_token_lifetime_seconds: between the first factor and the second; 300 at most.
        pre_token_attempts: how many codes may be tried on one pre-token.
        recovery_codes: how many there are.
        recovery_code_letters: of each, at 5 bits a letter; 23 to 48, since only a digest without
            salt is stored (ASVS 5.0 6.5.2). Codes of another length stay good.
        email_codes: whether accounts may use mailed codes; each must still choose to.
        email_code_digits: 6 to 8.
        email_code_lifetime_seconds: 600 at most (NIST SP 800-63B-4 3.1.3.2).
        email_code_cooldown_seconds: between two mails to one account.
        email_code_attempts: wrong codes, however many are mailed meanwhile; after them one more
            in each lifetime, until a right one.
        email_codes_per_hour: mails to one recipient.
        email_codes_per_hour_and_client: mails that one address can have sent.
        enforce_for_all: every account must have a second factor.
        enforce_for_tenants: the accounts of these must.
        enforce_for_accounts_since: the accounts created at this instant or later must; 0 for all
            whose `created_at` is known. None for none.
        is_due: the app's own rule, see `DueHook`. It cannot undo what is enforced. When it fails,
            nobody gets in.
        is_due_timeout_seconds: after which it has failed.
        store_timeout_seconds, send_timeout_seconds: after which a store or a sender has.
    """

    issuer: str
    secret: Secret | str | bytes
    old_secrets: Sequence[Secret | str | bytes] = ()
    digits: int = 6
    step_seconds: int = 30
    window: int = 1
    enrolment_lifetime_seconds: float = 600
    pre_token_lifetime_seconds: float = 300
    pre_token_attempts: int = 5
    recovery_codes: int = 10
    recovery_code_letters: int = 24
    email_codes: bool = False
    email_code_digits: int = 6
    email_code_lifetime_seconds: float = 300
    email_code_cooldown_seconds: float = 60
    email_code_attempts: int = 5
    email_codes_per_hour: int = 10
    email_codes_per_hour_and_client: int = 30
    enforce_for_all: bool = False
    enforce_for_tenants: Sequence[str] = ()
    enforce_for_accounts_since: float | None = None
    is_due: DueHook | None = None
    is_due_timeout_seconds: float = 5
    store_timeout_seconds: float = 2
    send_timeout_seconds: float = 10

    def __post_init__(self) -> None:
        findings = Findings("MfaConfig")
        _check_issuer(self.issuer, findings)
        object.__setattr__(self, "secret", findings.check_secret("secret", self.secret))
        old = findings.check_secrets("old_secrets", self.old_secrets)
        object.__setattr__(self, "old_secrets", old)
        _check_tenants(self, findings)
        for name, minimum, maximum in _INTEGERS:
            value = getattr(self, name)
            findings.check_number(name, value, minimum=minimum, maximum=maximum, integer=True)
        for name, least, most in _DURATIONS:
            findings.check_number(name, getattr(self, name), minimum=least, maximum=most)
        for name in ("email_codes", "enforce_for_all"):
            findings.check_boolean(name, getattr(self, name))
        _check_letters(self.recovery_code_letters, findings)
        if self.enforce_for_accounts_since is not None:
            since = self.enforce_for_accounts_since
            findings.check_number("enforce_for_accounts_since", since, minimum=0)
        rule: object = self.is_due
        if rule is not None and not callable(rule):
            findings.add("is_due", rule, "not callable", "give a function of account and visit")
        findings.raise_if_any()


_INTEGERS = (
    ("digits", 6, 8),
    ("step_seconds", 15, 120),
    ("window", 0, 1),
    ("pre_token_attempts", 1, 10),
    ("recovery_codes", 1, 50),
    ("email_code_digits", 6, 8),
    ("email_code_attempts", 1, 10),
    ("email_codes_per_hour", 1, 1000),
    ("email_codes_per_hour_and_client", 1, 100_000),
)
_DURATIONS = (
    ("enrolment_lifetime_seconds", 60, 3600),
    ("pre_token_lifetime_seconds", 10, LONGEST_PRE_TOKEN_SECONDS),
    ("email_code_lifetime_seconds", 60, 600),
    ("email_code_cooldown_seconds", 1, 600),
    ("is_due_timeout_seconds", 0.01, 60),
    ("store_timeout_seconds", 0.01, 60),
    ("send_timeout_seconds", 0.01, 60),
)


def _check_issuer(issuer: object, findings: Findings) -> None:
    if not isinstance(issuer, str) or not issuer.strip() or not issuer.isprintable():
        findings.add("issuer", issuer, "no name", "give the name of the service, such as 'Acme'")
    elif ":" in issuer or len(issuer) > _LONGEST_ISSUER:
        hint = f"leave out colons, and give up to {_LONGEST_ISSUER} characters"
        findings.add("issuer", issuer, "would not fit into an otpauth: URI", hint)


def _check_letters(letters: object, findings: Findings) -> None:
    if type(letters) is int and 0 < letters < _FEWEST_LETTERS:
        hint = f"give at least {_FEWEST_LETTERS}; who types them is helped by the groups of four"
        reason = f"{5 * letters} bits can be guessed from the stored digest"
        findings.add("recovery_code_letters", letters, reason, hint)
        return
    findings.check_number(
        "recovery_code_letters",
        letters,
        minimum=_FEWEST_LETTERS,
        maximum=_MOST_LETTERS,
        integer=True,
    )


def _check_tenants(config: MfaConfig, findings: Findings) -> None:
    given: object = config.enforce_for_tenants
    if isinstance(given, str):
        findings.add("enforce_for_tenants", given, "one string", f"write [{given!r}]")
        return
    tenants = tuple(config.enforce_for_tenants)
    object.__setattr__(config, "enforce_for_tenants", tenants)
    for tenant in tenants:
        kind: object = tenant
        if not isinstance(kind, str) or not kind:
            findings.add("enforce_for_tenants", kind, "no tenant", "give their names")


def is_enforced(config: MfaConfig, *, tenant: str | None, created_at: float) -> bool:
    """Tell whether an account must have a second factor, whatever the app's rule says."""
    since = config.enforce_for_accounts_since
    return (
        config.enforce_for_all
        or (tenant is not None and tenant in config.enforce_for_tenants)
        or (since is not None and created_at >= since)
    )


def has_factor(methods: Collection[str]) -> bool:
    """Tell whether an account has a second factor: recovery codes alone are none."""
    return "totp" in methods or "mailed_code" in methods


def list_methods(kinds: Collection[str], *, mails: bool) -> tuple[Method, ...]:
    """Return the methods that the stored factors of an account open.

    Args:
        kinds: of its factors.
        mails: whether a code can be mailed to it.
    """
    methods = tuple(
        method for method in METHODS if method in kinds and (mails or method != "mailed_code")
    )
    return methods if has_factor(methods) else ()


def decide_due(methods: Collection[str], *, enforced: bool, asked: bool | None) -> Due:
    """Decide what stands between the first factor and the session.

    Args:
        methods: of the account, as `list_methods` gives them.
        enforced: what `is_enforced` says.
        asked: what the app's rule says; None if there is none, or it leaves it open.

    >>> decide_due((), enforced=True, asked=False)
    'enrol'
    """
    enrolled = has_factor(methods)
    wanted = enrolled if asked is None else asked
    if not (enforced or wanted):
        return "none"
    return "verify" if enrolled else "enrol"


def build_otpauth_uri(
    secret: str, *, issuer: str, name: str, digits: int = 6, step_seconds: int = 30
) -> str:
    """Build what an authenticator app takes a secret from, as a link or a QR code.

    >>> build_otpauth_uri("GEZDGNBV", issuer="Acme Co", name="ann@acme.test")
    'otpauth://totp/Acme%20Co:ann%40acme.test?\
secret=GEZDGNBV&issuer=Acme%20Co&algorithm=SHA1&digits=6&period=30'
    """
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    # The issuer twice: apps that read one ignore the other. Never "+" for a blank: they show it.
    fields = {
        "secret": secret,
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": digits,
        "period": step_seconds,
    }
    return f"otpauth://totp/{label}?{urlencode(fields, quote_via=quote, safe='')}"


def mask_address(address: str) -> str:
    """Return a mail address that its owner recognises, and nobody else learns.

    >>> mask_address("ann@acme.test")
    'a***@a***.test'
    """
    local, _, domain = address.rpartition("@")
    name, dot, end = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***{dot}{end}" if dot else f"{local[:1]}***@{end[:1]}***"
