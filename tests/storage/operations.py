"""Every operation of every facet, once: what the tests that want all of them go through.

A row has a state of its own: everything in it is named after the row, so that any number of rows
share a store. `act` is the operation itself and nothing else. A row that is missing here fails
`test_operations.py`, and with it a new operation cannot stay untested.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

from asgi_security.storage import protocols
from asgi_security.storage.facets import FACETS
from asgi_security.storage.protocols import (
    Account,
    Admitted,
    ApiKey,
    AttemptRecord,
    AuditHead,
    AuditRecord,
    Factor,
    Identity,
    Outcome,
    Receipt,
    RefreshFamily,
    ThrottleRule,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    build_ticket,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.storage.protocols import AttemptKey, SessionRecord, Store

    Act: TypeAlias = Callable[[Store, str], Awaitable[object]]

LATER = START + 3600
RULE = ThrottleRule(5, 60.0)


async def do_nothing(store: Store, name: str) -> None:
    """Need nothing beforehand."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: what it needs beforehand, the call, and what can be seen of its effect."""

    facet: str
    name: str
    prepare: Act
    act: Act
    look: Act

    def __str__(self) -> str:
        return f"{self.facet}.{self.name}"


def list_protocols() -> dict[str, type]:
    """List the protocol of each facet, as the store's own protocol says."""
    return {
        facet: get_type_hints(vars(protocols.Store)[facet].fget, vars(protocols))["return"]
        for facet in FACETS
    }


def list_names(protocol: type) -> list[str]:
    """List the operations of a protocol."""
    return [name for name, value in vars(protocol).items() if inspect.iscoroutinefunction(value)]


def keys(name: str) -> list[AttemptKey]:
    """Return an account with a retired digest, and a client."""
    return [build_account(name, old=[f"{name} retired"]), build_client(name)]


def receipt(name: str) -> Receipt:
    """Return that of the charge that `charge` makes."""
    return Receipt(build_ticket(name), tuple(keys(name)), START)


async def charge(store: Store, name: str) -> object:
    return await store.attempts.charge(keys(name), ticket=build_ticket(name), now=START)


async def settle(store: Store, name: str) -> object:
    account, client = keys(name)
    record = AttemptRecord(START, account.digest, client.digest, "password", "failure")
    return await store.attempts.settle(receipt(name), Outcome.FAILURE, now=START, record=record)


async def fail_once(store: Store, name: str) -> None:
    await charge(store, name)
    await settle(store, name)


async def look_at_attempts(store: Store, name: str) -> object:
    """Return statuses, history, and how many more attempts there is room for."""
    statuses = await store.attempts.status(keys(name), now=START)
    history = await store.attempts.history(account=keys(name)[0].digest)
    room = 0
    for turn in range(6):
        ticket = build_ticket(f"{name} room {turn}")
        answer = await store.attempts.charge(keys(name), ticket=ticket, now=START)
        room += isinstance(answer, Admitted)
    return statuses, history, room


async def look_at_revocations(store: Store, name: str) -> object:
    one, other = build_digest(name), build_digest(f"{name} subject")
    return (
        await store.revocations.is_revoked([one], now=START),
        await store.revocations.is_revoked([], subject=other, issued_at=START, now=START),
    )


def session(name: str, which: str = "", **fields: object) -> SessionRecord:
    """Return a session of a user that is called like the row."""
    return build_session(f"{name}{which}", user=name, **fields)


async def two_sessions(store: Store, name: str) -> None:
    await store.sessions.create(session(name), now=START)
    await store.sessions.create(session(name, " other", seen_at=START - 1), now=START)


async def look_at_sessions(store: Store, name: str) -> object:
    loaded = [
        await store.sessions.load(session(name, which).digest, now=START)
        for which in ("", " other", " new")
    ]
    return loaded, await store.sessions.list_for(name, now=START)


async def put(store: Store, name: str) -> None:
    await store.once.put("kind", build_digest(name), b"value", expires_at=LATER, now=START)


async def claim(store: Store, name: str) -> object:
    return await store.once.claim("kind", build_digest(name), expires_at=LATER, now=START)


async def look_at_once(store: Store, name: str) -> object:
    return (
        await store.once.take("kind", build_digest(name), now=START),
        await claim(store, name),
    )


async def throttle(store: Store, name: str) -> object:
    return await store.throttles.take(build_digest(name), RULE, now=START)


def family(name: str, which: str = "") -> RefreshFamily:
    """Return a family of a subject that is called like the row."""
    own = f"{name}{which}"
    return RefreshFamily(
        build_digest(own), f"handle of {own}", name, b"{}", START, START, LATER, LATER + 3600
    )


async def two_families(store: Store, name: str) -> None:
    await store.refresh.open_family(family(name), now=START)
    await store.refresh.open_family(family(name, " other"), now=START)


async def advance(store: Store, name: str) -> object:
    return await store.refresh.advance(
        family(name).digest, 0, grace_seconds=30.0, idle_expires_at=LATER, now=START
    )


async def look_at_refresh(store: Store, name: str) -> object:
    return (
        await store.refresh.load_family(family(name).digest, now=START),
        await store.refresh.list_for(name, now=START),
    )


def records(name: str, first: int = 1, count: int = 2) -> list[AuditRecord]:
    """Return records of a chain that is called like the row."""
    return [
        AuditRecord(
            chain=f"{name} chain",
            sequence=number,
            body=f"{name} {number}".encode(),
            mac=build_digest(f"{name} {number}"),
            previous=build_digest(f"{name} {number - 1}") if number > 1 else bytes(32),
            at="2023-11-14T22:13:20.000000Z",
            action="signed_in",
            actor="ada",
            target=None,
            outcome="success",
        )
        for number in range(first, first + count)
    ]


async def begin_chain(store: Store, name: str) -> None:
    await store.audit.append(records(name), after=None)


async def append(store: Store, name: str) -> object:
    after = AuditHead(2, records(name)[-1].mac)
    return await store.audit.append(records(name, first=3), after=after)


async def list_chains(store: Store, name: str) -> object:
    return await store.audit.list_chains(after=f"{name} ", limit=1)


async def look_at_audit(store: Store, name: str) -> object:
    chain = f"{name} chain"
    return await store.audit.load_head(chain), await store.audit.read(chain)


def person(name: str, **fields: Any) -> Account:
    """Return an account whose id and name are those of the row."""
    return replace(Account(f"id {name}", f"{name}@example.com", "hash", created_at=START), **fields)


def identity(name: str, which: str = "") -> Identity:
    """Return an identity of the account of the row."""
    return Identity("https://issuer.example", f"{name}{which}", person(name).id, START)


def factor(name: str, which: str = "") -> Factor:
    """Return a factor of the account of the row."""
    return Factor(person(name).id, "totp", f"factor{which}", START, b"data")


async def settle_in(store: Store, name: str) -> None:
    """Store an account with a factor and two identities."""
    await store.accounts.create(person(name), identity=identity(name))
    await store.accounts.replace_factors(person(name).id, "totp", [factor(name)])
    await store.accounts.link(identity(name, " other"))


async def look_at_accounts(store: Store, name: str) -> object:
    accounts = store.accounts
    return (
        await accounts.load(person(name).id),
        await accounts.find(person(name).name),
        await accounts.list_factors(person(name).id),
        await accounts.list_identities(person(name).id),
        await accounts.find_identity("https://issuer.example", f"{name} new"),
    )


def api_key(name: str, which: str = "") -> ApiKey:
    """Return a key of an account that is called like the row."""
    own = f"{name}{which}"
    return ApiKey(own, build_digest(own), name, "a key", ("read",), START)


async def two_keys(store: Store, name: str) -> None:
    await store.api_keys.create(api_key(name))
    await store.api_keys.create(api_key(name, " other"))


async def look_at_keys(store: Store, name: str) -> object:
    return await store.api_keys.load(name), await store.api_keys.list_for(name)


def build_rows(facet: str, look: Act, *rows: tuple[str, Act, Act]) -> Sequence[Row]:
    """Build the rows of a facet, which have one look in common."""
    return [Row(facet, name, prepare, act, look) for name, prepare, act in rows]


ROWS: Sequence[Row] = (
    *build_rows(
        "attempts",
        look_at_attempts,
        ("charge", do_nothing, charge),
        ("settle", charge, settle),
        ("status", fail_once, lambda s, name: s.attempts.status(keys(name), now=START)),
        ("clear", fail_once, lambda s, name: s.attempts.clear(keys(name))),
        ("add_failure", do_nothing, lambda s, n: s.attempts.add_failure(keys(n), now=START)),
        ("history", fail_once, lambda s, n: s.attempts.history(account=keys(n)[0].digest)),
    ),
    *build_rows(
        "revocations",
        look_at_revocations,
        (
            "revoke",
            do_nothing,
            lambda s, name: s.revocations.revoke(build_digest(name), expires_at=LATER),
        ),
        (
            "revoke_subject",
            do_nothing,
            lambda s, name: s.revocations.revoke_subject(
                build_digest(f"{name} subject"), before=START, expires_at=LATER
            ),
        ),
        (
            "is_revoked",
            lambda s, name: s.revocations.revoke(build_digest(name), expires_at=LATER),
            lambda s, name: s.revocations.is_revoked(
                [build_digest(name), b"other"], subject=b"subject", issued_at=START, now=START
            ),
        ),
    ),
    *build_rows(
        "sessions",
        look_at_sessions,
        (
            "create",
            two_sessions,
            lambda s, name: s.sessions.create(session(name, " new"), now=START, limit=2),
        ),
        ("load", two_sessions, lambda s, n: s.sessions.load(session(n).digest, now=START)),
        (
            "save",
            two_sessions,
            lambda s, name: s.sessions.save(session(name, data=b'{"a":1}'), now=START),
        ),
        (
            "touch",
            two_sessions,
            lambda s, name: s.sessions.touch(
                session(name).digest, seen_at=START + 5, idle_expires_at=LATER, now=START
            ),
        ),
        (
            "replace",
            two_sessions,
            lambda s, name: s.sessions.replace(
                session(name).digest, session(name, " new"), now=START
            ),
        ),
        ("delete", two_sessions, lambda s, name: s.sessions.delete(session(name).digest)),
        (
            "delete_handle",
            two_sessions,
            lambda s, name: s.sessions.delete_handle(name, session(name).handle),
        ),
        ("list_for", two_sessions, lambda s, name: s.sessions.list_for(name, now=START)),
        (
            "delete_for",
            two_sessions,
            lambda s, name: s.sessions.delete_for(name, keep=session(name).digest),
        ),
    ),
    *build_rows(
        "once",
        look_at_once,
        ("put", do_nothing, put),
        ("take", put, lambda s, n: s.once.take("kind", build_digest(n), now=START)),
        ("claim", do_nothing, claim),
    ),
    *build_rows("throttles", throttle, ("take", do_nothing, throttle)),
    *build_rows(
        "refresh",
        look_at_refresh,
        ("open_family", do_nothing, lambda s, n: s.refresh.open_family(family(n), now=START)),
        ("advance", two_families, advance),
        (
            "load_family",
            two_families,
            lambda s, name: s.refresh.load_family(family(name).digest, now=START),
        ),
        ("revoke_family", two_families, lambda s, n: s.refresh.revoke_family(family(n).digest)),
        (
            "revoke_handle",
            two_families,
            lambda s, name: s.refresh.revoke_handle(name, family(name).handle),
        ),
        (
            "revoke_subject",
            two_families,
            lambda s, name: s.refresh.revoke_subject(name, keep=family(name).handle, now=START),
        ),
        ("list_for", two_families, lambda s, name: s.refresh.list_for(name, now=START)),
    ),
    *build_rows(
        "audit",
        look_at_audit,
        ("append", begin_chain, append),
        ("load_head", begin_chain, lambda s, name: s.audit.load_head(f"{name} chain")),
        ("read", begin_chain, lambda s, name: s.audit.read(f"{name} chain", after=1)),
        ("list_chains", begin_chain, list_chains),
    ),
    *build_rows(
        "accounts",
        look_at_accounts,
        (
            "create",
            do_nothing,
            lambda s, name: s.accounts.create(person(name), identity=identity(name)),
        ),
        ("load", settle_in, lambda s, name: s.accounts.load(person(name).id)),
        ("find", settle_in, lambda s, name: s.accounts.find(person(name).name)),
        ("save", settle_in, lambda s, name: s.accounts.save(person(name, roles=("admin",)))),
        ("delete", settle_in, lambda s, name: s.accounts.delete(person(name).id)),
        ("list_factors", settle_in, lambda s, name: s.accounts.list_factors(person(name).id)),
        (
            "replace_factors",
            settle_in,
            lambda s, name: s.accounts.replace_factors(
                person(name).id, "totp", [factor(name, " a"), factor(name, " b")]
            ),
        ),
        (
            "advance_factor",
            settle_in,
            lambda s, name: s.accounts.advance_factor(person(name).id, "totp", "factor", 7),
        ),
        (
            "delete_factor",
            settle_in,
            lambda s, name: s.accounts.delete_factor(person(name).id, "totp", "factor"),
        ),
        ("link", settle_in, lambda s, name: s.accounts.link(identity(name, " new"))),
        (
            "find_identity",
            settle_in,
            lambda s, name: s.accounts.find_identity("https://issuer.example", name),
        ),
        ("list_identities", settle_in, lambda s, n: s.accounts.list_identities(person(n).id)),
        (
            "unlink",
            settle_in,
            lambda s, name: s.accounts.unlink(
                person(name).id, "https://issuer.example", name, leave=1
            ),
        ),
    ),
    *build_rows(
        "api_keys",
        look_at_keys,
        ("create", do_nothing, lambda s, name: s.api_keys.create(api_key(name))),
        ("load", two_keys, lambda s, name: s.api_keys.load(name)),
        ("touch", two_keys, lambda s, name: s.api_keys.touch(name, used_at=START + 5)),
        ("revoke", two_keys, lambda s, name: s.api_keys.revoke(name, name, now=START)),
        ("revoke_for", two_keys, lambda s, name: s.api_keys.revoke_for(name, now=START)),
        ("delete", two_keys, lambda s, name: s.api_keys.delete(name, name)),
        ("list_for", two_keys, lambda s, name: s.api_keys.list_for(name)),
    ),
)
"""In the order of their protocols."""
