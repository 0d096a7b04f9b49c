"""What mails say: enough to act on, and nothing on a locked screen."""

from __future__ import annotations

import re
from typing import Any

import pytest

from asgi_security.flows.sending import Message
from asgi_security.flows.smtp_words import write_message
from tests.package_source import PACKAGE

LINK = "https://app.example.com/verify?token=t"


def write(kind: str, **fields: Any) -> tuple[str, str]:
    message = Message(kind=kind, recipient="ann@example.com", **fields)
    return write_message(message, site_name="Acme")


def test_P34_a_link_carries_the_token() -> None:
    subject, text = write("verify", token="t" * 43, link=LINK, lifetime_seconds=86_400)
    assert subject == "Acme: Confirm your address"
    assert LINK in text
    assert "t" * 43 not in text
    assert "It is good for 24 hours, and once." in text
    assert text.endswith("\n\nAcme\n")


def test_a_token_without_a_page_is_given_itself() -> None:
    assert "t" * 43 in write("reset", token="t" * 43)[1]


def test_P43_a_code_is_in_the_text_and_not_in_the_subject() -> None:
    subject, text = write("mfa_code", code="123456", lifetime_seconds=300)
    assert "123456" not in subject
    assert "\n123456\n" in text
    assert "5 minutes" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(59, "59 seconds"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes")],
)
def test_spans_are_rounded_down(seconds: float, said: str) -> None:
    assert f"good for {said}," in write("verify", lifetime_seconds=seconds)[1]


def test_what_is_not_known_is_still_a_mail() -> None:
    subject, text = write("of_another_release")
    assert subject.startswith("Acme: ")
    assert "your account" in text


def test_every_kind_that_flows_send_has_words() -> None:
    sent: set[str] = set()
    for path in (PACKAGE / "flows").glob("*.py"):
        found = re.findall(
            r'(?:\.post|\.notify)\(\s*"([a-z_]+)"|kind="(mfa_code)"', path.read_text()
        )
        sent |= {first or second for first, second in found}
    assert {"verify", "rename", "reset", "mfa_code", "name_changed", "mfa_enabled"} <= sent
    other = write("of_another_release")
    assert [kind for kind in sorted(sent) if write(kind) == other] == []
