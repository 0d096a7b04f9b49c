"""Session cookies as browsers keep them, and the requests that other sites forge with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browsers.sites import API, BANK, EVIL, MARKET, SHOP, WIDGET

if TYPE_CHECKING:
    from tests.browsers.driving import Page
    from tests.browsers.network import Sites

NAME = "__Host-session"

POST_FORM = f"""(() => {{
    const form = document.createElement("form");
    form.method = "post";
    form.action = "{BANK}/transfer";
    document.body.append(form);
    form.submit();
}})()"""


def visit(page: Page, site: str, **options: str) -> int:
    answer = page.fetch(f"{site}/visits", method="POST", credentials="include", **options)
    count: int = json.loads(answer["text"])["visits"]
    return count


def test_S9_session_cookie_has_the_prefix_and_is_out_of_reach_of_scripts(page: Page) -> None:
    page.goto(API)
    assert visit(page, API) == 1
    cookie = page.cookie(NAME)
    assert cookie is not None
    wanted = {
        "domain": "api.example.test",
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Lax",
        "session": True,
    }
    assert {key: cookie.get(key) for key in wanted} == wanted
    assert page.run("return document.cookie;") == ""
    page.run(f"document.cookie = '{NAME}=stolen; path=/; secure';")
    assert (page.cookie(NAME) or {})["value"] == cookie["value"]
    assert visit(page, API) == 2


def test_S8_sibling_cannot_plant_a_session(page: Page) -> None:
    page.goto("https://other.example.test")
    page.run(f"document.cookie = '{NAME}=planted; path=/; secure; domain=example.test';")
    page.run("document.cookie = 'plain=planted; path=/; secure; domain=example.test';")
    page.goto(API)
    cookies = json.loads(page.fetch(f"{API}/fact")["text"])["cookies"]
    assert cookies == ["plain"], "only the name without the prefix arrives"


def test_S10_partitioned_session_is_one_for_each_site_that_embeds(page: Page) -> None:
    page.goto(SHOP)
    assert [visit(page, WIDGET), visit(page, WIDGET)] == [1, 2]
    page.goto(MARKET)
    assert visit(page, WIDGET) == 1
    page.goto(WIDGET)
    assert visit(page, WIDGET) == 1
    page.goto(SHOP)
    assert visit(page, WIDGET) == 3


def test_CORS72_form_of_another_site_is_stopped(page: Page, sites: Sites) -> None:
    page.goto(BANK)
    assert visit(page, BANK) == 1
    page.goto(EVIL)
    # What becomes of the tab differs: Firefox offers to save a problem+json, Chromium shows it.
    page.run(POST_FORM)
    assert sites.wait_for("bank.test", "/transfer").status == 403


def test_CORS72_form_of_the_own_site_passes(page: Page) -> None:
    page.goto(BANK)
    assert page.leave(POST_FORM).status == 200
    assert page.run("return document.body.innerText;") == "transferred"


@pytest.mark.parametrize("credentials", ["include", "omit"])
def test_CORS72_fetch_without_preflight_is_stopped(
    page: Page, sites: Sites, credentials: str
) -> None:
    page.goto(EVIL)
    page.fetch(f"{BANK}/transfer", method="POST", mode="no-cors", credentials=credentials)
    assert [seen.status for seen in sites.find("bank.test", "/transfer")] == [403]


def test_CORS72_link_of_another_site_keeps_the_session(page: Page) -> None:
    page.goto(BANK)
    assert visit(page, BANK) == 1
    page.goto(EVIL)
    assert page.leave(f"location.href = '{BANK}/visits'; 0").status == 200
    assert '"visits":1' in page.run("return document.body.textContent;").replace(" ", "")
