"""Pages under the policies of the profiles: what browsers run, and what they stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers.sites import DOCS, ISOLATED, NAIVE, REDOC, STRICT

if TYPE_CHECKING:
    from tests.browsers.driving import Page
    from tests.browsers.network import Sites


SEARCH = """
    const input = document.querySelector("[role=search] input");
    // As typing does: React overrides the setter on the element itself.
    const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
    set.call(input, "item");
    input.dispatchEvent(new Event("input", { bubbles: true }));
"""


@pytest.mark.parametrize(
    ("site", "path", "drawn"),
    [
        pytest.param(DOCS, "/docs", ".opblock-summary-path", id="CORS56 Swagger UI, practical"),
        pytest.param(REDOC, "/docs", ".opblock-summary-path", id="Swagger UI, documentation"),
        pytest.param(REDOC, "/redoc", "h2", id="CORS56 ReDoc, documentation"),
    ],
)
def test_documentation_works(page: Page, site: str, path: str, drawn: str) -> None:
    page.goto(site + path)
    assert page.read(drawn)
    assert (page.violations, page.faults) == ([], [])


def test_CORS56_redoc_is_readable_with_the_policy_of_the_guide(page: Page) -> None:
    """The practical policy, which is the guide's to the letter, stops its fonts and its worker."""
    page.goto(f"{DOCS}/redoc")
    assert "documented" in page.read("h1")
    page.run("await until(() => violations.length === 2);")
    stopped = sorted(line.partition("?")[0] for line in page.violations)
    assert stopped == [
        "style-src-elem https://fonts.googleapis.com/css",
        "worker-src blob enforce",
    ]


def test_CORS56_redoc_searches_under_the_documentation_profile(page: Page, sites: Sites) -> None:
    page.goto(f"{REDOC}/redoc")
    assert "documented" in page.read("h1")
    sites.wait_for("fonts.gstatic.com", "/font.woff2")
    page.run(SEARCH)
    assert "Show Item" in page.read("[data-role='search:results']")
    assert page.violations == []


def test_CORS60_nonce_page_works_under_the_strict_profile(page: Page) -> None:
    answer = page.goto(STRICT)
    assert "'nonce-" in answer.headers["content-security-policy"]
    assert page.run("await until(() => ran.length === 2); return ran;") == ["nonce", "loaded"]
    assert page.run("return getComputedStyle(document.body).color;") == "rgb(1, 2, 3)"
    assert page.violations == []


def test_CORS60_inline_script_without_the_nonce_is_stopped(page: Page) -> None:
    page.goto(f"{STRICT}/?inline")
    assert page.run("await until(() => ran.length === 2); return ran;") == ["nonce", "loaded"]
    assert page.violations == ["script-src-elem inline enforce"]


def test_CORS61_page_kept_by_the_browser_still_runs_after_a_304(page: Page, sites: Sites) -> None:
    for _ in range(2):
        page.goto(f"{STRICT}/cached")
        assert page.run("return window.ran;") is True
        assert page.violations == []
    assert [seen.status for seen in sites.find("strict.test", "/cached")] == [200, 304]


def test_CORS61_a_fresh_nonce_on_a_304_would_stop_it(page: Page, sites: Sites) -> None:
    """Why the policy is left out: this site sends it."""
    page.goto(f"{NAIVE}/cached")
    assert page.run("return window.ran;") is True
    page.goto(f"{NAIVE}/cached")
    assert [seen.status for seen in sites.find("naive.test", "/cached")] == [200, 304]
    assert page.run("return window.ran ?? null;") is None
    assert page.violations == ["script-src-elem inline enforce"]


def test_CORS68_page_is_cross_origin_isolated(page: Page) -> None:
    page.goto(ISOLATED)
    assert page.run("return crossOriginIsolated;") is True
    page.goto(DOCS + "/openapi.json")
    assert page.run("return crossOriginIsolated;") is False
