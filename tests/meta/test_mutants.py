"""The list of files that scripts/mutants changes: its paths exist, its reasons are of existing lines."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIST: dict[str, Any] = tomllib.loads((ROOT / "tests/mutants.toml").read_text())
FILES: dict[str, list[str]] = LIST["files"] | LIST["files_to_do"]


def test_every_path_exists() -> None:
    paths = [*FILES, *(test for tests in FILES.values() for test in tests)]
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_every_file_that_computes_on_media_is_listed() -> None:
    folders = ("appliance/media/index", "appliance/media/cut", "appliance/media/clock")
    files = {str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).glob("*.py")}
    assert {path for path in files if not path.endswith("__init__.py")} - FILES.keys() == set()


def test_a_file_is_listed_once() -> None:
    assert LIST["files"].keys() & LIST["files_to_do"].keys() == set()


def test_every_reason_is_of_a_line_of_a_listed_file() -> None:
    gone = [
        (reason["file"], reason["line"])
        for reason in LIST["survivor"]
        if reason["file"] not in FILES
        or reason["line"] not in map(str.strip, (ROOT / reason["file"]).read_text().splitlines())
    ]
    assert gone == []
