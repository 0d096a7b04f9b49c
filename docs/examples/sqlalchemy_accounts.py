"""Accounts in the app's own table of users, and one-time values beside it, over SQLAlchemy.

What the app has already is `users`, with names of its own. It gains the columns below `added`, and
two tables. Nothing here is more than a `select` under a lock, a decision that asgi-security has
ready, and an `insert`: tests/storage/test_sqlalchemy_example.py runs the contract suite against it,
on SQLite and on PostgreSQL.

Use it: pip install "sqlalchemy[asyncio]>=2.0" aiosqlite   (or asyncpg, for PostgreSQL)

    engine = open_engine("sqlite+aiosqlite:///app.db")
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    store = open_store(
        "sqlite:///security.db", accounts=OwnAccounts(sessions), once=OwnOnce(sessions)
    )
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import ForeignKey, LargeBinary, delete, event, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import JSON, Double

from asgi_security.errors import StorageError
from asgi_security.storage.account_steps import (
    arrange_factors,
    decide_create,
    decide_link,
    decide_save,
    decide_unlink,
    sort_factors,
    sort_identities,
)
from asgi_security.storage.protocols import (
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

T = TypeVar("T")
_TRIES = 5


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str] = mapped_column(default="")
    hashed_password: Mapped[str | None]
    is_active: Mapped[bool]
    # added: what an `Account` has and a table of users mostly has not.
    account_id: Mapped[str] = mapped_column(unique=True)
    is_verified: Mapped[bool]
    epoch: Mapped[int]
    roles: Mapped[list[str]] = mapped_column(JSON)
    tenant: Mapped[str | None]
    created_at: Mapped[float] = mapped_column(Double)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[int]


class UserFactor(Base):
    __tablename__ = "user_factors"

    account: Mapped[str] = mapped_column(ForeignKey("users.account_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float] = mapped_column(Double)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    step: Mapped[int]


class UserIdentity(Base):
    __tablename__ = "user_identities"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("users.account_id"), index=True)
    created_at: Mapped[float] = mapped_column(Double)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class OneTimeValue(Base):
    __tablename__ = "one_time"

    # Values and claims: a claim has no value. They share a table and not their names.
    is_claim: Mapped[bool] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    expires_at: Mapped[float] = mapped_column(Double, index=True)


def open_engine(url: str, **options: Any) -> AsyncEngine:
    """Return an engine whose transactions on SQLite lock the file when they begin.

    Begun later, at the first write, two of them that have both read could only fail.
    """
    engine = create_async_engine(url, **options)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def leave_transactions_to_us(connection: Any, _record: Any) -> None:
            connection.isolation_level = None

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def transact(
    sessions: async_sessionmaker[AsyncSession], step: Callable[[AsyncSession], Awaitable[T]]
) -> T:
    """Run a step in one transaction, and again when another one came between.

    A unique constraint is the judge of a race: the loser looks again, at what the winner left.
    """
    try:
        for _ in range(_TRIES - 1):
            try:
                async with sessions() as session, session.begin():
                    return await step(session)
            except IntegrityError:
                continue
        async with sessions() as session, session.begin():
            return await step(session)
    except (SQLAlchemyError, OSError, ValueError) as error:
        # Nothing of the driver's text: it may hold what the statement held.
        raise StorageError(f"the database failed: {type(error).__name__}") from error


class OwnAccounts:
    """An `AccountStore` over `users`. Every change locks the user's row first."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        async def step(session: AsyncSession) -> AccountCreated | NameTaken | IdentityTaken:
            namesake = await find_user(session, User.email == account.name)
            linked = None if identity is None else await find_identity(session, identity)
            # Last: if name or identity are this very account's, made meanwhile, it is there too.
            present = await find_user(session, User.account_id == account.id)
            change = decide_create(
                read_account(present),
                account,
                namesake=None if namesake is None else namesake.account_id,
                identity_owner=None if linked is None else linked.account,
            )
            if not isinstance(change, Account):
                return change
            session.add(User(account_id=account.id, **write_account(account)))
            await session.flush()  # the user first: the identity refers to it
            if identity is not None:
                session.add(UserIdentity(**write(replace(identity, account=account.id))))
            return AccountCreated()

        return await transact(self._sessions, step)

    async def load(self, account_id: str) -> Account | None:
        return await self._read(User.account_id == account_id)

    async def find(self, name: str) -> Account | None:
        return await self._read(User.email == name)

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        async def step(
            session: AsyncSession,
        ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
            user = await lock_user(session, account.id)
            namesake = await find_user(session, User.email == account.name)
            change = decide_save(
                read_account(user),
                account,
                namesake=None if namesake is None else namesake.account_id,
            )
            if not isinstance(change, Account):
                return change
            await session.execute(
                update(User).where(User.account_id == account.id).values(**write_account(change))
            )
            return AccountSaved(change.version)

        return await transact(self._sessions, step)

    async def delete(self, account_id: str) -> bool:
        async def step(session: AsyncSession) -> bool:
            user = await lock_user(session, account_id)
            if user is None:
                return False
            await session.execute(delete(UserFactor).where(UserFactor.account == account_id))
            await session.execute(delete(UserIdentity).where(UserIdentity.account == account_id))
            await session.delete(user)
            return True

        return await transact(self._sessions, step)

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        async def step(session: AsyncSession) -> tuple[Factor, ...]:
            found = await session.scalars(
                select(UserFactor).where(UserFactor.account == account_id)
            )
            # By code point, which no collation of a database promises.
            return sort_factors([read(Factor, row) for row in found])

        return await transact(self._sessions, step)

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        async def step(session: AsyncSession) -> bool:
            if await lock_user(session, account_id) is None:
                return False
            await session.execute(
                delete(UserFactor).where(UserFactor.account == account_id, UserFactor.kind == kind)
            )
            arranged = arrange_factors(account_id, kind, factors)
            session.add_all([UserFactor(**write(factor)) for factor in arranged])
            return True

        return await transact(self._sessions, step)

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        async def advance(session: AsyncSession) -> bool:
            await lock_user(session, account_id)
            factor = await session.get(UserFactor, (account_id, kind, factor_id))
            if factor is None or step <= factor.step:
                return False
            factor.step = step
            return True

        return await transact(self._sessions, advance)

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        async def step(session: AsyncSession) -> bool:
            await lock_user(session, account_id)
            factor = await session.get(UserFactor, (account_id, kind, factor_id))
            if factor is None:
                return False
            await session.delete(factor)
            return True

        return await transact(self._sessions, step)

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        async def step(session: AsyncSession) -> Linked | IdentityTaken | AccountGone:
            user = await lock_user(session, identity.account)
            linked = await find_identity(session, identity)
            change = decide_link(linked, identity, has_account=user is not None)
            if not isinstance(change, Identity):
                return change
            session.add(UserIdentity(**write(identity)))
            return Linked()

        return await transact(self._sessions, step)

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        async def step(session: AsyncSession) -> Identity | None:
            linked = await session.get(UserIdentity, (issuer, subject))
            return None if linked is None else read(Identity, linked)

        return await transact(self._sessions, step)

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        return await transact(self._sessions, lambda session: list_identities(session, account_id))

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        async def step(session: AsyncSession) -> Unlinked | LastIdentity:
            await lock_user(session, account_id)
            linked = await list_identities(session, account_id)
            change = decide_unlink(linked, issuer, subject, leave=leave)
            if not isinstance(change, Identity):
                return change
            await session.delete(await session.get_one(UserIdentity, (issuer, subject)))
            return Unlinked()

        return await transact(self._sessions, step)

    async def _read(self, condition: Any) -> Account | None:
        async def step(session: AsyncSession) -> Account | None:
            return read_account(await find_user(session, condition))

        return await transact(self._sessions, step)


class OwnOnce:
    """A `OneTimeStore` over `one_time`. Call `sweep` now and then: what you bring is yours."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        del now  # no verdict depends on it here

        async def step(session: AsyncSession) -> None:
            await session.merge(
                OneTimeValue(
                    is_claim=False, kind=kind, digest=digest, value=value, expires_at=expires_at
                )
            )

        await transact(self._sessions, step)

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Atomic because the row comes back from the very statement that deletes it."""

        async def step(session: AsyncSession) -> bytes | None:
            found = await session.execute(
                delete(OneTimeValue)
                .where(*match_name(kind, digest, is_claim=False))
                .returning(OneTimeValue.value, OneTimeValue.expires_at)
            )
            row = found.one_or_none()
            return row.value if row is not None and now < row.expires_at else None

        return await transact(self._sessions, step)

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        async def step(session: AsyncSession) -> bool:
            name = match_name(kind, digest, is_claim=True)
            await session.execute(delete(OneTimeValue).where(*name, OneTimeValue.expires_at <= now))
            if await session.scalar(select(OneTimeValue.expires_at).where(*name)) is not None:
                return False
            # Of two that come this far at once, one fails here and looks again.
            session.add(
                OneTimeValue(is_claim=True, kind=kind, digest=digest, expires_at=expires_at)
            )
            return True

        return await transact(self._sessions, step)

    async def sweep(self, *, now: float) -> None:
        async def step(session: AsyncSession) -> None:
            await session.execute(delete(OneTimeValue).where(OneTimeValue.expires_at <= now))

        await transact(self._sessions, step)


async def find_user(session: AsyncSession, condition: Any) -> User | None:
    found: User | None = await session.scalar(select(User).where(condition))
    return found


async def lock_user(session: AsyncSession, account_id: str) -> User | None:
    """Return the user's row, which nobody else changes before this transaction ends."""
    statement = select(User).where(User.account_id == account_id).with_for_update()
    found: User | None = await session.scalar(statement)
    return found


async def find_identity(session: AsyncSession, wanted: Identity) -> Identity | None:
    linked = await session.get(UserIdentity, (wanted.issuer, wanted.subject))
    return None if linked is None else read(Identity, linked)


async def list_identities(session: AsyncSession, account_id: str) -> tuple[Identity, ...]:
    found = await session.scalars(select(UserIdentity).where(UserIdentity.account == account_id))
    return sort_identities([read(Identity, row) for row in found])


def match_name(kind: str, digest: bytes, *, is_claim: bool) -> tuple[Any, ...]:
    return (
        OneTimeValue.is_claim == is_claim,
        OneTimeValue.kind == kind,
        OneTimeValue.digest == digest,
    )


def read_account(user: User | None) -> Account | None:
    if user is None:
        return None
    return Account(
        id=user.account_id,
        name=user.email,
        password_hash=user.hashed_password,
        is_active=user.is_active,
        is_verified=user.is_verified,
        epoch=user.epoch,
        roles=tuple(user.roles),
        tenant=user.tenant,
        created_at=user.created_at,
        data=user.data,
        version=user.version,
    )


def write_account(account: Account) -> dict[str, Any]:
    return {
        "email": account.name,
        "hashed_password": account.password_hash,
        "is_active": account.is_active,
        "is_verified": account.is_verified,
        "epoch": account.epoch,
        "roles": list(account.roles),
        "tenant": account.tenant,
        "created_at": account.created_at,
        "data": account.data,
        "version": account.version,
    }


def read(kind: type[T], row: Base) -> T:
    """Return a `Factor` or an `Identity` of a row whose columns are called like its fields."""
    return kind(**{name: getattr(row, name) for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]


def write(record: Factor | Identity) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
