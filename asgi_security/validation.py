"""Judges: what a configuration may hold, with all faults gathered before any is raised.

Source: field names and values are those of RFC 9110 sections 5.1, 5.5 and 5.6.2.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from asgi_security.errors import ConfigError, Problem
from asgi_security.secret import MINIMUM_SECRET_BYTES, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FIELD_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff]+(?:[\t ]+[\x21-\x7e\x80-\xff]+)*)?\Z")
_SHOWN_CHARACTERS = 80


def is_token(text: str) -> bool:
    """Tell whether `text` is an RFC 9110 token: a method or a field name."""
    return _TOKEN.match(text) is not None


def is_field_value(text: str) -> bool:
    """Tell whether `text` may be a field value: no CR, LF, NUL, DEL, nor anything past latin-1.

    Blanks at the ends are no part of a value, and some servers refuse to send them.

    A value with one of these is a denial of service even where it injects nothing: servers drop
    the connection or answer a bare 500 when they are handed it.
    """
    return _FIELD_VALUE.match(text) is not None


def suggest_name(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to a misspelt one, or None if none is near."""
    import difflib  # noqa: PLC0415 -- only a mistake pays for it

    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


class Findings:
    """Gathers the problems of one configuration, then raises them all at once."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._problems: list[Problem] = []

    def add(self, name: str, value: object, reason: str, hint: str) -> None:
        """Note a problem of the field `name`, showing `value` cut to a readable length."""
        shown = value if isinstance(value, _Hidden) else repr(value)
        text = str(shown)
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[: _SHOWN_CHARACTERS - 3]}..."
        self._problems.append(Problem(name, text, reason, hint))

    def add_secret(self, name: str, reason: str, hint: str) -> None:
        """Note a problem of a field whose value must not be shown."""
        self.add(name, _Hidden(), reason, hint)

    def extend(self, error: ConfigError, *, prefix: str = "") -> None:
        """Take over the problems of a nested configuration, their fields behind `prefix`."""
        self._problems.extend(
            Problem(f"{prefix}{problem.field}", problem.value, problem.reason, problem.hint)
            for problem in error.problems
        )

    def check_number(
        self,
        name: str,
        value: object,
        *,
        minimum: float,
        maximum: float = math.inf,
        integer: bool = False,
    ) -> bool:
        """Note a value that is no finite number within the bounds; tell whether it was fine."""
        kinds = (int,) if integer else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            wanted = "an integer" if integer else "a finite number"
            self.add(name, value, f"not {wanted}", f"give {wanted} of at least {minimum:g}")
            return False
        if not minimum <= value <= maximum:
            bound = f"at least {minimum:g}" if value < minimum else f"at most {maximum:g}"
            self.add(name, value, "out of range", f"give {bound}")
            return False
        return True

    def check_boolean(self, name: str, value: object) -> None:
        """Note a switch that is not exactly True or False (`"false"` would count as true)."""
        if not isinstance(value, bool):
            self.add(name, value, "not a boolean", "give True or False")

    def check_choice(self, name: str, value: object, choices: Iterable[object]) -> bool:
        """Note a value that is none of `choices`; tell whether it was fine."""
        known = tuple(choices)
        if value in known:
            return True
        near = suggest_name(str(value), [str(choice) for choice in known])
        listed = ", ".join(repr(choice) for choice in known)
        self.add(name, value, "not a known choice", f"did you mean {near!r}?" if near else listed)
        return False

    def check_secret(self, name: str, value: object) -> Secret | None:
        """Return a value as a `Secret`, noting one that is none or can be guessed."""
        hint = f"give {MINIMUM_SECRET_BYTES} bytes or more: `asgi-security keys new` prints some"
        if not isinstance(value, Secret | str | bytes):
            self.add_secret(name, "neither text nor bytes", hint)
            return None
        secret = Secret(value)
        if len(secret) < MINIMUM_SECRET_BYTES:
            self.add_secret(name, f"only {len(secret)} bytes", hint)
        return secret

    def check_secrets(self, name: str, values: object) -> tuple[Secret | None, ...]:
        """Return a list of values as `check_secret` does, noting one value in place of a list."""
        if not isinstance(values, list | tuple):
            self.add_secret(name, "not a list", "write [...]")
            return ()
        return tuple([self.check_secret(name, value) for value in values])

    def raise_if_any(self) -> None:
        """Raise one `ConfigError` with every problem noted so far, if there is one."""
        if self._problems:
            raise ConfigError(self._owner, self._problems)


class _Hidden:
    def __str__(self) -> str:
        return "<secret>"


def suggest_keyword(callable_: Callable[..., object], owner: str, given: Iterable[str]) -> None:
    """Raise `TypeError` naming the nearest parameter if a given keyword is none of them."""
    import inspect  # noqa: PLC0415 -- only a mistake pays for it

    known = list(inspect.signature(callable_).parameters)
    for name in given:
        if name not in known:
            near = suggest_name(name, known)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            raise TypeError(f"{owner} has no field {name!r}; {hint}")


def _show(config: Any) -> str:
    shown = (f"{each.name}={getattr(config, each.name)!r}" for each in fields(config) if each.repr)
    return f"{type(config).__qualname__}({', '.join(shown)})"


def _list_compared(config: Any) -> tuple[object, ...]:
    return tuple(getattr(config, each.name) for each in fields(config) if each.compare)


def _equals(config: Any, other: object) -> bool:
    return type(config) is type(other) and _list_compared(config) == _list_compared(other)


def _hash(config: Any) -> int:
    return hash(_list_compared(config))


# What `dataclass` would write out and compile for every class, in a third of the time that the
# class takes to make: importing us is mostly making these.
_SHARED = {"__repr__": _show, "__eq__": _equals, "__hash__": _hash}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def configuration(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted, keyword-only dataclass that suggests names for unknown ones.

    `__post_init__` gathers `Findings`; it may replace a list by a tuple through
    `object.__setattr__`, which is the only use that call has in this package.
    """
    for name, method in _SHARED.items():
        if name not in cls.__dict__:
            setattr(cls, name, method)
    made = dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)(cls)
    written = made.__init__

    def initialise(self: object, **fields: Any) -> None:
        try:
            written(self, **fields)
        except TypeError:
            suggest_keyword(made, made.__name__, fields)
            raise

    initialise.__wrapped__ = written  # type: ignore[attr-defined] # keeps the signature
    made.__init__ = initialise  # type: ignore[method-assign]
    return made


def resolve_configuration(kind: type[T], config: T | None, fields: dict[str, Any]) -> T:
    """Return `config`, or one built of `fields`: the two ways to call every middleware."""
    if config is None:
        return kind(**fields)
    if fields:
        raise TypeError(f"give a {kind.__name__} or its fields, not both: {', '.join(fields)}")
    if not isinstance(config, kind):
        raise TypeError(f"expected a {kind.__name__}, not {type(config).__name__}")
    return config
