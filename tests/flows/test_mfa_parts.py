"""What all use cases of second factors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from asgi_security.flows.mfa_codes import Given
from asgi_security.flows.mfa_outcomes import MfaRefused
from asgi_security.flows.mfa_parts import find_recipient
from asgi_security.flows.visits import Visit
from asgi_security.storage.protocols import Account
from tests.flows.mfa_world import CLIENT, HERE, World

if TYPE_CHECKING:
    from asgi_security.flows.mfa_parts import MfaParts

pytestmark = pytest.mark.anyio


def parts(world: World) -> MfaParts:
    return world.mfa._parts


@pytest.mark.parametrize(
    ("name", "recipient"),
    [
        ("ann@example.com", "ann@example.com"),
        ("ann", None),
        ("@ann", None),
        ("ann@", None),
        ("@", None),
        ("", None),
    ],
)
def test_who_can_be_written_to(name: str, recipient: str | None) -> None:
    assert find_recipient(Account("1", name)) == recipient


async def test_who_asks() -> None:
    world = World(enforce_for_all=True)
    account = await world.add()
    assert await parts(world).identify(account, purpose="enrol", visit=HERE) == (account, None)
    token, visit = await world.challenge(account)
    found = await parts(world).identify(token, purpose="enrol", visit=visit)
    assert not isinstance(found, MfaRefused)
    assert found[0] == account
    refused = MfaRefused("bad_pre_token")
    assert await parts(world).identify(token, purpose="verify", visit=visit) == refused
    assert await parts(world).identify(token, purpose="enrol", visit=HERE) == refused


async def test_M98_amr_values_stand_once() -> None:
    world = World()
    account = await world.add()
    outcome = await parts(world).pass_on(account, ("otp", "pwd", "mfa"), "totp", visit=HERE)
    assert outcome.amr == ("otp", "pwd", "mfa")


async def test_gates_stand_before_and_after_the_code() -> None:
    world = World()
    account = await world.add()
    app, codes = await world.enrol(account)

    async def closed() -> bool:
        await anyio.lowlevel.checkpoint()
        return False

    dead = MfaRefused("dead_pre_token")
    given = Given(recovery_code=codes[0])
    assert await parts(world).prove(account, given, visit=HERE, before=closed) == dead
    # Not looked at: it is still good, and was spent in vain only now.
    assert await parts(world).prove(account, given, visit=HERE, after=closed) == dead
    assert await parts(world).prove(account, given, visit=HERE) == MfaRefused("wrong_code")
    assert await parts(world).prove(account, Given(code=app.code()), visit=HERE) == "totp"


async def test_acts_are_recorded_with_ids_only() -> None:
    world = World()
    account = await world.add(tenant="acme")
    visit = Visit(client=CLIENT, request_id="r-1")
    await parts(world).record("mfa_something", account, visit, method="totp")
    (entry,) = world.audit.entries
    assert (entry.actor, entry.target, entry.tenant) == (account.id, account.id, "acme")
    assert entry.request_id == "r-1"
    assert account.name not in repr((world.audit.entries, world.events.events))


async def test_owners_are_told_where_they_can_be() -> None:
    world = World()
    parts(world).notify("mfa_enabled", await world.add("ann"))
    parts(world).notify("mfa_enabled", await world.add())
    assert await world.mfa.drain()
    (message,) = world.mailbox.messages
    assert (message.kind, message.code, message.token, message.link) == (
        *("mfa_enabled", None, None, None),
    )
    silent = World(mails=False)
    parts(silent).notify("mfa_enabled", await silent.add())
    assert silent.mailbox.messages == []
