"""Writes a chain as lines of text that prove what they say without the store they came from.

Each record is a line: its seal in hexadecimal, a blank, and its canonical JSON as it was sealed.
The last line is `checkpoint`, a blank, and the signed seal of the record before, without which
nobody could tell that the end was cut off.

Source: RFC 8785 (a record is one line, since it escapes what ends one), RFC 2104 (HMAC).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.crypto.audit_chain import Broken, ChainVerifier, Empty, parse_body
from asgi_security.crypto.audit_seals import Checkpoint, parse_checkpoint, parse_seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.crypto.audit_chain import SealedRecord, Verification
    from asgi_security.crypto.audit_seals import AuditKeys, ChainMark

_CHECKPOINT = b"checkpoint "

Line: TypeAlias = "ExportedRecord | Checkpoint"


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """A record that came from a line: its columns are what its bytes say."""

    chain: str
    sequence: int
    body: bytes
    mac: bytes
    previous: bytes
    at: str
    action: str
    actor: str | None
    target: str | None
    outcome: str
    request_id: str | None


def build_line(record: SealedRecord) -> bytes:
    """Write a record as a line without its end, whatever a store holds in its place."""
    return b"%b %b" % (_show(record.mac), _show_body(record.body))


def build_last_line(checkpoint: str) -> bytes:
    """Write the last line without its end."""
    return _CHECKPOINT + checkpoint.encode()


def parse_line(line: bytes) -> Line | None:
    """Return what a line holds; None if it is none of ours."""
    line = line.rstrip(b"\r\n")
    if line.startswith(_CHECKPOINT):
        return parse_checkpoint(line.removeprefix(_CHECKPOINT).decode("latin-1"))
    seal, _, body = line.partition(b" ")
    mac = parse_seal(seal.decode("latin-1"))
    said = parse_body(body)
    previous = None if said is None else parse_seal(said["prev"])
    if mac is None or said is None or previous is None:
        return None
    return ExportedRecord(
        chain=said["chain"],
        sequence=said["seq"],
        body=body,
        mac=mac,
        previous=previous,
        at=said["at"],
        action=said["action"],
        actor=said["actor"],
        target=said["target"],
        outcome=said["outcome"],
        request_id=said["request_id"],
    )


class LineVerifier:
    """Takes the lines of an export in their order, then says what it has seen.

    Args:
        keys: that the records may be sealed with.
        chain: the name that they must have; None takes that of the first line.
        marks: places that the chain must lead through, such as checkpoints that were kept.
    """

    __slots__ = ("_broken", "_chain", "_ended", "_keys", "_marks", "_verifier")

    def __init__(
        self, keys: AuditKeys, *, chain: str | None = None, marks: Iterable[ChainMark] = ()
    ) -> None:
        self._keys = keys
        self._chain = chain
        self._marks = tuple(marks)
        self._verifier: ChainVerifier | None = None
        self._ended = False
        self._broken: Broken | None = None

    def feed(self, line: bytes) -> Broken | None:
        """Take the next line; what is broken stays broken."""
        if self._broken is None:
            self._broken = self._take(parse_line(line))
        return self._broken

    def finish(self) -> Verification:
        """Say what came of it, once there are no more lines.

        An export without its last line is `truncated`; one without any line is `Empty`.
        """
        if self._broken is not None:
            return self._broken
        if self._verifier is None:
            return Broken(1, "truncated") if self._marks else Empty()
        if not self._ended:
            return Broken(self._verifier.mark.sequence + 1, "truncated")
        return self._verifier.finish()

    def _take(self, parsed: Line | None) -> Broken | None:
        number = 1 if self._verifier is None else self._verifier.mark.sequence + 1
        if parsed is None or self._ended:
            return Broken(number, "encoding")
        if isinstance(parsed, Checkpoint):
            return self._end(parsed, number)
        if self._verifier is None:
            chain = parsed.chain if self._chain is None else self._chain
            self._verifier = ChainVerifier(self._keys, chain, marks=self._marks)
        return self._verifier.feed(parsed)

    def _end(self, checkpoint: Checkpoint, number: int) -> Broken | None:
        if not self._keys.check_signature(checkpoint):
            known = checkpoint.key_id in self._keys
            return Broken(number, "mac" if known else "unknown_key")
        self._ended = True
        if self._verifier is None or checkpoint.mark.sequence > self._verifier.mark.sequence:
            return Broken(number, "truncated")
        return None if checkpoint.mark == self._verifier.mark else Broken(number, "link")


def _show(mac: Any) -> bytes:
    return mac.hex().encode() if isinstance(mac, bytes) else b"?"


def _show_body(body: Any) -> bytes:
    # Records have no line ends; a body that is none must not become two lines.
    shown = body if isinstance(body, bytes) else repr(body).encode()
    return shown.replace(b"\r", b"?").replace(b"\n", b"?")
