"""Six apps under three real servers, in one table: every chapter is true in every setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stories.chapters import credentials, cross_origin, plain, sockets
from tests.stories.running import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stories.running import Story

APPS = ("bare", "starlette", "fastapi", "quart", "litestar", "django")
SERVERS = ("uvicorn", "hypercorn", "granian")
ON_TRIO = ("bare", "starlette", "fastapi")

SETTINGS = [
    Setting(app, server, http2=http2)
    for app in APPS
    for server in (*SERVERS, "hypercorn_trio")
    for http2 in ((False, True) if server == "hypercorn" else (False,))
    if server in SERVERS or app in ON_TRIO
]
SETTINGS += [
    setting._replace(tls=True)
    for setting in SETTINGS
    if setting.app in {"bare", "starlette"} and setting.server in SERVERS
]

CHAPTERS = [
    pytest.param(plain.lifespan_started, id="CORS47 lifespan starts"),
    pytest.param(plain.headers_everywhere, id="CORS56 CORS42 headers once everywhere"),
    pytest.param(plain.head_is_get_without_body, id="CORS13 HEAD is GET without a body"),
    pytest.param(plain.both_cookies_survive, id="CORS57 both Set-Cookie lines survive"),
    pytest.param(plain.bodies_are_untouched, id="CORS43 bodies untouched"),
    pytest.param(plain.file_is_complete, id="CORS44 file complete"),
    pytest.param(plain.stream_arrives_in_pieces, id="CORS43 stream in pieces"),
    pytest.param(plain.hanging_up_is_harmless, id="CORS41 client hangs up in a stream"),
    pytest.param(plain.events_arrive, id="CORS43 server-sent events"),
    pytest.param(plain.background_runs, id="CORS43 background task runs"),
    pytest.param(plain.failing_app, id="CORS39 500 with headers, error logged"),
    pytest.param(cross_origin.actual_requests, id="CORS2 CORS3 CORS42 actual requests"),
    pytest.param(cross_origin.preflight_allowed, id="CORS17 CORS35 preflight allowed"),
    pytest.param(cross_origin.preflight_denied, id="CORS20 CORS21 CORS24 preflight denied"),
    pytest.param(cross_origin.refusals_can_be_read, id="CORS42 a 401 a script can read"),
    pytest.param(credentials.session_untouched, id="S20 session untouched"),
    pytest.param(credentials.session_roundtrip, id="S21 S22 session written and read"),
    pytest.param(credentials.tokens, id="J43 J45 B62 tokens right, old, bad, none"),
    pytest.param(credentials.refused_upload, id="J45 upload refused"),
    pytest.param(credentials.login_in_pieces, id="G45 login body in pieces"),
    pytest.param(credentials.login_too_long, id="G44 login body too long"),
    pytest.param(credentials.guessing, id="G46 five guesses lock one account"),
    pytest.param(sockets.echoes, id="CORS49 CORS50 CORS52 CORS54 WebSocket echo"),
    pytest.param(sockets.bad_origin_is_refused, id="CORS51 CORS53 WebSocket of a bad origin"),
    pytest.param(sockets.app_denies, id="CORS55 WebSocket denied by the app"),
    pytest.param(sockets.bad_token_is_refused, id="W103 WebSocket with a bad token"),
    pytest.param(plain.server_ends_cleanly, id="CORS47 server ends cleanly"),
]


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize(
    "story",
    [
        pytest.param(setting, id=setting.name, marks=pytest.mark.xdist_group(setting.process))
        for setting in SETTINGS
    ],
    indirect=True,
)
def test_story(story: Story, chapter: Callable[[Story], None]) -> None:
    chapter(story)
