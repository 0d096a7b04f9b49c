"""What the graders of the web say of the demo behind each profile, over TLS on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browsers.certificates import write_identity
from tests.browsers.driving import find_node
from tests.browsers.network import Network
from tests.grades.graded import (
    API,
    API_PRELOADED,
    PRACTICAL,
    STRICT,
    STRICT_PRELOADED,
    build_sites,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
GRADING_SECONDS = 120.0

pytestmark = pytest.mark.xdist_group("grades")


@pytest.fixture(scope="module")
def grades(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    node = find_node(HERE)
    sites = build_sites()
    identity = write_identity(tmp_path_factory.mktemp("identity"), sites)
    network = Network(sites, identity)
    network.start()
    try:
        done = subprocess.run(
            [node, "grade.mjs", str(network.server_port), str(network.plain_port), *sites],
            cwd=HERE,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(identity.certificate)},
            capture_output=True,
            text=True,
            timeout=GRADING_SECONDS,
            check=False,
        )
    finally:
        network.stop()
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("host", "grade", "score"),
    [
        pytest.param(PRACTICAL, "B+", 80, id="practical: inline scripts cost 20 and all extras"),
        pytest.param(STRICT, "A+", 140, id="strict: everything but the preload list"),
        pytest.param(STRICT_PRELOADED, "A+", 145, id="strict, preloaded: all there is to get"),
        pytest.param(API, "A+", 130, id="api: no cookies and no scripts to be praised for"),
        pytest.param(API_PRELOADED, "A+", 135, id="api, preloaded"),
    ],
)
def test_observatory(grades: Mapping[str, Any], host: str, grade: str, score: int) -> None:
    found = grades[host]
    assert (found["grade"], found["score"]) == (grade, score), found["changes"]


def test_only_inline_scripts_fail_a_rule_of_the_observatory(grades: Mapping[str, Any]) -> None:
    costs = {
        host: sorted(rule for rule, change in found["changes"].items() if change < 0)
        for host, found in grades.items()
    }
    assert costs.pop(PRACTICAL) == ["csp-implemented-with-unsafe-inline"]
    assert not any(costs.values()), costs
    assert {host: found["failed"] for host, found in grades.items() if found["failed"]} == {
        PRACTICAL: 1
    }


HEADERS = {
    "csp-implemented-with-no-unsafe-default-src-none": 10,
    "corp-implemented-with-same-origin": 10,
    "referrer-policy-private": 5,
    "x-frame-options-implemented-via-csp": 5,
}
PAGE = {
    "cookies-secure-with-httponly-sessions-and-samesite": 5,
    "sri-implemented-and-all-scripts-loaded-securely": 5,
}
LISTED = {"hsts-preloaded": 5}


@pytest.mark.parametrize(
    ("host", "bonuses"),
    [
        pytest.param(STRICT, HEADERS | PAGE, id="strict"),
        pytest.param(STRICT_PRELOADED, HEADERS | PAGE | LISTED, id="strict, preloaded: all"),
        pytest.param(API, HEADERS, id="api"),
        pytest.param(API_PRELOADED, HEADERS | LISTED, id="api, preloaded"),
    ],
)
def test_bonuses(grades: Mapping[str, Any], host: str, bonuses: dict[str, int]) -> None:
    assert grades[host]["changes"] == bonuses
    assert grades[host]["score"] == 100 + sum(bonuses.values())


@pytest.mark.parametrize(
    ("host", "findings"),
    [
        pytest.param(
            PRACTICAL,
            [
                "HIGH SCRIPT_UNSAFE_INLINE script-src 'unsafe-inline'",
                "MEDIUM_MAYBE SCRIPT_ALLOWLIST_BYPASS script-src 'self'",
                "HIGH SCRIPT_ALLOWLIST_BYPASS script-src https://cdn.jsdelivr.net",
            ],
            id="practical: what the documentation pages need",
        ),
        pytest.param(STRICT, [], id="strict"),
        pytest.param(API, [], id="CORS70 api"),
    ],
)
def test_csp_evaluator(grades: Mapping[str, Any], host: str, findings: list[str]) -> None:
    assert grades[host]["findings"] == findings
