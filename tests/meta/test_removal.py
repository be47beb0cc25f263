"""A domain is removed by deleting its folder and its line in box/domains.py: the box starts without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.box.domains import REMOVABLE

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120

START = """
import json, sys
from pathlib import Path
import trio
import appliance
from appliance.__main__ import check_config
from appliance.box.daemon import run_daemon
from appliance.box.demo import begin_session, demo_settings
from appliance.box.snapshot import snapshot
from appliance.ops.export import read_session
from appliance.ops.fsck import check_box
from appliance.ops.loopwatch import LoopWatch

state, file = Path(sys.argv[1]), Path(sys.argv[2])
assert Path(appliance.__file__).parent.parent == Path.cwd()
check_config(file)


async def main():
    stop = trio.Event()

    async def ready(bound, store):
        session_id = await store.write(begin_session)
        shown = await store.read(snapshot)
        manifest, _ = await store.read(lambda tx: read_session(tx, session_id))
        print(json.dumps([len(shown["sessions"]), manifest["session"]["id"] == session_id]))
        stop.set()

    settings = demo_settings(state, 0, "127.0.0.1", 0)
    await run_daemon(settings, stop=stop, loop=LoopWatch(), ready=ready)
    assert await check_box(settings, False) == []


trio.run(main)
"""


def link_without(name: str, folder: Path) -> None:
    """The product without one domain: links to all of its files, so that what is compiled already is used."""
    box = folder / "appliance/box"
    box.mkdir(parents=True)
    for inside, left_out in (("appliance", {"box", "app"}), ("appliance/box", {name, "domains.py"})):
        for path in (ROOT / inside).iterdir():
            if path.name not in left_out:
                (folder / inside / path.name).symlink_to(path)
    text = (ROOT / "appliance/box/domains.py").read_text()
    assert text.count(f'    "{name}",\n') == 1
    (box / "domains.py").write_text(text.replace(f'    "{name}",\n', ""))


@pytest.mark.parametrize("name", REMOVABLE)
def test_the_box_starts_without_a_domain(name: str, tmp_path: Path) -> None:
    link_without(name, tmp_path)
    state, file = tmp_path / "state", tmp_path / "box.toml"
    state.mkdir()
    file.write_text(f'[storage]\nstate_dir = "{state}"\nrecordings_dir = "{state}-rec"\nreserve_gb = 0\n')
    done = subprocess.run(
        [sys.executable, "-c", START, str(state), str(file)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[0] == "ok" and "[1, true]" in done.stdout


@pytest.mark.parametrize("name", REMOVABLE)
def test_nothing_imports_a_removable_domain(name: str) -> None:
    own = ROOT / "appliance/box" / name
    naming = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "appliance").rglob("*.py")
        if own not in path.parents and f"appliance.box.{name}" in path.read_text()
    ]
    assert naming == []


@pytest.mark.parametrize("name", REMOVABLE)
def test_no_test_of_others_needs_a_removable_domain(name: str) -> None:
    own = ROOT / "tests/box" / name
    naming = [
        str(path.relative_to(ROOT))
        for folder in ("tests", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        if own not in path.parents and re.search(rf"\b(appliance|tests)\.box\.{name}\b", path.read_text())
    ]
    assert naming == []
