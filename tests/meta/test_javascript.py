"""Rules for the app's JavaScript that its formatter does not check: comments and texts stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 110  # as in .biome.jsonc and pyproject.toml
LINES_MAX = 400


def scripts() -> list[str]:
    """All scripts, of the app, of the API's page, and tests, relative to the repository."""
    files = [*(ROOT / "appliance").rglob("*.js"), *(ROOT / "tests").rglob("*.js")]
    names = (path.relative_to(ROOT) for path in files)
    return sorted(str(name) for name in names if "node_modules" not in name.parts)


def test_the_scripts_are_found() -> None:
    assert {"appliance/app/app.js", "appliance/app/parts/dom.js", "tests/app/browser.js"} <= set(scripts())


@pytest.mark.parametrize("name", scripts())
def test_no_line_is_longer_than_the_formatter_allows(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert [f"{name}:{at}" for at, line in enumerate(lines, 1) if len(line) > WIDTH] == []


@pytest.mark.parametrize("name", scripts())
def test_no_script_is_longer_than_400_lines(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= LINES_MAX
