"""A real mail server for one test, with a certificate that only this run trusts."""

from __future__ import annotations

import asyncio
import ssl
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.certificates import CERTIFICATE, KEY, trust, write_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message as Mail
    from pathlib import Path

HOST = "127.0.0.1"
USER, PASSWORD = "app", "p" * 20


class Received:
    """What a server was sent, in order."""

    def __init__(self) -> None:
        self.senders: list[str] = []
        self.recipients: list[list[str]] = []
        self.mails: list[Mail] = []
        self.raw: list[bytes] = []
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        from email import message_from_bytes, policy  # noqa: PLC0415 -- as it is read

        self.senders.append(envelope.mail_from)
        self.recipients.append(envelope.rcpt_tos)
        self.raw.append(envelope.original_content)
        self.mails.append(message_from_bytes(envelope.original_content, policy=policy.default))
        return "250 taken"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("mail")
    write_certificate(folder)
    return folder


@contextmanager
def serve(folder: Path, tls: str = "starttls", **options: Any) -> Iterator[Received]:
    """Run a server that wants TLS and a login; `tls` may be "none"."""
    smtp_module = pytest.importorskip("aiosmtpd.smtp")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)

    def authenticate(_server: Any, _session: Any, _envelope: Any, _kind: Any, data: Any) -> Any:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return smtp_module.AuthResult(success=right, handled=False)

    fields: dict[str, Any] = {"authenticator": authenticate, "auth_required": True, **options}
    if tls == "starttls":
        fields |= {"tls_context": context, "require_starttls": True}
    elif tls == "implicit":
        # It does not see a TLS that was there before it; pytest forgets the filter after the test.
        warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
        fields |= {"ssl_context": context, "auth_require_tls": False}
    else:
        fields |= {"auth_required": False, "authenticator": None}
    received = Received()
    tls_from_start = fields.pop("ssl_context", None)
    loop = asyncio.new_event_loop()

    def build_protocol() -> Any:
        return smtp_module.SMTP(received, hostname="mail.test", loop=loop, **fields)

    async def listen() -> asyncio.Server:
        return await loop.create_server(build_protocol, HOST, 0, ssl=tls_from_start)

    async def close(server: asyncio.Server) -> None:
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
        received.port = server.sockets[0].getsockname()[1]
        yield received
        asyncio.run_coroutine_threadsafe(close(server), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


__all__ = ["HOST", "PASSWORD", "USER", "Received", "certificates", "serve", "trust"]
