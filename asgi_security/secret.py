"""Keeps: a value that no `repr`, log line, traceback or pickle may show."""

from __future__ import annotations

from typing import NoReturn, final

MINIMUM_SECRET_BYTES = 32
"""What a secret must have at least (RFC 7518 section 3.2 for HMAC-SHA-256; no less elsewhere)."""


@final
class Secret:
    """Bytes that must not be shown. `reveal()` is the only way to them, and it is greppable.

    >>> Secret("correct horse battery staple")
    Secret('<28 bytes>')
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str | Secret) -> None:
        if isinstance(value, Secret):
            value = value._value
        self._value: bytes = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        # For configurations only (two equal ones): tokens are compared by `hmac.compare_digest`.
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret('<{len(self._value)} bytes>')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
