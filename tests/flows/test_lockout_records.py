"""Events and rows of a settled attempt; their use is tested in `test_lockout.py`."""

from __future__ import annotations

from itertools import product

import pytest

from asgi_security.events import Severity
from asgi_security.flows.lockout_keys import AttemptKeys
from asgi_security.flows.lockout_records import build_record, describe_settlement
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AttemptStatus, Outcome, Receipt, Settled

KEYS = AttemptKeys(LockoutConfig(), Secret("n" * 32))
ACCOUNT, CLIENT = KEYS.build_account_key("bob"), KEYS.build_client_key("192.0.2.1")
OPEN = AttemptStatus(4, 1000.0, locked=False, locked_until=None)
LOCKED = AttemptStatus(5, 1000.0, locked=True, locked_until=1030.0)
LONGER = AttemptStatus(6, 1001.0, locked=True, locked_until=1061.0)
CLEAR = AttemptStatus(0, None, locked=False, locked_until=None)


@pytest.mark.parametrize(
    ("account", "client", "names"),
    [
        pytest.param((OPEN, LOCKED), (OPEN, OPEN), ["account_locked"], id="F101 account"),
        pytest.param((OPEN, OPEN), (OPEN, LOCKED), ["client_locked"], id="F101 address"),
        pytest.param((LOCKED, LONGER), (LOCKED, LONGER), [], id="F101 once per lock"),
    ],
)
def test_locks(
    account: tuple[AttemptStatus, AttemptStatus],
    client: tuple[AttemptStatus, AttemptStatus],
    names: list[str],
) -> None:
    settled = Settled((account[0], client[0]), (account[1], client[1]))
    events = list(describe_settlement([ACCOUNT, CLIENT], settled, Outcome.FAILURE))
    assert [event.name for event in events] == names
    assert {event.severity for event in events} <= {Severity.WARNING}


def test_F101_a_success_tells_of_the_accounts_failures_only() -> None:
    settled = Settled((OPEN, OPEN), (CLEAR, OPEN))
    (event,) = describe_settlement([ACCOUNT, CLIENT], settled, Outcome.SUCCESS)
    facts = {"kind": "account:password", "key": ACCOUNT.digest.hex(), "failures": 4}
    assert (event.name, event.facts) == ("success_after_failures", facts)
    for outcome, before in product(Outcome, (OPEN, CLEAR)):
        quiet = Settled((before,), (before,))
        expected = outcome is Outcome.SUCCESS and before is OPEN
        assert bool(list(describe_settlement([ACCOUNT], quiet, outcome))) is expected


def test_D62_a_row_names_its_digests() -> None:
    receipt = Receipt(b"t" * 16, (ACCOUNT, CLIENT), 1000.0)
    record = build_record(receipt, Outcome.REFUND, now=1001.0, user_agent="a", address=None)
    assert (record.account, record.client) == (ACCOUNT.digest, CLIENT.digest)
    assert (record.at, record.outcome, record.user_agent) == (1001.0, "refund", "a")
