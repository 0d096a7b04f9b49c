"""From a URL to a store with all its facets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from asgi_security.errors import ConfigError, Problem
from asgi_security.storage.facets import FACETS
from asgi_security.validation import Findings, suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

    from asgi_security.storage.protocols import Store

_REDIS = ("redis", "redis+sentinel", "redis+cluster", "rediss", "rediss+sentinel", "rediss+cluster")
_POSTGRES = ("postgresql", "postgres")
_REMOTE = (*_REDIS, *_POSTGRES)

_REDIS_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "prefix": str,
    "timeout_seconds": float,
    "wait_replicas": int,
}
_POSTGRES_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "schema": str,
    "timeout_seconds": float,
    "min_size": int,
    "max_size": int,
    "statement_cache_size": int,
}
_OPTIONS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "memory": {
        "max_keys": int,
        "max_revocations": int,
        "max_sessions": int,
        "max_values": int,
        "max_throttles": int,
        "max_families": int,
        "max_accounts": int,
        "max_api_keys": int,
        "max_audit_records": int,
    },
    "sqlite": {"timeout_seconds": float, "durability": str},
    **dict.fromkeys(_REDIS, _REDIS_OPTIONS),
    **dict.fromkeys(_POSTGRES, _POSTGRES_OPTIONS),
}
"""What the query of a URL may hold, by scheme, and how its text is read."""

_EXAMPLES = (
    "memory://, sqlite:///security.db (relative), sqlite:////var/lib/app/security.db, "
    "redis://host:6379/0 or postgresql://host/database"
)


def open_store(url: str, **options: Any) -> Store:
    """Return the store that a URL names. Nothing is connected before its first operation.

    `memory://` takes the options of `MemoryStore`, `sqlite:///relative.db` and
    `sqlite:////absolute.db` those of `SqliteStore`, `redis://host/0` (with `rediss`, and with
    `+sentinel` and `+cluster`) those of `RedisStore`, and `postgresql://host/database` those of
    `PostgresStore`: in the query (`?timeout_seconds=2`) or as keywords. What else stands in the
    query of the last two is their driver's, and as a keyword they take `events` too. A keyword
    that names a facet (`attempts`, `sessions`, `accounts`...) puts an object of your own in its
    place.

    >>> open_store("sqlite:///security.db?timeout_seconds=2")
    SqliteStore('security.db')

    Raises:
        ConfigError: With every problem of the URL and the options.
    """
    split = _split(url)
    findings = Findings("open_store")
    known = _OPTIONS[split.scheme]
    values = _parse_query(split, known, findings)
    for name, value in options.items():
        if name in values:
            findings.add(name, value, "given twice", "leave it out of the URL or of the call")
        elif name in known or name in FACETS or (name == "events" and split.scheme in _REMOTE):
            values[name] = value
        else:
            _add_unknown(name, known, findings)
    try:
        store = _build(split, values, findings)
    except ConfigError as error:
        findings.extend(error)
        findings.raise_if_any()
        raise
    findings.raise_if_any()
    return store


def _split(url: object) -> SplitResult:
    """Return the parts of a URL whose scheme is known.

    Raises:
        ConfigError: Without the URL, which may hold a password.
    """
    text = url if isinstance(url, str) else ""
    scheme, separator, _ = text.partition("://")
    scheme = scheme.lower()
    hint = f"give {_EXAMPLES}"
    if not separator:
        raise _refuse("not a URL", hint)
    if scheme not in _OPTIONS:
        near = suggest_name(scheme, _OPTIONS)
        raise _refuse("an unknown scheme", f"did you mean {near}://?" if near else hint)
    try:
        return urlsplit(text)
    except ValueError:
        raise _refuse("not a URL", hint) from None


def _refuse(reason: str, hint: str) -> ConfigError:
    return ConfigError("open_store", [Problem("url", "<secret>", reason, hint)])


def _parse_query(
    split: SplitResult, known: Mapping[str, Callable[[str], object]], findings: Findings
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in parse_qsl(split.query, keep_blank_values=True):
        if name not in known:
            if split.scheme not in _REMOTE:
                _add_unknown(name, known, findings)
        elif name in values:
            findings.add(name, text, "given twice", "leave one out")
        else:
            try:
                values[name] = known[name](text)
            except ValueError:
                kind = "an integer" if known[name] is int else "a number"
                findings.add(name, text, f"not {kind}", f"give {kind}")
    return values


def _add_unknown(
    name: str, known: Mapping[str, Callable[[str], object]], findings: Findings
) -> None:
    names = (*known, *FACETS)
    near = suggest_name(name, names)
    hint = f"did you mean {near}?" if near else f"known are {', '.join(names)}"
    # Its value is not shown: it may be a password meant for another backend.
    findings.add_secret(name, "not an option of this store", hint)


def _build(split: SplitResult, values: dict[str, Any], findings: Findings) -> Store:
    # Each backend is imported when it is asked for: a memory store does not need sqlite3.
    if split.scheme == "memory":
        if split.netloc or split.path or split.fragment:
            findings.add_secret("url", "a memory store has no name", "give memory://")
        from asgi_security.storage.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore(**values)
    if split.scheme in _REDIS:
        from asgi_security.storage.redis import RedisStore  # noqa: PLC0415

        return RedisStore(_drop_options(split), **values)
    if split.scheme in _POSTGRES:
        from asgi_security.storage.postgres import PostgresStore  # noqa: PLC0415

        return PostgresStore(_drop_options(split), **values)
    if split.netloc:
        hint = "a relative path follows three slashes: sqlite:///security.db"
        findings.add_secret("url", "names a host, and SQLite has none", hint)
    if split.fragment:
        findings.add_secret("url", "has a fragment", "write # in a path as %23")
    from asgi_security.storage.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(unquote(split.path[1:]), **values)


def _drop_options(split: SplitResult) -> str:
    """Return the URL for a driver, without the options that are ours."""
    known = _OPTIONS[split.scheme]
    pairs = [
        pair for pair in parse_qsl(split.query, keep_blank_values=True) if pair[0] not in known
    ]
    return urlunsplit(split._replace(query=urlencode(pairs)))
