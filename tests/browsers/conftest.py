"""One process of each browser for all tests, one page with its own cookies for each test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browsers.certificates import write_identity
from tests.browsers.driving import Browser, find_executable
from tests.browsers.examples import EXAMPLE_HOST
from tests.browsers.network import Network
from tests.browsers.sites import MEMBERS_HOST, PROVIDER_HOST, build_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browsers.driving import Page
    from tests.browsers.network import Sites

KINDS = [
    pytest.param(kind, marks=pytest.mark.xdist_group(f"browser-{kind}"), id=kind)
    for kind in ("chromium", "firefox")
]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    apps = build_sites()
    hosts = [*apps, EXAMPLE_HOST, MEMBERS_HOST, PROVIDER_HOST]
    identity = write_identity(tmp_path_factory.mktemp("identity"), hosts)
    network = Network(apps, identity)
    network.start()
    yield network
    network.stop()


@pytest.fixture(scope="session", params=KINDS)
def browser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, network: Network
) -> Iterator[Browser]:
    with start_browser(request.param, tmp_path_factory, network) as browser:
        yield browser


@pytest.fixture(scope="session", params=KINDS)
def scriptless(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, network: Network
) -> Iterator[Browser]:
    """Yield a browser that runs no scripts of pages."""
    with start_browser(request.param, tmp_path_factory, network, scriptless=True) as browser:
        yield browser


@contextmanager
def start_browser(
    kind: str, folders: pytest.TempPathFactory, network: Network, *, scriptless: bool = False
) -> Iterator[Browser]:
    profile = folders.mktemp(kind) / "profile"
    profile.mkdir()
    executable = find_executable(kind)
    browser = Browser(kind, executable, profile, network, scriptless=scriptless)
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    pages: list[Page] = []

    def open_page() -> Page:
        pages.append(browser.open())
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture
def page(open_page: Callable[[], Page]) -> Page:
    return open_page()


@pytest.fixture
def sites(network: Network) -> Sites:
    """The sites, with nothing written down yet."""
    network.sites.seen.clear()
    return network.sites
