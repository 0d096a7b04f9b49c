"""Decides: which requests are login attempts, and what the app's answer says of one.

Source: RFC 3986 section 6.2 (normal forms of a path), RFC 9110 section 15 (status codes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import unquote, urlparse

from asgi_security.validation import Findings, configuration, is_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Verdict: TypeAlias = Literal["success", "failure", "refund"]
"""How an attempt ended; "refund" for undecided."""

OutcomeRule: TypeAlias = Callable[[int, "Sequence[tuple[bytes, bytes]]"], Verdict]
"""Tells the verdict from the status and the header lines of the app's answer."""

_VERDICTS = get_args(Verdict)
_MOST_DECODINGS = 4

_PRESETS: Mapping[str, tuple[frozenset[int], bool]] = {
    # A browser's form is answered by a redirect when the password was right, and by the same page
    # again, status 200, when it was not.
    "form": (frozenset({302, 303}), False),
    "api": (frozenset(), True),
}


@configuration
class LoginRouteConfig:
    """Where the app's own login is, and how its answers are read.

    Args:
        outcome: "api" (2xx is a success), "form" (302 and 303 are), or a callable that is given
            status and header lines. There is no default: read by the wrong preset, every failure
            is a success.
        login_paths: as the app routes them, with its `root_path` or without.
        methods: those that log in; the others pass.
        username_field: of the form, or of the JSON object.
    """

    outcome: Literal["api", "form"] | OutcomeRule
    login_paths: Sequence[str] = ("/login",)
    methods: Sequence[str] = ("POST",)
    username_field: str = "username"

    def __post_init__(self) -> None:
        findings = Findings("LockoutMiddleware")
        if not callable(self.outcome):
            findings.check_choice("outcome", self.outcome, _PRESETS)
        for path in _copy_list(self, "login_paths", findings):
            if not isinstance(path, str) or not path.startswith("/"):
                findings.add("login_paths", path, "no absolute path", "begin it with '/'")
        for method in _copy_list(self, "methods", findings):
            if not isinstance(method, str) or not is_token(method) or method != method.upper():
                findings.add("methods", method, "no method", "write it as 'POST'")
        field: object = self.username_field
        if not isinstance(field, str) or not field:
            findings.add("username_field", field, "no name", "give the field's name")
        findings.raise_if_any()


def _copy_list(config: LoginRouteConfig, name: str, findings: Findings) -> tuple[object, ...]:
    value = getattr(config, name)
    if isinstance(value, str):
        findings.add(name, value, "one string", f"write [{value!r}]")
        return ()
    copied = tuple(value)
    if not copied:
        findings.add(name, copied, "empty", "name at least one, or leave the middleware out")
    object.__setattr__(config, name, copied)
    return copied


def normalise_path(path: str) -> str:
    """Return the one form of all spellings that some router takes for the same path.

    Routers differ: some join slashes, some ignore case, some decode once more. Matching more than
    the app's own router does costs a lookup; matching less would leave a way around the guard.

    >>> normalise_path("//Account/x/..//%6Cogin/")
    '/account/login'
    """
    if not path.startswith("/"):
        # An absolute target (RFC 9112 section 3.2.2) is a path to some servers; Quart parses it.
        try:
            path = urlparse(path).path
        except ValueError:
            return "/"
    for _ in range(_MOST_DECODINGS):
        if "%" not in path:
            break
        path = unquote(path)
    segments: list[str] = []
    for segment in path.casefold().replace("\\", "/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)


class LoginRoutes:
    """The compiled paths and methods."""

    def __init__(self, config: LoginRouteConfig) -> None:
        self._paths = frozenset(map(normalise_path, config.login_paths))
        self._methods = frozenset(config.methods)

    def matches(self, method: str, path: str, *, root_path: str = "") -> bool:
        """Tell whether this is a login: `path` with `root_path` in front, or already without."""
        # Some servers pass the method on as it came, and Django upper-cases it.
        if method not in self._methods and method.upper() not in self._methods:
            return False
        whole = normalise_path(path)
        if whole in self._paths:
            return True
        if not root_path:
            return False
        root = normalise_path(root_path)
        return whole.startswith(root) and normalise_path(whole[len(root) :]) in self._paths


def decide_verdict(
    outcome: Literal["api", "form"] | OutcomeRule,
    status: int,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Verdict:
    """Decide what an answer of the app says of the attempt.

    A 5xx decides nothing, nor does a 429 of the app's own; a rule is not even asked about them,
    so that an outage locks nobody out. All else that is no success is a failure: some frameworks
    say 422 for a wrong password, so an unforeseen status may not be free.

    Raises:
        Exception: whatever a user's own rule raises; ValueError if it returns no verdict.

    >>> decide_verdict("form", 200), decide_verdict("api", 200), decide_verdict("api", 503)
    ('failure', 'success', 'refund')
    """
    if status >= 500 or status == 429:
        return "refund"
    if not isinstance(outcome, str):
        verdict = outcome(status, headers)
        if verdict not in _VERDICTS:
            raise ValueError('an outcome is "success", "failure" or "refund"')
        return verdict
    successes, any_2xx = _PRESETS[outcome]
    if status in successes or (any_2xx and 200 <= status < 300):
        return "success"
    return "failure"
