"""From a URL to a store with all its facets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from asgi_security.errors import ConfigError, Problem
from asgi_security.validation import Findings, suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

    from asgi_security.storage.protocols import Store

FACETS = ("attempts", "revocations", "sessions", "once", "throttles")

_OPTIONS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "memory": {
        "max_keys": int,
        "max_revocations": int,
        "max_sessions": int,
        "max_values": int,
        "max_throttles": int,
    },
    "sqlite": {"timeout_seconds": float, "durability": str},
}
"""What the query of a URL may hold, by scheme, and how its text is read."""

_ABSENT = ("redis", "rediss", "postgres", "postgresql")
_EXAMPLES = "memory://, sqlite:///security.db (relative), sqlite:////var/lib/app/security.db"


def open_store(url: str, **options: Any) -> Store:
    """Return the store that a URL names. Nothing is connected before its first operation.

    `memory://` takes the options of `MemoryStore`, `sqlite:///relative.db` and
    `sqlite:////absolute.db` those of `SqliteStore`: in the query (`?timeout_seconds=2`) or as
    keywords. A keyword `attempts`, `revocations`, `sessions`, `once` or `throttles` puts an object
    of your own in the place of that facet.

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
        elif name in known or name in FACETS:
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
    if scheme in _ABSENT:
        reason = f"the {scheme} backend is not part of this version"
        raise _refuse(reason, f"{hint}, or a store of your own")
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
    if split.netloc:
        hint = "a relative path follows three slashes: sqlite:///security.db"
        findings.add_secret("url", "names a host, and SQLite has none", hint)
    if split.fragment:
        findings.add_secret("url", "has a fragment", "write # in a path as %23")
    from asgi_security.storage.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(unquote(split.path[1:]), **values)
