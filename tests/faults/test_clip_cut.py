"""Clip files and power cuts: fsync(file), rename, fsync(directory), COMMIT, and a restart between any two."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults.clip_cut import CLIPS, clip_power_cuts, record_files

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_cut_between_any_two_steps_leaves_a_box_that_mends_itself(tmp_path: Path, seed: int) -> None:
    tally = await clip_power_cuts(CLIPS * 5, seed, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.acknowledged > CLIPS * 5


async def test_each_file_is_synced_then_renamed_then_its_directory_is_synced(tmp_path: Path) -> None:
    drill = await record_files(tmp_path, Random(0))
    kinds = [re.sub(r" [0-9a-f-]{36}(-m1)?", "", step) for step in drill.steps]
    once = ["before fsync.partial", "after fsync.partial", "after rename.mp4", "before fsync", "after fsync"]
    assert kinds == once * CLIPS


def strace() -> str:
    """The tracer, if this machine allows tracing."""
    result = shutil.which("strace")
    if result is None:
        pytest.skip("strace is not installed: the order is not seen from outside")
    probe = subprocess.run([result, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this machine does not let strace trace")
    return result


@pytest.mark.slow
def test_the_kernel_sees_file_rename_directory_commit_in_this_order(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    watched = "trace=fsync,fdatasync,rename,renameat,renameat2"
    command = [strace(), "-f", "-y", "-qq", "-e", watched, "-o", str(trace), sys.executable, "-c", _PROGRAM]
    done = subprocess.run([*command, str(tmp_path / "box")], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines()]
    renamed = [at for at, call in enumerate(calls) if ".partial" in call and call.startswith("rename")]
    assert len(renamed) == CLIPS
    for at in renamed:
        assert re.match(r"fsync\(\d+<.*\.partial>\)", calls[at - 1])
        assert re.match(r"fsync\(\d+<.*/clips/[0-9a-f-]{36}>\)", calls[at + 1])
        assert re.match(r"fdatasync\(\d+<.*box\.db-wal>\)", calls[at + 2]), calls[at : at + 3]


_PROGRAM = """
import sys
from pathlib import Path
from random import Random
import trio
from tests.faults.clip_cut import record_files
import tests.faults.clip_cut as kit
from contextlib import nullcontext
kit.Drill.watching = lambda self: nullcontext()
trio.run(record_files, Path(sys.argv[1]), Random(0))
"""
