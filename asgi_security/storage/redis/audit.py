"""Audit chains in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.storage.audit_steps import check_records
from asgi_security.storage.protocols.audit import Appended, AuditHead, AuditRecord, HeadMoved
from asgi_security.storage.redis.audit_scripts import APPEND
from asgi_security.storage.redis.commands import build_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asgi_security.storage.redis.dispatcher import Dispatcher

_BYTES = ("body", "mac", "previous")
_TEXTS = ("at", "action", "actor", "target", "outcome", "request_id")


class RedisAudit:
    """An `AuditStore`: each operation one script or command.

    An append adds to the list of chains as well: all of the log shares one hash tag, and one node
    of a cluster carries it. Its keys have no expiry.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:audit}:" % prefix

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Store one or more records of one chain, if it ends in `after`."""

        def decode(reply: list[bytes]) -> Appended | HeadMoved:
            match reply:
                case [b"appended", head]:
                    return Appended(_parse_head(head))
                case [b"moved", head]:
                    return HeadMoved(_parse_head(head) if head else None)
                case _:
                    raise ValueError("no answer to an append")

        made = check_records(records, after)
        chain = records[0].chain.encode()
        names = (self._name(b"head", chain), self._name(b"log", chain), self._tag + b"chains")
        expected = b"" if after is None else _write_head(after)
        arguments = [chain, expected, _write_head(made)]
        for record in records:
            fields = list(_list_fields(record))
            arguments += [b"%d-0" % record.sequence, b"%d" % len(fields), *fields]
        return await self._dispatcher.run(APPEND.call(names, arguments), decode)

    async def load_head(self, chain: str) -> AuditHead | None:
        """Return the end of a chain."""
        command = build_read(b"GET", (self._name(b"head", chain.encode()),))
        return await self._dispatcher.run(
            command, lambda reply: None if reply is None else _parse_head(reply)
        )

    async def read(
        self, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Return up to `limit` records behind a number."""

        def decode(reply: list[Any]) -> tuple[AuditRecord, ...]:
            return tuple([_read_record(chain, name, flat) for name, flat in reply])

        command = build_read(
            b"XRANGE",
            (self._name(b"log", chain.encode()),),
            *(b"%d" % (after + 1), b"+", b"COUNT", b"%d" % limit),
        )
        return await self._dispatcher.run(command, decode)

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Return up to `limit` names of chains, in the order of their UTF-8."""

        def decode(reply: list[bytes]) -> tuple[str, ...]:
            return tuple([name.decode() for name in reply])

        start = b"-" if after is None else b"(" + after.encode()
        arguments = (start, b"+", b"LIMIT", b"0", b"%d" % limit)
        command = build_read(b"ZRANGEBYLEX", (self._tag + b"chains",), *arguments)
        return await self._dispatcher.run(command, decode)

    def _name(self, what: bytes, chain: bytes) -> bytes:
        return b"%b%b:%b" % (self._tag, what, chain)


def _write_head(head: AuditHead) -> bytes:
    return b"%d %b" % (head.sequence, head.mac)


def _parse_head(text: bytes) -> AuditHead:
    number, _, mac = text.partition(b" ")
    return AuditHead(int(number), mac)


def _list_fields(record: AuditRecord) -> Iterator[bytes]:
    """Yield names and values in turn, without those that are None."""
    for name in _BYTES:
        yield name.encode()
        yield getattr(record, name)
    for name in _TEXTS:
        value = getattr(record, name)
        if value is not None:
            yield name.encode()
            yield value.encode()


def _read_record(chain: str, name: bytes, flat: Sequence[bytes]) -> AuditRecord:
    """Return what is stored; what is missing or no UTF-8 will not agree with the body."""
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    texts = {
        each: None if each not in fields else fields[each].decode(errors="replace")
        for each in [text.encode() for text in _TEXTS]
    }
    number, _, _ = name.partition(b"-")
    return AuditRecord(
        chain=chain,
        sequence=int(number),
        body=fields.get(b"body", b""),
        mac=fields.get(b"mac", b""),
        previous=fields.get(b"previous", b""),
        at=texts[b"at"] or "",
        action=texts[b"action"] or "",
        actor=texts[b"actor"],
        target=texts[b"target"],
        outcome=texts[b"outcome"] or "",
        request_id=texts[b"request_id"],
    )
