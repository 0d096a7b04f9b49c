"""The steps of the demo through the life of an account: registered, locked out, reset, revoked."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

from asgi_security.crypto.one_time_codes import compute_hotp, compute_step

if TYPE_CHECKING:
    import httpx

    from asgi_security.demo.accounts import Mailbox
    from asgi_security.demo.walking import Walk

_NAME = "ada@example.com"
_PASSWORD, _NEW_PASSWORD = "seven lemon trees", "nine almond trees"
_MAIL_SECONDS = 5.0
_POLL_SECONDS = 0.01
_STEP_SECONDS = 30


class Life:
    """One account, and the cookies of one browser."""

    def __init__(self, walk: Walk, mailbox: Mailbox) -> None:
        self._walk = walk
        self._mailbox = mailbox
        self._cookies: dict[str, str] = {}
        self._secret = b""

    def post(self, path: str, **form: str) -> httpx.Response:
        """Send a form with the browser's cookies, and keep those that come."""
        return self._send("POST", path, form)

    def get(self, path: str) -> httpx.Response:
        """Ask with the browser's cookies."""
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, form: dict[str, str] | None) -> httpx.Response:
        kept = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": kept} if kept else None
        response = self._walk.send(method, f"/auth/{path}", headers=headers, form=form)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        self._cookies = {name: value for name, value in self._cookies.items() if value.strip('"')}
        return response

    def start_anew(self) -> dict[str, str]:
        """Be another browser from now on; return the cookies of the one so far."""
        left, self._cookies = self._cookies, {}
        return left

    def resume(self, cookies: dict[str, str]) -> None:
        """Be a browser of before again."""
        self._cookies = cookies

    def read_mail(self, kind: str) -> str:
        """Wait for the mail, and return the token in it."""
        deadline = time.monotonic() + _MAIL_SECONDS
        while time.monotonic() < deadline:
            for message in reversed(self._mailbox.messages):
                if message.kind == kind and message.token is not None:
                    return message.token
            time.sleep(_POLL_SECONDS)
        return ""

    def take_secret(self, secret: str) -> None:
        """Scan the QR code, so to say."""
        self._secret = base64.b32decode(secret)

    def show_code(self) -> str:
        """Return the authenticator's next code, the time for it having come."""
        self._walk.world.lead_seconds += _STEP_SECONDS
        return compute_hotp(self._secret, compute_step(self._walk.world.clock()))


def walk_life(walk: Walk, mailbox: Mailbox) -> None:
    """Walk through every step of an account's life."""
    life = Life(walk, mailbox)
    _register(walk, life)
    _enrol(walk, life)
    _lock_out(walk, life)
    _reset(walk, life)
    _end_sessions(walk, life)


def _register(walk: Walk, life: Life) -> None:
    walk.begin("Accounts: nobody learns who has one, and none opens before its mail is answered")
    first = life.post("register", username=_NAME, password=_PASSWORD)
    token = life.read_mail("verify")
    again = life.post("register", username=_NAME, password=_NEW_PASSWORD)
    same = (first.status_code, first.content) == (again.status_code, again.content)
    walk.check("a name that is taken is answered like a new one", held=same)
    early = life.post("login", username=_NAME, password=_PASSWORD)
    unknown = life.post("login", username="eve@example.com", password=_PASSWORD)
    same = (early.status_code, early.content) == (unknown.status_code, unknown.content)
    walk.check("unverified and unknown are refused alike", held=same and early.status_code >= 400)
    verified = life.post("verify", token=token)
    twice = life.post("verify", token=token)
    held = (verified.status_code, twice.status_code) == (200, 400)
    walk.check("the mailed token works once", held=held)
    answer = life.post("login", username=_NAME, password=_PASSWORD)
    walk.check("and the password lets in", held=answer.status_code == 200)


def _enrol(walk: Walk, life: Life) -> None:
    walk.begin("Second factor: a password alone opens nothing any more")
    life.take_secret(life.post("mfa/start").json()["secret"])
    code = life.show_code()
    confirmed = life.post("mfa/confirm", code=code)
    held = len(confirmed.json().get("codes", ())) == 10
    walk.check("the first code is answered with recovery codes", held=held)
    life.post("logout")
    pending = life.post("login", username=_NAME, password=_PASSWORD)
    held = pending.status_code == 401 and pending.json()["detail"] == "MFA_REQUIRED"
    walk.check("the password is not enough", held=held and life.get("sessions").status_code == 401)
    pre_token = pending.json().get("pre_token", "")
    used = life.post("mfa/verify", pre_token=pre_token, code=code)
    walk.check("a used code opens nothing", held=used.status_code == 400)
    answer = life.post("mfa/verify", pre_token=pre_token, code=life.show_code())
    walk.check("the next one does", held=answer.status_code == 200)


def _lock_out(walk: Walk, life: Life) -> None:
    walk.begin("Lockout of an account: a stranger guesses, its owner's browser is let in")
    owner = life.start_anew()
    for _ in range(5):
        life.post("login", username=_NAME, password="guess")  # noqa: S106 -- a guess
    locked = life.post("login", username=_NAME, password=_PASSWORD)
    held = locked.status_code == 429 and "retry-after" in locked.headers
    walk.check("the right password does not help the stranger", held=held)
    life.resume(owner)
    walk.check("who is in stays in", held=life.get("sessions").status_code == 200)


def _reset(walk: Walk, life: Life) -> None:
    walk.begin("Reset: by mail, once, and everything that was signed in ends")
    before = life.start_anew()
    known = life.post("forgot-password", username=_NAME)
    unknown = life.post("forgot-password", username="eve@example.com")
    same = (known.status_code, known.content) == (unknown.status_code, unknown.content)
    walk.check("known and unknown names are answered alike", held=same)
    token = life.read_mail("reset")
    weak = life.post("reset-password", token=token, password="short")  # noqa: S106 -- refused
    reset = life.post("reset-password", token=token, password=_NEW_PASSWORD)
    twice = life.post("reset-password", token=token, password=_PASSWORD)
    statuses = [weak.status_code, reset.status_code, twice.status_code]
    walk.check(
        "a weak password uses no token up, a good one does", held=statuses == [400, 200, 400]
    )
    life.resume(before)
    walk.check("the session of before is over", held=life.get("sessions").status_code == 401)
    old = life.post("login", username=_NAME, password=_PASSWORD)
    walk.check("the old password is worth nothing", held="LOGIN_BAD" in old.text)


def _end_sessions(walk: Walk, life: Life) -> None:
    walk.begin("Sessions: seen by their owner, and ended one by one")
    life.start_anew()
    _log_in(life)
    elsewhere = life.start_anew()
    _log_in(life)
    listed = life.get("sessions").json()["sessions"]
    walk.check("both are listed", held=len(listed) == 2)
    other = next(one["handle"] for one in listed if not one["is_current"])
    life.post(f"sessions/{other}/revoke")
    walk.check("this one goes on", held=life.get("sessions").status_code == 200)
    life.resume(elsewhere)
    walk.check("the other is over at once", held=life.get("sessions").status_code == 401)


def _log_in(life: Life) -> None:
    pending = life.post("login", username=_NAME, password=_NEW_PASSWORD)
    pre_token = pending.json().get("pre_token", "")
    life.post("mfa/verify", pre_token=pre_token, code=life.show_code())
