"""config/OPERATING.md: its figures, ports, commands and names are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.__main__ import app
from appliance.box.safe_mode_parts import folders_of
from appliance.box.settings import check_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "config/OPERATING.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, its first row included."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert rows
    return rows


def test_the_hours_per_terabyte_are_computed() -> None:
    head, *rows = table("How long the disk lasts")
    cameras = [int(cell.split()[0]) for cell in head[1:]]
    assert len(rows) == 5
    for rate, *hours in rows:
        bytes_per_hour = float(rate.split()[0]) * 1e6 / 8 * 3600
        assert [int(cell) for cell in hours] == [int(1e12 / (bytes_per_hour * count)) for count in cameras]


def test_the_ports_are_those_of_the_settings() -> None:
    settings = check_settings({})
    named = {int(port) for row in table("Network")[1:] for port in re.findall(r"\d{4}", row[0])}
    mediamtx = {
        int(port)
        for port in re.findall(r"Address: \S*?:(\d{4})\b", (ROOT / "config/mediamtx.yml").read_text())
    }
    assert {settings.server.port, settings.server.local_port} <= named
    assert mediamtx <= named


def test_every_command_exists() -> None:
    known = set(app.resolved_commands())
    named = set(re.findall(r"(?:^|`|sudo )appliance ([a-z-]+)", PAGE, flags=re.MULTILINE))
    assert named >= {"backup", "restore", "doctor", "fsck", "support-bundle"}
    assert named <= known
    options = (ROOT / "scripts/install").read_text()
    assert all(f"        {option})" in options for option in re.findall(r"scripts/install (--[a-z-]+)", PAGE))


def test_every_part_of_the_health_page_that_is_named_exists() -> None:
    named = {part for row in table("When something is red")[1:] for part in re.findall(r"`(\w+)`", row[0])}
    sources = "".join(path.read_text() for path in (ROOT / "appliance").rglob("*.py"))
    disks = {f"disk_{name}" for name in folders_of(check_settings({}))}
    for part in named:
        assert part in disks or f'board.add("{part}"' in sources, part


def test_every_setting_that_is_named_exists() -> None:
    settings = check_settings({})
    for section, key in re.findall(r"`(site|server|recorder|retention|storage)\.(\w+)", PAGE):
        assert key in type(getattr(settings, section)).model_fields, f"{section}.{key}"
