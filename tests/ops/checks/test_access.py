"""The doctor's checks of access: each problem is shown with the command or setting that solves it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.box.mediamtx.client import MediamtxAccess, UserSettings, open_mediamtx
from appliance.box.settings import Settings, check_settings
from appliance.network.certificates import LEAF_NAME, open_authority, renew_leaf
from appliance.network.tls import now
from appliance.ops import doctor
from appliance.ops.checks import access as access_checks
from appliance.ops.checks.access import (
    access_part,
    certificate_part,
    look_at_certificate,
    look_up_name,
    name_part,
    open_to_all,
    users_part,
)
from tests.kit.mediamtx import stand_in
from tests.ops.box import settings_in

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LOOPBACK = ("127.0.0.1/32",)


def settings(folder: Path, **sections: Any) -> Settings:
    return check_settings(
        {"storage": {"state_dir": folder, "recordings_dir": folder / "recordings"}, **sections}
    )


@pytest.mark.parametrize(
    ("host", "mode", "status"),
    [
        ("127.0.0.1", "open", "ok"),
        ("0.0.0.0", "paired", "ok"),
        ("0.0.0.0", "open", "bad"),
        ("192.168.1.5", "open", "bad"),
    ],
)
def test_a_box_that_is_open_to_everybody_is_named(tmp_path: Path, host: str, mode: str, status: str) -> None:
    part = access_part(settings(tmp_path, server={"host": host}, access={"mode": mode}))
    assert part.status == status
    assert ("appliance pair --role admin" in (part.hint or "")) == (status == "bad")


@pytest.mark.parametrize(
    ("site", "host", "mode", "is_shown"),
    [
        ("north", "0.0.0.0", "open", True),
        ("north", "127.0.0.1", "open", False),
        ("north", "0.0.0.0", "paired", False),
        ("demo", "0.0.0.0", "open", False),
    ],
)
def test_a_box_that_is_open_to_the_network_is_red(site: str, host: str, mode: str, is_shown: bool) -> None:
    part = open_to_all(
        check_settings({"site": {"id": site}, "server": {"host": host}, "access": {"mode": mode}})
    )
    assert (part is not None) == is_shown
    assert part is None or (part.status, "appliance pair" in (part.hint or "")) == ("bad", True)


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (["10.0.0.5"], "ok", "leads to 10.0.0.5"),
        (["10.0.0.5", "10.0.0.9"], "bad", "another machine too: 10.0.0.9"),
        (["10.0.0.9"], "bad", "site.id"),
        ([], "warn", "UDP 5353"),
    ],
)
def test_the_name_leads_to_this_machine_alone(found: list[str], status: str, says: str) -> None:
    part = name_part("stadium.local", found, ["127.0.0.1", "10.0.0.5"])
    assert part.status == status and says in f"{part.detail} {part.hint}"


async def test_the_name_is_resolved_only_where_the_network_reaches_the_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def none(name: str) -> list[str]:
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr(access_checks, "resolve", none)
    assert (await look_up_name(settings(tmp_path))).status == "ok" and asked == []
    part = await look_up_name(settings(tmp_path, server={"host": "0.0.0.0"}, site={"id": "north"}))
    assert (part.status, asked) == ("warn", ["north.local"]) and "no network" in part.detail and part.hint


@pytest.mark.parametrize(
    ("days", "names", "status"),
    [
        (100, ["stadium.local", "10.0.0.5"], "ok"),
        (100, ["box.club.example"], "ok"),
        (100, ["*.club.example"], "ok"),
        (100, ["10.0.0.5"], "ok"),
        (100, ["*.example"], "bad"),
        (100, ["other.example"], "bad"),
        (100, [], "bad"),
        (13, ["stadium.local"], "warn"),
        (0, ["stadium.local"], "bad"),
        (-1, ["stadium.local"], "bad"),
    ],
)
def test_a_certificate_is_judged_by_its_end_and_its_names(days: int, names: list[str], status: str) -> None:
    wanted = ["stadium.local", "box.club.example"]
    for is_own in (True, False):
        part = certificate_part(NOW + timedelta(days=days), names, wanted, NOW, is_own=is_own)
        assert part.status == status and (part.hint is None) == (status == "ok")


async def test_the_certificate_in_use_is_checked_and_none_is_made(tmp_path: Path) -> None:
    assert (await look_at_certificate(settings(tmp_path))).detail.endswith("tls = off")
    auto = settings(tmp_path, server={"tls": "auto"})
    assert (await look_at_certificate(auto)).status == "ok"
    assert os.listdir(tmp_path) == []
    folder = tmp_path / "tls"
    renew_leaf(folder, open_authority(folder, "stadium.local", ""), "stadium.local", ["10.0.0.5"], now())
    part = await look_at_certificate(auto)
    assert part.status == "ok" and "for stadium.local, 10.0.0.5" in part.detail
    file = str(folder / LEAF_NAME)
    files = settings(
        tmp_path, site={"id": "north"}, server={"tls": "files", "tls_cert": file, "tls_key": file}
    )
    (folder / LEAF_NAME).write_text("no certificate")
    for given, fix in ((auto, "remove it"), (files, "server.tls_cert")):
        part = await look_at_certificate(given)
        assert part.status == "bad" and fix in (part.hint or "")
    (folder / LEAF_NAME).unlink()
    assert (await look_at_certificate(files)).status == "bad"


# -- MediaMTX ---------------------------------------------------------------------------------------------


def user(name: str, *permissions: tuple[str, str], addresses: tuple[str, ...] = ()) -> UserSettings:
    return UserSettings(name, addresses, permissions)


CAM1 = user("cam1", ("publish", "cam1"))
BOX = user("appliance", ("read", ""), ("api", ""), addresses=LOOPBACK)


@pytest.mark.parametrize(
    ("method", "users", "strangers", "says"),
    [
        ("internal", [CAM1, BOX], False, ""),
        ("internal", [BOX, user("any", ("publish", "cam1"), addresses=("10.0.0.0/8",))], False, ""),
        ("internal", [CAM1, BOX], True, "without a login"),
        ("internal", [CAM1, BOX, user("any", ("publish", ""))], False, "everybody in the network may send"),
        ("internal", [CAM1, BOX, user("any", ("read", ""))], False, "everybody in the network may watch"),
        ("internal", [BOX], False, "no camera may send to cam1"),
        ("internal", [BOX, user("cam2", ("publish", "cam2"))], False, "no camera may send to cam1"),
        ("http", [CAM1, BOX], False, "authMethod is http"),
        ("jwt", [], False, "authMethod is jwt"),
    ],
)
def test_who_may_use_mediamtx(method: str, users: list[UserSettings], strangers: bool, says: str) -> None:
    part = users_part(MediamtxAccess(method, tuple(users)), ["cam1"], strangers)
    assert part.status == ("bad" if says else "ok") and says in part.detail
    assert ("appliance mediamtx-config" in (part.hint or "")) == bool(says)


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_the_doctor_calls_a_running_mediamtx_with_its_login_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    with stand_in() as mediamtx:
        mediamtx.configured("cam1")
        mediamtx.users = [{"user": "cam1", "ips": [], "permissions": [{"action": "publish", "path": "cam1"}]}]
        mediamtx.login = ("appliance", "secret") if is_guarded else None
        given = settings(
            tmp_path,
            recorder={"mode": "external"},
            mediamtx={"api_url": mediamtx.url, "read_password": "secret"},
            channels=[{"id": "cam1"}],
        )
        monkeypatch.setattr(doctor, "_LOOKS", {"mediamtx": doctor._mediamtx})
        part = (await doctor.examine(given))["mediamtx_users"]
        assert part.status == ("ok" if is_guarded else "bad"), part
        async with open_mediamtx(mediamtx.url, "appliance", "secret") as client:
            assert (await client.access()).users == (user("cam1", ("publish", "cam1")),)


def test_settings_of_a_test_box_are_open_on_loopback_only(tmp_path: Path) -> None:
    assert access_part(settings_in(tmp_path)).status == "ok"
