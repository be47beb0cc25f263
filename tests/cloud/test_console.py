"""`appliance cloud`: exit codes, and a token that is made beside a running service."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance import __main__ as command
from appliance.access.core import secret_hash
from appliance.access.tokens.store import grant_of_hash
from appliance.cloud import console
from appliance.cloud.commands import cloud_commands
from appliance.cloud.console import BadToken, list_tokens, make_token, revoke_token
from appliance.cloud.database import open_database
from appliance.cloud.settings import check_settings
from appliance.kernel.store import StoreBroken


def run(*words: object) -> int:
    return command._exit_code([str(word) for word in words])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "cloud.toml"
    file.write_text(f'[cloud]\nstate_dir = "{tmp_path}/state"\n')
    (tmp_path / "state").mkdir()
    return file


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cloud", "--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cloud_commands if not name.startswith("-"))


def test_serve_without_what_production_needs_ends_with_78(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # B15
    assert run("cloud", "serve", "--config", config) == 78
    assert "cloud.environment" in capsys.readouterr().err
    monkeypatch.setenv("NODE_ENV", "production")
    assert run("cloud", "serve", "--config", config) == 78
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["cloud.api_domain", "internal.token_production"]


def test_a_token_is_printed_once_and_only_its_hash_is_stored(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--role", "league", "--name", "Office", "--scope", "league:a", "--scope", "league:b")
    assert run("cloud", "token", *words, "--config", config) == 0
    token = capsys.readouterr().out.strip()
    for file in (config.parent / "state").iterdir():
        assert token.encode() not in file.read_bytes()

    async def stored() -> object:
        async with open_database("sqlite:cloud.db", config.parent / "state") as store:
            return await store.read(lambda tx: grant_of_hash(tx, secret_hash(token)))

    grant = trio.run(stored)
    assert (grant.name, grant.role, grant.scopes) == ("Office", "league", ("league:a", "league:b"))  # type: ignore[attr-defined]


def test_tokens_are_listed_and_revoked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cloud", "tokens", "--config", config) == 0
    assert capsys.readouterr().out == "there are no tokens\n"
    assert (
        run("cloud", "token", "--role", "box", "--name", "North", "--scope", "site:a", "--config", config)
        == 0
    )
    token = capsys.readouterr().out.strip()
    assert run("cloud", "tokens", "--config", config) == 0
    token_id, *shown = capsys.readouterr().out.split()
    assert shown[:4] == ["box", "North", "site:a", "made"] and token not in shown
    assert run("cloud", "tokens", "--revoke", token_id, "--config", config) == 0
    assert "revoked" in capsys.readouterr().out
    assert run("cloud", "tokens", "--revoke", "no", "--config", config) == 2
    assert capsys.readouterr().err == "error: no token with id no\n"


@pytest.mark.parametrize(
    "words", [["--role", "league", "--name", "x"], ["--role", "admin", "--name", "\n"]], ids=["scope", "name"]
)
def test_a_token_that_cannot_be_is_a_usage_error(
    words: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("cloud", "token", *words, "--config", config) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ")


async def test_a_token_is_made_beside_a_running_service(tmp_path: Path) -> None:
    settings = check_settings({"cloud": {"state_dir": tmp_path}})
    async with open_database(settings.database.url, tmp_path) as service:
        token = await make_token(settings, "admin", "Ana", ())
        grant = await service.read(lambda tx: grant_of_hash(tx, secret_hash(token)))
        assert grant is not None and grant.role == "admin"
        await service.write(lambda tx: tx.append("x", "x:1", {}))  # its writer is as it was
        assert service.journal.head == 1
        (line,) = await list_tokens(settings)
        assert await revoke_token(settings, line.split()[0]) != [line]
        assert await service.read(lambda tx: grant_of_hash(tx, secret_hash(token))) is None
    with pytest.raises(BadToken, match="one scope"):
        await make_token(settings, "box", "North", ("site:a", "site:b"))


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="cannot be opened"):
        async with open_database(f"postgresql://me@/db?host={tmp_path}", tmp_path):
            pass


def test_root_writes_as_the_owner_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[int] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.seteuid", became.append)
    monkeypatch.setattr("os.setegid", lambda gid: None)
    console._become_owner(tmp_path / "absent")
    assert became == []
    console._become_owner(tmp_path)
    assert became == [tmp_path.stat().st_uid]
