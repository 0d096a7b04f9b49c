"""What scripts of one origin may ask of another, and see of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browsers.sites import API, APP, EVIL, OTHER, PUBLIC, TOKENS, VAULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browsers.driving import Page
    from tests.browsers.network import Sites

STOPPED = {"error": "TypeError"}
JSON_TYPE = {"Content-Type": "application/json"}


def log_in(page: Page) -> None:
    """Get a session of the API, as its own page does."""
    page.goto(API)
    assert page.fetch(f"{API}/visits", method="POST")["status"] == 200


def count_preflights(sites: Sites, path: str) -> int:
    return sum(seen.method == "OPTIONS" for seen in sites.find("api.example.test", path))


def test_CORS2_listed_origin_reads_with_credentials(page: Page) -> None:
    log_in(page)
    page.goto(APP)
    answer = page.fetch(f"{API}/visits", credentials="include")
    assert (answer["status"], answer["text"]) == (200, '{"visits":1}')
    assert page.fetch(f"{API}/visits", credentials="omit")["text"] == '{"visits":0}'


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(OTHER, id="CORS3 same site"),
        pytest.param(EVIL, id="CORS3 another site"),
    ],
)
@pytest.mark.parametrize("credentials", ["include", "omit"])
def test_origin_that_is_not_listed_reads_nothing(
    page: Page, sites: Sites, origin: str, credentials: str
) -> None:
    page.goto(origin)
    assert page.fetch(f"{API}/fact", credentials=credentials) == STOPPED
    seen = sites.find("api.example.test", "/fact")
    assert [one.status for one in seen] == [200], "CORS is not access control: the app has run"
    assert not [name for name in seen[0].headers if name.startswith("access-control-")]


def test_CORS6_sandboxed_page_has_no_origin_and_reads_nothing(page: Page) -> None:
    page.goto(APP)
    script = f"""
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>
          fetch("{API}/fact", {{ credentials: "include" }})
            .then(() => "read", (error) => error.name)
            .then((text) => parent.postMessage([origin, text], "*"));
        </script>`;
        const told = new Promise((resolve) => addEventListener("message", resolve, {{once: true}}));
        document.body.append(frame);
        return (await told).data;
    """
    assert page.run(script) == ["null", "TypeError"]


def test_CORS17_CORS30_preflight_is_remembered(page: Page, sites: Sites) -> None:
    page.goto(APP)
    for _ in range(2):
        answer = page.fetch(f"{API}/fact", method="PUT", credentials="include")
        assert answer["status"] == 200
    methods = [seen.method for seen in sites.find("api.example.test", "/fact")]
    assert methods == ["OPTIONS", "PUT", "PUT"]


@pytest.mark.parametrize(
    ("origin", "options"),
    [
        pytest.param(APP, {"method": "PURGE"}, id="CORS20 method not listed"),
        pytest.param(APP, {"method": "patch"}, id="CORS19 method in lower case"),
        pytest.param(APP, {"headers": {"X-B": "1"}}, id="CORS24 header not listed"),
        pytest.param(APP, {"method": "POST", "headers": JSON_TYPE}, id="CORS24 JSON not listed"),
        pytest.param(EVIL, {"method": "PUT"}, id="CORS21 origin not listed"),
    ],
)
def test_request_never_follows_a_refused_preflight(
    page: Page, sites: Sites, origin: str, options: dict[str, Any]
) -> None:
    page.goto(origin)
    assert page.fetch(f"{API}/fact", credentials="include", **options) == STOPPED
    seen = sites.find("api.example.test", "/fact")
    assert {one.method for one in seen} == {"OPTIONS"}
    assert {one.status for one in seen} == {403}


def test_CORS22_listed_headers_pass(page: Page, sites: Sites) -> None:
    page.goto(APP)
    headers = {"X-A": "1", "Authorization": "Bearer x"}
    assert page.fetch(f"{API}/fact", credentials="include", headers=headers)["status"] == 200
    assert count_preflights(sites, "/fact") == 1


def test_CORS2_exposed_headers_are_readable_and_others_are_not(page: Page) -> None:
    page.goto(APP)
    headers = page.fetch(f"{API}/fact", credentials="include")["headers"]
    assert headers.get("x-exposed") == "yes"
    assert not {"x-hidden", "strict-transport-security", "vary"} & set(headers)
    page.goto(API)
    assert page.fetch(f"{API}/fact")["headers"]["x-hidden"] == "no"


def test_CORS9_CORS27_public_policy_is_for_everyone_without_credentials(page: Page) -> None:
    page.goto(EVIL)
    answer = page.fetch(f"{PUBLIC}/fact", method="PUT", headers={"X-Any": "1"})
    assert answer["status"] == 200
    assert answer["headers"]["x-hidden"] == "no", "every header is exposed"
    assert page.fetch(f"{PUBLIC}/fact", credentials="include") == STOPPED


def test_CORS28_wildcard_does_not_name_authorization(page: Page, sites: Sites) -> None:
    """Fetch wants the request stopped; so far both browsers only warn, and let it pass."""
    page.goto(EVIL)
    page.fetch(f"{PUBLIC}/fact", headers={"Authorization": "Bearer x"})
    preflight = sites.find("public.test", "/fact")[0]
    assert preflight.method == "OPTIONS"
    assert preflight.headers["access-control-allow-headers"] == "*"


def test_CORS42_refused_token_is_a_readable_401(page: Page, sites: Sites) -> None:
    page.goto(APP)
    headers = {"Authorization": "Bearer none"}
    answer = page.fetch(f"{TOKENS}/fact", headers=headers, credentials="include")
    assert answer["status"] == 401
    assert "application/problem+json" in answer["headers"]["content-type"]
    statuses = [seen.status for seen in sites.find("tokens.example.test", "/fact")]
    assert statuses == [204, 401], "the preflight needs no token"


def test_CORS39_failed_app_is_a_readable_500(page: Page) -> None:
    page.goto(APP)
    assert page.fetch(f"{API}/crash", credentials="include")["status"] == 500


def test_CORS39_failed_app_tells_nothing_to_others(page: Page) -> None:
    page.goto(EVIL)
    assert page.fetch(f"{API}/crash", credentials="include") == STOPPED


def test_CORS71_corp_keeps_answers_out_of_other_pages(page: Page) -> None:
    """What needs no CORS, an image or a script, is stopped by Cross-Origin-Resource-Policy."""
    page.goto(OTHER)
    assert page.fetch(f"{API}/fact", mode="no-cors") == STOPPED
    page.goto(API)
    assert page.fetch(f"{API}/fact", mode="no-cors")["status"] == 200


def test_CORS76_isolated_resource_never_runs_for_other_sites(page: Page, sites: Sites) -> None:
    page.goto(EVIL)
    assert page.fetch(f"{VAULT}/fact", mode="no-cors") == STOPPED
    assert page.fetch(f"{VAULT}/fact") == STOPPED
    seen = sites.find("vault.example.test", "/fact")
    assert [one.status for one in seen] == [403, 403]


def test_CORS76_isolated_resource_is_there_for_listed_origins(page: Page, sites: Sites) -> None:
    page.goto(APP)
    answer = page.fetch(f"{VAULT}/fact", method="PUT", credentials="include")
    assert answer["status"] == 200
    seen = sites.find("vault.example.test", "/fact")
    assert [(one.method, one.status) for one in seen] == [("OPTIONS", 204), ("PUT", 200)]


def test_CORS76_isolated_page_can_be_linked_to(page: Page) -> None:
    page.goto(EVIL)
    assert page.leave(f"location.href = '{VAULT}/'; 0").status == 200


OPEN_SOCKET = f"""
    return await new Promise((resolve) => {{
      const socket = new WebSocket("{API.replace("https", "wss")}/echo");
      socket.onopen = () => socket.send("hello");
      socket.onmessage = (event) => resolve(event.data);
      socket.onclose = (event) => resolve(event.code);
    }});
"""
NEVER_OPENED = 1006


@pytest.mark.parametrize(
    ("origin", "outcome", "status"),
    [
        pytest.param(API, "hello", 101, id="CORS49 same origin"),
        pytest.param(APP, "hello", 101, id="CORS50 listed"),
        pytest.param(OTHER, NEVER_OPENED, 403, id="CORS51 same site, not listed"),
        pytest.param(EVIL, NEVER_OPENED, 403, id="CORS51 another site"),
    ],
)
def test_websocket_is_for_its_own_and_listed_origins(
    page: Page, sites: Sites, origin: str, outcome: str | int, status: int
) -> None:
    page.goto(origin)
    assert page.run(OPEN_SOCKET) == outcome
    assert [seen.status for seen in sites.find("api.example.test", "/echo")] == [status]


def test_CORS53_public_policy_opens_no_websocket(page: Page, sites: Sites) -> None:
    page.goto(EVIL)
    assert page.run(OPEN_SOCKET.replace("api.example.test", "public.test")) == NEVER_OPENED


def test_contexts_share_no_session(open_page: Callable[[], Page]) -> None:
    """What the other tests rest on: a page of a test before this one has left nothing."""
    log_in(open_page())
    page = open_page()
    page.goto(API)
    assert page.fetch(f"{API}/visits")["text"] == '{"visits":0}'
