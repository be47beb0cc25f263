"""The command's words and exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
import trio

from appliance import __main__ as command
from appliance.access.console import waiting_codes
from appliance.access.core import secret_hash
from appliance.box.settings import load_settings
from appliance.ops.health import HealthPart
from tests.ops.box import Box, make_box

SETTINGS = """
[storage]
state_dir = "{state}"
recordings_dir = "{recordings}"
reserve_gb = 0
[retention]
min_free_gb = 0
"""


def settings_file(folder: Path) -> Path:
    file = folder / "appliance.toml"
    file.write_text(SETTINGS.format(state=folder / "state", recordings=folder / "recordings"))
    return file


def run(*words: object) -> int:
    return command._exit_code([str(word) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["check-config"],
        ["serve", "--nope"],
        ["demo", "--cameras", "9"],
        ["demo", "--port", "x"],
        ["cloud", "nope"],
        ["cloud", "demo", "--host", "0.0.0.0"],
        ["cloud", "token", "--role", "coach", "--name", "x"],
    ],
)
def test_wrong_arguments_are_usage_errors_on_stderr(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "appliance --help" in captured.err


def test_version_is_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip()[0].isdigit()


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    content = capsys.readouterr().out
    names = "serve demo check-config doctor fsck export backup restore pair mediamtx-config cloud"
    for name in names.split():
        assert name in content


def test_a_good_file_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check-config", settings_file(tmp_path)) == 0
    assert capsys.readouterr().out == "ok\n"


def test_every_error_of_a_bad_file_is_reported_with_its_dotted_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[server]\nport = 99999\nprot = 1\n[[channels]]\nid = "Cam 1"\n[nope]\nx = 1\n')
    for words in (["check-config", file], ["serve", "--config", file], ["fsck", "--config", file]):
        assert run(*words) == 78
        lines = capsys.readouterr().err.splitlines()
        paths = {line.split(":")[0] for line in lines}
        assert paths == {"server.port", "server.prot", "channels.0.id", "nope"}
    file.write_text("[server\n")
    assert run("check-config", file) == 78
    assert run("check-config", tmp_path / "absent.toml") == 78
    assert "no such file" in capsys.readouterr().err


def test_mediamtx_config_says_what_to_type_into_each_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings_file(tmp_path)
    with file.open("a") as opened:
        opened.write('[recorder]\nmode = "external"\n[[channels]]\nid = "cam1"\n[[channels]]\nid = "cam2"\n')
    assert run("mediamtx-config", "--config", file) == 1
    assert "mediamtx.yml" in capsys.readouterr().err, "the file that is missing is named"
    (tmp_path / "mediamtx.yml").write_text("logLevel: info\n")
    assert run("mediamtx-config", "--config", file) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"srt://\S+:8890\?streamid=publish:(cam\d):\1:\w{20}$", printed, re.MULTILINE)) == 2
    assert "systemctl restart appliance" in printed and "mediamtx.api_url" in printed
    assert run("mediamtx-config", "--new", "cam2", "--config", file) == 0
    printed = capsys.readouterr().out
    assert "cam1 keeps its password" in printed and "streamid=publish:cam2:cam2:" in printed
    assert run("mediamtx-config", "--new", "cam9", "--config", file) == 1
    assert "no channel cam9" in capsys.readouterr().err


def test_pair_leaves_a_code_for_the_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings_file(tmp_path)
    state_dir = load_settings(file).storage.state_dir
    assert run("pair", "--role", "admin", "--name", "Office", "--minutes", "5", "--config", file) == 0
    printed = capsys.readouterr().out
    (code,) = waiting_codes(state_dir)
    assert (code.role, code.name) == ("admin", "Office") and 0 < code.left_us() <= 5 * 60e6
    shown = re.findall(r"code +(\S+)", printed)[0]
    assert secret_hash(shown.replace("-", "")) == code.code_hash
    assert f"/pair?c={shown.replace('-', '')}" in printed and "▀" in printed
    assert run("pair", "--role", "king", "--config", file) == 2


def test_pair_with_tls_keeps_the_code_off_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APPLIANCE_SERVER__TLS", "auto")
    assert run("pair", "--role", "admin", "--config", settings_file(tmp_path)) == 0
    printed = capsys.readouterr().out
    shown = re.findall(r"code +(\S+)", printed)[0].replace("-", "")
    assert f"/pair#c={shown}" in printed and "?c=" not in printed and "https://" in printed


def test_doctor_prints_text_or_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {"clock": HealthPart("ok", "fine"), "port": HealthPart("bad", "taken", "stop it")}
    monkeypatch.setattr(trio, "run", lambda *args: result)
    assert run("doctor", "--config", settings_file(tmp_path)) == 1
    reading = capsys.readouterr().out.splitlines()
    assert reading[0].split() == ["ok", "clock", "fine"]
    assert reading[1].startswith("bad") and reading[1].endswith("taken -> stop it")
    assert run("doctor", "--config", settings_file(tmp_path), "--json") == 1
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["port"] == {"status": "bad", "detail": "taken", "hint": "stop it"}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return trio.run(make_box, tmp_path)


def test_fsck_finds_and_mends(box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", settings_file(tmp_path)]
    assert run("fsck", *config) == 0
    assert capsys.readouterr().out == "ok\n"
    box.picture.unlink()
    assert run("fsck", *config) == 1
    assert "picture_missing" in capsys.readouterr().out
    assert run("fsck", "--repair", *config) == 0
    assert "1 findings, 1 repaired" in capsys.readouterr().out


def test_export_writes_and_says_what(box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", settings_file(tmp_path)]
    assert run("export", box.session_id, "--format", "json", "--out", tmp_path / "out", *config) == 0
    assert capsys.readouterr().out.startswith("1 clips, ")
    assert (tmp_path / "out" / "manifest.json").exists()
    assert run("export", "nobody", "--out", tmp_path / "out2", *config) == 1
    assert capsys.readouterr().err == "error: no session nobody\n"
    assert run("export", box.session_id, "--format", "hudl", "--out", tmp_path / "out", *config) == 2


def in_process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "appliance", *words, "--config", str(folder / "appliance.toml")]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_start_that_cannot_be_is_one_line_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    stranger = apsw.Connection(str(tmp_path / "state" / "box.db"))
    stranger.execute("CREATE TABLE of_another_program (x)")
    stranger.close()
    settings_file(tmp_path)
    ended = in_process(tmp_path, "serve")
    assert ended.returncode == 1
    (line,) = [line for line in ended.stdout.splitlines() if '"critical"' in line]
    assert "Traceback" not in ended.stdout + ended.stderr
    assert json.loads(line)["event"] == "ended"
