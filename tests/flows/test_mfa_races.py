"""A hundred at once, on every backend: guesses, right codes, uses of one recovery code."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.mfa import CodeSent, EnrolmentStarted, MfaPassed, MfaRefused
from asgi_security.testing.contracts.expecting import race
from tests.flows.mfa_world import HERE, SECRET, Authenticator, World, passed
from tests.storage import backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account
    from tests.storage.backends import Place

pytestmark = pytest.mark.anyio

on_every_backend = backends.on(*backends.ALL)
RACERS = 100


def build(store: Any, **fields: Any) -> World:
    lockout = {"store_timeout_seconds": 20, **fields.pop("lockout", {})}
    return World(store, lockout=lockout, store_timeout_seconds=20, **fields)


async def redeem_all(world: World, account: Account, **proof: str) -> list[Any]:
    """Redeem a hundred pre-tokens at once with one proof."""
    tokens = [await world.challenge(account) for _ in range(RACERS)]

    async def redeem(number: int) -> Any:
        token, visit = tokens[number]
        return await world.mfa.redeem(token, visit=visit, **proof)

    return await race(RACERS, redeem)


def count(outcomes: list[Any], kind: type) -> int:
    return sum(isinstance(outcome, kind) for outcome in outcomes)


@on_every_backend
async def test_E14_P41_a_hundred_guesses_at_once(store: Any) -> None:
    world = build(store)
    account = await world.add()
    app, _ = await world.enrol(account)
    outcomes = await redeem_all(world, account, code=app.wrong())
    assert outcomes.count(MfaRefused("wrong_code")) == 5
    assert count(outcomes, LockedOut) == RACERS - 5
    assert await world.failures("totp") == 5
    # And the right one is now as good as a wrong one.
    assert await world.redeem(account, code=app.code()) == LockedOut(30)


@on_every_backend
async def test_F96_fifty_right_redemptions_of_one_pre_token(store: Any) -> None:
    world = build(store)
    account = await world.add()
    app, _ = await world.enrol(account)
    token, visit = await world.challenge(account)
    code = app.code()
    outcomes = await race(50, lambda _number: world.mfa.redeem(token, code=code, visit=visit))
    assert count(outcomes, MfaPassed) == 1
    assert await world.failures("totp") == 0


@on_every_backend
async def test_F96_one_pre_token_with_different_right_codes(store: Any) -> None:
    world = build(store)
    account = await world.add()
    app, codes = await world.enrol(account)
    token, visit = await world.challenge(account)
    proofs: list[dict[str, str]] = [{"code": app.code(offset)} for offset in (-1, 0, 1)]
    proofs += [{"recovery_code": code} for code in codes]
    outcomes = await race(
        len(proofs), lambda number: world.mfa.redeem(token, visit=visit, **proofs[number])
    )
    assert count(outcomes, MfaPassed) == 1


@on_every_backend
async def test_F97_a_hundred_right_codes_on_a_hundred_pre_tokens(store: Any) -> None:
    world = build(store)
    account = await world.add()
    app, _ = await world.enrol(account)
    outcomes = await redeem_all(world, account, code=app.code())
    assert count(outcomes, MfaPassed) == 1
    assert await world.failures("totp") == 0  # a spent code is no guess
    passed(await world.redeem(account, code=app.code(1)))


@on_every_backend
async def test_P42_F98_a_hundred_uses_of_one_recovery_code(store: Any) -> None:
    world = build(store)
    account = await world.add()
    _, codes = await world.enrol(account)
    outcomes = await redeem_all(world, account, recovery_code=codes[0])
    assert count(outcomes, MfaPassed) == 1
    kept = [
        factor
        for factor in await store.accounts.list_factors(account.id)
        if factor.kind == "recovery"
    ]
    assert len(kept) == len(codes) - 1


@on_every_backend
async def test_P42_five_uses_at_once_as_the_seed_had_them(store: Any) -> None:
    world = build(store)
    account = await world.add()
    _, codes = await world.enrol(account)
    outcomes = await race(5, lambda _number: world.mfa.verify(account, recovery_code=codes[0]))
    assert count(outcomes, MfaPassed) == 1


@on_every_backend
async def test_P43_a_hundred_uses_of_one_mailed_code(store: Any) -> None:
    world = build(store)
    account = await world.add()
    await world.mfa.enable_mailed_codes(account)
    await world.mfa.drain()
    assert await world.mfa.send_code(account, visit=HERE) == CodeSent(60)
    code = world.mailbox.take("mfa_code").code
    outcomes = await race(RACERS, lambda _number: world.mfa.verify(account, code=code))
    assert count(outcomes, MfaPassed) == 1


@on_every_backend
async def test_P43_a_hundred_guesses_at_a_mailed_code(store: Any) -> None:
    world = build(store)
    account = await world.add()
    await world.mfa.enable_mailed_codes(account)
    await world.mfa.drain()
    await world.mfa.send_code(account, visit=HERE)
    code = world.mailbox.take("mfa_code").code
    guesses = [f"{number:06}" for number in range(RACERS + 1) if f"{number:06}" != code]
    outcomes = await race(RACERS, lambda number: world.mfa.verify(account, code=guesses[number]))
    assert outcomes.count(MfaRefused("wrong_code")) == 5
    assert isinstance(await world.mfa.verify(account, code=code), LockedOut)


@on_every_backend
async def test_a_hundred_confirmations_of_one_secret(store: Any) -> None:
    world = build(store)
    account = await world.add()
    started = await world.mfa.start_enrolment(account)
    assert isinstance(started, EnrolmentStarted)
    app = Authenticator(started.uri, world.clock)
    code = app.code()
    outcomes = await race(RACERS, lambda _number: world.mfa.confirm_enrolment(account, code))
    codes = [one.recovery_codes for one in outcomes if hasattr(one, "recovery_codes")]
    assert len(codes) == 1
    world.clock.advance(30)
    passed(await world.redeem(account, recovery_code=codes[0][0]))
    passed(await world.redeem(account, code=app.code()))


@on_every_backend
async def test_P43_a_hundred_mails_asked_for_at_once(store: Any) -> None:
    world = build(store)
    account = await world.add()
    await world.mfa.enable_mailed_codes(account)
    await world.mfa.drain()
    world.mailbox.messages.clear()
    outcomes = await race(RACERS, lambda _number: world.mfa.send_code(account, visit=HERE))
    assert count(outcomes, CodeSent) == 1
    assert len(world.mailbox.messages) == 1


def dump(value: Any) -> bytes:
    """Walk whatever a store holds in memory, and return all of its bytes and texts."""
    seen: set[int] = set()
    found: list[bytes] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, bytes | bytearray):
            found.append(bytes(one))
        elif isinstance(one, str):
            found.append(one.encode("utf-8", "replace"))
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        else:
            names = (*getattr(one, "__dict__", ()), *getattr(type(one), "__slots__", ()))
            waiting += [getattr(one, name, None) for name in names]
    return b"\n".join(found)


@backends.on("memory", "sqlite")
async def test_nothing_stored_or_told_can_be_shown_as_a_factor(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> bytes:
        if place.backend == "memory":
            return dump(store)
        return b"".join(path.read_bytes() for path in place.path.parent.iterdir())

    async with place.open() as store:
        world = build(store)
        account = await world.add()
        pending = await world.mfa.start_enrolment(account)
        assert isinstance(pending, EnrolmentStarted)
        unconfirmed = Authenticator(pending.uri, world.clock)
        dumps = [read()]
        app, codes = await world.enrol(account)
        await world.mfa.enable_mailed_codes(account, code=app.code())
        await world.mfa.drain()
        assert await world.mfa.send_code(account) == CodeSent(60)
        mailed = world.mailbox.take("mfa_code").code or ""
        token, visit = await world.challenge(account)
        dumps.append(read())
        passed(await world.mfa.redeem(token, mailed_code=mailed, visit=visit))
        passed(await world.redeem(account, recovery_code=codes[0]))
        passed(await world.redeem(account, code=app.code(1)))
        dumps.append(read())
    dumps.append(read())
    assert account.name.encode() in dumps[-1]  # what is there is seen
    hidden = [token.encode(), (visit.browser or "").encode(), SECRET.encode()]
    for code in codes:
        hidden += [code.encode(), code.replace("-", "").encode()]
        hidden.append(base64.b32decode(code.replace("-", "")))
    for one in (unconfirmed, app):
        hidden += [one.secret, one.base32.encode(), one.secret.hex().encode()]
        hidden.append(base64.b64encode(one.secret))
    told = (repr((world.events.events, world.audit.entries)) + caplog.text).encode()
    for value in hidden:
        assert all(value not in found for found in (*dumps, told))
    # Six digits may well stand somewhere by chance: in a text of their own they do not.
    spent = [mailed, app.code(), app.code(1)]
    if place.backend == "memory":
        assert not {code.encode() for code in spent} & set(b"\n".join(dumps).split(b"\n"))
    assert not any(f"'{code}'".encode() in told for code in spent)
