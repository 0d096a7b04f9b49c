"""Mail over real servers: with TLS, with nothing injected, within its time, or not at all."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.sending import Message
from asgi_security.flows.smtp import SmtpSender
from asgi_security.secret import Secret
from asgi_security.testing import FakeClock, SeededEntropy
from tests.flows.mail_server import HOST, PASSWORD, USER, certificates, serve, trust

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.mail_server import Received

__all__ = ["certificates"]

pytestmark = pytest.mark.anyio

FROM = "Acme <no-reply@acme.example>"
LINK = "https://app.example.com/auth/verify?token=" + "t" * 43
MESSAGE = Message(
    kind="verify", recipient="ann@example.com", token="t" * 43, link=LINK, lifetime_seconds=86400
)


def build(
    folder: Path | None = None, received: Received | None = None, **fields: Any
) -> SmtpSender:
    given: dict[str, Any] = {
        "port": None if received is None else received.port,
        "username": USER,
        "password": PASSWORD,
        "from_address": FROM,
        "context": None if folder is None else trust(folder),
        "clock": FakeClock(),
        "entropy": SeededEntropy(),
    }
    return SmtpSender(fields.pop("host", HOST), **{**given, **fields})


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_P34_a_mail_arrives_over_TLS(certificates: Path, tls: Any) -> None:
    with serve(certificates, tls) as received:
        await build(certificates, received, tls=tls).send(MESSAGE)
    (mail,) = received.mails
    assert (received.senders, received.recipients) == (
        *(["no-reply@acme.example"],),
        [["ann@example.com"]],
    )
    assert (mail["From"], mail["To"]) == (FROM, "ann@example.com")
    assert mail["Subject"] == "acme.example: Confirm your address"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@acme.example>")
    assert mail["Date"] is not None
    text = mail.get_content()  # type: ignore[attr-defined]
    assert LINK in text
    assert "24 hours" in text


@pytest.mark.parametrize(
    ("tls", "served"),
    [
        pytest.param("starttls", "starttls", id="P34 STARTTLS"),
        pytest.param("implicit", "implicit", id="P34 TLS from the start"),
    ],
)
async def test_a_certificate_that_is_not_trusted_gets_nothing(
    certificates: Path, tls: Any, served: str
) -> None:
    with serve(certificates, served) as received:
        with pytest.raises(ssl.SSLCertVerificationError):
            await build(None, received, tls=tls).send(MESSAGE)
        with pytest.raises(ssl.SSLCertVerificationError):  # trusted, and for another host
            await build(certificates, received, tls=tls, host="localhost").send(MESSAGE)
    assert received.mails == []


async def test_P34_a_server_without_TLS_gets_nothing(certificates: Path) -> None:
    with serve(certificates, "none") as received:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            await build(certificates, received).send(MESSAGE)
        with pytest.raises(smtplib.SMTPNotSupportedError):  # nor a message without a password
            await build(certificates, received, username=None, password=None).send(MESSAGE)
        with pytest.raises(OSError, match=r"."):
            await build(certificates, received, tls="implicit").send(MESSAGE)
    assert received.mails == []


async def test_a_wrong_password_is_refused_and_not_told(certificates: Path) -> None:
    with serve(certificates) as received:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            await build(certificates, received, password="wrong password").send(MESSAGE)
        assert "wrong password" not in repr(caught.value)
    assert received.mails == []


@pytest.mark.parametrize(
    "recipient",
    [
        "ann@example.com\r\nBcc: eve@example.net",
        "ann@example.com\nBcc: eve@example.net",
        "ann@example.com>\r\nRCPT TO:<eve@example.net",
        "ann@example.com,eve@example.net",
        "ann@example.com\0",
        "ann@exam\x85ple.com",
        "Ann <ann@example.com>",
        "ann",
        "",
    ],
)
async def test_P34_no_address_can_inject(certificates: Path, recipient: str) -> None:
    with serve(certificates) as received:
        with pytest.raises(ValueError, match="no mail address") as caught:
            await build(certificates, received).send(Message(kind="verify", recipient=recipient))
        assert not recipient or recipient not in str(caught.value)
    assert received.mails == []


async def test_P34_no_code_or_link_can_inject(certificates: Path) -> None:
    nasty = "1\r\nBcc: eve@example.net\r\n.\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n\r.\rx"
    message = Message(kind="mfa_code", recipient="ann@example.com", code=nasty, link=nasty)
    with serve(certificates) as received:
        await build(certificates, received).send(message)
    (mail,) = received.mails
    assert received.recipients == [["ann@example.com"]]
    assert mail["Bcc"] is None
    assert "Bcc: eve@example.net" in mail.get_content()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: eve@example.net", "a\nb", "a\rb", "a\u2028b", "a\0b"]
)
async def test_P34_no_subject_can_inject(certificates: Path, subject: str) -> None:
    with serve(certificates) as received:
        sender = build(certificates, received, write=lambda _message: (subject, "text"))
        with pytest.raises(ValueError, match="not one line"):
            await sender.send(MESSAGE)
    assert received.mails == []


async def test_words_of_the_app_in_every_script(certificates: Path) -> None:
    text = "Grüße\n.\nein Punkt\n" + "x" * 2000
    with serve(certificates) as received:
        sender = build(certificates, received, write=lambda message: (f"Für {message.kind}", text))
        await sender.send(MESSAGE)
    (mail,) = received.mails
    assert mail["Subject"] == "Für verify"
    assert mail.get_content().splitlines() == text.splitlines()  # type: ignore[attr-defined]
    assert max(map(len, received.raw[0].split(b"\r\n"))) <= 998  # RFC 5321 4.5.3.1.6


async def test_an_address_of_another_script_needs_a_server_that_takes_it(
    certificates: Path,
) -> None:
    message = Message(kind="verify", recipient="jürgen@bücher.example")
    with serve(certificates, enable_SMTPUTF8=True) as received:
        await build(certificates, received).send(message)
    assert received.recipients == [["jürgen@bücher.example"]]
    with (
        serve(certificates, enable_SMTPUTF8=False) as other,
        pytest.raises(smtplib.SMTPNotSupportedError),
    ):
        await build(certificates, other).send(message)
    assert other.mails == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("how", ["silent", "one byte at a time"])
async def test_P34_a_server_that_takes_its_time_is_left(
    certificates: Path, how: str, tls: Any
) -> None:
    """However it takes it: no thread outlives its message."""
    ended = threading.Event()

    def be_slow(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(0.02)
            while True:
                try:
                    if how != "silent":
                        connection.send(b"2")
                    if not connection.recv(1000):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
        ended.set()

    with socket.create_server((HOST, 0)) as listening:
        server = threading.Thread(target=be_slow, args=(listening,))
        server.start()
        sender = build(certificates, port=listening.getsockname()[1], tls=tls, timeout_seconds=0.3)
        with pytest.raises((TimeoutError, OSError)):
            await sender.send(MESSAGE)
        assert await anyio.to_thread.run_sync(ended.wait, 20)
        server.join()


async def test_a_cancelled_delivery_closes_its_connection(certificates: Path) -> None:
    with socket.create_server((HOST, 0)) as listening:
        sender = build(certificates, port=listening.getsockname()[1], timeout_seconds=300)
        async with anyio.create_task_group() as group:
            group.start_soon(sender.send, MESSAGE)
            connection, _ = await anyio.to_thread.run_sync(listening.accept)
            group.cancel_scope.cancel()
        with connection:
            connection.settimeout(20)
            assert connection.recv(1) == b""


async def test_where_nobody_listens(certificates: Path) -> None:
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        await build(certificates, port=port).send(MESSAGE)


def test_P34_nothing_shows_the_password() -> None:
    sender = build(port=25)
    assert repr(sender) == "SmtpSender('127.0.0.1', port=25, tls='starttls')"
    assert PASSWORD not in repr(sender) + str(vars(sender))


def test_P34_ports_by_kind_of_TLS() -> None:
    assert "port=587" in repr(build())
    assert "port=465" in repr(build(tls="implicit"))


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"host": ""}, "host", id="P34 no host"),
        pytest.param({"host": "a b"}, "host", id="P34 host with a blank"),
        pytest.param({"host": "a\r\nb"}, "host", id="P34 host with a newline"),
        ({"host": None}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        pytest.param({"tls": "none"}, "tls", id="P34 no TLS"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"username": None}, "username"),
        ({"password": None}, "password"),
        ({"password": ""}, "password"),
        ({"password": 7}, "password"),
        ({"username": "a\nb"}, "username"),
        ({"from_address": "Acme"}, "from_address"),
        ({"from_address": "a@b.example\r\nBcc: c@d.example"}, "from_address"),
        ({"from_address": "a@b.example, c@d.example"}, "from_address"),
        ({"from_address": "ä@b.example"}, "from_address"),
        ({"from_address": None}, "from_address"),
        ({"context": "none"}, "context"),
        pytest.param({"context": unverified()}, "context", id="P34 host not verified"),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**fields)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert PASSWORD not in str(caught.value)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build(host="", port=0, from_address="", password=None, context=7)
    assert len(caught.value.problems) == 5


def test_a_password_may_be_a_secret() -> None:
    assert build(password=Secret(PASSWORD)) is not None
