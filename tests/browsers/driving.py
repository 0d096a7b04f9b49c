"""Speaks to `driver.mjs`, which holds one browser."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.missing import miss

if TYPE_CHECKING:
    from tests.browsers.network import Network

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
START_SECONDS = 120.0
ANSWER_SECONDS = 60.0
STOP_SECONDS = 30.0

EXECUTABLES = {"chromium": ("chromium", "chromium-browser"), "firefox": ("firefox-esr", "firefox")}
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium firefox-esr nodejs"


def find_executable(kind: str) -> str:
    """Find a browser, or skip with the commands that install it."""
    found = next(filter(None, map(shutil.which, EXECUTABLES[kind])), None)
    return found or miss(f"no {kind} here: {INSTALL}")


def find_node(folder: Path) -> str:
    """Find Node, and the packages that the scripts in this folder need."""
    node = shutil.which("node") or miss(f"no Node here: {INSTALL} npm")
    if not (folder / "node_modules" / ".package-lock.json").exists():
        miss(f"no npm packages here: npm ci --prefix {folder.relative_to(ROOT)}")
    return node


class Answer(NamedTuple):
    """The response that a navigation ended with."""

    status: int
    headers: dict[str, str]


class Arrived(NamedTuple):
    """The page that a link or a button has led to."""

    status: int
    headers: dict[str, str]
    url: str


class Page:
    """One page in a context of its own: nothing is shared with other pages, cookies neither."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self._name = name
        self.ask("open")

    def ask(self, command: str, **arguments: Any) -> Any:
        return self._browser.ask(command, name=self._name, **arguments)

    def goto(self, url: str) -> Answer:
        return Answer(**self.ask("goto", url=url))

    def leave(self, script: str) -> Answer:
        """Run a script that leads to another page, and wait for that."""
        return Answer(**self.ask("leave", script=script))

    def type(self, xpath: str, text: str) -> None:
        self.ask("type", xpath=xpath, text=text)

    def press(self, xpath: str) -> None:
        """Press what stays on the page, by the keyboard."""
        self.ask("press", xpath=xpath)

    def follow(self, xpath: str) -> Arrived:
        """Press what leads to another page, and wait for that."""
        return Arrived(**self.ask("follow", xpath=xpath))

    def reach(self, start: str) -> str:
        """Wait for the page whose address begins so, which comes by itself; return the address."""
        address: str = self.ask("reach", start=start)
        return address

    def scan(self, xpath: str) -> str:
        """Read the QR code that an element looks like."""
        found: str | None = self.ask("scan", xpath=xpath)
        assert found is not None, "no QR code that could be read"
        return found

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page and return what it returns."""
        return self.ask("evaluate", script=f"(async () => {{ {script} }})()")

    def fetch(self, url: str, **options: Any) -> dict[str, Any]:
        """Fetch as a script of this page does: `{"error": ...}`, or what the script can see."""
        script = f"""
            try {{
              const answer = await fetch({json.dumps(url)}, {json.dumps(options)});
              return {{
                status: answer.status,
                type: answer.type,
                headers: Object.fromEntries(answer.headers),
                text: await answer.text(),
              }};
            }} catch (error) {{
              return {{ error: error.name }};
            }}"""
        seen: dict[str, Any] = self.run(script)
        return seen

    def read(self, selector: str) -> str:
        """Wait for an element and return its text."""
        found = f"document.querySelector({json.dumps(selector)})"
        text: str = self.run(f"return (await until(() => {found})).innerText;")
        return text

    @property
    def violations(self) -> list[str]:
        """What the page's Content-Security-Policy has stopped: directive, target, disposition."""
        found: list[str] = self.run("return window.violations;")
        return found

    @property
    def faults(self) -> list[str]:
        """The errors of the page's scripts, and the lines of its console that are errors."""
        found: list[str] = self.ask("faults")
        return found

    def cookie(self, name: str) -> dict[str, Any] | None:
        """Return a cookie as the browser keeps it."""
        return next((found for found in self.ask("cookies") if found["name"] == name), None)

    def close(self) -> None:
        self.ask("close")


class Browser:
    """One browser process, kept for all tests; a scriptless one runs no scripts of pages."""

    def __init__(
        self,
        kind: str,
        executable: str,
        profile: Path,
        network: Network,
        *,
        scriptless: bool = False,
    ) -> None:
        self.kind = kind
        command = [find_node(HERE), "driver.mjs", kind, executable, str(profile)]
        command += [str(network.proxy_port), network.identity.key_hash]
        command += ["scriptless"] if scriptless else []
        self._answers: queue.Queue[str] = queue.Queue()
        self._names = count()
        self._log = (profile.parent / f"{kind}.log").open("wb")
        self._process = subprocess.Popen(
            command,
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "HOME": str(profile.parent)},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.version = self._receive(START_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(json.dumps({"error": f"the driver has ended: see {self._log.name}"}))

    def _receive(self, seconds: float) -> Any:
        try:
            answer = json.loads(self._answers.get(timeout=seconds))
        except queue.Empty:
            raise AssertionError(f"{self.kind} does not answer: see {self._log.name}") from None
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def ask(self, command: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._receive(ANSWER_SECONDS)

    def open(self) -> Page:
        return Page(self, f"page-{next(self._names)}")

    def close(self) -> None:
        """End the driver, which ends its browser when nothing more can be asked."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._listener.join(STOP_SECONDS)
        self._log.close()
