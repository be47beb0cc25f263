"""The README's commands for new users are executed: the demo starts, the first clip made by hand plays."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import av
import pytest
import trio

from appliance.box.demo import demo_settings
from appliance.ops.fsck import check_box
from tests.kit.running import Process
from tests.kit.waiting import eventually

README = Path(__file__).parents[2] / "README.md"


def first_clip_by_hand(box: str) -> str:
    """The README's script with another address."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (script,) = [block for block in blocks if block.startswith("box=")]
    return "set -eu\n" + re.sub(r"^box=\S+", f"box={box}", script)


def length_s(file: Path) -> float:
    with av.open(str(file)) as container:
        frames = [float(frame.time or 0) for frame in container.decode(video=0)]
    return frames[-1] - frames[0]


@pytest.mark.slow
async def test_the_first_clip_by_hand(tmp_path: Path) -> None:
    words = ["demo", "--port", "0", "--cameras", "1", "--state", str(tmp_path / "state")]
    demo = Process(words, tmp_path / "log")
    demo.launch()
    try:
        await eventually(lambda: "Ctrl-C stops it" in demo.output(), what="the demo's invitation")
        match = re.search(r"Open (http://\S+)", demo.output())
        assert match is not None
        with trio.fail_after(60):
            script = ["bash", "-c", first_clip_by_hand(match[1])]
            await trio.run_process(script, cwd=tmp_path, capture_stdout=True)
        assert length_s(tmp_path / "clip.mp4") == pytest.approx(5, abs=0.5)
        assert length_s(tmp_path / "last20.mp4") > 3
        demo.send(signal.SIGINT)
        assert await demo.ended() == 0
        await demo.leaves_nobody()
        settings = demo_settings(tmp_path / "state", 8080, "127.0.0.1", 1)
        assert [str(finding) for finding in await check_box(settings, False)] == []
    finally:
        demo.kill_everything()
