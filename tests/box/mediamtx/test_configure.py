"""`appliance mediamtx-config`: the files it writes, who can read them, and what it never writes."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from appliance.box.mediamtx.configure import configure
from appliance.box.mediamtx.login import NAME, login_of
from appliance.box.mediamtx.settings import MediamtxSettings
from appliance.box.mediamtx.users import CannotWrite, hashed, hashes_of
from appliance.box.settings import Settings, check_settings

SHIPPED = Path(__file__).parents[3] / "config" / "mediamtx.yml"
HOST = "10.0.0.5"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(SHIPPED, tmp_path))


def settings_of(folder: Path, *channels: str, **mediamtx: str) -> Settings:
    return check_settings(
        {
            "storage": {"state_dir": folder / "state", "recordings_dir": folder / "recordings"},
            "recorder": {"mode": "external"},
            "mediamtx": mediamtx,
            "channels": [{"id": each} for each in channels],
        }
    )


def password_in(url: str) -> str:
    return url.rpartition(":")[2]


def test_a_password_is_printed_once_and_stored_as_its_hash(tmp_path: Path, file: Path) -> None:
    settings = settings_of(tmp_path, "cam1", "cam2")
    done = configure(settings, file, [], HOST)
    assert set(done.urls) == {"cam1", "cam2"} and done.is_written and done.is_box_password_new
    stored = hashes_of(file.read_text())
    for name, url in done.urls.items():
        assert url.startswith(f"srt://{HOST}:8890?streamid=publish:{name}:{name}:")
        assert stored[name] == hashed(password_in(url))
        texts = [each.read_text() for each in tmp_path.rglob("*") if each.is_file()]
        assert not any(password_in(url) in text for text in texts)
    user, password = login_of(settings.mediamtx, tmp_path / "state")
    assert (user, stored["appliance"]) == ("appliance", hashed(password))
    again = configure(settings, file, [], HOST)
    assert (again.urls, again.kept, again.is_written) == ({}, ("cam1", "cam2"), False)
    assert hashes_of(file.read_text()) == stored


def test_one_camera_gets_a_new_password_and_the_others_keep_theirs(tmp_path: Path, file: Path) -> None:
    settings = settings_of(tmp_path, "cam1", "cam2")
    configure(settings, file, [], HOST)
    before = hashes_of(file.read_text())
    done = configure(settings, file, ["cam1"], HOST)
    after = hashes_of(file.read_text())
    assert set(done.urls) == {"cam1"} and done.kept == ("cam2",)
    assert after == {**before, "cam1": hashed(password_in(done.urls["cam1"]))} != before
    with pytest.raises(CannotWrite, match="no channel cam9"):
        configure(settings, file, ["cam9"], HOST)
    assert hashes_of(file.read_text()) == after


def test_the_files_are_as_private_as_they_were(tmp_path: Path, file: Path) -> None:
    file.chmod(0o640)
    configure(settings_of(tmp_path, "cam1"), file, [], HOST)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "state" / NAME).stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mediamtx.yml", "state"], "no draft is left"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user: needs root")
def test_the_daemon_can_read_what_root_made(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 4711, 4712)
    os.chown(file, 0, 4712)
    configure(settings_of(tmp_path, "cam1"), file, [], HOST)
    made, kept = (state / NAME).stat(), file.stat()
    assert (made.st_uid, made.st_gid) == (4711, 4712)
    assert (kept.st_uid, kept.st_gid) == (0, 4712)


def test_the_password_of_the_settings_is_used_and_no_other_is_made(tmp_path: Path, file: Path) -> None:
    settings = settings_of(tmp_path, "cam1", read_user="box", read_password="of the settings")
    assert not configure(settings, file, [], HOST).is_box_password_new
    assert hashes_of(file.read_text())["box"] == hashed("of the settings")
    assert not (tmp_path / "state" / NAME).exists()


def test_without_a_file_or_a_password_mediamtx_is_asked_without_a_login(tmp_path: Path) -> None:
    assert login_of(MediamtxSettings(), tmp_path) == ("", "")
    (tmp_path / NAME).write_bytes(b"\xff\n")
    assert login_of(MediamtxSettings(), tmp_path) == ("", "")
    with pytest.raises(FileNotFoundError):
        configure(settings_of(tmp_path, "cam1"), tmp_path / "none.yml", [], HOST)
