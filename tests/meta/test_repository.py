"""Content the repository must not have: names of machines and folders, package indexes, large or binary
files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
BYTES_MAX = 200_000
BINARIES = ("tests/data/", "appliance/pictures/", "appliance/app/icons/")

FORBIDDEN = {
    "a page that is not here": r"\b(?:contract|design|house|style|requirements)\.md\b|\bfacts/\w+\.md\b",
    # a comment of an applied schema file stays: it is part of every database
    "a section of such a page": r"(?<!how it is cut \()\bdesign section \d",
    "a developer's folder": r"(?<![\w.])/(root/\w+|home/(?!USER)\w+|work/\w+)\b",
    "a package index": r"(index[-]url|extra[-]index|trusted[-]host|find[-]links)\s*[=:]",
    "an address of a package index": r"https?://[^\s\"']*/(simple|packages)/",
}
APP_FOLDERS = ["parts", "screens", "state", "style"]


def files() -> list[str]:
    """Files that git tracks or would add; without git (a release) everything except build results."""
    listed = _listed_by_git() if shutil.which("git") else None
    return [name for name in (_walked() if listed is None else listed) if (ROOT / name).is_file()]


def _listed_by_git() -> list[str] | None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.splitlines() if listed.returncode == 0 else None


def _walked() -> list[str]:
    built = [line.strip("/\n") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    results: list[str] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not _matches(name, [*built, ".git"])]
        results += [os.path.relpath(Path(folder, name), ROOT) for name in names if not _matches(name, built)]
    return results


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def test_without_git_the_same_files_are_looked_at() -> None:
    listed = _listed_by_git() if shutil.which("git") else None
    if listed is None:
        pytest.skip("no git here to compare with")
    assert {name for name in listed if (ROOT / name).is_file()} <= set(_walked())


def test_no_file_is_big() -> None:
    sizes = {name: (ROOT / name).stat().st_size for name in files()}
    assert {name: size for name, size in sizes.items() if size > BYTES_MAX} == {}


def test_files_are_text_but_for_test_data_and_pictures() -> None:
    binary = [name for name in files() if b"\0" in (ROOT / name).read_bytes()[:8000]]
    assert [name for name in binary if not name.startswith(BINARIES)] == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_name_of_a_machine_or_a_page_elsewhere_slips_in(what: str) -> None:
    actual: list[str] = []
    for name in files():
        if name == "tests/meta/test_repository.py" or name.startswith(BINARIES):
            continue
        text = (ROOT / name).read_text(errors="replace")
        actual += [f"{name}: {match[0]}" for match in re.finditer(FORBIDDEN[what], text)]
    if what == "a package index":  # pip-tools' switches that exclude them
        actual = [each for each in actual if not each.startswith("scripts/lock:")]
    assert actual == []


def test_every_script_says_what_it_does_and_can_be_run() -> None:
    for path in sorted((ROOT / "scripts").iterdir()):
        text = path.read_text() if path.is_file() else ""
        if text.startswith("#!"):
            assert path.stat().st_mode & 0o111, f"{path.name} is not executable"
            assert text.splitlines()[1].startswith("# "), f"{path.name} opens without a word"


@pytest.mark.parametrize(
    "folder",
    ["scripts", "scripts/benches", "systemd", *(f"appliance/app/{each}" for each in APP_FOLDERS)],
)
def test_a_readme_names_every_file_of_its_folder(folder: str) -> None:
    """Packages of the appliance are checked in test_tree.py."""
    readme = (ROOT / folder / "README.md").read_text()
    here = [Path(name).name for name in files() if str(Path(name).parent) == folder]
    assert [name for name in here if f"`{name}`" not in readme and name != "README.md"] == []


def test_the_lock_pins_every_dependency_with_hashes() -> None:
    lock = (ROOT / "scripts/requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9-]+)==([^ ]+) \\$", lock, flags=re.MULTILINE)
    hashes = lock.count("--hash=sha256:")
    assert len(pins) > 50 and hashes > len(pins)
    assert not [line for line in lock.splitlines() if line.startswith("-")]


def test_the_lock_holds_what_pyproject_asks_for() -> None:
    """When this fails, run scripts/lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requests = [
        Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["test"]
    ]
    lock = (ROOT / "scripts/requirements.lock").read_text()
    runtime, tests = lock.split("# --- tests only ---")
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+) \\$", lock, flags=re.MULTILINE))
    for wanted in requests:
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not in the lock"
        assert wanted.specifier.contains(pins[name], prereleases=True), f"{name}=={pins[name]}"
    for text in project["dependencies"]:
        name = canonicalize_name(Requirement(text).name)
        assert f"\n{name}==" in runtime and f"\n{name}==" not in tests
