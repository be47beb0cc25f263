"""The page in WebKit, the engine of iPads: marked, ended, tapped, exact, other angles, single frames, live;
beside Chromium, without a box for a while, out of reach.

One window, in the order of the file. Pictures say by their burned-in barcode which they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo, returning_demo, start_again, stop_demo
from tests.e2e.kit import assert_same_instant, captured_ms, expected_first
from tests.kit import webkit
from tests.kit.browser import errors_of, executable, open_page, plain_get
from tests.kit.narrow import narrow_link
from tests.kit.webkit import WebKit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(webkit.missing() != "", reason=f"no WebKit here: {webkit.missing()}"),
]
LEADER = "document.querySelector('.tile.leader video')"
DECK = "document.querySelector('replay-player').deck"
SHOWN = f"""
  const {{ burnedIn }} = await import("/state/selftest.js");
  const busy = () => {DECK}.target !== null || {DECK}.lead.seeking || {LEADER}.readyState < 2;
  while (busy()) await new Promise(requestAnimationFrame);
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame);
  return burnedIn({LEADER});
"""
READY = "document.querySelector(\"#cams[aria-label*='all cameras send']\") && app.box.online"
PLAYS = "document.querySelectorAll('#plays .play').length"
NOTHING_WAITS = "app.box.outbox.waiting().length === 0"
LIVE = """
  const { burnedIn } = await import("/state/selftest.js");
  const video = document.querySelector("live-view.leader video");
  await new Promise((shown) => video.requestVideoFrameCallback(shown));
  return [app.marks.lookingAt(), burnedIn(video).instantMs];
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with returning_demo(tmp_path_factory.mktemp("demo"), "--host", "0.0.0.0") as one:
        yield one


@pytest.fixture(scope="module")
def window(demo: Demo) -> Iterator[WebKit]:
    with webkit.webkit() as one:
        one.open(demo.urls[-1])
        one.until(READY)
        yield one


def shown(window: WebKit) -> dict[str, float]:
    """{frame, instantMs} of the picture that stands."""
    said: dict[str, float] = window.run_async(SHOWN)
    return said


def stands(window: WebKit, frame: float) -> None:
    """Wait for this picture: a starved WebKit paints some time after it says that it has sought."""
    deadline = time.monotonic() + webkit.WAIT_S
    while (now := shown(window)["frame"]) != frame:
        assert time.monotonic() < deadline, f"picture {now} stands, not {frame}"


def newest_play(demo: Demo) -> dict[str, Any]:
    found: dict[str, Any] = plain_get(f"{demo.urls[0]}/plays?include=clips")["items"][0]
    return found


def test_marked_ended_tapped_and_moving(window: WebKit, demo: Demo) -> None:
    """From nothing.

    The play is longer than a second, which lies between two key pictures: GStreamer holds the time of a key
    in the file, hidden pre-roll and all, against the length of what is shown, and paints nothing from a key
    that is later by that (FFmpeg's own copy of our clip too). The single frames below are a clip's first.
    Safari has no GStreamer.
    """
    window.open(demo.urls[-1])
    window.until(READY)
    window.click("#new-play")
    window.until("document.querySelector('[data-since]')?.textContent > '0:01.5'")
    window.click("#end-play")
    window.until("document.querySelector('#plays [data-state=ready]')")
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.1")


def test_it_honours_edit_lists(window: WebKit) -> None:
    window.until("app.prefs.get('editLists') === 'ok'")


def test_the_clip_starts_with_its_exact_first_picture(window: WebKit, demo: Demo) -> None:
    window.press("Space")
    window.until(f"{LEADER}.paused")
    window.run(f"{DECK}.seek(0)")
    stands(window, expected_first(demo.state, demo.urls[0], newest_play(demo)))


def test_frame_by_frame(window: WebKit) -> None:
    first = shown(window)["frame"]
    for by, key in ((1, "."), (2, "."), (3, "."), (2, ","), (1, ",")):
        window.press(key)
        stands(window, first + by)


def test_another_angle_is_at_the_same_instant(window: WebKit, demo: Demo) -> None:
    one = shown(window)
    window.press("2")
    window.until("document.querySelector('.tile.leader[data-channel=cam2]')")
    other = shown(window)
    together = {"cam1": one["instantMs"], "cam2": other["instantMs"]}
    assert_same_instant(demo.state, demo.urls[0], together)
    window.press("1")
    window.until("document.querySelector('.tile.leader[data-channel=cam1]')")
    stands(window, one["frame"])


def test_a_star_and_a_tag_are_there_after_a_reload(window: WebKit, demo: Demo) -> None:
    number = newest_play(demo)["number"]
    star = f"#plays .play [aria-label='Star play {number}']"
    window.click(star)
    window.click("replay-player [aria-label=Tags]")
    window.click("tag-board .tag-group[data-field=quarter] button")
    window.until("document.querySelector('.tag-group[data-field=quarter] [aria-pressed=true]')")
    window.until(f'document.querySelector("{star}[aria-pressed=true]")')
    window.until(NOTHING_WAITS)
    play = newest_play(demo)
    assert play["is_favorite"] is True
    assert len(plain_get(f"{demo.urls[0]}/tags?play_id={play['id']}")["items"]) == 1
    window.reload()
    window.until(f'document.querySelector("{star}[aria-pressed=true]")')
    assert window.run("return app.box.state.tags.size") == 1


def test_a_player_that_ignores_edit_lists_can_seek_as_it_starts(window: WebKit, demo: Demo) -> None:
    """WebKit stood still when it was told to play and to seek before it knew the length."""
    window.run("app.prefs.set('editLists', 'ignored')")
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.3")
    window.run("app.prefs.set('editLists', 'ok')")


def test_live_knows_when_its_picture_was_captured(window: WebKit, demo: Demo) -> None:
    window.run("app.go('live')")
    window.until("parseFloat(document.querySelector('#behind')?.textContent) < 2")
    off = [window.run_async(LIVE) for _ in range(5)]
    places = [(thought, captured_ms(demo.state, demo.urls[0], "cam1", said)) for thought, said in off]
    assert min(abs(thought - truth) for thought, truth in places) < 41
    if folder := os.environ.get("E2E_PICTURES"):
        window.photograph(f"{folder}/webkit-live.png")


@pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")
def test_what_is_marked_in_one_browser_is_seen_in_the_other(
    window: WebKit, browser: Browser, demo: Demo
) -> None:
    window.run("app.go('desk')")
    window.until(f"{PLAYS} === 1")
    other: Page = open_page(browser, demo.urls[0])
    plays = other.locator("#plays .play")
    expect(plays).to_have_count(1)
    window.click("#new-play")
    expect(plays).to_have_count(2)
    expect(plays.locator(".number").first).to_have_text("2")
    window.click("#end-play")
    other.click("#new-play")
    window.until(f"{PLAYS} === 3 && document.querySelector('#plays .play .number')?.textContent === '3'")
    other.click("#end-play")
    window.until("[...app.box.state.plays.values()].every((play) => play.duration > 0)")
    assert errors_of(other) == []
    other.context.close()


def test_a_restart_of_the_box_needs_no_reload(window: WebKit, demo: Demo) -> None:
    """A mark made meanwhile is shown at once and arrives once, with its time."""
    window.run("window.sameDocument = true")
    known = window.run("return app.box.reloads")
    stop_demo(demo)
    window.until("!app.box.online")
    pressed = press(window, "#last10")
    window.until(f"{PLAYS} === 4")
    start_again(demo)
    window.until(f"app.box.online && {NOTHING_WAITS}")
    assert_arrived_once(demo, 4, pressed)
    assert window.run("return [window.sameDocument, app.box.reloads]") == [True, known]


def test_a_mark_made_out_of_reach_arrives_once(window: WebKit, demo: Demo) -> None:
    with narrow_link(urlsplit(demo.urls[0]).port or 0, 50e6) as link:
        window.open(link.url)
        window.until(f"app.box.online && {PLAYS} === 4")
        link.cut()
        pressed = press(window, "#last10")
        window.until("document.querySelector('#plays .play')?.textContent.includes('Not on the box yet')")
        assert len(plain_get(f"{demo.urls[0]}/plays")["items"]) == 4
        link.mend()
        window.until(NOTHING_WAITS)
        assert_arrived_once(demo, 5, pressed)
        assert window.run("return app.box.reloads") == 1
        window.open("about:blank")


def press(window: WebKit, selector: str) -> tuple[float, float]:
    """A click; the page's box time before and after it, ms."""
    now = "app.box.now()"
    click = f"document.querySelector('{selector}').click()"
    before, after = window.run(f"const before = {now}; {click}; return [before, {now}]")
    return before, after


def assert_arrived_once(demo: Demo, number: int, pressed: tuple[float, float]) -> None:
    """As the newest play of ten seconds, which ends with the press."""
    plays = plain_get(f"{demo.urls[0]}/plays")["items"]
    assert sorted(play["number"] for play in plays) == list(range(1, number + 1))
    newest = next(play for play in plays if play["number"] == number)
    end_ms = from_rfc3339(newest["start_time"]) / 1000 + 10_000
    assert pressed[0] - 1 <= end_ms <= pressed[1] + 1
