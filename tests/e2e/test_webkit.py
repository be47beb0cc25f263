"""The page in WebKit, the engine of iPads: marked, ended, tapped, exact, other angles, single frames, live.

One window, in the order of the file. Pictures say by their burned-in barcode which they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Demo
from tests.e2e.kit import expected_first
from tests.kit import webkit
from tests.kit.browser import plain_get
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
LIVE = """
  const { burnedIn } = await import("/state/selftest.js");
  const video = document.querySelector("live-view.leader video");
  await new Promise((shown) => video.requestVideoFrameCallback(shown));
  return [app.marks.lookingAt(), burnedIn(video).instantMs];
"""


@pytest.fixture(scope="module")
def window(demo: Demo) -> Iterator[WebKit]:
    with webkit.webkit() as one:
        one.open(demo.urls[-1])
        one.until("document.querySelector(\"#cams[aria-label*='all cameras send']\") && app.box.online")
        yield one


def shown(window: WebKit) -> dict[str, float]:
    """{frame, instantMs} of the picture that stands."""
    said: dict[str, float] = window.run_async(SHOWN)
    return said


def newest_play(demo: Demo) -> dict[str, Any]:
    found: dict[str, Any] = plain_get(f"{demo.urls[0]}/plays?include=clips")["items"][0]
    return found


def test_marked_ended_tapped_and_moving_within_six_seconds(window: WebKit) -> None:
    began = time.monotonic()
    window.click("#new-play")
    window.until("document.querySelector('[data-since]')?.textContent > '0:00.9'")
    window.click("#end-play")
    window.until("document.querySelector('#plays [data-state=ready]')")
    window.click("#plays .play .open")
    window.until(f"{LEADER}?.currentTime > 0.1")
    assert time.monotonic() - began < 6


def test_it_honours_edit_lists(window: WebKit) -> None:
    window.until("app.prefs.get('editLists') === 'ok'")


def test_the_clip_starts_with_its_exact_first_picture(window: WebKit, demo: Demo) -> None:
    window.press("Space")
    window.until(f"{LEADER}.paused")
    window.run(f"{DECK}.seek(0)")
    assert shown(window)["frame"] == expected_first(demo.state, demo.urls[0], newest_play(demo))


def test_frame_by_frame(window: WebKit) -> None:
    first = shown(window)["frame"]
    for by, key in ((1, "."), (2, "."), (3, "."), (2, ","), (1, ",")):
        window.press(key)
        assert shown(window)["frame"] == first + by


def test_another_angle_is_at_the_same_instant(window: WebKit) -> None:
    one = shown(window)
    window.press("2")
    window.until("document.querySelector('.tile.leader[data-channel=cam2]')")
    other = shown(window)
    assert abs(one["instantMs"] - other["instantMs"]) < 41
    window.press("1")
    window.until("document.querySelector('.tile.leader[data-channel=cam1]')")
    assert shown(window) == one


def test_a_star_and_a_tag_are_there_after_a_reload(window: WebKit, demo: Demo) -> None:
    number = newest_play(demo)["number"]
    star = f"#plays .play [aria-label='Star play {number}']"
    window.click(star)
    window.click("replay-player [aria-label=Tags]")
    window.click("tag-board .tag-group[data-field=quarter] button")
    window.until("document.querySelector('.tag-group[data-field=quarter] [aria-pressed=true]')")
    window.until(f'document.querySelector("{star}[aria-pressed=true]")')
    window.until("app.box.outbox.waiting().length === 0")
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


def test_live_knows_when_its_picture_was_captured(window: WebKit) -> None:
    window.run("app.go('live')")
    window.until("parseFloat(document.querySelector('#behind')?.textContent) < 2")
    off = [window.run_async(LIVE) for _ in range(5)]
    assert min(abs(thought - said) for thought, said in off) < 41
    if folder := os.environ.get("E2E_PICTURES"):
        window.photograph(f"{folder}/webkit-live.png")
