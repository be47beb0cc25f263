"""The demo's settings and its session."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.demo import begin_demo, begin_session, demo_settings, machine_zone
from appliance.box.settings import SettingsError
from appliance.kernel.store import open_store
from appliance.server.connections.server import Bound
from tests.kit.clock import HandClock


def test_every_camera_is_synthetic_and_all_files_are_under_one_folder(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, 8080, "127.0.0.1", 3)
    assert [(each.id, each.input_url) for each in settings.channels] == [
        ("cam1", "synthetic:"),
        ("cam2", "synthetic:"),
        ("cam3", "synthetic:"),
    ]
    storage = settings.storage
    assert all(
        path.is_relative_to(tmp_path) for path in (storage.state_dir, storage.recordings_dir, storage.clips)
    )
    assert settings.server.local_port == 0, "two demos may run beside each other"


@pytest.mark.parametrize(
    ("set_to", "zone"),
    [("/usr/share/zoneinfo/Europe/Madrid", "Europe/Madrid"), ("/usr/share/zoneinfo/Mars/Base", "UTC")],
)
def test_a_person_reads_his_own_time(tmp_path: Path, set_to: str, zone: str) -> None:
    (tmp_path / "localtime").symlink_to(set_to)
    assert machine_zone(tmp_path / "localtime") == zone
    assert machine_zone(tmp_path / "none") == "UTC"


def test_a_demo_may_be_shown_on_the_network(tmp_path: Path) -> None:
    assert demo_settings(tmp_path, 8080, "0.0.0.0", 1).access.mode == "open"


def test_a_wrong_port_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"server\.port"):
        demo_settings(tmp_path, 70000, "127.0.0.1", 1)


async def test_the_session_is_made_once_and_is_active(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        session_id = await store.write(begin_session)
        assert session_id is not None
        assert await store.write(begin_session) is None
        row = await store.read(lambda tx: tx.one("SELECT name, status FROM sessions"))
        assert row == {"name": "Demo", "status": "active"}
        types = [entry.type for entry in await store.journal.read(0)]
        assert types == ["session_created", "session_start"]


async def test_a_new_session_follows_a_completed_one(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        await store.write(begin_session)
        await store.write(lambda tx: tx.run("UPDATE sessions SET status = 'completed'"))
        assert await store.write(begin_session) is not None


@pytest.mark.parametrize(
    ("host", "url", "warns"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081", False),
        ("::1", "http://[::1]:8081", False),
        ("0.0.0.0", "", True),
    ],
)
async def test_the_person_is_reported_what_to_open(tmp_path: Path, host: str, url: str, warns: bool) -> None:
    texts: list[str] = []
    settings = demo_settings(tmp_path, 0, host, 2)
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        await begin_demo(texts.append, settings)(Bound(host, 8081, None), store)
    text = "\n".join(texts)
    assert url in text and "cam1, cam2" in text and "Ctrl-C" in text
    assert ("no pairing" in text) == warns
