"""How a database is reached."""

from __future__ import annotations

import importlib.util
from typing import Any
from urllib.parse import urlsplit

from asgi_security.secret import Secret
from asgi_security.storage.postgres.schema import is_identifier
from asgi_security.validation import Findings, configuration

_EXAMPLE = "postgresql://user:password@host:5432/database"


@configuration
class Options:
    """Where the tables are, and how many connections may ask for them how long."""

    url: Any
    """A string when given, a `Secret` from then on."""
    schema: str
    timeout_seconds: float
    min_size: int
    max_size: int
    statement_cache_size: int

    def __post_init__(self) -> None:
        findings = Findings("PostgresStore")
        if importlib.util.find_spec("asyncpg") is None:
            hint = "pip install 'asgi-security[postgres]'"
            findings.add_secret("url", "needs asyncpg, which is not installed", hint)
        _check_url(findings, self.url)
        if not is_identifier(self.schema):
            hint = "give ASCII letters, digits and _, at most 63, not beginning with pg_"
            findings.add("schema", self.schema, "not a plain identifier", hint)
        findings.check_number("timeout_seconds", self.timeout_seconds, minimum=0.001, maximum=3600)
        sized = findings.check_number("max_size", self.max_size, minimum=1, integer=True)
        findings.check_number(
            "min_size",
            self.min_size,
            minimum=0,
            maximum=self.max_size if sized else 10_000,
            integer=True,
        )
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


def _check_url(findings: Findings, url: object) -> None:
    """Note what is wrong with a URL, and show nothing of it: it may hold a password.

    What asyncpg would stumble over is found here, because its own error would quote it.
    """
    hint = f"give {_EXAMPLE}, and write @ : / ? # in a name or a password as %40 %3A %2F %3F %23"
    if not isinstance(url, str):
        findings.add_secret("url", "not a string", hint)
        return
    try:
        split = urlsplit(url)
    except ValueError:
        findings.add_secret("url", "not a URL", hint)
        return
    if split.scheme not in {"postgres", "postgresql"}:
        findings.add_secret("url", "not a URL of PostgreSQL", hint)
    if split.fragment:
        findings.add_secret("url", "has a fragment", hint)
    for host in split.netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not port.isdecimal():
            findings.add_secret("url", "has a port that is no number", hint)
