"""The page in WebKit, the engine of iPads: marks, ends, taps, exact frames, other angles, single frames,
live; beside Chromium, without a box for a while, out of range.

Each test has a browser of its own, which is killed afterwards: another device. Pictures are identified by
their burned-in barcode.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo, returning_demo, start_again, stop_demo
from tests.e2e.kit import assert_same_instant, captured_ms, expected_first
from tests.e2e.own import Session
from tests.kit import webkit
from tests.kit.browser import executable
from tests.kit.counting import OTHER_PAGE
from tests.kit.narrow import narrow_link
from tests.kit.webkit import WebKit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(webkit.missing() != "", reason=f"no WebKit here: {webkit.missing()}"),
]
LEADER = "document.querySelector('.tile.leader video')"
VIDEOS = "document.querySelector('replay-player').videos"
SHOWN = f"""
  const {{ burnedIn }} = await import("/state/device/selftest.js");
  const busy = () => {VIDEOS}.target !== null || {VIDEOS}.lead.seeking || {LEADER}.readyState < 2;
  while (busy()) await new Promise(requestAnimationFrame);
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame);
  return burnedIn({LEADER});
"""
READY = "document.querySelector(\"#cams[aria-label*='all cameras send']\") && app.box.online"
PLAYS = "document.querySelectorAll('#plays .play').length"
NOTHING_WAITS = "app.box.outbox.waiting().length === 0"
KNOWN = """
  localStorage.setItem("prefs", JSON.stringify({ ...%s, editListsBy: navigator.userAgent }));
"""
LIVE = """
  const { burnedIn } = await import("/state/device/selftest.js");
  const video = document.querySelector("live-view.leader video");
  await new Promise((shown) => video.requestVideoFrameCallback(shown));
  return [app.marks.lookingAt(), burnedIn(video).instantMs];
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with returning_demo(tmp_path_factory.mktemp("demo"), "--host", "0.0.0.0") as demo:
        yield demo


@pytest.fixture
def engine() -> Iterator[WebKit]:
    with webkit.webkit() as driver:
        yield driver


@pytest.fixture
def window(engine: WebKit, demo: Demo, session: Session) -> WebKit:
    """A page of a new device that uses the session; its browser's self-test is done."""
    engine.open(demo.urls[-1] + OTHER_PAGE)  # another page of the box: the app is not running
    engine.run(KNOWN % json.dumps({"session": session.id, "editLists": "ok"}))
    engine.open(demo.urls[-1])
    engine.until(READY)
    return engine


def shown(window: WebKit) -> dict[str, float]:
    """{frame, instantMs} of the picture shown."""
    reading: dict[str, float] = window.run_async(SHOWN)
    return reading


def stands(window: WebKit, frame: float) -> None:
    """Wait for this picture: a slow WebKit paints some time after it reports `seeked`."""
    deadline = time.monotonic() + webkit.WAIT_S
    while (now := shown(window)["frame"]) != frame:
        assert time.monotonic() < deadline, f"picture {now} stands, not {frame}"


def test_marked_ended_tapped_and_looked_at_closely(engine: WebKit, demo: Demo, session: Session) -> None:
    """A first visit: it plays, its first picture is the exact one, single frames, the other angle.

    The play is longer than a second, the distance of two key pictures: GStreamer compares the time of a key
    in the file, including the hidden pre-roll, with the length of what is shown, and paints nothing from a
    key that is later than that (also in FFmpeg's own copy of our clip). The single frames below are a clip's
    first. Safari has no GStreamer.
    """
    window = engine
    window.open(demo.urls[-1])
    window.until(READY)
    window.run(f"app.working.choose('{session.id}')")
    window.click("#new-play")
    window.until("document.querySelector('[data-since]')?.textContent > '0:01.5'")
    window.click("#end-play")
    window.until("document.querySelector('#plays [data-state=ready]')")
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.1")
    window.until("app.prefs.get('editLists') === 'ok'")  # its self-test
    window.press("Space")
    window.until(f"{LEADER}.paused")
    window.run(f"{VIDEOS}.seek(0)")
    [play] = session.plays(include="clips")
    stands(window, expected_first(demo.state, demo.urls[0], play))
    picture = shown(window)
    for by, key in ((1, "."), (2, "."), (3, "."), (2, ","), (1, ",")):
        window.press(key)
        stands(window, picture["frame"] + by)
    picture = shown(window)
    window.press("2")
    window.until("document.querySelector('.tile.leader[data-channel=cam2]')")
    together = {"cam1": picture["instantMs"], "cam2": shown(window)["instantMs"]}
    assert_same_instant(demo.state, demo.urls[0], together)
    window.press("1")
    window.until("document.querySelector('.tile.leader[data-channel=cam1]')")
    stands(window, picture["frame"])


def test_a_star_and_a_tag_are_there_after_a_reload(window: WebKit, session: Session) -> None:
    """Then a player that ignores edit lists: it stalled when told to play and seek before it knew the
    length."""
    session.ready_play(1.5)
    star = "#plays .play [aria-label='Star play 1']"
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.1")
    window.click(star)
    window.click("replay-player [aria-label=Tags]")
    window.click("tag-board .tag-group[data-field=quarter] button")
    window.until("document.querySelector('.tag-group[data-field=quarter] [aria-pressed=true]')")
    window.until(f'document.querySelector("{star}[aria-pressed=true]")')
    window.until(NOTHING_WAITS)
    [play] = session.plays()
    assert play["is_favorite"] is True
    assert len(session.tags(play)) == 1
    window.reload()
    window.until(f'document.querySelector("{star}[aria-pressed=true]")')
    assert window.run("return app.box.state.tags.size") == 1
    window.run("app.prefs.set('editLists', 'ignored')")
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.3")


def test_live_knows_when_its_picture_was_captured(window: WebKit, demo: Demo) -> None:
    window.run("app.go('live')")
    window.until("parseFloat(document.querySelector('#behind')?.textContent) < 2")
    off = [window.run_async(LIVE) for _ in range(5)]
    places = [(thought, captured_ms(demo.state, demo.urls[0], "cam1", content)) for thought, content in off]
    assert min(abs(thought - truth) for thought, truth in places) < 41
    if folder := os.environ.get("E2E_PICTURES"):
        window.photograph(f"{folder}/webkit-live.png")


@pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")
def test_what_is_marked_in_one_browser_is_seen_in_the_other(window: WebKit, page: Page) -> None:
    plays = page.locator("#plays .play")
    window.click("#new-play")
    expect(plays.locator(".number")).to_have_text("1")
    window.click("#end-play")
    page.click("#new-play")
    window.until(f"{PLAYS} === 2 && document.querySelector('#plays .play .number')?.textContent === '2'")
    page.click("#end-play")
    window.until("app.plays().every((play) => play.duration > 0)")


def test_a_restart_of_the_box_needs_no_reload(window: WebKit, demo: Demo, session: Session) -> None:
    """A mark made meanwhile is shown at once and arrives once, with its time."""
    window.run("window.sameDocument = true")
    known = window.run("return app.box.reloads")
    stop_demo(demo)
    window.until("!app.box.online")
    pressed = press(window, "#last10")
    window.until(f"{PLAYS} === 1")
    start_again(demo)
    window.until(f"app.box.online && {NOTHING_WAITS}")
    assert_arrived_once(session, pressed)
    assert window.run("return [window.sameDocument, app.box.reloads]") == [True, known]


def test_a_mark_made_out_of_reach_arrives_once(engine: WebKit, demo: Demo, session: Session) -> None:
    window = engine
    with narrow_link(urlsplit(demo.urls[0]).port or 0, 50e6) as link:
        window.open(link.url)
        window.until("app.box.online")
        window.run(f"app.working.choose('{session.id}')")
        link.cut()
        pressed = press(window, "#last10")
        window.until("document.querySelector('#plays .play')?.textContent.includes('Not sent')")
        assert session.plays() == []
        link.mend()
        window.until(NOTHING_WAITS)
        assert_arrived_once(session, pressed)
        assert window.run("return app.box.reloads") == 1


def press(window: WebKit, selector: str) -> tuple[float, float]:
    """A click; the page's box time before and after it, ms."""
    now = "app.box.now()"
    click = f"document.querySelector('{selector}').click()"
    before, after = window.run(f"const before = {now}; {click}; return [before, {now}]")
    return before, after


def assert_arrived_once(session: Session, pressed: tuple[float, float]) -> None:
    """The mark is the session's only play: ten seconds that end with the press."""
    [play] = session.plays()
    end_ms = from_rfc3339(play["start_time"]) / 1000 + 10_000
    assert pressed[0] - 1 <= end_ms <= pressed[1] + 1
