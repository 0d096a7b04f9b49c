"""Installs each extra alone into an environment of its own, and uses what the extra is for.

An import that a module makes of another extra's package, or of one that only the tests have, shows
here and nowhere else. Run as `python -m tests.extras [EXTRA ...]`; exits with 1 if any fails. An
extra of `pyproject.toml` that has no check here fails too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.package_source import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GATHERED = {"all", "bench", "docs", "test"}
"""Extras that only gather others, or serve whoever works on the package."""

NONE = "none"
_IMPORT_ALL = """
import asgi_security
for name in asgi_security.__all__:
    getattr(asgi_security, name)
import asgi_security.__main__, asgi_security.testing, asgi_security.testing.contracts
"""
_NO_EXTRA = """
from asgi_security import ConfigError, open_store
for url in ("redis://h", "postgresql://h/d"):
    try:
        open_store(url)
    except ConfigError as error:
        assert "pip install 'asgi-security[" in str(error), error
    else:
        raise AssertionError("a driver without its extra")
import asyncio, tempfile
from pathlib import Path
with tempfile.TemporaryDirectory() as folder:
    async def use():
        async with open_store(f"sqlite:///{Path(folder) / 'x.db'}") as store:
            await store.once.put("k", b"d" * 32, b"v", expires_at=2.0, now=1.0)
            assert await store.once.take("k", b"d" * 32, now=1.0) == b"v"
    asyncio.run(use())
"""
_REACH = """
import asyncio
from asgi_security import StorageError, open_store
async def reach():
    async with open_store({url!r}) as store:
        try:
            await store.once.take("k", b"d" * 32, now=1.0)
        except StorageError as error:
            assert isinstance(error.__cause__, OSError) or "ConnectionError" in str(error), error
        else:
            raise AssertionError("nobody listens there")
asyncio.run(reach())
"""
_HASH = """
from asgi_security.crypto.password_formats import parse_password_hash
from asgi_security.crypto.passwords import verify_password_hash
stored = parse_password_hash({stored!r})
assert stored is not None
assert verify_password_hash(stored, {secret!r})
assert not verify_password_hash(stored, b"another")
"""
_KEYS = """
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
import jwt
from asgi_security import KeyRing, verify_jws
key = ec.generate_private_key(ec.SECP256R1())
token = jwt.encode({"sub": "ada"}, key, algorithm="ES256")
pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
answer = verify_jws(token, KeyRing.from_keys(pem), algorithms=("ES256",))
assert answer.payload == b'{"sub":"ada"}', answer
"""
_MFA = """
from asgi_security.crypto.sealing import NONCE_BYTES, Sealer
from asgi_security.flows.mfa_qr import build_qr_svg
from asgi_security.secret import Secret
sealer = Sealer(Secret(b"s" * 32), purpose=("test",))
assert b"value" not in sealer.seal(b"value", "ada", nonce=bytes(NONCE_BYTES))
assert "<svg" in (build_qr_svg("otpauth://totp/x?secret=AAAA") or "")
"""
_DEMO = """
import asgi_security.demo
import subprocess, sys
told = subprocess.run([sys.executable, "-m", "asgi_security", "demo"], capture_output=True)
assert told.returncode == 0, told.stdout + told.stderr
"""

CHECKS: Mapping[str, str] = {
    NONE: _NO_EXTRA,
    "redis": _REACH.format(url="redis://127.0.0.1:1/0"),
    "postgres": _REACH.format(url="postgresql://127.0.0.1:1/d"),
    "crypto": _KEYS,
    "argon2": _HASH.format(
        stored="$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHRzYWx0$1P+WEFotqyZ14Nmssj9qSg",
        secret=b"password",
    ),
    "bcrypt": _HASH.format(
        stored="$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        secret=b"U*U",
    ),
    "mfa": _MFA,
    "demo": _DEMO,
}


def list_extras() -> list[str]:
    """List the extras that serve a user."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [name for name in project["optional-dependencies"] if name not in GATHERED]


def run(*command: str, folder: Path) -> str:
    """Run a program; return what it said if it failed, else nothing."""
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-3000:] or "it failed"


def build_wheel(folder: Path) -> Path:
    """Build the package once, for all environments."""
    command = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    fault = run(sys.executable, *command, folder=folder)
    if fault:
        raise SystemExit(fault)
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_out(extra: str, wheel: Path, folder: Path) -> str:
    """Install one extra alone and use it; return what went wrong, or nothing."""
    if extra not in CHECKS:
        return "no check in tests/extras.py"
    place = folder / f"with-{extra}"  # not the bare name: the folder of a package would be found
    venv.create(place, with_pip=True)
    python = str(place / ("Scripts" if os.name == "nt" else "bin") / "python")
    wanted = str(wheel) if extra == NONE else f"{wheel}[{extra}]"
    return (
        run(python, "-m", "pip", "install", "--quiet", wanted, folder=folder)
        or run(python, "-W", "error", "-c", _IMPORT_ALL, folder=folder)
        or run(python, "-c", CHECKS[extra], folder=folder)
    )


def main(chosen: Sequence[str]) -> int:
    """Try the extras out, and print a line for each."""
    extras = list(chosen) or [NONE, *list_extras()]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        wheel = build_wheel(folder)
        faults = list(pool.map(lambda extra: try_out(extra, wheel, folder), extras))
    for extra, fault in zip(extras, faults, strict=True):
        print(f"fails  {extra}\n{fault}" if fault else f"works  {extra}")  # noqa: T201
    return 1 if any(faults) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
