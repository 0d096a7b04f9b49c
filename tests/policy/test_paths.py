from __future__ import annotations

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.paths import PathPrefixes, check_prefixes
from asgi_security.validation import Findings


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/x", True),
        ("/apix", False),
        ("/ap", False),
        ("/x/api", False),
        ("/API", False),
        ("/b/c/d", True),
        ("/b/", False),
    ],
)
def test_CORS38_prefixes_end_at_a_segment(path: str, held: bool) -> None:  # noqa: FBT001 -- a table
    assert PathPrefixes(["/api/", "/b/c"]).hold(path) is held
    assert not PathPrefixes([]).hold(path)
    assert PathPrefixes(["/"]).hold(path)


def test_relative_prefixes_are_noted() -> None:
    findings = Findings("Thing")
    check_prefixes(findings, "paths", ["/fine", "api", 5])
    with pytest.raises(ConfigError, match="write '/api'") as caught:
        findings.raise_if_any()
    assert len(caught.value.problems) == 2
