"""`asgi-security audit-log`: exit codes, what is printed, and that no secret is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.__main__ import main
from asgi_security.auth import Auth
from asgi_security.errors import ConfigError
from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog
from asgi_security.flows.sending import ConsoleSender
from asgi_security.secret import Secret
from asgi_security.settings import load_secret
from asgi_security.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

SECRET, NEW = "s" * 32, "n" * 32


class Place:
    """A store in a file, and the command line over it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.file = folder / "a.db"
        self.url = f"sqlite:///{self.file}"
        self.capture = capture
        self.out = self.err = ""

    def append(self, *tenants: str | None, **config: Any) -> None:
        values: dict[str, Any] = config or {"secret": SECRET}

        async def run() -> None:
            async with SqliteStore(self.file, timeout_seconds=20) as store:
                log = AuditLog(AuditConfig(**values), store)
                for tenant in tenants:
                    await log.record(AuditEntry(action="x", actor="a1", tenant=tenant))

        anyio.run(run)

    def tamper(self, statement: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(statement)
            connection.commit()

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run(self, *arguments: str, secret: str | None = "SECRET_OF_TEST") -> int:
        keys = [] if secret is None else ["--secret-env", secret]
        status = main(["audit-log", *arguments, *keys])
        self.out, self.err = self.capture.readouterr()
        return status


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.setenv("SECRET_OF_TEST", SECRET)
    monkeypatch.setenv("NEW_SECRET_OF_TEST", NEW)
    monkeypatch.setenv("EMPTY_OF_TEST", "")
    monkeypatch.delenv("ABSENT_OF_TEST", raising=False)
    made = Place(tmp_path, capsys)
    monkeypatch.setenv("URL_OF_TEST", made.url)
    return made


class TestVerify:
    def test_H85_all_chains(self, place: Place) -> None:
        place.append(None, "a", "a", "b")
        assert place.run("verify", "--url", place.url) == 0
        assert place.out.splitlines() == [
            "verified: main, 1 records",
            "verified: tenant:a, 2 records",
            "verified: tenant:b, 1 records",
        ]
        assert place.run("verify", "--url-env", "URL_OF_TEST", "--tenant", "a") == 0
        assert place.out == "verified: tenant:a, 2 records\n"
        assert place.run("verify", "--url", place.url, "--no-tenant") == 0
        assert place.out == "verified: main, 1 records\n"

    def test_H85_one_broken_chain_among_others(self, place: Place) -> None:
        place.append(None, "a", "a", "b")
        place.tamper("UPDATE audit_log SET actor = 'eve' WHERE chain = 'tenant:a' AND sequence = 2")
        assert place.run("verify", "--url", place.url) == 1
        assert "broken: tenant:a, at record 2 (column)" in place.out
        assert "verified: tenant:b" in place.out

    def test_H85_nothing_there(self, place: Place) -> None:
        assert place.run("verify", "--url", place.url) == 0
        assert place.out == "empty: there are no records\n"
        assert place.run("verify", "--url", place.url, "--tenant", "a") == 0
        assert place.out == "empty: tenant:a\n"

    def test_H83_unkeyed_says_so(self, place: Place) -> None:
        place.append(None, dangerously_unkeyed=True)
        assert place.run("verify", "--url", place.url, "--unkeyed", secret=None) == 0
        assert "unkeyed" in place.out
        assert place.run("verify", "--url", place.url) == 1
        assert place.out == "broken: main, at record 1 (unknown_key)\n"

    def test_H83_another_secret(self, place: Place) -> None:
        place.append(None)
        assert place.run("verify", "--url", place.url, secret="NEW_SECRET_OF_TEST") == 1
        assert place.out == "broken: main, at record 1 (unknown_key)\n"


class TestAnchors:
    def test_H87_what_was_cut_off_since(self, place: Place) -> None:
        place.append(None, None, "a", "b")
        assert place.run("checkpoint", "--url", place.url) == 0
        early = place.out
        place.append(None, "a")
        assert place.run("checkpoint", "--url", place.url) == 0
        assert len(place.out.splitlines()) == 3
        anchors = place.write("anchors", early + "\n" + place.out)
        assert place.run("verify", "--url", place.url, "--anchors", anchors) == 0
        place.tamper("DELETE FROM audit_log WHERE chain = 'tenant:b'")
        place.tamper("DELETE FROM audit_heads WHERE chain = 'tenant:b'")
        assert place.run("verify", "--url", place.url) == 0
        assert place.run("verify", "--url", place.url, "--anchors", anchors) == 1
        assert "broken: tenant:b, at record 1 (truncated)" in place.out

    def test_H87_the_latest_counts_in_whatever_order(self, place: Place) -> None:
        place.append(None)
        place.run("checkpoint", "--url", place.url)
        early = place.out
        place.append(None)
        place.run("checkpoint", "--url", place.url)
        anchors = place.write("anchors", place.out + early)
        place.tamper("DELETE FROM audit_log WHERE sequence = 2")
        place.tamper("UPDATE audit_heads SET sequence = 1, mac = (SELECT mac FROM audit_log)")
        assert place.run("verify", "--url", place.url, "--no-tenant") == 0
        assert place.run("verify", "--url", place.url, "--no-tenant", "--anchors", anchors) == 1

    def test_H87_one_chain_alone(self, place: Place) -> None:
        place.append("a", "b")
        assert place.run("checkpoint", "--url", place.url, "--tenant", "b") == 0
        assert len(place.out.splitlines()) == 1
        assert place.run("checkpoint", "--url", place.url, "--tenant", "none") == 0
        assert place.out == ""

    def test_H87_no_checkpoint_is_a_wrong_usage(self, place: Place) -> None:
        place.append(None)
        anchors = place.write("anchors", "junk\n")
        assert place.run("verify", "--url", place.url, "--anchors", anchors) == 2
        assert "no checkpoint" in place.err
        place.run("checkpoint", "--url", place.url)
        forged = place.write("anchors", place.out.strip()[:-4] + "AAAA")
        assert place.run("verify", "--url", place.url, "--anchors", forged) == 2

    def test_H87_a_false_end_is_not_signed(self, place: Place) -> None:
        place.append(None)
        place.tamper("UPDATE audit_log SET actor = 'eve'")
        assert place.run("checkpoint", "--url", place.url) == 3
        assert place.out == ""


class TestExport:
    @pytest.fixture
    def file(self, place: Place, capfdbinary: pytest.CaptureFixture[bytes]) -> Path:
        place.append(None, "a", "a", "a")
        arguments = ["export", "--url", place.url, "--tenant", "a"]
        assert main(["audit-log", *arguments, "--secret-env", "SECRET_OF_TEST"]) == 0
        path = place.folder / "export"
        path.write_bytes(capfdbinary.readouterr().out)
        return path

    @pytest.fixture
    def place(
        self,
        tmp_path: Path,
        capfdbinary: pytest.CaptureFixture[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Place:
        monkeypatch.setenv("SECRET_OF_TEST", SECRET)

        class Reads:
            def readouterr(self) -> tuple[str, str]:
                out, err = capfdbinary.readouterr()
                return out.decode(), err.decode()

        return Place(tmp_path, Reads())  # type: ignore[arg-type]

    def test_H90_it_is_verified_offline(self, place: Place, file: Path) -> None:
        assert len(file.read_bytes().splitlines()) == 4
        assert place.run("verify", "--export", str(file)) == 0
        assert place.out == "verified: tenant:a, 3 records\n"
        assert place.run("verify", "--export", str(file), "--tenant", "a") == 0
        assert place.run("verify", "--export", str(file), "--tenant", "b") == 2
        file.write_bytes(file.read_bytes().replace(b'"a1"', b'"a2"', 1))
        assert place.run("verify", "--export", str(file)) == 1
        assert place.out == "broken: tenant:a, at record 1 (mac)\n"

    def test_H90_with_what_was_kept(self, place: Place, file: Path) -> None:
        place.append("a")
        place.run("checkpoint", "--url", place.url)
        anchors = place.write("anchors", place.out)
        assert place.run("verify", "--export", str(file), "--anchors", anchors) == 1
        assert place.out == "broken: tenant:a, at record 4 (truncated)\n"
        file.write_bytes(b"")
        assert place.run("verify", "--export", str(file), "--anchors", anchors) == 1
        assert place.run("verify", "--export", str(file)) == 0
        assert place.out == f"empty: {file}\n"

    def test_H90_a_broken_chain_is_exported_without_a_checkpoint(self, place: Place) -> None:
        place.append(None, None)
        place.tamper("UPDATE audit_log SET outcome = 'x' WHERE sequence = 1")
        assert place.run("export", "--url", place.url) == 1
        assert len(place.out.splitlines()) == 2
        assert "checkpoint" not in place.out
        assert "broken" in place.err


class TestRotate:
    def test_H90_the_first_secret_goes_on(self, place: Place) -> None:
        place.append(None, "a")
        secrets = place.write("secrets", f"{NEW}\n\n{SECRET}\n")
        arguments = ["--url", place.url, "--secret-file", secrets]
        assert place.run("rotate", *arguments, secret=None) == 0
        assert place.out == "2 chains go on under the current secret\n"
        place.append(None, secret=NEW, old_secrets=[SECRET])
        assert place.run("verify", *arguments, secret=None) == 0
        both = ["--secret-env", "NEW_SECRET_OF_TEST", "--secret-env", "SECRET_OF_TEST"]
        assert place.run("verify", "--url", place.url, *both, secret=None) == 0
        assert place.run("verify", "--url", place.url) == 1


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            pytest.param(["--secret-env", "ABSENT_OF_TEST"], "ABSENT_OF_TEST", id="no variable"),
            pytest.param(["--secret-env", "EMPTY_OF_TEST"], "set but empty", id="empty variable"),
            pytest.param([], "secret", id="no secret"),
            pytest.param(["--secret-file", "/nowhere/at/all"], "nowhere", id="no file"),
            pytest.param([SECRET], "option", id="a secret without its option"),
        ],
    )
    def test_secrets(self, place: Place, arguments: list[str], told: str) -> None:
        assert place.run("verify", "--url", place.url, *arguments, secret=None) == 2
        assert told in place.err
        assert SECRET not in place.out + place.err

    def test_a_short_secret_is_not_shown(self, place: Place) -> None:
        secrets = place.write("secrets", "too-short-canary\n")
        arguments = ["--url", place.url, "--secret-file", secrets]
        assert place.run("verify", *arguments, secret=None) == 2
        assert "canary" not in place.out + place.err

    def test_a_store_that_cannot_be_read_proves_nothing(self, place: Place) -> None:
        url = f"sqlite:///{place.folder / 'nowhere' / 'a.db'}"
        assert place.run("verify", "--url", url) == 3
        assert place.run("verify", "--url", "sqlit:///a") == 2
        assert place.run("verify", "--url-env", "ABSENT_OF_TEST") == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ["verify"],
            ["verify", "--url", "memory://", "--url-env", "X"],
            ["export", "--url", "memory://", "--tenant", "a", "--no-tenant"],
            ["--url", "memory://"],
        ],
    )
    def test_what_argparse_refuses(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["audit-log", *arguments])
        assert caught.value.code == 2


def test_secrets_from_the_environment() -> None:
    assert load_secret("X", {"X": f" {SECRET} "}) == Secret(SECRET)
    for env in ({}, {"X": " "}):
        with pytest.raises(ConfigError) as caught:
            load_secret("X", env)
        assert [problem.field for problem in caught.value.problems] == ["X"]


def test_H81_the_log_of_an_auth_is_verified_by_the_secret_of_the_auth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'security.db'}"

    async def write() -> None:
        async with SqliteStore(tmp_path / "security.db") as store:
            auth = Auth(store, secret="a" * 32, site_url="https://a.test", sender=ConsoleSender())
            assert auth.audit is not None
            await auth.audit.record(AuditEntry(action="signed_in"))

    anyio.run(write)
    monkeypatch.setenv("AUTH_SECRET_OF_TEST", "a" * 32)
    command = ["audit-log", "verify", "--url", url, "--secret-env", "AUTH_SECRET_OF_TEST"]
    assert main([*command, "--of-auth"]) == 0
    assert main(command) == 1
