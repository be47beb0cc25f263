"""`appliance cloud demo`: what it prints, and that Ctrl-C ends it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import trio

from tests.kit.browser import plain_get
from tests.kit.running import Process
from tests.kit.waiting import eventually

pytestmark = pytest.mark.slow


def test_the_cloud_demo_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    words = ["cloud", "demo", "--port", "0", "--state", str(tmp_path / "state")]
    demo = Process(words, tmp_path / "demo.log")
    demo.launch()
    try:
        trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in demo.output(), what="the demo of the cloud"))
        (url,) = re.findall(r"http://\S+:\d+(?=/docs)", demo.output())
        assert plain_get(f"{url}/readyz")["parts"]["store"]["status"] != "bad"
        assert len(plain_get(f"{url}/logging/v1/teams")["items"]) == 10
        league = plain_get(f"{url}/api/v2/tournaments/demo-league/standings")
        assert {row["played"] for row in league["items"]} <= {7, 8} and league["zones"]
        demo.send(signal.SIGINT)
        assert trio.run(demo.ended) == 0
        assert '"level": "error"' not in demo.output() and "Traceback" not in demo.output()
    finally:
        demo.kill_everything()
