"""The steps of the demo: each sends real requests, shows the wire, and judges what came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from asgi_security import issue_jwt
from asgi_security.demo.guarded import ORIGIN, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.demo.guarded import World

_SHOWN = {
    *("access-control-allow-origin", "access-control-allow-methods", "content-security-policy"),
    *("access-control-allow-credentials", "retry-after", "set-cookie", "www-authenticate", "vary"),
    *("x-content-type-options", "x-frame-options", "content-type", "access-control-max-age"),
}
_WIDTH = 110


class Walk:
    """Sends requests, prints them, and counts which promises held."""

    def __init__(self, url: str, world: World, deploy: Callable[[], None]) -> None:
        self.world = world
        self.deploy = deploy
        self._client = httpx.Client(base_url=url, timeout=10)
        self._console = Console(width=_WIDTH, highlight=False, soft_wrap=False)
        self._held = 0
        self._broken: list[str] = []

    def begin(self, title: str) -> None:
        """Print the title of a step."""
        self._console.rule(f"[bold]{title}", align="left")

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request, and print what went over the wire both ways.

        Cookies go only where a step puts them: the jar would hide what is being shown.
        """
        self._client.cookies.clear()
        response = self._client.request(method, path, headers=headers, data=form)
        self._show(f"> {method} {path}" + (f"   {dict(form)}" if form else ""), "cyan")
        for name, value in (headers or {}).items():
            self._show(f"> {name}: {value}", "cyan")
        self._show(f"< {response.status_code} {response.reason_phrase}", "yellow")
        for name, value in response.headers.multi_items():
            if name in _SHOWN:
                self._show(f"< {name}: {value}", "yellow")
        if response.content and response.headers["content-type"].startswith("application/"):
            self._show(f"< {response.text}", "yellow")
        return response

    def check(self, promise: str, *, held: bool) -> None:
        """Print a verdict and count it."""
        if held:
            self._held += 1
            self._console.print(f"  [green]holds[/green]   {promise}")
        else:
            self._broken.append(promise)
            self._console.print(f"  [red]BROKEN[/red]  {promise}")

    def report(self) -> int:
        """Print the sum; return the exit code."""
        total = self._held + len(self._broken)
        self._console.rule(align="left")
        self._console.print(f"{self._held} of {total} promises held")
        for promise in self._broken:
            self._console.print(f"[red]BROKEN[/red]  {promise}")
        return 1 if self._broken else 0

    def _show(self, line: str, style: str) -> None:
        shown = line if len(line) < _WIDTH else f"{line[: _WIDTH - 4]} ..."
        self._console.print(shown, style=style, markup=False)


def walk_headers(walk: Walk) -> None:
    """Every answer carries the headers, the framework's own pages and errors too."""
    walk.begin("Security headers, on pages, unknown paths and errors")
    for path, status in (("/", 200), ("/nowhere", 404), ("/crash", 500)):
        response = walk.send("GET", path)
        once = all(
            len(response.headers.get_list(name)) == 1
            for name in ("content-security-policy", "x-frame-options", "x-content-type-options")
        )
        held = response.status_code == status and once
        walk.check(f"{path} answers {status} with each header once", held=held)


def walk_cors(walk: Walk) -> None:
    """The browser's questions about other origins."""
    walk.begin("CORS: a preflight that is allowed, and two that are not")
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    allowed = walk.send("OPTIONS", "/visits", headers=ask)
    right = allowed.headers.get("access-control-allow-origin") == ORIGIN
    walk.check("the listed origin may PUT", held=allowed.status_code == 204 and right)
    foreign = walk.send("OPTIONS", "/visits", headers={**ask, "Origin": "https://evil.test"})
    purge = {**ask, "Access-Control-Request-Method": "PURGE"}
    method = walk.send("OPTIONS", "/visits", headers=purge)
    same = (foreign.status_code, foreign.content) == (method.status_code, method.content)
    silent = not any(name.startswith("access-control") for name in foreign.headers)
    held = same and silent and foreign.status_code == 403
    walk.check("a foreign origin and a foreign method are refused alike", held=held)


def walk_sessions(walk: Walk) -> None:
    """A session, a rotation of its keys under it, and hands that tamper."""
    walk.begin("Sessions: kept, carried over a key rotation, and closed to tampering")
    cookie = _cookie(walk.send("POST", "/visits"))
    read = walk.send("GET", "/visits", headers={"Cookie": cookie})
    walk.check("what was written is read back", held=read.json() == {"visits": 1})
    walk.world.rotate()
    walk.deploy()
    read = walk.send("GET", "/visits", headers={"Cookie": cookie})
    walk.check("the session survives new keys", held=read.json() == {"visits": 1})
    walk.check("and is signed anew with them", held=_cookie(read) not in ("", cookie))
    flipped = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
    for title, tampered in (("a changed", flipped), ("an emptied", cookie.partition("=")[0] + "=")):
        read = walk.send("GET", "/visits", headers={"Cookie": tampered})
        walk.check(f"{title} cookie opens nothing", held=read.json() == {"visits": 0})


def walk_jwt(walk: Walk) -> None:
    """Tokens under new and old secrets, and one that is taken back."""
    walk.begin("JWT: current, under the old secret, revoked, and junk")
    clock = walk.world.clock
    for title, secret in (("current", walk.world.secret), ("old", walk.world.old_secrets[0])):
        token = issue_jwt({"sub": USER}, secret=secret, lifetime_seconds=300, clock=clock)
        answer = walk.send("GET", "/me", headers=_bearer(token))
        held = answer.json() == {"subject": USER}
        walk.check(f"a token under the {title} secret is taken", held=held)
    walk.send("POST", "/revoke", headers=_bearer(token))
    answer = walk.send("GET", "/me", headers=_bearer(token))
    walk.check("once revoked it is refused at once", held=_is_invalid_token(answer))
    answer = walk.send("GET", "/me", headers=_bearer("a.b.c"))
    walk.check("junk is refused the same way", held=_is_invalid_token(answer))


def walk_lockout(walk: Walk) -> None:
    """A brute-force run, and its end."""
    walk.begin("Lockout: five wrong guesses, then nothing but time helps")
    wrong, right = {"username": USER, "password": "guess"}, {"username": USER, "password": PASSWORD}
    statuses = [walk.send("POST", "/login", form=wrong).status_code for _ in range(5)]
    walk.check("five guesses reach the app", held=statuses == [401] * 5)
    locked = walk.send("POST", "/login", form=wrong)
    held = locked.status_code == 429 and 0 < int(locked.headers.get("retry-after", "0")) <= 30
    walk.check("the sixth is refused, with the wait", held=held)
    early = walk.send("POST", "/login", form=right)
    walk.check("the right password does not open a lock", held=early.status_code == 429)
    walk.world.lead_seconds += 30
    late = walk.send("POST", "/login", form=right)
    walk.check("30 seconds later it does", held=late.status_code == 200)


def walk_all(walk: Walk) -> None:
    """Walk every step in order."""
    for step in (walk_headers, walk_cors, walk_sessions, walk_jwt, walk_lockout):
        step(walk)


def _cookie(response: httpx.Response) -> str:
    return str(response.headers.get("set-cookie", "")).partition(";")[0]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_invalid_token(response: httpx.Response) -> bool:
    challenge = response.headers.get("www-authenticate", "")
    return response.status_code == 401 and 'error="invalid_token"' in challenge
