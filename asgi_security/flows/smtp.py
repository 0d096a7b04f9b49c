"""Hands messages to a mail server, over TLS and never without it.

The standard library speaks SMTP in a thread of its own. What takes too long is ended by closing
the connection, so that no thread outlives its message. Headers are built and never concatenated:
nothing that stands in an address, a subject or a code can become a header or a command.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 section 3 (TLS from the start), RFC 5322
section 3.6 (headers), RFC 3834 section 5 (`Auto-Submitted`).
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from asgi_security.clock import system_clock, system_entropy
from asgi_security.flows.per_loop import PerLoop
from asgi_security.flows.smtp_words import write_message
from asgi_security.policy.accounts import is_mail_address
from asgi_security.secret import Secret
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

    from asgi_security.clock import Clock, Entropy
    from asgi_security.flows.sending import Message

SmtpTls: TypeAlias = Literal["starttls", "implicit"]

Write: TypeAlias = "Callable[[Message], tuple[str, str]]"
"""From a message to its subject, of one line, and its text."""

_THREADS = 4
_MESSAGE_ID_BYTES = 16
_MOST_SECONDS = 300
_READY = 220
_SENDER = re.compile(r"(?:(?P<name>[^<>@\",]*)<(?P<inside>[^<>]+)>|(?P<alone>[^<>]+))\Z")
_HOST = re.compile(r"[A-Za-z0-9.:_-]+\Z")


class SmtpSender:
    """Delivers messages by SMTP.

    The server's certificate must be good for `host`, and a server that does not offer TLS gets
    neither a password nor a message.

    Args:
        host: of the server that takes mail from this app.
        port: by default 587, or 465 with TLS from the start.
        username, password: how the app signs in there; both or neither.
        from_address: whom the mail is from, such as "Acme <no-reply@acme.example>".
        tls: "starttls", or "implicit" for TLS from the start.
        context: for a certificate that only you trust; it has to verify certificate and host.
        timeout_seconds: for one delivery as a whole.
        site_name: as the mails name the site; by default the domain that they are from.
        write: words a message, see `Write`; by default in plain English.
        clock, entropy: the outside world.

    Raises:
        ConfigError: with all that is wrong.
    """

    def __init__(
        self,
        host: str,
        *,
        port: int | None = None,
        username: str | None = None,
        password: Secret | str | bytes | None = None,
        from_address: str,
        tls: SmtpTls = "starttls",
        context: ssl.SSLContext | None = None,
        timeout_seconds: float = 20,
        site_name: str | None = None,
        write: Write | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        port = port if port is not None else (465 if tls == "implicit" else 587)
        findings = Findings("SmtpSender")
        name: object = host
        if not isinstance(name, str) or _HOST.match(name) is None:
            findings.add("host", host, "no host", "give a name such as 'smtp.example.com'")
        findings.check_number("port", port, minimum=1, maximum=65_535, integer=True)
        findings.check_choice("tls", tls, ("starttls", "implicit"))
        findings.check_number(
            "timeout_seconds", timeout_seconds, minimum=0.01, maximum=_MOST_SECONDS
        )
        _check_login(username, password, findings)
        sender = _parse_sender(from_address, findings)
        _check_context(context, findings)
        findings.raise_if_any()
        self._server = _Server(
            host=host,
            port=port,
            username=username,
            password=None if password is None else Secret(password),
            address=sender,
            tls=tls,
            context=context or ssl.create_default_context(),
            timeout_seconds=timeout_seconds,
        )
        site = site_name or sender.domain
        self._write: Write = write or (lambda message: write_message(message, site_name=site))
        self._clock, self._entropy = clock, entropy
        self._limiter = PerLoop(_build_limiter)

    def __repr__(self) -> str:
        """Show where mail goes to, and not how to sign in there."""
        server = self._server
        return f"SmtpSender({server.host!r}, port={server.port}, tls={server.tls!r})"

    async def send(self, message: Message) -> None:
        """Deliver one message.

        Raises:
            ValueError: The recipient is no mail address, or the subject no line.
            TimeoutError: It took too long.
            OSError: The server cannot be reached, is not the one that it should be, or refuses
                (`smtplib.SMTPException`).
        """
        import anyio  # noqa: PLC0415 -- only who sends waits
        from anyio import to_thread  # noqa: PLC0415 -- likewise

        mail = self.build_mail(message)
        delivery = _Delivery(self._server, mail, message.recipient)
        try:
            with anyio.fail_after(self._server.timeout_seconds):
                await to_thread.run_sync(
                    delivery.run, limiter=self._limiter.get(), abandon_on_cancel=True
                )
        finally:
            delivery.abort()

    def build_mail(self, message: Message) -> EmailMessage:
        """Return the mail of one message.

        Raises:
            ValueError: as `send` does.
        """
        # The library's own check is of header syntax: what is no plain address gets no mail.
        if not is_mail_address(message.recipient) or not message.recipient.isprintable():
            raise ValueError("the recipient is no mail address")
        subject, text = self._write(message)
        if not subject.isprintable():
            raise ValueError("the subject is not one line of text")
        mail = EmailMessage(policy=SMTP)
        sender = self._server.address
        mail["From"] = sender
        local, _, domain = message.recipient.rpartition("@")
        mail["To"] = Address(username=local, domain=domain)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(datetime.fromtimestamp(self._clock(), tz=UTC))
        mail["Message-ID"] = f"<{self._entropy(_MESSAGE_ID_BYTES).hex()}@{sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return mail


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """What it takes to deliver there."""

    host: str
    port: int
    username: str | None
    password: Secret | None
    address: Address
    tls: SmtpTls
    context: ssl.SSLContext
    timeout_seconds: float


class _Delivery:
    """One delivery, in a thread; `abort` ends it from another."""

    def __init__(self, server: _Server, mail: EmailMessage, recipient: str) -> None:
        self._server = server
        self._mail = mail
        self._recipient = recipient
        self._handle: socket.socket | None = None
        self._is_aborted = False

    def run(self) -> None:
        """Deliver, and close the connection whatever comes of it."""
        server = self._server
        where, seconds = (server.host, server.port), server.timeout_seconds
        # A second hold on the connection: what TLS wraps is no longer to be had by the first.
        with (
            socket.create_connection(where, timeout=seconds) as connection,
            connection.dup() as self._handle,
        ):
            if not self._is_aborted:
                self._speak(connection)

    def abort(self) -> None:
        """Close the connection, if there is one, so that the thread has nothing to wait for."""
        self._is_aborted = True
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _speak(self, connection: socket.socket) -> None:
        server = self._server
        # Named by the domain of the mail: asking for that of this machine may take its time.
        client = smtplib.SMTP(local_hostname=server.address.domain, timeout=server.timeout_seconds)
        # What the certificate is held against; only the constructor that connects would set it.
        client._host = server.host  # type: ignore[attr-defined]
        client.sock = connection
        try:
            if server.tls == "implicit":
                client.sock = server.context.wrap_socket(connection, server_hostname=server.host)
            code, greeting = client.getreply()
            if code != _READY:
                raise smtplib.SMTPConnectError(code, greeting)
            if server.tls == "starttls":
                client.starttls(context=server.context)
            if server.username is not None and server.password is not None:
                client.login(server.username, server.password.reveal().decode())
            client.send_message(self._mail, server.address.addr_spec, [self._recipient])
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()  # it is delivered: how the other side says goodbye is its own matter
        finally:
            client.close()


def _build_limiter() -> anyio.CapacityLimiter:
    from anyio import CapacityLimiter  # noqa: PLC0415 -- only who sends waits

    return CapacityLimiter(_THREADS)


def _check_login(username: object, password: object, findings: Findings) -> None:
    if (username is None) != (password is None):
        lacking = "password" if password is None else "username"
        findings.add_secret(lacking, "not given beside the other", "give both, or neither")
        return
    if username is not None and (not isinstance(username, str) or not username.isprintable()):
        findings.add("username", username, "no name", "give the name that the server knows")
    if password is None:
        return
    if not isinstance(password, Secret | str | bytes) or not Secret(password):
        findings.add_secret("password", "no text", "give the password of the username")


def _parse_sender(text: object, findings: Findings) -> Address:
    """Return a name and an address, noting what is neither."""
    hint = "give an address such as 'Acme <no-reply@acme.example>'"
    found = _SENDER.match(text) if isinstance(text, str) and text.isprintable() else None
    address = "" if found is None else (found["inside"] or found["alone"])
    if found is not None and is_mail_address(address) and address.isascii():
        return Address(display_name=(found["name"] or "").strip(), addr_spec=address)
    findings.add("from_address", text, "no mail address", hint)
    return Address()


def _check_context(context: object, findings: Findings) -> None:
    if context is None:
        return
    hint = "give ssl.create_default_context(cafile=...)"
    if not isinstance(context, ssl.SSLContext):
        findings.add("context", type(context).__name__, "no SSLContext", hint)
    elif context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        reason = "does not verify certificate and host: anyone in between could read the tokens"
        findings.add("context", "SSLContext", reason, hint)
