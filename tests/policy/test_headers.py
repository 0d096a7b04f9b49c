"""The configuration: profiles, overrides, and every value a server or browser would choke on."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.cors_config import CorsConfig
from asgi_security.policy.csp import ContentSecurityPolicy
from asgi_security.policy.headers import SecurityHeadersConfig, check_headers
from asgi_security.policy.hsts import Hsts
from asgi_security.policy.permissions import PermissionsPolicy
from asgi_security.policy.profiles import API_CSP, PRACTICAL_CSP, STRICT_CSP

GUIDE = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "content-security-policy": PRACTICAL_CSP.text,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-xss-protection": "0",
}
PUBLIC = CorsConfig(allow_origins=["*"])
LISTED = CorsConfig(allow_origins=["https://app.example.com"])
SOURCES = "https://app.example.com wss://app.example.com"
MORE = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "origin-agent-cluster": "?1",
    "x-permitted-cross-domain-policies": "none",
}


def make(**fields: Any) -> SecurityHeadersConfig:
    return SecurityHeadersConfig(**fields)


def test_CORS56_documentation_differs_from_practical_in_its_policy_alone() -> None:
    practical = SecurityHeadersConfig.practical().texts()
    wider = SecurityHeadersConfig.documentation(frame_options="SAMEORIGIN").texts()
    assert wider.pop("x-frame-options") == "SAMEORIGIN"
    assert "blob:" in wider.pop("content-security-policy")
    assert wider.items() < practical.items()


def test_P26_CORS56_practical_is_the_default_and_holds_the_guides_six() -> None:
    assert SecurityHeadersConfig() == SecurityHeadersConfig.practical()
    assert make().texts() == {**GUIDE, **MORE}


def test_CORS56_strict() -> None:
    texts = SecurityHeadersConfig.strict().texts()
    assert texts["content-security-policy"] == STRICT_CSP.text
    assert texts["referrer-policy"] == "no-referrer"
    assert "camera=()" in texts["permissions-policy"]
    assert "x-xss-protection" not in texts
    assert SecurityHeadersConfig.strict(csp=None).csp is None


def test_CORS70_api() -> None:
    texts = SecurityHeadersConfig.api(cross_origin_resource_policy="cross-origin").texts()
    assert texts["content-security-policy"] == API_CSP.text
    assert texts["x-content-type-options"] == "nosniff"
    assert texts["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("cors", "changes", "sent"),
    [
        pytest.param(PUBLIC, {}, "cross-origin", id="CORS70 everyone may read: may embed"),
        pytest.param(LISTED, {}, "same-origin", id="CORS70 who is named asks by CORS"),
        pytest.param(None, {}, "same-origin", id="CORS70 no CORS"),
        pytest.param(
            PUBLIC,
            {"cross_origin_resource_policy": "same-site"},
            "same-site",
            id="CORS70 a value that is given stays",
        ),
        pytest.param(
            PUBLIC,
            {"overrides": {"Cross-Origin-Resource-Policy": "same-origin"}},
            "same-origin",
            id="CORS70 an override stays",
        ),
        pytest.param(
            CorsConfig(allow_origins=["*"], paths={"/api": LISTED}),
            {},
            "same-origin",
            id="CORS70 a path is not for everyone",
        ),
        pytest.param(
            CorsConfig(allow_origins=["*"], paths={"/api": PUBLIC}),
            {},
            "cross-origin",
            id="CORS70 all paths are for everyone",
        ),
    ],
)
def test_the_resource_policy_of_an_api_follows_cors(
    cors: CorsConfig | None, changes: dict[str, Any], sent: str
) -> None:
    texts = SecurityHeadersConfig.api(**changes).following(cors).texts()
    assert texts["cross-origin-resource-policy"] == sent


def test_CORS70_only_the_api_profile_follows_unasked() -> None:
    for profile in (make(), SecurityHeadersConfig.strict()):
        assert profile.following(PUBLIC) is profile
    asked = make(resource_policy_follows_cors=True).following(PUBLIC)
    assert asked.cross_origin_resource_policy == "cross-origin"


@pytest.mark.parametrize(
    ("fields", "enforced", "reported"),
    [
        pytest.param(
            {"csp": "connect-src 'self'", "connect_origins": ["https://*.x.app"]},
            "connect-src 'self' https://*.x.app wss://*.x.app",
            None,
            id="list",
        ),
        pytest.param(
            {
                "csp": "default-src 'none'",
                "csp_report_only": "img-src *",
                "connect_origins": LISTED,
            },
            f"default-src 'none'; connect-src {SOURCES}",
            "img-src *",
            id="a CORS policy; what restricts no connections stays so",
        ),
        pytest.param(
            {
                "overrides": {"Content-Security-Policy": "connect-src 'none'"},
                "csp_report_only": "connect-src 'self'; report-uri /r",
                "connect_origins": LISTED,
            },
            f"connect-src {SOURCES}",
            f"connect-src 'self' {SOURCES}; report-uri /r",
            id="both policies, an override too",
        ),
        pytest.param({"csp": None, "connect_origins": []}, None, None, id="nobody to connect to"),
    ],
)
def test_pages_may_connect_to_whom_cors_trusts(
    fields: dict[str, Any], enforced: str | None, reported: str | None
) -> None:
    config = make(**fields)
    texts = config.texts()
    assert texts.get("content-security-policy") == enforced
    assert texts.get("content-security-policy-report-only") == reported
    assert isinstance(config.connect_origins, tuple)
    # Other origins leave nothing of these behind.
    assert dataclasses.replace(config, connect_origins=()).policies().get("csp") == config.csp


def test_CORS62_both_policies_can_be_sent() -> None:
    texts = make(csp={"img-src": []}, csp_report_only="img-src *").texts()
    assert texts["content-security-policy"] == "img-src 'none'"
    assert texts["content-security-policy-report-only"] == "img-src *"


def test_CORS68_isolation_is_off_until_asked_for_and_then_whole() -> None:
    assert "cross-origin-embedder-policy" not in make().texts()
    bare = {"cross_origin_opener_policy": None, "cross_origin_resource_policy": None}
    texts = make(cross_origin_isolated=True, **bare).texts()
    assert texts["cross-origin-opener-policy"] == "same-origin"
    assert texts["cross-origin-embedder-policy"] == "require-corp"
    assert texts["cross-origin-resource-policy"] == "same-origin"
    kept = make(cross_origin_isolated=True, cross_origin_embedder_policy="credentialless").texts()
    assert kept["cross-origin-embedder-policy"] == "credentialless"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"hsts_preload": True}, f"{Hsts().text}; preload", id="P30 True adds"),
        pytest.param({"hsts_preload": None, "hsts": "max-age=5"}, "max-age=5", id="P30 None keeps"),
        pytest.param(
            {"hsts_preload": False, "hsts": Hsts(preload=True)}, Hsts().text, id="P30 False strips"
        ),
        pytest.param(
            {
                "hsts_preload": False,
                "overrides": {
                    "strict-transport-security": "max-age=31536000; includeSubDomains; preload"
                },
            },
            "max-age=31536000; includeSubDomains",
            id="P30 an override is stripped too",
        ),
        pytest.param({"hsts_preload": False, "hsts": None}, None, id="P30 nothing to strip"),
    ],
)
def test_preload(fields: dict[str, Any], text: str | None) -> None:
    assert make(**fields).texts().get("strict-transport-security") == text


@pytest.mark.parametrize(
    ("overrides", "name", "value"),
    [
        pytest.param(
            {"X-FRAME-Options": "SAMEORIGIN"}, "x-frame-options", "SAMEORIGIN", id="P27 any case"
        ),
        pytest.param({"x-frame-options": None}, "x-frame-options", None, id="P27 None removes"),
        pytest.param({"X-Mine": "1"}, "x-mine", "1", id="P27 any header"),
        pytest.param({"X-Mine": None}, "x-mine", None, id="P27 None of any header"),
        pytest.param(
            {"Content-Security-Policy": "default-src 'self'; script-src 'self'"},
            *("content-security-policy", "default-src 'self'; script-src 'self'"),
            id="P27 the guide's example",
        ),
        pytest.param(
            {"Reporting-Endpoints": None}, "reporting-endpoints", None, id="P27 endpoints removed"
        ),
    ],
)
def test_an_override_wins(overrides: dict[str, str | None], name: str, value: str | None) -> None:
    config = make(overrides=overrides, extra={"x-mine": "0"} if "X-Mine" in overrides else {})
    assert (
        config.texts().get(name) == value
        if value
        else name not in make(overrides=overrides).texts()
    )


FAULTS = [
    pytest.param({"hsts": "max-age=-1"}, "hsts.text", "max-age", id="CORS97 negative max-age"),
    pytest.param({"hsts": True}, "hsts.text", "Hsts(", id="CORS97 bool"),
    pytest.param(
        {"hsts": "max-age=63072000; preload"}, "hsts.preload", "includeSub", id="CORS97 preload"
    ),
    pytest.param(
        {"hsts": "max-age=1; includeSubDomains", "hsts_preload": True},
        *("hsts.preload", "31536000"),
        id="CORS97 preload for a second",
    ),
    pytest.param(
        {"hsts": None, "hsts_preload": True}, "hsts_preload", "hsts", id="P30 nothing to preload"
    ),
    pytest.param({"hsts_preload": "yes"}, "hsts_preload", "True", id="no switch"),
    pytest.param({"csp": {"img-src": ["self"]}}, "csp.img-src", "'self'", id="CORS96 within"),
    pytest.param({"csp": 5}, "csp.directives", "names", id="CORS96 no policy"),
    pytest.param({"csp": "img-src *\r\nx: y"}, "csp.text", "one line", id="CORS95 CSP"),
    pytest.param(
        {"overrides": {"Content-Security-Policy": "default-src self"}},
        *("csp.default-src", "'self'"),
        id="CORS96 in an override",
    ),
    pytest.param(
        {"permissions_policy": {"camra": []}}, "permissions_policy.camra", "camera", id="CORS64"
    ),
    pytest.param({"frame_options": "DNEY"}, "frame_options", "'DENY'", id="misspelt choice"),
    pytest.param({"frame_options": "DENY\r\n"}, "frame_options", "DENY", id="CORS95 choice"),
    pytest.param(
        {"referrer_policy": "no-referer"}, "referrer_policy", "no-referrer", id="misspelt referrer"
    ),
    pytest.param(
        {"referrer_policy": "no-referrer, x"}, "referrer_policy", "no-refer", id="second referrer"
    ),
    pytest.param({"referrer_policy": 5}, "referrer_policy", "no-referrer", id="no referrer text"),
    pytest.param({"merge": "kep"}, "merge", "'keep'", id="misspelt merge"),
    pytest.param({"csp_applies_to": "html"}, "csp_applies_to", "documents", id="scope of CSP"),
    pytest.param({"no_store_private": "no"}, "no_store_private", "False", id="text for a switch"),
    pytest.param({"remove": "server"}, "remove", "['server']", id="a string for a list"),
    pytest.param({"remove": ["a b"]}, "remove", "letters", id="CORS95 name to remove"),
    pytest.param({"overrides": {"x\r\n": "1"}}, "overrides", "letters", id="CORS95 name"),
    pytest.param({"overrides": {"x": "1\r\nset-cookie: a"}}, "overrides", "CR", id="CORS95 CRLF"),
    pytest.param({"overrides": {"x": "1\x00"}}, "overrides", "NUL", id="CORS95 NUL"),
    pytest.param({"overrides": {"x": "1\x7f"}}, "overrides", "DEL", id="CORS95 DEL"),
    pytest.param({"extra": {"x": "\u20ac"}}, "extra", "latin-1", id="CORS95 non-latin-1"),
    pytest.param({"extra": {"x": None}}, "extra", "latin-1", id="no text"),
    pytest.param({"overrides": {"x": ""}}, "overrides", "None removes", id="empty text"),
    pytest.param({"extra": {"x": " 1"}}, "extra", "outer spaces", id="outer space"),
    pytest.param(
        {"extra": {"X-Frame-Options": "DENY"}}, "extra", "frame_options", id="has a field"
    ),
    pytest.param({"overrides": {"set-cookie": None}}, "overrides", "the app", id="not ours"),
    pytest.param({"overrides": {"A": "1", "a": "2"}}, "overrides", "keep one", id="P27 two cases"),
    pytest.param({"overrides": "x"}, "overrides", "mapping", id="no mapping"),
    pytest.param(
        {"overrides": {"reporting-endpoints": 'a="https://a.test"'}},
        *("overrides", "reporting_endpoints"),
        id="endpoints by override",
    ),
    pytest.param(
        {"csp": "img-src *; report-to r"}, "csp.report-to", "reporting_endpoints", id="CORS63"
    ),
    pytest.param(
        {"csp_report_only": "img-src *; report-to r", "reporting_endpoints": {"s": "https://a.b"}},
        *("csp_report_only.report-to", "{'r': "),
        id="CORS63 another name",
    ),
    pytest.param(
        {"reporting_endpoints": {"r": "http://a.b"}},
        "reporting_endpoints",
        "https",
        id="CORS63 http",
    ),
    pytest.param(
        {"cross_origin_isolated": True, "cross_origin_embedder_policy": "unsafe-none"},
        *("cross_origin_embedder_policy", "require-corp"),
        id="CORS68 no COEP",
    ),
    pytest.param(
        {"cross_origin_isolated": True, "cross_origin_opener_policy": "unsafe-none"},
        *("cross_origin_opener_policy", "same-origin"),
        id="CORS68 no COOP",
    ),
    pytest.param(
        {"connect_origins": CorsConfig(allow_origin_regex="https://a")},
        *("connect_origins.allow_origin_regex", "a list"),
        id="an expression to connect to",
    ),
    pytest.param(
        {"connect_origins": LISTED, "csp": None}, "connect_origins", "connect-src", id="no CSP"
    ),
    pytest.param(
        {"connect_origins": ["https://a.test"], "csp": {"connect-src": ["self"]}},
        *("csp.connect-src", "'self'"),
        id="CORS96 beside origins to connect to",
    ),
    pytest.param(
        {"resource_policy_follows_cors": "yes"},
        *("resource_policy_follows_cors", "True"),
        id="no switch for CORP",
    ),
    pytest.param({"cross_origin_isolated": 1}, "cross_origin_isolated", "True", id="no boolean"),
]


@pytest.mark.parametrize(("fields", "field", "hint"), FAULTS)
def test_a_fault_is_named_with_what_to_write(fields: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make(**fields)
    assert {problem.field for problem in raised.value.problems} == {field}
    assert hint in raised.value.problems[-1].hint


def test_CORS98_an_unknown_keyword_names_the_nearest() -> None:
    for build in (make, SecurityHeadersConfig.strict, SecurityHeadersConfig.api):
        with pytest.raises(TypeError, match="did you mean 'frame_options'"):
            build(frame_option="DENY")


def test_CORS99_all_faults_come_at_once_sorted_by_field() -> None:
    with pytest.raises(ConfigError) as raised:
        make(merge="x", csp={"img-src": ["self"]}, hsts="max-age=-1", frame_options="x")
    assert [problem.field for problem in raised.value.problems] == [
        *("csp.img-src", "frame_options", "hsts.text", "merge"),
    ]


def test_CORS100_a_configuration_is_frozen_copied_and_round_trips() -> None:
    remove, overrides = ["Server"], {"X-Mine": "1"}
    config = SecurityHeadersConfig.strict(
        remove=remove,
        overrides=overrides,
        hsts_preload=True,
        cross_origin_isolated=True,
        reporting_endpoints={"r": "https://r.test"},
        connect_origins=LISTED,
    )
    remove.append("x")
    overrides["y"] = "2"
    assert config.remove == ("server",)
    assert config.overrides == (("x-mine", "1"),)
    names = (SecurityHeadersConfig, ContentSecurityPolicy, Hsts, PermissionsPolicy)
    namespace = {kind.__name__: kind for kind in names}
    assert eval(repr(config), namespace) == config  # noqa: S307 -- that it can be evaluated is the point
    assert hash(config) == hash(dataclasses.replace(config))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.merge = "keep"  # type: ignore[misc]


def test_CORS96_hints_are_given_and_not_raised() -> None:
    assert check_headers(make()) == ()
    hints = check_headers(make(csp_report_only="sandbox; report-uri /r"))
    assert [hint.field for hint in hints] == ["csp_report_only.sandbox"]


def test_values_are_typed_whatever_they_were_given_as() -> None:
    config = make(hsts="max-age=5", csp="img-src *", permissions_policy="camera=()")
    assert isinstance(config.hsts, Hsts)
    assert isinstance(config.csp, ContentSecurityPolicy)
    assert config.texts()["permissions-policy"] == "camera=()"
    endpoints = make(reporting_endpoints={"r": "https://r.test/"}, csp="img-src *; report-to r")
    assert endpoints.texts()["reporting-endpoints"] == 'r="https://r.test/"'
