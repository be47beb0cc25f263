"""systemd/: the units are valid, sandboxed as measured, and consistent with each other and the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.box.settings import StorageSettings
from appliance.cloud.commands import CLOUD_PATH
from appliance.cloud.settings import CloudSection
from appliance.workers import unit

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = ["appliance.service", "appliance-worker@.service", "mediamtx.service", "appliance-cloud.service"]
DAEMONS = ["appliance.service", "appliance-cloud.service"]

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(name: str, key: str) -> list[str]:
    """Every value of `key` in a unit, in order."""
    lines = (UNITS / name).read_text().splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{key}=")]


def verify(directory: Path) -> str:
    """The output of systemd-analyze for these units, "" = no problem."""
    names = [
        "appliance.service",
        "appliance-worker@1.service",
        "appliance-worker@1.socket",
        "mediamtx.service",
        "appliance-cloud.service",
    ]
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(f"./{name}" for name in names)],
        cwd=directory,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{directory}:"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    ours = [line for line in run.stderr.splitlines() if any(name.split("@")[0] in line for name in names)]
    return "\n".join(ours) or ("" if run.returncode == 0 else run.stderr)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with commands that exist on this machine."""
    for source in UNITS.glob("*.s*"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", source.read_text(), flags=re.MULTILINE)
        (tmp_path / source.name).write_text(text)
    return tmp_path


@needs_analyze
def test_systemd_finds_nothing_to_complain_about(installed: Path) -> None:
    assert verify(installed) == ""


@needs_analyze
@pytest.mark.parametrize(
    ("right", "wrong"), [("WatchdogSec=20", "WatchdogSecs=20"), ("Type=notify", "Type=shout")]
)
def test_the_check_itself_sees_a_mistake(installed: Path, right: str, wrong: str) -> None:
    path = installed / "appliance.service"
    path.write_text(path.read_text().replace(right, wrong))
    assert verify(installed) != ""


@needs_analyze
@pytest.mark.parametrize(("name", "limit"), list(zip(SERVICES, (1.5, 0.6, 1.5, 1.5), strict=True)))
def test_exposure_stays_within_its_limit(name: str, limit: float) -> None:
    """systemd 252 rates a bare unit 9.2."""
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    match = re.search(r"Overall exposure level.*: ([0-9.]+)", run.stdout)
    assert match, run.stderr
    assert float(match[1]) <= limit


@pytest.mark.parametrize("name", DAEMONS)
def test_bad_settings_end_the_service_and_anything_else_restarts_it(name: str) -> None:
    assert values(name, "RestartPreventExitStatus") == ["78"]
    assert values(name, "Restart") == ["always"]
    assert values(name, "StartLimitIntervalSec") == ["0"]
    # a failing ExecStartPre would restart forever: the exit status above is the main process's
    assert values(name, "ExecStartPre") == []


@pytest.mark.parametrize("name", DAEMONS)
def test_the_watchdog_belongs_to_the_daemon_alone(name: str) -> None:
    assert values(name, "Type") == ["notify"]
    assert values(name, "NotifyAccess") == ["main"]
    assert values(name, "WatchdogSec") == ["20"]


def test_the_daemon_may_list_the_machines_addresses() -> None:
    """getifaddrs(3) asks the kernel by netlink: without it a box in a network has no name in it."""
    assert "AF_NETLINK" in values("appliance.service", "RestrictAddressFamilies")[0].split()


def test_a_worker_has_no_network_and_no_writable_path() -> None:
    name = "appliance-worker@.service"
    assert values(name, "PrivateNetwork") == ["yes"]
    assert values(name, "RestrictAddressFamilies") == ["AF_UNIX"]
    for key in ("ReadWritePaths", "StateDirectory", "RuntimeDirectory", "CacheDirectory", "PrivateTmp"):
        assert values(name, key) == []


def test_the_pool_looks_where_the_worker_units_listen() -> None:
    assert values("appliance-worker@.socket", "ListenSequentialPacket") == [f"{unit.SOCKET_DIR}/%i.sock"]


def test_the_daemon_may_write_where_its_default_settings_put_things() -> None:
    storage = StorageSettings()
    assert values("appliance.service", "ReadWritePaths") == [str(storage.recordings_dir)]
    assert values("appliance.service", "RequiresMountsFor") == [str(storage.recordings_dir)]
    assert [f"/var/lib/{name}" for name in values("appliance.service", "StateDirectory")] == [
        str(storage.state_dir)
    ]


def test_the_hosted_side_may_write_where_its_default_settings_put_things() -> None:
    state_dir = CloudSection().state_dir
    assert [f"/var/lib/{name}" for name in values("appliance-cloud.service", "StateDirectory")] == [
        str(state_dir)
    ]
    assert values("appliance-cloud.service", "ExecStart")[0].endswith(f"--config {CLOUD_PATH}")


def test_every_user_of_a_unit_is_made() -> None:
    made = {
        line.split()[1]
        for file in UNITS.glob("*.sysusers")
        for line in file.read_text().splitlines()
        if line.startswith("u")
    }
    wanted = {user for name in SERVICES for user in values(name, "User")}
    assert wanted == made


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
@pytest.mark.parametrize("file", sorted(UNITS.glob("*.sysusers")), ids=lambda file: file.stem)
def test_sysusers_accepts_the_file(file: Path) -> None:
    run = subprocess.run(["systemd-sysusers", "--dry-run", str(file)], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
