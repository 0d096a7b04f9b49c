"""Carries what the guards found out about one request to whoever asks for it.

The context of a request is `scope["asgi_security"]`, and `current()` anywhere below it.
"""

from __future__ import annotations

from binascii import b2a_base64
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from asgi_security.clock import system_entropy
from asgi_security.validation import is_field_value, is_token

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Protocol

    from asgi_security.clock import Entropy
    from asgi_security.principal import Principal

    class OutcomeReporter(Protocol):
        """What `LockoutMiddleware` offers the app to say how an attempt ended."""

        def succeed(self) -> None:
            """Say that the credentials were right."""

        def fail(self) -> None:
            """Say that they were wrong."""

        def neutral(self) -> None:
            """Say that nothing was decided yet (a second factor is due): the charge is undone."""


CONTEXT_KEY = "asgi_security"

_NONCE_BYTES = 18


class SecurityContext:
    """What is known about the request in hand; every part is None until a guard has set it.

    The defaults live on the class, so that a request pays only for what it uses.
    """

    principal: Principal | None = None
    """Who is asking, once a credential has been verified."""
    claims: Mapping[str, Any] | None = None
    """The claims of the verified token."""
    session: MutableMapping[str, Any] | None = None
    """The session, also at `scope["session"]`."""
    client: str | None = None
    """The client's address behind trusted proxies only, as `ClientMiddleware` found it."""
    attempt: OutcomeReporter | None = None
    """The login attempt in hand, for an app that reports its outcome itself."""
    private: bool = False
    """Whether the response may depend on a credential: a guard has verified or loaded one."""
    overrides: dict[bytes, bytes | None] | None = None
    """Security headers replaced for this response (None removes), by lower-case name."""
    entropy: Entropy = staticmethod(system_entropy)

    _nonce: str | None = None

    @property
    def csp_nonce(self) -> str:
        """The nonce for this response's inline scripts and styles, made when first read."""
        nonce = self._nonce
        if nonce is None:
            # 144 bits: CSP3 section 2.3.1 asks for at least 128; 18 bytes need no padding.
            nonce = b2a_base64(self.entropy(_NONCE_BYTES), newline=False).decode("ascii")
            self._nonce = nonce
        return nonce

    @property
    def nonce_if_read(self) -> str | None:
        """The nonce if anyone has read it, without making one."""
        return self._nonce

    def override_header(self, name: str, value: str | None) -> None:
        """Replace one security header of this response, or remove it with None.

        Raises:
            ValueError: for a name or value that no server could send; here, at the call, and not
                when the response starts.
        """
        if not is_token(name):
            raise ValueError("not a field name (RFC 9110 section 5.1)")
        if value is not None and not is_field_value(value):
            raise ValueError("no header value: no CR, LF, NUL, DEL, non-latin-1 or outer blanks")
        if self.overrides is None:
            self.overrides = {}
        raw = None if value is None else value.encode("latin-1")
        self.overrides[name.lower().encode("ascii")] = raw


current_context: ContextVar[SecurityContext | None] = ContextVar("asgi_security", default=None)


def current() -> SecurityContext:
    """Return the context of the request in hand, in any framework, below any of our middlewares.

    Raises:
        RuntimeError: outside a request that passed one.
    """
    context = current_context.get()
    if context is None:
        raise RuntimeError("no asgi_security middleware is above this call; wrap the app first")
    return context
