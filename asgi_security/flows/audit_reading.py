"""Reads chains page by page: to verify them, or to carry them elsewhere as lines."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from asgi_security.crypto.audit_chain import Broken, ChainVerifier, Verified
from asgi_security.crypto.audit_lines import LineVerifier, build_last_line, build_line
from asgi_security.crypto.audit_seals import AuditKeys, ChainMark, parse_checkpoint
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.audit import parse_chain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from typing import Any

    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.policy.audit import AuditConfig
    from asgi_security.storage.protocols import AuditRecord, AuditStore

PAGE_RECORDS = 200
"""Few enough for a page of the largest records to be of some megabytes."""


def build_audit_keys(config: AuditConfig) -> AuditKeys:
    """Return the keys of a configuration."""
    secret: Any = config.secret  # Secrets, by now
    old_secrets: Any = config.old_secrets
    return AuditKeys(secret, old_secrets, accepts_unkeyed=config.dangerously_unkeyed)


def parse_anchor(anchor: str, keys: AuditKeys, *, chain: str | None = None) -> ChainMark:
    """Return the place that a kept checkpoint marks.

    Raises:
        ValueError: It is none, or not one of this chain signed with one of these keys. It proves
            nothing then, and to verify without it would hide that.
    """
    parsed = parse_checkpoint(anchor)
    if parsed is None:
        raise ValueError("this is no checkpoint of an audit log")
    if not keys.check_signature(parsed):
        raise ValueError("the checkpoint was not signed with any of these secrets")
    if chain is not None and parsed.mark.chain != chain:
        raise ValueError("the checkpoint is one of another chain")
    return parsed.mark


class ChainReader:
    """Reads what is stored, in memory that does not grow with the chain."""

    def __init__(self, store: AuditStore, keys: AuditKeys, *, timeout_seconds: float) -> None:
        self._store = store
        self._keys = keys
        self._timeout_seconds = timeout_seconds

    async def verify(self, chain: str, *, anchor: ChainMark | None = None) -> Verification:
        """Read a whole chain and say what came of it; records appended meanwhile count.

        Raises:
            StorageError: The store failed. A log that could not be read is not whole.
        """
        marks = [] if anchor is None else [anchor]
        # Read first: the records up to it must be there by then, and later ones may be.
        seen = await self._load_mark(chain)
        if seen is not None:
            marks.append(seen)
        verifier = ChainVerifier(self._keys, chain, marks=marks)
        async with aclosing(self._stream(chain)) as records:
            async for record in records:
                if verifier.feed(record):
                    break
        found = verifier.finish()
        return await self._check_head(chain, found) if isinstance(found, Verified) else found

    async def export(self, chain: str) -> AsyncGenerator[bytes, None]:
        """Yield a chain as lines: its records as they are stored, then a signed checkpoint.

        What does not verify is yielded as well, but nothing is then signed: a signature under
        forged records would vouch for them.

        Raises:
            StorageError: The store failed; what came so far has no checkpoint, and says so.
        """
        verifier = ChainVerifier(self._keys, chain)
        async with aclosing(self._stream(chain)) as records:
            async for record in records:
                verifier.feed(record)
                yield build_line(record) + b"\n"
        found = verifier.finish()
        if isinstance(found, Verified):
            signed = self._keys.sign(found.head, self._keys.current)
            yield build_last_line(signed) + b"\n"

    async def list_tenants(self) -> AsyncGenerator[str | None, None]:
        """Yield every tenant that has a chain; None for the chain of none."""
        async with aclosing(self.list_chains()) as chains:
            async for chain in chains:
                parsed = parse_chain(chain)
                if parsed is not None:
                    yield parsed[0]

    async def list_chains(self) -> AsyncGenerator[str, None]:
        """Yield the name of every chain."""
        page: tuple[str, ...] = ()
        while True:
            after = page[-1] if page else None
            with StoreBound(self._timeout_seconds):
                page = await self._store.list_chains(after=after, limit=PAGE_RECORDS)
            for chain in page:
                yield chain
            if len(page) < PAGE_RECORDS:
                return

    async def _stream(self, chain: str) -> AsyncGenerator[AuditRecord, None]:
        after = 0
        while True:
            with StoreBound(self._timeout_seconds):
                page = await self._store.read(chain, after=after, limit=PAGE_RECORDS)
            for record in page:
                yield record
            await checkpoint()  # a store in memory never waits, and others want to run
            last = page[-1].sequence if page else None
            # A store that was tampered with may say anything here; only what ascends ends.
            if len(page) < PAGE_RECORDS or not isinstance(last, int) or last <= after:
                return
            after = last

    async def _load_mark(self, chain: str) -> ChainMark | None:
        with StoreBound(self._timeout_seconds):
            head = await self._store.load_head(chain)
        return None if head is None else ChainMark(chain, head.sequence, head.mac)

    async def _check_head(self, chain: str, found: Verified) -> Verification:
        """Look once more at the head, which must not have stayed behind the records."""
        head = await self._load_mark(chain)
        sequence = 0 if head is None else head.sequence
        if sequence < found.count:
            return Broken(sequence + 1, "link")
        return Broken(sequence, "link") if sequence == found.count and head != found.head else found


def verify_export(
    lines: Iterable[bytes | str], config: AuditConfig, *, anchor: str | None = None
) -> Verification:
    """Verify what `AuditLog.export` wrote, without the store: `head.chain` names the chain.

    It is read line by line, so a file of any size will do.

    Args:
        lines: with or without their ends.
        config: with the secrets of the log.
        anchor: a checkpoint that was kept elsewhere.

    Raises:
        ValueError: The anchor is no checkpoint of this log.
    """
    keys = build_audit_keys(config)
    mark = None if anchor is None else parse_anchor(anchor, keys)
    verifier = LineVerifier(
        keys,
        chain=None if mark is None else mark.chain,
        marks=() if mark is None else (mark,),
    )
    for line in lines:
        if verifier.feed(
            line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
        ):
            break
    return verifier.finish()
