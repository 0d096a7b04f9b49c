"""The bundled public suffixes."""

from __future__ import annotations

import pytest

from asgi_security.policy.origins import parse_origin
from asgi_security.policy.public_suffixes import PUBLIC_SUFFIXES, is_public_suffix


@pytest.mark.parametrize("host", ["github.io", "co.uk", "com", "test", "vercel.app", "com."])
def test_CORS90_public(host: str) -> None:
    assert is_public_suffix(host)


@pytest.mark.parametrize("host", ["example.com", "a.github.io", "localhost", "example.co.uk"])
def test_CORS90_private(host: str) -> None:
    assert not is_public_suffix(host)


def test_every_bundled_suffix_is_a_host_of_two_labels_or_more() -> None:
    for host in PUBLIC_SUFFIXES:
        assert "." in host
        assert parse_origin(f"https://{host}".encode()) is not None
