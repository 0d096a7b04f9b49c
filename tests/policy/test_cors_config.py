"""A CORS configuration that cannot mean what it says is refused, with everything wrong at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.cors_config import CorsConfig, check_cors_advice

OK = "https://app.example.com"


async def nobody(origin: str) -> bool:
    return False


def refused(**fields: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        CorsConfig(**{"allow_origins": [OK], **fields})
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        pytest.param(
            {"allow_origins": []}, "allow_origins", "allow at least one origin", id="CORS79 none"
        ),
        pytest.param(
            {"allow_origins": "https://a.test"}, "allow_origins",
            "wrap it in a list: ['https://a.test']", id="CORS80 origin as a string",
        ),
        pytest.param(
            {"allow_methods": "PUT"}, "allow_methods", "wrap it in a list: ['PUT']",
            id="CORS80 method as a string",
        ),
        pytest.param({"allow_headers": None}, "allow_headers", "give a list", id="CORS80 None"),
        pytest.param({"expose_headers": [1]}, "expose_headers", "strings only", id="CORS80 number"),
        pytest.param(
            {"allow_origins": ["*"], "allow_credentials": True}, "allow_origins",
            "list the origins to keep allow_credentials, or drop allow_credentials to keep '*'",
            id="CORS81 P28 star with credentials",
        ),
        pytest.param(
            {"allow_origins": ["https://a.test/"]}, "allow_origins", "write 'https://a.test'",
            id="CORS82 path",
        ),
        pytest.param(
            {"allow_origins": ["http://a.test"], "allow_credentials": True}, "allow_origins",
            "dangerously_allow_insecure_origins", id="CORS89 insecure",
        ),
        pytest.param(
            {"allow_origins": ["https://*.github.io"], "allow_credentials": True},
            "allow_origins", "dangerously_allow_public_suffix_origins", id="CORS90 suffix",
        ),
        pytest.param({"allow_methods": ["TRACE"]}, "allow_methods", "remove it", id="CORS91 TRACE"),
        pytest.param({"allow_methods": ["patch"]}, "allow_methods", "'PATCH'?", id="CORS91 patch"),
        pytest.param({"allow_headers": ["Cookie"]}, "allow_headers", "page", id="CORS92 Cookie"),
        pytest.param({"allow_headers": ["a\r\nb"]}, "allow_headers", "field", id="CORS92 CR LF"),
        pytest.param(
            {"expose_headers": ["*"], "allow_credentials": True}, "expose_headers",
            "drop allow_credentials", id="CORS93 star with credentials",
        ),
        pytest.param(
            {"expose_headers": ["Set-Cookie"]}, "expose_headers", "page", id="CORS93 Set-Cookie"
        ),
        pytest.param({"max_age_seconds": -1}, "max_age_seconds", "at least 0", id="CORS94 -1"),
        pytest.param({"max_age_seconds": True}, "max_age_seconds", "integer", id="CORS94 bool"),
        pytest.param({"max_age_seconds": 86401}, "max_age_seconds", "at most", id="CORS94 86401"),
        pytest.param(
            {"allow_credentials": "false"}, "allow_credentials", "True or False",
            id="P28 a switch read from text",
        ),
        pytest.param(
            {"allow_origin_regex": "("}, "allow_origin_regex", "regular", id="regex, broken"
        ),
        pytest.param({"allow_origin_regex": 1}, "allow_origin_regex", "text", id="regex, number"),
        pytest.param(
            {"allow_origin_regex": ".*", "allow_credentials": True}, "allow_origin_regex",
            "every site", id="P28 CORS81 a regex for all with credentials",
        ),
        pytest.param(
            {"allow_origin_resolver": "x"}, "allow_origin_resolver", "async", id="resolver, text"
        ),
        pytest.param(
            {"allow_any_websocket_origin": True}, "allow_any_websocket_origin", "'*'",
            id="CORS53 any WebSocket without a public policy",
        ),
        pytest.param({"paths": 5}, "paths", "not a mapping", id="CORS38 paths, number"),
        pytest.param({"paths": [1]}, "paths", "not a mapping", id="CORS38 paths, list"),
        pytest.param({"paths": {"api": None}}, "paths", "begin with '/'", id="CORS38 no slash"),
        pytest.param({"paths": {"/": None}}, "paths", "end without", id="CORS38 the root"),
        pytest.param({"paths": {"/a": None}}, "paths", "give a CorsConfig", id="CORS38 no policy"),
        pytest.param(
            {"paths": {"/a": CorsConfig(paths={"/b": CorsConfig(allow_origins=["*"])})}},
            "paths", "at the top", id="CORS38 nested paths",
        ),
    ],
)  # fmt: skip
def test_refused(fields: dict[str, Any], field: str, said: str) -> None:
    text = refused(**fields)
    assert text.startswith(f"{field}=")
    assert said in text


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"allow_origin_regex": "https://.*"}, id="CORS79 a regex is enough"),
        pytest.param({"allow_origin_resolver": nobody}, id="CORS79 a resolver is enough"),
        pytest.param({"paths": {"/a": CorsConfig(allow_origins=["*"])}}, id="CORS79 paths are"),
        pytest.param(
            {
                "allow_origins": ["http://a.test", "https://*.github.io"],
                "allow_credentials": True,
                "dangerously_allow_insecure_origins": True,
                "dangerously_allow_public_suffix_origins": True,
            },
            id="CORS89 CORS90 opted out",
        ),
        pytest.param(
            {"allow_origins": ["http://localhost:*"], "allow_credentials": True}, id="CORS89 local"
        ),
        pytest.param({"allow_origins": {OK}, "max_age_seconds": 0}, id="CORS94 zero"),
        pytest.param(
            {"allow_origins": ["*"], "expose_headers": ["*"], "allow_any_websocket_origin": True},
            id="CORS93 star without credentials",
        ),
        pytest.param(
            {
                "allow_origin_regex": r"https://[a-z]+\.example\.com",
                "allow_credentials": True,
            },
            id="CORS81 a narrow regex with credentials",
        ),
    ],
)
def test_accepted(fields: dict[str, Any]) -> None:
    config = CorsConfig(**fields)
    assert eval(repr(config)) == config if config.allow_origin_resolver is None else config  # noqa: S307
    hash(config)


def test_CORS79_nothing_is_allowed_by_default() -> None:
    with pytest.raises(ConfigError, match="allow at least one origin"):
        CorsConfig()


def test_CORS98_an_unknown_field_gets_a_suggestion() -> None:
    with pytest.raises(TypeError, match="did you mean 'allow_origins'"):
        CorsConfig(allow_origin=[OK])  # type: ignore[call-arg]


def test_CORS99_all_faults_come_at_once_sorted_by_field() -> None:
    with pytest.raises(ConfigError) as caught:
        CorsConfig(
            max_age_seconds=-1,
            allow_origins=["http://a.test/", "null"],
            allow_methods=["TRACE"],
            debug=1,  # type: ignore[arg-type]
        )
    fields = [problem.field for problem in caught.value.problems]
    assert fields == [
        *("allow_methods", "allow_origins", "allow_origins", "debug", "max_age_seconds"),
    ]


def test_CORS100_frozen_copied_and_shown() -> None:
    origins, paths = [OK], {"/api": CorsConfig(allow_origins=["*"])}
    config = CorsConfig(allow_origins=origins, paths=paths)
    origins.append("https://evil.test")
    paths["/evil"] = paths["/api"]
    assert config.allow_origins == (OK,)
    assert [prefix for prefix, _ in config.policies] == ["/api"]
    assert eval(repr(config)) == config  # noqa: S307 -- our own words
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.debug = True  # type: ignore[misc]


def test_CORS38_the_longest_prefix_comes_first() -> None:
    one = CorsConfig(allow_origins=["*"])
    config = CorsConfig(paths={"/a": one, "/a/b/c": one, "/a/b": one})
    assert [prefix for prefix, _ in config.policies] == ["/a/b/c", "/a/b", "/a"]


def test_CORS34_CORS94_advice() -> None:
    nested = CorsConfig(allow_origins=["*"], max_age_seconds=7201)
    config = CorsConfig(
        allow_origins=["http://localhost:*", OK], debug=True, paths={"/x": nested}
    )  # fmt: skip
    advice = {problem.field: problem.hint for problem in check_cors_advice(config)}
    assert advice == {
        "debug": "turn it off once the preflight passes",
        "paths['/x'].max_age_seconds": "write 7200",
    }
    local = CorsConfig(allow_origins=["http://localhost:*"], debug=True, max_age_seconds=7200)
    assert check_cors_advice(local) == ()
