"""Knows what guessers try first: common passwords, names, repetitions and sequences.

`common_passwords.txt.gz` beside this file holds 23 000 of them, of 8 code points and more, folded
and sorted: the 10 000 most used of 8 to 11, 8 000 of 12 to 14, and 5 000 of 15 and more, so that
each sensible minimum meets more than the 3 000 that ASVS asks for. Mail addresses, links and long
hexadecimal digests are left out.

Source: ASVS 5.0 6.2.4 (3 000 that meet the policy); NIST SP 800-63B-4 3.1.1.2 (whole passwords are
compared, not substrings). The data is a selection of "Ten Million Passwords" (Mark Burnett, 2015),
which its author released to the public domain.
"""

from __future__ import annotations

import gzip
import itertools
import pkgutil
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST_WORD = 4
"""Code points of a name that is looked for: shorter ones stand in many a good password."""

_FILE = "common_passwords.txt.gz"
_LONGEST_CONTEXT = 1024
_LEFT_WITHOUT_WORDS = 8
_FEWEST_DISTINCT = 5
_FEWEST_SURPRISES = 5
_LONGEST_PERIOD = 7


def fold_password(text: str) -> str:
    r"""Return the form in which texts are compared: never the one that is hashed.

    Idempotent, and blind to width and case, because `PASSWORD` in fullwidth letters is tried too.

    >>> fold_password("\uff30assword")
    'password'
    """
    if text.isascii():
        return text.lower()
    # Twice around: casefolding can undo a composition, and composing can make a fold necessary.
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())


@cache
def load_common_passwords() -> frozenset[str]:
    """Return the bundled list, folded; unpacked at the first call and kept (about 2 MB)."""
    # A constant of this package, read as its modules are: by the loader, also out of a zip file.
    packed = pkgutil.get_data(__package__, _FILE)
    if packed is None:  # a loader that reads no data: without the list nothing would be common
        raise ImportError(f"{_FILE} is missing from {__package__}")
    return frozenset(gzip.decompress(packed).decode().split())


def is_common_password(folded: str) -> bool:
    """Tell whether the whole of a folded password is on the list.

    >>> is_common_password("qwertyuiop123"), is_common_password("qwertyuiop123 and more")
    (True, False)
    """
    return folded in load_common_passwords()


def split_words(texts: Iterable[str]) -> frozenset[str]:
    """Return each text, the sides of its "@", and its parts between marks, where long enough.

    >>> sorted(split_words(["Jo.Smith@acme.com"]))
    ['acme', 'acme.com', 'jo.smith', 'jo.smith@acme.com', 'smith']
    """
    words: set[str] = set()
    for text in texts:
        folded = fold_password(text[:_LONGEST_CONTEXT])
        parts = "".join(mark if mark.isalnum() else " " for mark in folded).split()
        whole = (folded.strip(), *folded.strip().split("@"))
        words.update(word for word in (*whole, *parts) if len(word) >= SHORTEST_WORD)
    return frozenset(words)


def is_made_of(folded: str, words: Iterable[str]) -> bool:
    """Tell whether words are in a folded password and less than a password stays without them.

    >>> is_made_of("acmeacme2026", {"acme"}), is_made_of("acme correct horse", {"acme"})
    (True, False)
    """
    rest = folded
    for word in sorted(words, key=len, reverse=True):
        # Cut points stay marked, so that what is left never joins to a word that was not there.
        rest = rest.replace(word, "\0")
    return rest != folded and len(rest.replace("\0", "")) < _LEFT_WITHOUT_WORDS


def is_simple(folded: str) -> bool:
    """Tell whether a text says less than it is long: few characters, a period, or a sequence.

    >>> is_simple("abcdefabcdef"), is_simple("112233445566"), is_simple("correct horse")
    (True, True, False)
    """
    if len(set(folded)) < _FEWEST_DISTINCT:
        return True
    longest = min(_LONGEST_PERIOD, len(folded) // 2)
    if any(folded[period:] == folded[:-period] for period in range(1, longest + 1)):
        return True
    steps = itertools.pairwise(folded)
    surprises = 1 + sum(abs(ord(after) - ord(before)) > 1 for before, after in steps)
    return surprises < _FEWEST_SURPRISES
