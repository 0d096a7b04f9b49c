"""One server process at a time, kept for as long as tests of the same pair follow each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.stories.certificates import write_certificate
from tests.stories.running import Running, Story
from tests.stories.serving import OBSERVE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.running import Setting

WATCHDOG_SECONDS = 60.0

pytest.register_assert_rewrite("tests.stories.chapters")

# Nothing to collect there, and importing an app would import its framework.
collect_ignore_glob = ["apps/*"]


class Stage:
    """Holds the one process that plays."""

    def __init__(self, logs: pytest.TempPathFactory) -> None:
        self._logs = logs
        self._playing: tuple[str, Running] | None = None
        self._certificate: Path | None = None
        self._failed: dict[str, AssertionError] = {}

    def play(self, setting: Setting) -> Running:
        if self._playing is not None:
            name, running = self._playing
            if name == setting.process and not running.stopped:
                return running
            self.clear()
        if setting.process in self._failed:  # it would fail again, slowly, for every chapter
            raise self._failed[setting.process]
        log = self._logs.mktemp(setting.process) / "server.log"
        try:
            tls = self._find_certificate() if setting.tls else None
            running = Running(setting.command, log, ready_path=OBSERVE, tls=tls)
        except AssertionError as error:
            self._failed[setting.process] = error
            raise
        self._playing = (setting.process, running)
        return running

    def _find_certificate(self) -> Path:
        if self._certificate is None:
            self._certificate = self._logs.mktemp("certificate")
            write_certificate(self._certificate)
        return self._certificate

    def clear(self) -> None:
        if self._playing is not None:
            self._playing[1].stop()
            self._playing = None


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory)
    yield stage
    stage.clear()


@pytest.fixture
def story(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Story]:
    story = Story(request.param, stage.play(request.param))
    # Ends the server under a client that waits for ever: the test then fails, and does not hang.
    watchdog = threading.Timer(WATCHDOG_SECONDS, story.running.process.kill)
    watchdog.daemon = True
    watchdog.start()
    yield story
    watchdog.cancel()
    story.close()
