"""scripts/install, run below a folder of its own, where it needs neither root nor a network."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from appliance.kernel.migrate import migrate
from appliance.kernel.schema import schema_folders
from appliance.kernel.sqlite.connection import connect

ROOT = Path(__file__).parents[2]
PARTS = ("appliance", "config", "systemd", "scripts")
FILES = ("pyproject.toml", "README.md", "LICENSE")

Install = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the installation source, so that it does not change between two runs."""
    clone = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        shutil.copytree(ROOT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, clone / name)
    return clone


@pytest.fixture(scope="module")
def install(clone: Path) -> Install:
    def run(*arguments: str | Path, cwd: Path = clone) -> subprocess.CompletedProcess[str]:
        command = [clone / "scripts" / "install", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)

    return run


def tree(directory: Path) -> dict[str, tuple[int, int]]:
    """(mtime, mode) of every file below `directory`."""
    result = {}
    for path in directory.rglob("*"):
        info = path.lstat()
        result[str(path.relative_to(directory))] = (info.st_mtime_ns, info.st_mode)
    return result


@pytest.fixture(scope="module")
def installed(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("box")
    run = install("--prefix", prefix, "--no-venv")
    assert run.returncode == 0, run.stderr
    return prefix


def test_a_dry_run_names_the_steps_and_does_none(install: Install, tmp_path: Path) -> None:
    run = install("--prefix", tmp_path, "--no-venv", "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "would: folder /srv/recordings" in run.stdout
    assert "would: /opt/appliance/current -> releases/" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_everything_lands_in_its_place(installed: Path) -> None:
    current = installed / "opt/appliance/current"
    assert os.readlink(current).startswith("releases/0.")
    assert (current / "appliance/workers/pool.py").is_file()
    assert (current / ".complete").is_file()
    for unit in (ROOT / "systemd").glob("*.s[eo][rc]*"):
        assert (installed / "etc/systemd/system" / unit.name).read_bytes() == unit.read_bytes()
    for name in ("usr/lib/sysusers.d", "usr/lib/tmpfiles.d"):
        assert (installed / name / "appliance.conf").is_file()
    assert (installed / "usr/lib/sysctl.d/60-appliance.conf").is_file()
    assert not list(installed.rglob("*.new"))


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("etc/appliance/appliance.toml", 0o640),
        ("etc/appliance/credentials", 0o700),
        ("var/lib/appliance", 0o700),
        ("srv/recordings", 0o750),
        ("etc/systemd/system/appliance.service", 0o644),
    ],
)
def test_private_files_have_private_modes(installed: Path, path: str, mode: int) -> None:
    assert stat.S_IMODE((installed / path).stat().st_mode) == mode


@pytest.mark.slow
def test_the_second_time_changes_nothing(install: Install, installed: Path) -> None:
    before = tree(installed)
    run = install("--prefix", installed, "--no-venv")
    assert run.returncode == 0, run.stderr
    assert tree(installed) == before
    steps = [line for line in run.stdout.splitlines() if not line.startswith("== installed")]
    assert steps
    assert all(line.startswith("== as it is: ") for line in steps)


@pytest.mark.slow
def test_an_update_keeps_settings_switches_the_release_and_prints_how_to_roll_back(
    install: Install, tmp_path: Path
) -> None:
    settings = tmp_path / "etc/appliance/appliance.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[site]\nid = "mine"\n')
    releases = tmp_path / "opt/appliance/releases"
    for number in range(5):
        (releases / f"0.0.{number}").mkdir(parents=True)
        os.utime(releases / f"0.0.{number}", (number, number))
    (tmp_path / "opt/appliance/current").symlink_to("releases/0.0.0")
    run = install("--prefix", tmp_path, "--no-venv")
    assert run.returncode == 0, run.stderr
    assert settings.read_text() == '[site]\nid = "mine"\n'
    new = os.readlink(tmp_path / "opt/appliance/current")
    assert "to go back to releases/0.0.0: sudo scripts/install --rollback" in run.stdout
    names = {path.name for path in releases.iterdir()}
    assert names == {new.removeprefix("releases/"), "0.0.4", "0.0.3", "0.0.0"}


def test_a_release_left_half_done_is_made_anew(install: Install, tmp_path: Path) -> None:
    named = install("--prefix", tmp_path, "--no-venv", "--dry-run").stdout
    name = named.split("would: release /opt/appliance/releases/")[1].split()[0]
    half = tmp_path / "opt/appliance/releases" / name
    half.mkdir(parents=True)
    (half / "rubbish").touch()
    assert install("--prefix", tmp_path, "--no-venv").returncode == 0
    assert not (half / "rubbish").exists()
    assert (half / ".complete").exists()


def test_a_relative_prefix_is_seen_from_where_it_was_typed(install: Install, tmp_path: Path) -> None:
    assert install("--prefix", "box", "--no-venv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "box/opt/appliance/current").is_symlink()


@pytest.mark.parametrize("arguments", [["--perfix", "/tmp"], ["--prefix"]])
def test_a_wrong_option_is_refused_with_one_clear_line(install: Install, arguments: list[str]) -> None:
    run = install(*arguments)
    assert run.returncode != 0
    assert run.stderr.startswith("error: ")


# -- the database of before an update ---------------------------------------------------------------

COMMAND = """#!/bin/sh
# The command of a release, with the packages of the tests' environment.
cd {release} && PYTHONDONTWRITEBYTECODE=1 exec {python} -m appliance "$@"
"""


class Machine:
    """A box installed below a prefix, with a fake command in each release and a database."""

    def __init__(self, clone: Path, prefix: Path) -> None:
        self.clone, self.prefix = clone, prefix
        self.state = prefix / "var/lib/appliance"
        settings = prefix / "etc/appliance/appliance.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            f'[storage]\nstate_dir = "{self.state}"\nrecordings_dir = "{prefix / "srv/recordings"}"\n'
        )

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.clone / "scripts/install"), "--prefix", str(self.prefix), "--no-venv", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        for release in (self.prefix / "opt/appliance/releases").iterdir():
            command_file = release / ".venv/bin/appliance"
            command_file.parent.mkdir(parents=True, exist_ok=True)
            command_file.write_text(COMMAND.format(release=release, python=sys.executable))
            command_file.chmod(0o755)
        return done

    def release(self) -> str:
        return os.readlink(self.prefix / "opt/appliance/current")

    def change_the_source(self) -> None:
        with (self.clone / "README.md").open("a") as file:
            file.write("Another release.\n")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Runs a statement on the database, which is made when there is none."""
        self.state.mkdir(parents=True, exist_ok=True)
        db = connect(self.state / "box.db", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        try:
            migrate(db, *schema_folders())
            return list(db.execute(statement))
        finally:
            db.close()

    def begin_session(self, name: str, status: str = "active") -> None:
        columns = [row for row in self.sql("PRAGMA table_info(sessions)") if row[3] and row[4] is None]
        given = {"id": name, "name": name, "status": status, "type": "game"}
        values = {str(row[1]): given.get(row[1], "" if row[2] == "TEXT" else 0) for row in columns}
        values |= given
        names, marks = ", ".join(values), ", ".join(repr(value) for value in values.values())
        self.sql(f"INSERT INTO sessions ({names}) VALUES ({marks})")


@pytest.fixture
def machine(clone: Path, tmp_path: Path) -> Machine:
    own = tmp_path / "clone"
    shutil.copytree(clone, own)
    machine = Machine(own, tmp_path / "box")
    assert machine.install().returncode == 0
    return machine


@pytest.mark.slow
def test_an_update_keeps_the_database_of_before_and_a_rollback_returns_to_it(machine: Machine) -> None:
    machine.begin_session("First", "completed")
    first, epoch = machine.release(), machine.sql("SELECT value FROM meta WHERE key = 'epoch'")
    machine.change_the_source()
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert machine.release() != first
    machine.begin_session("Second", "completed")
    machine.sql("CREATE TABLE of_the_new_release (id TEXT)")

    done = machine.install("--rollback")
    assert done.returncode == 0, done.stderr
    assert machine.release() == first
    assert machine.sql("SELECT name FROM sessions") == [("First",)]
    assert machine.sql("SELECT name FROM sqlite_schema WHERE name = 'of_the_new_release'") == []
    assert machine.sql("SELECT value FROM meta WHERE key = 'epoch'") != epoch  # every client begins anew
    copies = sorted((machine.state / "before-update").iterdir())
    assert [stat.S_IMODE(copy.stat().st_mode) & 0o077 for copy in copies] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("status", ["active", "paused"])
@pytest.mark.parametrize("option", [(), ("--rollback",)])
def test_nothing_is_changed_while_a_session_is_running(
    status: str, option: tuple[str, ...], machine: Machine
) -> None:
    machine.begin_session("Derby", status)
    before = machine.release()
    machine.change_the_source()
    refused = machine.install(*option)
    assert refused.returncode == 1
    assert "error: a session is running (Derby)" in refused.stderr
    assert machine.release() == before
    if not option:
        assert machine.install("--force").returncode == 0
        assert machine.release() != before


def test_without_a_release_before_there_is_no_rollback(machine: Machine) -> None:
    before = machine.release()
    done = machine.install("--rollback")
    assert (done.returncode, "there is no release before" in done.stderr) == (1, True)
    assert machine.release() == before
