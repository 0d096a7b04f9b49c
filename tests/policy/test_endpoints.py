"""How the endpoints of accounts speak."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.endpoints import EndpointConfig, EndpointCookies
from asgi_security.secret import Secret


def test_the_defaults_are_fine() -> None:
    config = EndpointConfig(trusted_origins=["https://app.example.com"])
    assert config.transport == "session"
    assert config.secure is True
    assert config.trusted_origins == ("https://app.example.com",)


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        EndpointConfig(
            transport="sesion",  # type: ignore[arg-type]
            secure="no",  # type: ignore[arg-type]
            trusted_origins="https://app.example.com",
            login_page="//evil.example",
            code_page="https://evil.example",
            enrolment_page='/a"b',
            home_page="/\\evil.example",
            account_page=None,  # type: ignore[arg-type]
            max_body_bytes=0,
            body_timeout_seconds=0,
        )
    assert {problem.field for problem in caught.value.problems} == {
        *("transport", "secure", "login_page", "code_page", "enrolment_page", "home_page"),
        *("account_page", "max_body_bytes", "body_timeout_seconds", "trusted_origins"),
    }
    assert "'session'" in str(caught.value)


def test_R90_a_refresh_cookie_belongs_to_tokens() -> None:
    assert EndpointConfig(transport="bearer", refresh_cookie=True).refresh_cookie is True
    with pytest.raises(ConfigError, match="bearer"):
        EndpointConfig(refresh_cookie=True)


def test_every_cookie_is_bound_to_the_host() -> None:
    cookies = EndpointCookies(secure=True)
    for name in ("device", "browser", "pending", "oauth", "refresh"):
        line = getattr(cookies, name).build_line(b"value").decode()
        assert line.startswith(f"{getattr(cookies, f'{name}_name')}=value; Path=/; Max-Age=")
        assert line.startswith("__Host-")
        assert "; Secure; HttpOnly; " in line
        assert "Domain" not in line


@pytest.mark.parametrize(
    ("name", "same_site", "seconds"),
    [
        pytest.param("device", "Lax", 180 * 86_400, id="E22 device"),
        pytest.param("browser", "Strict", 600, id="M97 browser"),
        pytest.param("pending", "Strict", 600, id="M97 pre-token of a form"),
        pytest.param("oauth", "Lax", 600, id="O99 oauth"),
        pytest.param("refresh", "Strict", 400 * 86_400, id="R90 refresh"),
    ],
)
def test_where_a_cookie_goes_and_how_long(name: str, same_site: str, seconds: int) -> None:
    line = getattr(EndpointCookies(secure=True), name).build_line(b"value").decode()
    assert line.endswith(f"; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}")


def test_in_development_cookies_go_over_http() -> None:
    cookies = EndpointCookies(secure=False)
    assert cookies.device_name == "device"
    assert b"Secure" not in cookies.device.build_line(b"value")


def test_P13_clients_have_secrets_that_nobody_sees() -> None:
    config = EndpointConfig(password_clients={"app": "a" * 32, "job": Secret(b"b" * 32)})
    assert config.password_clients == {"app": Secret("a" * 32), "job": Secret("b" * 32)}
    assert "aaaa" not in repr(config)
    assert EndpointConfig(password_clients=config.password_clients) == config
    with pytest.raises(TypeError):
        config.password_clients["eve"] = "e" * 32  # type: ignore[index]


@pytest.mark.parametrize(
    "clients",
    [
        pytest.param({}, id="P13 nobody"),
        pytest.param([("app", "a" * 32)], id="P13 no mapping"),
        pytest.param({"app": "a" * 31}, id="P13 too short"),
        pytest.param({"": "a" * 32}, id="P13 no id"),
        pytest.param({7: "a" * 32}, id="P13 a number"),
        pytest.param({"app": None}, id="P13 no secret"),
    ],
)
def test_what_are_no_clients(clients: Any) -> None:
    with pytest.raises(ConfigError, match="password_clients") as caught:
        EndpointConfig(password_clients=clients)
    assert "aaaa" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "secure"),
    [
        pytest.param("svc_auth", True, id="P49 svc_auth"),
        pytest.param("svc_auth", False, id="P22 in development"),
        pytest.param("__Host-access", True, id="P49 bound to the host"),
        pytest.param("__Secure-access", True, id="P49 over TLS only"),
    ],
)
def test_P49_the_access_cookie_has_exactly_its_name(name: str, secure: bool) -> None:  # noqa: FBT001
    config = EndpointConfig(access_cookie_name=name, secure=secure)
    cookies = EndpointCookies(secure=secure, access_name=config.access_cookie_name)
    assert cookies.access is not None
    line = cookies.access.build_line(b"token")
    assert line.startswith(f"{name}=token; Path=/; ".encode())
    assert b"HttpOnly; SameSite=Lax" in line
    assert (b"; Secure" in line) is secure
    assert cookies.list_token_deletions() == (cookies.refresh.deletion, cookies.access.deletion)


def test_P49_there_is_none_by_default() -> None:
    cookies = EndpointCookies(secure=True)
    assert cookies.access is None
    assert cookies.list_token_deletions() == (cookies.refresh.deletion,)


@pytest.mark.parametrize(
    ("name", "secure"),
    [
        pytest.param("", True, id="P49 empty"),
        pytest.param("a b", True, id="P49 blank"),
        pytest.param("a\r\nSet-Cookie: b", True, id="P49 newline"),
        pytest.param("a;b", True, id="P49 semicolon"),
        pytest.param(7, True, id="P49 number"),
        pytest.param("__Host-access", False, id="P49 prefix without Secure"),
        pytest.param("__secure-access", False, id="P49 prefix in any case"),
        pytest.param("__Host-refresh", True, id="P22 that of the refresh token"),
        pytest.param("device", False, id="P22 that of the device"),
    ],
)
def test_P49_what_is_no_name_for_it(name: Any, secure: bool) -> None:  # noqa: FBT001
    with pytest.raises(ConfigError) as caught:
        EndpointConfig(access_cookie_name=name, secure=secure)
    assert {problem.field for problem in caught.value.problems} == {"access_cookie_name"}
