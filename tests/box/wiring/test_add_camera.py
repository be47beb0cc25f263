"""`appliance add-camera`: a block with a passphrase of its own, or nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.recorder.input_url import SrtSource, parse_input
from appliance.box.settings import SettingsError, load_settings
from appliance.box.wiring.add_camera import add_camera

SHIPPED = Path(__file__).parents[3] / "config/appliance.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "appliance.toml"
    copy.write_text(SHIPPED.read_text())
    copy.chmod(0o640)
    return copy


def test_cameras_are_appended_with_ports_and_passphrases_of_their_own(file: Path) -> None:
    first, second = add_camera(file, "cam1", 'North "high"', None), add_camera(file, "cam2", "", None)
    assert (first.port, second.port) == (8891, 8892) and first.passphrase != second.passphrase
    north, other = load_settings(file).channels
    assert (north.id, north.name, other.id) == ("cam1", 'North "high"', "cam2")
    source = parse_input(north.input_url or "")
    assert isinstance(source, SrtSource)
    assert (source.mode, source.port, source.passphrase, source.pbkeylen) == (
        "listener",
        8891,
        first.passphrase,
        16,
    )
    assert file.stat().st_mode & 0o777 == 0o640 and [each.name for each in file.parent.iterdir()] == [
        file.name
    ]


def test_with_mediamtx_a_camera_has_its_user_there(file: Path) -> None:
    file.write_text(file.read_text().replace('#mode = "embedded"', 'mode = "external"'))
    assert add_camera(file, "cam1", "", None).port is None
    (camera,) = load_settings(file).channels
    assert camera.input_url is None


@pytest.mark.parametrize(
    ("channel", "port", "named"),
    [("Cam 1", None, "channels.1.id"), ("cam1", None, "channels"), ("cam2", 8891, "channels.1.input_url")],
)
def test_what_cannot_be_added_changes_nothing(file: Path, channel: str, port: int | None, named: str) -> None:
    add_camera(file, "cam1", "", None)
    before = file.read_text()
    with pytest.raises(SettingsError) as refused:
        add_camera(file, channel, "", port)
    assert refused.value.problems[0].partition(":")[0] == named
    assert file.read_text() == before


def test_a_list_that_cannot_be_appended_to_is_named(file: Path) -> None:
    file.write_text('channels = [{ id = "cam1" }]\n')
    with pytest.raises(SettingsError, match="cannot be appended"):
        add_camera(file, "cam2", "", None)
