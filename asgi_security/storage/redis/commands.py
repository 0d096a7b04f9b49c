"""Commands as bytes on the wire, and scripts that a server may have forgotten."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Command:
    """The parts of one command.

    All its keys are in one slot, so `key` is any of them. `is_repeatable` says that it can be sent
    again when its reply was lost, and the answer be the same; `writes`, that it leaves something
    for replicas to confirm. `source` is the text of its script.
    """

    parts: tuple[bytes, ...]
    key: bytes
    is_repeatable: bool
    writes: bool
    source: bytes | None = None

    def with_source(self) -> tuple[bytes, ...]:
        """Return the parts of the same step for a server that does not know the script."""
        return self.parts if self.source is None else (b"EVAL", *self.as_script())

    def as_script(self) -> tuple[bytes, ...]:
        """Return what EVAL wants for the same step, whose reply a driver then leaves as it is."""
        if self.source is None:
            return (b"return redis.call(unpack(ARGV))", b"1", self.key, *self.parts)
        return (self.source, *self.parts[2:])


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, and what its commands have in common."""

    source: bytes
    is_repeatable: bool = False
    writes: bool = True
    sha: bytes = field(init=False)

    def __post_init__(self) -> None:
        # Redis names a script by its SHA-1; nothing rests on its strength.
        digest = hashlib.sha1(self.source, usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest().encode())

    def call(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Command:
        """Return the command that runs this script."""
        parts = (b"EVALSHA", self.sha, b"%d" % len(keys), *keys, *arguments)
        return Command(parts, keys[0], self.is_repeatable, self.writes, self.source)


def build_read(name: bytes, keys: Sequence[bytes], *arguments: bytes) -> Command:
    """Return a command that changes nothing."""
    return Command((name, *keys, *arguments), keys[0], is_repeatable=True, writes=False)


def build_write(
    name: bytes, keys: Sequence[bytes], *arguments: bytes, is_repeatable: bool = False
) -> Command:
    """Return a command that changes something."""
    return Command((name, *keys, *arguments), keys[0], is_repeatable=is_repeatable, writes=True)


def pack(parts: Sequence[bytes]) -> bytes:
    r"""Return a command as an array of bulk strings, as the Redis protocol (RESP) wants it.

    >>> pack([b"GET", b"key"])
    b'*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'
    """
    lines = [b"*%d\r\n" % len(parts)]
    lines += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"".join(lines)


def write_number(value: float) -> bytes:
    """Return a number as text that reads back as the same number, here and in Lua."""
    return repr(float(value)).encode()


def write_digest(digest: bytes) -> bytes:
    """Return a digest as hex, which reads in keys and in Lua patterns."""
    return digest.hex().encode()


def read_digest(text: bytes) -> bytes:
    """Return the digest that `write_digest` has written."""
    return bytes.fromhex(text.decode())


def write_text(text: str) -> bytes:
    """Return any text as bytes, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def read_text(text: bytes) -> str:
    """Return the text that `write_text` has written."""
    return text.decode("utf-8", "surrogatepass")
