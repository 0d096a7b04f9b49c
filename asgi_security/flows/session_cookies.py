"""Does sessions whose data travels in the signed cookie itself.

A copy of such a cookie stays good until it expires, also after a logout: only `revocations` or
`user_epoch` can end it sooner, and then every session that is presented is asked about. Of two
responses at once that both change the session, the browser keeps the cookie that comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.signing import PurposeSigner
from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.revocations import compute_session_digest, compute_subject_digest
from asgi_security.flows.session_keeping import SessionKeeper, Written
from asgi_security.policy.cookies import MAX_COOKIE_BYTES, SigningSecrets
from asgi_security.policy.documents import encode_json, parse_document
from asgi_security.policy.session_saving import Begin, End, Rotate, Touch
from asgi_security.policy.session_state import Snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from asgi_security.flows.session_keeping import Committed, Visitor
    from asgi_security.policy.session_saving import Save, Writing
    from asgi_security.policy.session_state import Session
    from asgi_security.policy.sessions import SessionConfig
    from asgi_security.storage.protocols import RevocationStore

_NAMESPACE = "asgi-security session cookie 1"
_HANDLE_BYTES = 16
_KNOWN_COOKIES = 1024


class CookieSessionKeeper(SessionKeeper):
    """Keeps sessions in their cookies."""

    def __init__(
        self, config: SessionConfig, *, revocations: RevocationStore | None = None, **outside: Any
    ) -> None:
        super().__init__(config, **outside)
        secrets = SigningSecrets(secret=config.secret or b"", old_secrets=config.old_secrets)
        current, *old = secrets.reveal_order()
        name = str(config.cookie_name)
        self._signer = PurposeSigner(current, old, purpose=(_NAMESPACE, name))
        self._known: dict[bytes, Snapshot] = {}
        self._raises = config.on_oversize == "raise"
        self._revocations = revocations
        self.ends_late = revocations is not None
        self.waits = self.waits or revocations is not None

    def _open(self, values: Sequence[bytes]) -> Snapshot | None:
        now = self._clock()
        if len(values) == 1:
            return self._verify(values[0], now)
        opened = [self._verify(value, now) for value in values]
        return self.choose([each for each in opened if each is not None])

    def _is_plausible(self, value: bytes) -> bool:
        return b"." in value

    def _verify(self, value: bytes, now: float) -> Snapshot | None:
        found = self._known.get(value)
        if found is None:
            found = self._parse(value)
            if found is None:
                return None
            self._remember(value, found)
        # Remembered is only that the cookie is ours: that it has not expired is asked each time.
        return found if self._lifetimes.is_live(found.created_at, found.seen_at, now=now) else None

    def _remember(self, value: bytes, found: Snapshot) -> None:
        if len(self._known) >= _KNOWN_COOKIES:
            self._known.clear()
        self._known[value] = found

    def _parse(self, value: bytes) -> Snapshot | None:
        verified = self._signer.verify(value)
        document = None if verified is None else parse_document(verified.message)
        if verified is None or document is None or len(document[0]) != 4:
            return None
        (handle, created_at, seen_at, user), data = document
        if type(handle) is not str or not (user is None or type(user) is str):
            return None
        if type(created_at) is not float or type(seen_at) is not float:
            return None  # NaN and infinity are floats too, and live at no instant
        return Snapshot(handle, user, created_at, seen_at, data, needs_resign=verified.needs_resign)

    async def _fetch(self, values: Sequence[bytes]) -> Snapshot | None:
        found = self._open(values)
        if found is None or self._revocations is None:
            return found
        revoked = await self._revocations.is_revoked(
            [compute_session_digest(found.handle)],
            subject=None if found.user is None else compute_subject_digest(found.user),
            issued_at=found.created_at,
            now=self._clock(),
        )
        return None if revoked else found

    def carry_out(
        self,
        session: Session,
        saving: Writing,
        visitor: Visitor,  # noqa: ARG002 -- only a record can say who began the session
    ) -> Awaitable[Committed] | Committed:
        """Sign the session anew, or remove its cookie; wait only where ids are revoked."""
        if self._revocations is None:
            return self._write(session, saving)
        if isinstance(saving, (Begin, End)):
            over = saving.over
        else:
            over = saving.found if isinstance(saving, Rotate) else None
        if over is None:
            return self._write(session, saving)
        return self._end_and_write(session, saving, over)

    async def _end_and_write(self, session: Session, saving: Writing, over: Snapshot) -> Committed:
        try:
            await self.ask(self._end(over))
        except StorageError:
            self.report("session_save_failed", Severity.ERROR)
            session.reported = True
            return Written(self._writer.deletion) if isinstance(saving, End) else None
        return self._write(session, saving)

    async def _end(self, over: Snapshot) -> None:
        if self._revocations is not None:
            expires_at = self._lifetimes.compute_absolute_end(over.created_at)
            digest = compute_session_digest(over.handle)
            await self._revocations.revoke(digest, expires_at=expires_at)

    def _write(self, session: Session, saving: Writing) -> Committed:
        if isinstance(saving, End):
            session.settle(None, b"{}")
            return Written(self._writer.deletion)
        next_ = self._compute_next(saving)
        value = self._signer.sign(_build_head(next_) + next_.data)
        size = self._writer.measure(value)
        if size > MAX_COOKIE_BYTES:
            if self._raises:
                raise ValueError(f"the session needs a cookie of {size} bytes; browsers keep 4096")
            self.report("session_too_large", Severity.ERROR, size_bytes=size)
            session.reported = True
            return None
        self._remember(value, next_)
        session.settle(next_, next_.data)
        return Written(self._writer.build_line(value))

    def _compute_next(self, saving: Touch | Save | Rotate | Begin) -> Snapshot:
        now = float(self._clock())
        if isinstance(saving, Begin):
            return Snapshot(self._make_handle(), saving.user, now, now, saving.data)
        found = saving.found
        data = found.data if isinstance(saving, Touch) else saving.data
        handle = self._make_handle() if isinstance(saving, Rotate) else found.handle
        return Snapshot(handle, found.user, found.created_at, now, data)

    def _make_handle(self) -> str:
        return encode_base64url(self._entropy(_HANDLE_BYTES)).decode("ascii")


def _build_head(session: Snapshot) -> bytes:
    """Write what `parse_document` takes apart: by hand, as `json` needs four times as long.

    A handle is base64url, and an instant is written to the microsecond: all its digits take twice
    as long.
    """
    user = b"null" if session.user is None else encode_json(session.user)
    head = f'["{session.handle}",{session.created_at:.6f},{session.seen_at:.6f},'
    return head.encode("ascii") + user + b"]\n"
