"""The glossary of appliance/README.md leads from each product word to its file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

APPLIANCE = Path(__file__).parents[2] / "appliance"
PRODUCT_WORDS = [
    "ghost",
    "cue",
    "coverage",
    "gap",
    "heartbeat",
    "liveness",
    "trim",
    "undo",
    "thumbnail",
    "retention",
    "resume",
    "snapshot",
    "template",
    "latency",
    "safe mode",
    "watchdog",
    "preroll",
    "export",
    "WHEP",
    "statistics",
]


def glossary() -> dict[str, list[str]]:
    """Paths by word; a row may explain several words."""
    table = (APPLIANCE / "README.md").read_text().partition("## Glossary")[2]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {word: re.findall(r"`([^`]+)`", row[-1]) for row in rows[1:] for word in row[0].split(", ")}


@pytest.mark.parametrize("word", PRODUCT_WORDS)
def test_each_product_word_has_its_file(word: str) -> None:
    assert glossary()[word]


def test_every_path_of_the_glossary_exists() -> None:
    missing = {path for paths in glossary().values() for path in paths if not (APPLIANCE / path).is_file()}
    assert missing == set()


def test_every_folder_has_a_readme_that_names_its_files() -> None:
    missing = []
    for marker in sorted(APPLIANCE.rglob("__init__.py")):
        folder, readme = marker.parent, marker.parent / "README.md"
        text = readme.read_text() if readme.exists() else ""
        files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        missing += [f"{folder.name}/{name}" for name in files if folder != APPLIANCE and name not in text]
    assert missing == []
