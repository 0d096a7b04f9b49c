"""Uses pages as a browser without script does: reads forms, fills them in, and follows."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import time
from base64 import b32decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PAGE = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"}
FORM_TYPE = "application/x-www-form-urlencoded"
STEP_SECONDS = 30
TYPING_SECONDS = 2.0
PAUSE_SECONDS = 0.02
MAIL_SECONDS = 10.0

_SCRIPTED = re.compile(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:")


@dataclass
class Form:
    """A form of a page: where it goes, what it holds, and what is written on its button."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    button: str = ""


class _Reader(HTMLParser):
    """Finds what a visitor sees of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {"h1": [], "error": [], "done": [], "secret": []}
        self.items: list[str] = []
        self.labels: set[str] = set()
        self.ids: list[str] = []
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"] == "post"
            self.forms.append(Form(given["action"]))
        elif tag == "input":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
            if given["type"] != "hidden" and "hidden" not in given:
                self.ids.append(given["id"])
                assert given["autocomplete"]
        elif tag == "label":
            self.labels.add(given["for"])
        if tag not in {"input", "meta", "link", "path"}:
            self._open.append((tag, given.get("href", given.get("class", ""))))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag, mark in self._open:
            if tag == "a":
                self.links[data] = mark
            elif tag == "li":
                self.items.append(data)
            elif tag == "button":
                self.forms[-1].button = data
            elif mark in self.texts or tag == "h1":
                self.texts["h1" if tag == "h1" else mark].append(data.strip())


class Visitor:
    """Somebody with a browser without script, at the pages of one app."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.client.headers.update(PAGE)
        self.client.follow_redirects = True

    def open(self, path: str) -> None:
        self._see(self.client.get(path))

    def _see(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.page = _Reader()
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.page.feed(answer.text)
            assert not _SCRIPTED.search(answer.text), "nothing that a strict policy would stop"
            assert set(self.page.ids) == self.page.labels, "every field has its label"
            assert len(set(self.page.ids)) == len(self.page.ids)

    @property
    def path(self) -> str:
        return self.answer.url.path

    @property
    def title(self) -> str:
        return " ".join(self.page.texts["h1"])

    @property
    def error(self) -> str:
        return " ".join(filter(None, self.page.texts["error"]))

    @property
    def done(self) -> str:
        return " ".join(self.page.texts["done"])

    def find(self, button: str) -> list[Form]:
        return [form for form in self.page.forms if form.button == button]

    def submit(self, button: str, **typed: str) -> None:
        """Fill in the form with this button, the first of several, and press it."""
        form = self.find(button)[0]
        assert set(typed) <= set(form.fields), f"{button} asks for {form.fields}"
        # As browsers do, a form without fields says its type, too; httpx would say nothing.
        body, headers = urlencode({**form.fields, **typed}), {"content-type": FORM_TYPE}
        self._see(self.client.post(form.action, content=body, headers=headers))

    def follow(self, text: str) -> None:
        self.open(self.page.links[text])


def find_mail(log: Path, kind: str, *, count: int = 1) -> str:
    """Wait until so many mails of a kind are printed, and return the newest one's path."""
    pattern = re.compile(rf"--- {kind} to .*\n(?:    .*\n)*?    link: (\S+)")
    deadline = time.monotonic() + MAIL_SECONDS
    while len(links := pattern.findall(log.read_text("utf-8", "replace"))) < count:
        assert time.monotonic() < deadline, f"no mail of the kind {kind}:\n{log.read_text()}"
        time.sleep(PAUSE_SECONDS)  # a log tells no event
    parts = urlsplit(links[-1])
    return f"{parts.path}?{parts.query}"


class Authenticator:
    """An app that shows codes, by RFC 6238 alone; each call shows a later one.

    One step before the present and one after it are taken, too, so that three codes can be used
    without any waiting.
    """

    def __init__(self, secret: str) -> None:
        self._key = b32decode(secret.replace(" ", ""))
        self._step = 0

    def show(self) -> str:
        left = STEP_SECONDS - time.time() % STEP_SECONDS
        if left < TYPING_SECONDS:  # the oldest code would be over before it arrives
            time.sleep(left)
        present = int(time.time()) // STEP_SECONDS
        self._step = max(self._step + 1, present - 1)
        assert self._step <= present + 1, "a fourth code would have to wait"
        digest = hmac.digest(self._key, struct.pack(">Q", self._step), hashlib.sha1)
        at = digest[-1] & 15
        return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"
