"""How a database is reached."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from asgi_security.secret import Secret
from asgi_security.storage.postgres.schema import is_identifier
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from asgi_security.validation import Findings as _Findings

_EXAMPLE = "postgresql://user:password@host:5432/database"


@configuration
class Options:
    """Where the tables are, and how many connections may ask for them how long."""

    url: Any
    schema: str = "asgi_security"
    timeout_seconds: float = 1.0
    min_size: int = 1
    max_size: int = 10
    statement_cache_size: int = 100

    def __post_init__(self) -> None:
        findings = Findings("PostgresStore")
        if importlib.util.find_spec("asyncpg") is None:
            hint = "pip install 'asgi-security[postgres]'"
            findings.add_secret("url", "needs asyncpg, which is not installed", hint)
        _check_url(findings, self.url)
        if not is_identifier(self.schema):
            hint = "give ASCII letters, digits and _, at most 63, not beginning with pg_"
            findings.add("schema", self.schema, "not a plain identifier", hint)
        findings.check_number(
            "timeout_seconds", self.timeout_seconds, minimum=0.001, maximum=3600
        )
        sized = findings.check_number("max_size", self.max_size, minimum=1, integer=True)
        if findings.check_number("min_size", self.min_size, minimum=0, integer=True) and sized:
            if self.min_size > self.max_size:
                hint = f"give at most max_size={self.max_size}"
                findings.add("min_size", self.min_size, "more than there may be", hint)
        findings.check_number(
            "statement_cache_size", self.statement_cache_size, minimum=0, integer=True
        )
        findings.raise_if_any()
        object.__setattr__(self, "url", Secret(self.url))

    @property
    def place(self) -> str:
        """The URL without a name, a password or options."""
        split = urlsplit(self.url.reveal().decode())
        return f"postgresql://{split.netloc.rpartition('@')[2]}{split.path}"


def _check_url(findings: _Findings, url: object) -> None:
    """Note what is wrong with a URL, and show nothing of it: it may hold a password."""
    if not isinstance(url, str):
        findings.add_secret("url", "not a string", f"give {_EXAMPLE}")
        return
    try:
        split = urlsplit(url)
        parse_qsl(split.query, strict_parsing=bool(split.query))
        ports = [each.rpartition(":")[2] for each in split.netloc.rpartition("@")[2].split(",")]
        ...
    except ValueError:
        findings.add_secret("url", "not a URL", f"give {_EXAMPLE}")
        return
    if split.scheme not in {"postgres", "postgresql"}:
        findings.add_secret("url", "another scheme", f"give {_EXAMPLE}")
    if split.fragment or "#" in url:
        findings.add_secret("url", "has a fragment", "write # in a password as %23")
