"""Proves, record by record, that a chain is whole; or tells where it breaks first, and how.

The reasons, in the order in which they are looked for at each record:

* `wrong_chain`: it belongs to another chain (a row of one tenant among those of another);
* `encoding`: its bytes are no canonical JSON of the form that records have;
* `unknown_key`: it names a key that is not held, or, being fine in all else, another than the one
  that this chain has come to;
* `mac`: a byte of it was changed;
* `column`: a column beside it says something else than it does;
* `gap`: it is not the next one: records before it are missing;
* `link`: it was written behind another record than the one that stands there, or the chain's head
  names another record than its last;
* `truncated`: records that the head or a checkpoint has seen are missing or were replaced.

Nothing is kept but the last seal: a chain of any length is verified in the same memory.

Source: RFC 8785 (canonical bytes), RFC 2104 (HMAC), OWASP ASVS 5.0 16.4.2 (protected logs).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from asgi_security.crypto.audit_seals import NO_SEAL, ChainMark, parse_seal
from asgi_security.crypto.canonical_json import parse_canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asgi_security.crypto.audit_seals import AuditKeys

Reason: TypeAlias = Literal[
    "wrong_chain", "encoding", "unknown_key", "mac", "column", "gap", "link", "truncated"
]

KEY_ROTATED = "audit_key_rotated"
"""The action of a record whose details name the key of the records after it."""

_VERSION = 1
_TEXTS = ("id", "chain", "at", "action", "outcome", "prev")
_OPTIONAL_TEXTS = ("actor", "target", "request_id", "key")
_FIELDS = frozenset({"v", "seq", "details", *_TEXTS, *_OPTIONAL_TEXTS})


class SealedRecord(Protocol):
    """A record as it was stored: its bytes, its seal, and the columns beside them.

    What is in a store that somebody else has written to may be of any type.
    """

    @property
    def chain(self) -> str: ...  # noqa: D102 -- they are those of `AuditRecord`
    @property
    def sequence(self) -> int: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102
    @property
    def mac(self) -> Any: ...  # noqa: D102
    @property
    def previous(self) -> bytes: ...  # noqa: D102
    @property
    def at(self) -> str: ...  # noqa: D102
    @property
    def action(self) -> str: ...  # noqa: D102
    @property
    def actor(self) -> str | None: ...  # noqa: D102
    @property
    def target(self) -> str | None: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def request_id(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Verified:
    """Every record is as it was written. `head` is the last one.

    `unkeyed`: some were sealed without a key, and whoever can write to the store can have written
    all of them anew.
    """

    count: int
    head: ChainMark
    unkeyed: bool = False


@dataclass(frozen=True, slots=True)
class Empty:
    """There are no records, and nothing says that there were any."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The record with this number, from 1, is the first that is not as it was written."""

    index: int
    reason: Reason


Verification: TypeAlias = Verified | Empty | Broken


def parse_body(body: object) -> dict[str, Any] | None:
    """Return what a record's bytes say; None if no record of this version is written so."""
    said = parse_canonical_json(body) if isinstance(body, bytes) else None
    if not isinstance(said, dict) or said.keys() != _FIELDS:
        return None
    well_formed = (
        type(said["v"]) is int
        and said["v"] == _VERSION
        and all(isinstance(said[name], str) for name in _TEXTS)
        and all(isinstance(said[name], str | None) for name in _OPTIONAL_TEXTS)
        and type(said["seq"]) is int
        and isinstance(said["details"], dict)
    )
    return said if well_formed else None


def find_next_key(said: Mapping[str, Any]) -> str | None:
    """Return the id of the key of the record after this one; None for none, as in unkeyed logs."""
    if said["action"] != KEY_ROTATED:
        key_id: str | None = said["key"]
        return key_id
    named = said["details"].get("key")
    return named if isinstance(named, str) else said["key"]


def check_seal(record: SealedRecord, said: Mapping[str, Any], keys: AuditKeys) -> Reason | None:
    """Tell what is wrong with a record by itself, whatever stands around it."""
    if said["key"] not in keys:
        return "unknown_key"
    previous = parse_seal(said["prev"])
    if previous is None:
        return "encoding"
    expected = keys.seal(said["key"], said["chain"], previous=previous, body=record.body)
    if not isinstance(record.mac, bytes) or not hmac.compare_digest(expected, record.mac):
        return "mac"
    columns = (
        *(record.sequence, record.previous, record.at, record.action, record.actor),
        *(record.target, record.outcome, record.request_id),
    )
    wanted = (
        *(said["seq"], previous, said["at"], said["action"], said["actor"]),
        *(said["target"], said["outcome"], said["request_id"]),
    )
    return None if columns == wanted else "column"


class ChainVerifier:
    """Takes the records of one chain in their order, then says what it has seen.

    Args:
        keys: that the records may be sealed with.
        chain: its name.
        marks: places that the chain must lead through, such as its head and old checkpoints.
    """

    __slots__ = ("_broken", "_chain", "_count", "_key_id", "_keys", "_last", "_marks", "_unkeyed")

    def __init__(self, keys: AuditKeys, chain: str, *, marks: Iterable[ChainMark] = ()) -> None:
        self._keys = keys
        self._chain = chain
        self._marks: dict[int, set[bytes]] = {}
        for mark in marks:
            self._marks.setdefault(mark.sequence, set()).add(mark.mac)
        self._count = 0
        self._last = NO_SEAL
        self._key_id: str | None = None
        self._unkeyed = False
        self._broken: Broken | None = None

    def feed(self, record: SealedRecord) -> Broken | None:
        """Take the next record; what is broken stays broken."""
        if self._broken is None:
            reason = self._judge(record)
            if reason is not None:
                self._broken = Broken(self._count + 1, reason)
            else:
                self._count += 1
                self._last = record.mac
                if self._marks.pop(self._count, {self._last}) != {self._last}:
                    self._broken = Broken(self._count, "truncated")
        return self._broken

    @property
    def mark(self) -> ChainMark:
        """The last record that was found in order; number 0 before the first."""
        return ChainMark(self._chain, self._count, self._last)

    @property
    def next_key_id(self) -> str | None:
        """The key of the next record."""
        return self._key_id

    def finish(self) -> Verification:
        """Say what came of it, once there are no more records."""
        if self._broken is not None:
            return self._broken
        if self._marks:
            return Broken(self._count + 1, "truncated")
        if not self._count:
            return Empty()
        return Verified(self._count, self.mark, self._unkeyed)

    def _judge(self, record: SealedRecord) -> Reason | None:
        if record.chain != self._chain:
            return "wrong_chain"
        said = parse_body(record.body)
        if said is None:
            return "encoding"
        if said["chain"] != self._chain:
            return "wrong_chain"
        reason = check_seal(record, said, self._keys)
        if reason is not None:
            return reason
        if said["seq"] != self._count + 1:
            return "gap"
        if said["prev"] != self._last.hex():
            return "link"
        if self._count and said["key"] != self._key_id:
            # Whoever has got hold of an old key must not go on with the chain.
            return "unknown_key"
        self._key_id = find_next_key(said)
        self._unkeyed = self._unkeyed or said["key"] is None
        return None
