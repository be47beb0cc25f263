"""Live pictures on the page: delay, capture time shown, marks that mean it, the last seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo
from tests.e2e.kit import captured_ms
from tests.e2e.looks import FLAT, SMALL
from tests.e2e.own import Session, own_page, recorded_for
from tests.kit.browser import PHONE, TABLET, WAIT_MS, executable, photograph, until, without_edit_lists

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
# The capture time the page assumes, and the picture's barcode, read when a picture is shown.
LOOK = """(selector) => new Promise((done) => {
  const video = document.querySelector(selector);
  const read = async () => {
    const { burnedIn } = await import("/state/device/selftest.js");
    for (let turn = 0; video.paused && turn < 4; turn++) await new Promise(requestAnimationFrame); // painted
    const thought = app.marks.lookingAt();
    done([thought, burnedIn(video)?.instantMs ?? null]);
  };
  if (video.paused) read(); else video.requestVideoFrameCallback(read);
})"""
SHOWN_IN_PANE = """async (number) => {
  const { burnedIn } = await import("/state/device/selftest.js");
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame); // painted
  const pane = document.querySelectorAll("step-pane")[number];
  return [pane.capture, burnedIn(pane.video)?.instantMs ?? null];
}"""
# Press, and return the capture time shown at that moment.
PRESS = """(selector) => {
  const at = app.marks.lookingAt();
  document.querySelector(selector).click();
  return at;
}"""
EXACT_MS = 0.5  # also while the clock of a new source is being measured
NEAR = "parseFloat(document.querySelector('#behind').textContent) < 2"
LIVE = "live-view.leader video"
PAST = "video.past"
IS_LIVE = f"document.querySelector('{PAST}').hidden && app.marks.lookingAt() !== null"
# A past picture is shown, and nothing covers it.
STANDS = f"""((video) => !video.hidden && video.readyState > 1 && !video.seeking && video.paused &&
  ![...document.querySelectorAll(".past.preview")].some((over) => !over.hidden))(
  document.querySelector("{PAST}"))"""
SIZES = (TABLET, PHONE, SMALL, FLAT)
# Layout errors of the buttons: too small for a finger, texts cut off, outside the page, over the picture.
WRONG = """() => {
  const stage = document.querySelector(".stage").getBoundingClientRect();
  const over = ({ left, right, top, bottom }) =>
    left < stage.right && right > stage.left && top < stage.bottom && bottom > stage.top;
  return [...document.querySelectorAll("#main button")].filter((each) => each.offsetParent).filter((each) => {
    const place = each.getBoundingClientRect();
    const small = each.offsetHeight < 44 || each.offsetWidth < 44;
    const out = place.left < 0 || place.right > innerWidth + 1;
    return small || out || over(place) || each.scrollWidth > each.clientWidth + 1;
  }).map((each) => each.outerHTML);
}"""


def looked_at(page: Page, demo: Demo) -> float:
    """The published capture time of the picture shown, ms; the page's value is the same."""
    until(page, STANDS)
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        thought, text = page.evaluate(LOOK, PAST)
        published = captured_ms(demo.state, demo.urls[0], "cam1", text) if text else 0
        if abs(thought - published) < EXACT_MS:
            return published
        # painted a moment after the seek
        assert time.monotonic() < deadline, (thought, published)


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """Live pictures, less than two seconds behind."""
    with own_page(browser, demo.urls[-1], session, "#live") as opened:
        until(opened, f"document.querySelector('{LIVE}')?.currentTime > 0")
        until(opened, NEAR)
        yield opened


def test_the_page_knows_when_its_picture_was_captured(page: Page, demo: Demo) -> None:
    """Less than two seconds behind, on every angle at once."""
    expect(page.locator("#behind")).to_contain_text("s behind")
    page.evaluate("import('/state/device/selftest.js')")
    deadline, off_ms = time.monotonic() + WAIT_MS / 1000, 1e9
    while abs(off_ms) >= 41:  # the clock of a camera that has just started is being measured
        assert time.monotonic() < deadline, off_ms
        thought, content = page.evaluate(LOOK, LIVE)
        off_ms = thought - captured_ms(demo.state, demo.urls[0], "cam1", content) if content else 1e9
    page.keyboard.press("v")
    expect(page.locator("live-view")).to_have_count(2)
    until(page, "[...document.querySelectorAll('live-view video')].every(video => video.currentTime > 0)")
    photograph(page, "live-all")
    page.keyboard.press("v")
    expect(page.locator("live-view")).to_have_count(1)


def test_paused_the_picture_stays_and_a_mark_means_it(page: Page, demo: Demo, session: Session) -> None:
    recorded_for(demo.urls[0], 6)
    page.get_by_role("button", name="Back 5 s").click()
    until(page, f"document.querySelector('{PAST}').currentTime > 0.3")
    page.keyboard.press("Space")
    published = looked_at(page, demo)
    page.click("#new-play")
    until(page, "app.plays().length === 1 && app.plays()[0].number")
    [play] = session.plays()
    assert 0 <= published - from_rfc3339(play["start_time"]) / 1000 < 2, "it begins with that very picture"
    photograph(page, "live-back")
    page.keyboard.press("u")
    until(page, "app.plays().length === 0")
    page.get_by_role("button", name="● LIVE").click()
    until(page, NEAR)
    expect(page.locator(PAST).first).to_be_hidden()


def test_paused_while_live_the_picture_that_was_shown_stays(page: Page, demo: Demo) -> None:
    until(page, IS_LIVE)
    was = page.evaluate(PRESS, ".go")
    assert abs(looked_at(page, demo) - was) < 41
    page.keyboard.press("Space")
    until(page, f"!document.querySelector('{PAST}')?.paused")


def test_from_live_one_frame_back_and_on(page: Page, demo: Demo) -> None:
    recorded_for(demo.urls[0], 3)
    until(page, IS_LIVE)
    back, on = (page.get_by_role("button", name=f"One frame {way}") for way in ("back", "on"))
    was = page.evaluate(PRESS, "[data-frame='-1']")
    at = [looked_at(page, demo)]
    assert 0 < was - at[0] < 81
    for button in (back, back, on):
        button.click()
        at.append(looked_at(page, demo))
    assert [round((after - before) / 40) for before, after in pairwise(at)] == [-1, -1, 1]
    for _ in range(30):
        page.keyboard.press(",")  # beyond the loaded part: the previous one is requested
    until(page, f"Math.abs(app.marks.lookingAt() - {at[3] - 30 * 40}) < 20")
    looked_at(page, demo)


def test_nothing_is_cut_off_or_lies_over_the_picture(page: Page) -> None:
    for size in SIZES:
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        photograph(page, f"live-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        expect(page.get_by_role("button", name="One frame back")).to_be_visible()
        assert page.evaluate(WRONG) == [], size


def test_a_browser_that_ignores_edit_lists_shows_and_marks_the_same_instants(
    browser: Browser, demo: Demo, session: Session
) -> None:
    recorded_for(demo.urls[0], 14)  # so that the replays do not start at the recording's first key
    ignored: dict[str, object] = {"editLists": "ignored"}
    with own_page(browser, demo.urls[0], session, "docs", prefs=ignored) as page:
        without_edit_lists(page, "**/replay.mp4*")
        page.goto(demo.urls[0] + "/#live")
        until(page, f"document.querySelector('{LIVE}')?.currentTime > 0")
        page.get_by_role("button", name="Back 5 s").click()
        until(page, f"(v => !v.paused && v.played.length && !v.seeking)(document.querySelector('{PAST}'))")
        page.keyboard.press("Space")
        at = looked_at(page, demo)
        page.get_by_role("button", name="One frame back").click()
        assert round((looked_at(page, demo) - at) / 40) == -1
        page.evaluate("app.go('lineup')")
        panes = "[...document.querySelectorAll('step-pane')]"
        until(page, f"{panes}.length === 2 && {panes}.every((pane) => pane.capture)")
        for _ in range(4):
            page.evaluate(f"window.before = {panes}.map((pane) => pane.piece)")
            page.get_by_role("button", name="Newer pictures").click()
            until(page, f"{panes}.every((pane, at) => pane.piece !== before[at] && pane.capture)")
            if page.evaluate(f"{panes}.every((pane) => pane.piece.media[0] > pane.interval / 1000)"):
                break
        for camera in (1, 2):
            page.keyboard.press(str(camera))
            page.keyboard.press(",")
            until(page, f"{panes}[{camera - 1}].capture")
            thought, reading = page.evaluate(SHOWN_IN_PANE, camera - 1)
            published = captured_ms(demo.state, demo.urls[0], f"cam{camera}", reading)
            assert abs(thought - published) < 1  # from the list of pictures
