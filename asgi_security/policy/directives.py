"""Reads mappings of names to texts or to lists, the shapes of header policies, into frozen pairs.

Source: RFC 9110 section 5.1: names are the same in any case, so one that stands twice is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.validation import Findings


def freeze_pairs(
    findings: Findings, field: str, given: object, *, lower: bool = False
) -> tuple[tuple[str, Any], ...]:
    """Copy a mapping, or its pairs, into pairs; note what is neither, and names that stand twice.

    With `lower`, the names are header names: any case is taken and lower case is kept.
    """
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, (tuple, list)) or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    ):
        findings.add(
            field, given, "not a mapping", "give a mapping of names, such as {'name': ...}"
        )
        return ()
    kept: dict[str, Any] = {}
    for key, value in pairs:
        name = key.lower() if lower else key
        if name in kept:
            findings.add(field, key, "stands twice", "keep one: browsers do, and which one varies")
        kept[name] = value
    return tuple(kept.items())


def freeze_names(findings: Findings, field: str, given: object) -> tuple[str, ...]:
    """Copy a list of names; note a string in its place, which would be read letter by letter."""
    if isinstance(given, (list, tuple, set, frozenset)) and all(
        isinstance(name, str) for name in given
    ):
        return tuple(given)
    hint = f"wrap it in a list: {given.split()!r}" if isinstance(given, str) else "give a list"
    findings.add(field, given, "not a list of strings", hint)
    return ()


def freeze_lists(
    findings: Findings, field: str, given: object
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the list of every pair of a mapping that must hold one."""
    pairs = freeze_pairs(findings, field, given)
    if not pairs and given in ({}, (), []):
        findings.add(field, given, "empty", "give at least one name, or None in place of the whole")
    for name, values in pairs:
        yield name, freeze_names(findings, name, values)
