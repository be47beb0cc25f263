"""What several files of this folder share."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser

from tests.e2e.game import Game, recorded_game
from tests.kit.browser import chromium
from tests.kit.running import Process
from tests.kit.waiting import eventually


@pytest.fixture(scope="session")
def game(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Game]:
    """The recorded game: about 12 s, once."""
    with recorded_game(tmp_path_factory.mktemp("game")) as one:
        yield one


@dataclass(frozen=True)
class Demo:
    """A demo under way: `urls` as it told a person to open, `state` its folder."""

    process: Process
    state: Path
    urls: list[str]


def start_demo(folder: Path, *words: str) -> Demo:
    """`appliance demo` on a free port; returns when it has invited people."""
    process = Process(["demo", "--port", "0", "--state", str(folder / "state"), *words], folder / "demo.log")
    process.launch()
    trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in process.said(), within_s=20, what="the demo"))
    return Demo(process, folder / "state", re.findall(r"http://\S+:\d+(?=\s)", process.said()))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that everybody on the network may open, with two cameras."""
    one = start_demo(tmp_path_factory.mktemp("demo"), "--host", "0.0.0.0")
    try:
        yield one
        one.process.send(signal.SIGINT)
        assert trio.run(one.process.ended) == 0
    finally:
        one.process.kill_everything()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one
