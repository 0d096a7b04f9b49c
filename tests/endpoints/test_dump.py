"""What a thief of the store finds in it after the whole story: nothing that opens anything."""

from __future__ import annotations

import base64
import gc
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from asgi_security.policy.clients import ClientConfig
from tests.endpoints.site import BETTER, GOOD, Site
from tests.flows.mfa_world import Authenticator
from tests.storage import backends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place

pytestmark = pytest.mark.anyio

NAME = "dump@example.com"
WRONG = "a wrong password, typed here"
ADDRESS, STRANGER = "203.0.113.77", "198.51.100.78"


class Known:
    """Every value that somebody was given or typed, under a name to complain by."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def add(self, name: str, value: object) -> str:
        assert isinstance(value, str)
        assert len(value) >= 6, name
        self.values[name] = value
        return value

    def find_in(self, dump: bytes) -> list[str]:
        """Return the names of those values that stand in a dump, in whatever spelling."""
        folded = dump.lower()
        return [
            f"{name} as {spelling}"
            for name, value in self.values.items()
            for spelling, form in spell(value)
            if form.lower() in folded
        ]


def spell(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield a value as it might be written down: itself, encoded, and what it encodes."""
    raw = value.encode()
    yield "itself", raw
    yield "hex", raw.hex().encode()
    # At each of the three places where base64 may begin; the ends depend on what stands around.
    for offset in range(3):
        yield f"base64 at {offset}", base64.b64encode(b"\0" * offset + raw)[4:-4]
        yield f"base64url at {offset}", base64.urlsafe_b64encode(b"\0" * offset + raw)[4:-4]
    yield "base32", base64.b32encode(raw).rstrip(b"=")[:-1]
    yield "a URL", quote(value, safe="").encode()
    for part in value.split("."):
        for decoder in (base64.b32decode, base64.urlsafe_b64decode):
            try:
                inner = decoder(
                    part + "=" * (-len(part) % 8 if decoder is base64.b32decode else -len(part) % 4)
                )
            except ValueError:
                continue
            if len(inner) >= 10:
                yield "what it encodes", inner
                yield "the hex of what it encodes", inner.hex().encode()


async def tell_story(site: Site, known: Known) -> None:
    """Do everything there is once, and write down each value on the way."""
    known.add("password", GOOD)
    known.add("next password", BETTER)
    known.add("wrong password", WRONG)
    known.add("address", ADDRESS)
    known.add("address of a stranger", STRANGER)
    browser = site.browser(ADDRESS)
    await browser.post("/auth/register", username=NAME, password=GOOD)
    token = known.add("verification", (await site.read_mail("verify")).token)
    await browser.post("/auth/verify", token=token)
    keep_all(known, browser.keep(await browser.sign_in(NAME)), browser, "first")
    started = (await browser.post("/auth/mfa/start")).json()
    known.add("TOTP secret", started["secret"])
    app = Authenticator(started["otpauth_url"], site.clock)
    confirmed = await browser.post("/auth/mfa/confirm", code=app.code())
    for number, code in enumerate(confirmed.json()["codes"]):
        known.add(f"recovery code {number}", code)
        known.add(f"recovery code {number} without dashes", code.replace("-", ""))
    key = await browser.post("/auth/keys", name="ci", scopes=[])
    known.add("API key", key.json()["key"])
    known.add("secret of the API key", key.json()["key"].rpartition("_")[2])
    for number in range(2):
        site.clock.advance(60)
        browser = site.browser(ADDRESS)
        pre_token = known.add(
            f"pre-token {number}", (await browser.sign_in(NAME)).json()["pre_token"]
        )
        keep_all(known, None, browser, f"binding {number}")
        recovery = {"recovery_code": known.values["recovery code 0"]}
        proof = recovery if number else {"code": app.code()}
        answer = await browser.post("/auth/mfa/verify", pre_token=pre_token, **proof)
        keep_all(known, browser.keep(answer), browser, f"sign-in {number}")
    if site.transport == "bearer":
        answer = await browser.post("/auth/refresh", refresh_token=browser.refresh_token)
        keep_all(known, browser.keep(answer), browser, "refreshed")
    for _ in range(5):
        await site.browser(STRANGER).sign_in(NAME, WRONG)
    assert (await site.browser(STRANGER).sign_in(NAME)).status_code == 429
    await browser.post("/auth/forgot-password", username=NAME)
    token = known.add("reset", (await site.read_mail("reset")).token)
    # A second one that is left open: what is spent may be gone, and must not hide what is not.
    await browser.post("/auth/forgot-password", username=NAME)
    known.add("open reset", (await site.read_mail("reset")).token)
    answer = await browser.post("/auth/reset-password", token=token, password=BETTER)
    assert answer.status_code == 200, answer.text
    site.clock.advance(60)
    browser = site.browser(ADDRESS)
    pre_token = (await browser.sign_in(NAME, BETTER)).json()["pre_token"]
    known.add("open pre-token", pre_token)
    answer = await browser.post("/auth/mfa/verify", pre_token=pre_token, code=app.code())
    keep_all(known, browser.keep(answer), browser, "last")  # and stays signed in
    await browser.post("/auth/disable", current_password=WRONG)
    assert await browser.whoami() is not None


def keep_all(known: Known, answer: Any, browser: Any, when: str) -> None:
    """Write down all cookies, and the tokens of an answer."""
    assert answer is None or answer.status_code == 200, answer.text
    for cookie, value in browser.client.cookies.items():
        if cookie != "__Host-session" or value:
            known.add(f"{cookie} {when}", value)
    if browser.refresh_token:
        known.add(f"refresh token {when}", browser.refresh_token)
        known.add(f"access token {when}", browser.client.headers["authorization"][7:])


@backends.on(*backends.ALL)
@pytest.mark.parametrize("transport", ["session", "bearer"])
async def test_R89_a_dump_shows_nothing_that_opens_anything(
    store: Store, place: Place, transport: str
) -> None:
    site = Site(
        store, transport=transport, guards={"clients": ClientConfig(trusted_proxies=["10.0.0.0/8"])}
    )
    known = Known()
    await tell_story(site, known)
    dump = await take_dump(store, place)
    # The story is in there: the dump is one of this store, and is searched as it is written.
    assert NAME.encode() in dump
    assert b"Browser/1" in dump
    assert len(known.values) > 30
    assert known.find_in(dump) == []


async def take_dump(store: Store, place: Place) -> bytes:
    """Return all bytes of a store, past the store."""
    if place.backend == "memory":
        return walk_memory(store)
    if place.backend == "sqlite":
        return read_files(place.path)
    if place.backend == "redis":
        return dump_redis(place.options["prefix"])
    return await dump_postgres(place.options["schema"])


def read_files(path: Path) -> bytes:
    """Return the database and its write-ahead log, as they lie there."""
    files = sorted(path.parent.glob(f"{path.name}*"))
    assert path in files
    return b"\n".join(file.read_bytes() for file in files)


def walk_memory(root: object) -> bytes:
    """Return the text of every string and number that can be reached from an object."""
    seen: set[int] = set()
    parts: list[bytes] = []
    waiting: list[object] = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type) or type(thing).__name__ in _CODE:
            continue
        seen.add(id(thing))
        if isinstance(thing, bytes | bytearray | memoryview):
            parts.append(bytes(thing))
        elif isinstance(thing, str):
            parts.append(thing.encode("utf-8", "surrogatepass"))
        else:
            waiting += gc.get_referents(thing)
    return b"\n".join(parts)


_CODE = {
    *("module", "function", "builtin_function_or_method", "method_descriptor", "code", "frame"),
    *("wrapper_descriptor", "getset_descriptor", "cell", "FakeClock", "EventRecorder", "Site"),
}


def dump_redis(prefix: str) -> bytes:
    import redis  # noqa: PLC0415 -- with the extra

    from tests.storage.redis_servers import URL  # noqa: PLC0415 -- with the extra

    parts: list[bytes] = []
    with redis.Redis.from_url(URL) as raw:
        for key in raw.scan_iter(f"*{prefix}*", count=1000):
            parts += [key, raw.dump(key)]
            read: dict[bytes, Any] = {
                b"string": lambda key: [raw.get(key)],
                b"hash": lambda key: [x for pair in raw.hgetall(key).items() for x in pair],
                b"set": lambda key: list(raw.smembers(key)),
                b"zset": lambda key: raw.zrange(key, 0, -1),
                b"list": lambda key: raw.lrange(key, 0, -1),
                b"stream": lambda key: [repr(raw.xrange(key)).encode()],
            }
            parts += read[raw.type(key)](key)
    return b"\n".join(parts)


async def dump_postgres(schema: str) -> bytes:
    import io  # noqa: PLC0415 -- for this dump alone

    from tests.storage import postgres_servers  # noqa: PLC0415 -- with the extra

    connection = await postgres_servers.asyncpg.connect(postgres_servers.URL, timeout=10)
    try:
        rows = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", schema
        )
        buffer = io.BytesIO()
        for row in rows:
            for form in ("binary", "text"):
                await connection.copy_from_table(
                    row["table_name"], schema_name=schema, output=buffer, format=form
                )
        return buffer.getvalue()
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "leak",
    [
        GOOD.encode(),
        GOOD.encode().hex().upper().encode(),
        b"xx" + base64.b64encode(b"ab" + GOOD.encode() + b"rest"),
        base64.urlsafe_b64encode(GOOD.encode()),
        base64.b32encode(GOOD.encode()),
        quote(GOOD).encode(),
    ],
    ids=["itself", "hex", "base64", "base64url", "base32", "URL"],
)
async def test_the_search_finds_what_it_looks_for(leak: bytes) -> None:
    known = Known()
    known.add("password", GOOD)
    assert known.find_in(b"before " + leak + b" after")
    assert walk_memory({"a": [(leak,)]}) == b"a\n" + leak or leak in walk_memory([leak])


async def test_the_search_finds_what_a_secret_stands_for() -> None:
    known = Known()
    known.add("TOTP secret", base64.b32encode(b"12345678901234567890").decode())
    assert known.find_in(b"\x00\x0012345678901234567890\x00") != []
