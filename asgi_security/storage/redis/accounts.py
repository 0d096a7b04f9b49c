"""Accounts in Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.storage.account_steps import arrange_factors, sort_factors, sort_identities
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    Factor,
    Identity,
    IdentityTaken,
    LastIdentity,
    Linked,
    NameTaken,
    Unlinked,
)
from asgi_security.storage.redis.account_scripts import (
    ADVANCE_FACTOR,
    CREATE,
    DELETE,
    FIND,
    LINK,
    LIST_IDENTITIES,
    REPLACE_FACTORS,
    SAVE,
    UNLINK,
)
from asgi_security.storage.redis.commands import (
    build_read,
    build_write,
    read_text,
    write_number,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from asgi_security.storage.redis.commands import Command, Script
    from asgi_security.storage.redis.dispatcher import Dispatcher

_Flat: TypeAlias = "Sequence[bytes]"
"""Fields and values in turn."""


class RedisAccounts:
    """An `AccountStore`: each operation one script or command.

    A name and an identity are looked up before one knows whose they are: all accounts share one
    hash tag, and one node of a cluster carries them. Steps are below 2^53.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:accounts}:" % prefix

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account, and with it an identity that opens it."""

        def decode(reply: list[bytes]) -> AccountCreated | NameTaken | IdentityTaken:
            match reply:
                case [b"created"]:
                    return AccountCreated()
                case [b"name taken"]:
                    return NameTaken()
                case [b"identity taken", owner]:
                    return IdentityTaken(read_text(owner))
                case [b"taken"]:
                    raise StorageError("another account has this id")
                case _:
                    raise ValueError("no answer to a creation")

        linked = (b"", b"", b"")
        if identity is not None:
            place = _write_pair(identity.issuer, identity.subject)
            linked = (place, write_number(identity.created_at), identity.data)
        command = self._call(
            CREATE,
            *(write_text(account.id), write_text(account.name), write_number(account.created_at)),
            *(*linked, *_write_fields(account), b"version", b"%d" % account.version),
        )
        return await self._dispatcher.run(command, decode)

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""

        def decode(reply: _Flat) -> Account | None:
            return _read_account(account_id, reply) if reply else None

        command = build_read(b"HGETALL", (self._name(b"id:", write_text(account_id)),))
        return await self._dispatcher.run(command, decode)

    async def find(self, name: str) -> Account | None:
        """Return the account of that normalised name, or None."""

        def decode(reply: Any) -> Account | None:
            return _read_account(read_text(reply[0]), reply[1]) if reply else None

        return await self._dispatcher.run(self._call(FIND, write_text(name)), decode)

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        """Replace an account if it is stored at `account.version`."""

        def decode(reply: Any) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
            match reply:
                case [b"saved", version]:
                    return AccountSaved(int(version))
                case [b"conflict", account_id, flat]:
                    return AccountConflict(_read_account(read_text(account_id), flat))
                case [b"gone"]:
                    return AccountGone()
                case [b"name taken"]:
                    return NameTaken()
                case _:
                    raise ValueError("no answer to a save")

        head = (write_text(account.id), write_text(account.name), b"%d" % account.version)
        command = self._call(SAVE, *head, *_write_fields(account))
        return await self._dispatcher.run(command, decode)

    async def delete(self, account_id: str) -> bool:
        """Delete an account with its factors and identities."""
        return await self._run(DELETE, write_text(account_id))

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the account's factors, by kind, then by id."""

        def decode(reply: _Flat) -> tuple[Factor, ...]:
            stored = zip(reply[::2], reply[1::2], strict=True)
            return sort_factors([_read_factor(account_id, *each) for each in stored])

        command = build_read(b"HGETALL", (self._name(b"factors:", write_text(account_id)),))
        return await self._dispatcher.run(command, decode)

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        """Put `factors` in the place of all that the account has of this kind."""
        stored: list[bytes] = []
        for factor in arrange_factors(account_id, kind, factors):
            value = b"%b %d %b" % (write_number(factor.created_at), factor.step, factor.data)
            stored += (_write_pair(kind, factor.id), value)
        return await self._run(
            REPLACE_FACTORS, write_text(account_id), _write_pair(kind, ""), *stored
        )

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        """Record `step` as spent if it is above the last one."""
        place = (write_text(account_id), _write_pair(kind, factor_id))
        return await self._run(ADVANCE_FACTOR, *place, b"%d" % step)

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        """Delete one factor: True for exactly one caller."""
        name = self._name(b"factors:", write_text(account_id))
        command = build_write(b"HDEL", (name,), _write_pair(kind, factor_id))
        return await self._dispatcher.run(command, _read_flag)

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        """Let an identity open an account."""

        def decode(reply: list[bytes]) -> Linked | IdentityTaken | AccountGone:
            match reply:
                case [b"linked"]:
                    return Linked()
                case [b"taken", owner]:
                    return IdentityTaken(read_text(owner))
                case [b"gone"]:
                    return AccountGone()
                case _:
                    raise ValueError("no answer to a link")

        place = _write_pair(identity.issuer, identity.subject)
        values = (write_text(identity.account), write_number(identity.created_at), identity.data)
        return await self._dispatcher.run(self._call(LINK, place, *values), decode)

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity, or None."""
        place = _write_pair(issuer, subject)

        def decode(reply: _Flat) -> Identity | None:
            return _read_identity(place, reply) if reply else None

        command = build_read(b"HGETALL", (self._name(b"identity:", place),))
        return await self._dispatcher.run(command, decode)

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return the account's identities, by issuer, then by subject."""

        def decode(reply: list[tuple[bytes, _Flat]]) -> tuple[Identity, ...]:
            return sort_identities([_read_identity(place, flat) for place, flat in reply])

        command = self._call(LIST_IDENTITIES, write_text(account_id))
        return await self._dispatcher.run(command, decode)

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        """Take an identity from the account, if at least `leave` others stay."""
        place = (write_text(account_id), _write_pair(issuer, subject))
        gone = await self._run(UNLINK, *place, b"%d" % leave)
        return Unlinked() if gone else LastIdentity()

    async def _run(self, script: Script, *arguments: bytes) -> bool:
        return await self._dispatcher.run(self._call(script, *arguments), _read_flag)

    def _call(self, script: Script, *arguments: bytes) -> Command:
        return script.call((self._tag,), (self._tag, *arguments))

    def _name(self, what: bytes, value: bytes) -> bytes:
        return self._tag + what + value


def _write_pair(one: str, other: str) -> bytes:
    """Return both behind the length of the first: no two pairs look the same."""
    first = write_text(one)
    return b"%d:%b%b" % (len(first), first, write_text(other))


def _read_pair(pair: bytes) -> tuple[str, str]:
    length, _, both = pair.partition(b":")
    return read_text(both[: int(length)]), read_text(both[int(length) :])


def _write_fields(account: Account) -> Iterator[bytes]:
    """Yield fields and values in turn, for all that a save changes but name and version."""
    yield from (b"active", b"%d" % account.is_active, b"verified", b"%d" % account.is_verified)
    yield from (b"epoch", b"%d" % account.epoch, b"roles", json.dumps(account.roles).encode())
    yield from (b"hash", _write_optional(account.password_hash))
    yield from (b"tenant", _write_optional(account.tenant), b"data", account.data)


def _write_optional(text: str | None) -> bytes:
    return b"" if text is None else b"=" + write_text(text)


def _read_optional(text: bytes) -> str | None:
    return read_text(text[1:]) if text else None


def _read_account(account_id: str, flat: _Flat) -> Account:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Account(
        id=account_id,
        name=read_text(fields[b"name"]),
        password_hash=_read_optional(fields[b"hash"]),
        is_active=fields[b"active"] == b"1",
        is_verified=fields[b"verified"] == b"1",
        epoch=int(fields[b"epoch"]),
        roles=tuple(json.loads(fields[b"roles"])),
        tenant=_read_optional(fields[b"tenant"]),
        created_at=float(fields[b"created"]),
        data=fields[b"data"],
        version=int(fields[b"version"]),
    )


def _read_factor(account_id: str, pair: bytes, value: bytes) -> Factor:
    kind, factor_id = _read_pair(pair)
    created_at, step, data = value.split(b" ", 2)
    return Factor(account_id, kind, factor_id, float(created_at), data, int(step))


def _read_identity(place: bytes, flat: _Flat) -> Identity:
    issuer, subject = _read_pair(place)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    account = read_text(fields[b"account"])
    return Identity(issuer, subject, account, float(fields[b"created"]), fields[b"data"])


def _read_flag(reply: Any) -> bool:
    return int(reply) == 1
