"""Fixtures shared by several files of this folder."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import wall_us
from tests.e2e.game import Game, recorded_game
from tests.e2e.kit import NTSC, write_past
from tests.e2e.own import Session, own_page, own_session
from tests.kit.browser import chromium
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.ports import free_port
from tests.kit.running import Box, Process, serving_box
from tests.kit.waiting import eventually


@pytest.fixture(scope="session")
def game(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Game]:
    """The recorded game: about 10 s, made once."""
    with recorded_game(tmp_path_factory.mktemp("game")) as game:
        yield game


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box in Madrid with eight seconds of cam1, nothing of cam2, and short waits."""
    folder = tmp_path_factory.mktemp("box")
    footage = make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    write_past(RecordingWriter(folder / "recordings" / "cam1", footage, wall_us() - 8_000_000), wall_us())
    settings = {
        "site": {"id": "madrid", "timezone": "Europe/Madrid"},
        "channels": [{"id": "cam1"}, {"id": "cam2"}],
        "clips": {"workers": 1, "coverage_wait_s": 0.4, "max_duration_s": 60},
        "heartbeat": {"interval_s": 0.5, "timeout_s": 1.5},
    }
    with serving_box(folder, settings, started) as box:
        yield box


async def started(box: Box) -> Box:
    await box.start()
    return box


@dataclass(frozen=True)
class Demo:
    """A running demo: `urls` as printed for the user, `state` its folder."""

    process: Process
    state: Path
    urls: list[str]


def start_demo(folder: Path, *words: str, port: int = 0) -> Demo:
    """`appliance demo`, on a free port; returns when it has printed its addresses."""
    arguments = ["demo", "--port", str(port), "--state", str(folder / "state"), *words]
    process = Process(arguments, folder / "demo.log")
    process.launch()
    trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in process.output(), what="the demo"))
    return Demo(process, folder / "state", re.findall(r"http://\S+:\d+(?=\s)", process.output()))


@contextmanager
def returning_demo(folder: Path, *words: str) -> Iterator[Demo]:
    """A demo on a port that it gets again after a restart."""
    demo = start_demo(folder, *words, port=free_port())
    try:
        yield demo
    finally:
        demo.process.kill_everything()


def stop_demo(demo: Demo) -> None:
    """Ended like a user would; returns when it has ended cleanly."""
    demo.process.send(signal.SIGTERM)
    assert trio.run(demo.process.ended) == 0


def start_again(demo: Demo) -> None:
    """Returns when it has printed its addresses again."""
    invited = demo.process.output().count("Ctrl-C stops it")
    demo.process.launch()
    trio.run(
        lambda: eventually(
            lambda: demo.process.output().count("Ctrl-C stops it") > invited,
            what="the demo again",
        )
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that everybody on the network may open, with two cameras."""
    demo = start_demo(tmp_path_factory.mktemp("demo"), "--host", "0.0.0.0")
    try:
        yield demo
        demo.process.send(signal.SIGINT)
        assert trio.run(demo.process.ended) == 0
    finally:
        demo.process.kill_everything()


def is_up(demo: Demo) -> bool:
    return demo.process.popen is not None and demo.process.popen.poll() is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chrome:
        yield chrome


@pytest.fixture
def session(demo: Demo) -> Iterator[Session]:
    """A running session for this test alone, at the file's demo."""
    with own_session(demo.urls[0]) as opened:
        yield opened
        if not is_up(demo):  # the test failed while it was stopped: the next one has it again
            start_again(demo)


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """A coach's tablet for this test alone, at the desk, connected; it must have no error."""
    with own_page(browser, demo.urls[0], session) as opened:
        expect(opened.locator("#link[data-state=connected]")).to_be_visible()
        yield opened
