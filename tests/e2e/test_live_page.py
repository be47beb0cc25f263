"""Live pictures on the page: how far behind, which instant is shown, marks that mean it, the last seconds."""

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
from tests.kit.browser import (
    PHONE,
    TABLET,
    WAIT_MS,
    errors_of,
    executable,
    ignore_edit_lists,
    open_page,
    photograph,
    plain_get,
    until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
# What the page thinks it shows, and what the picture says, looked at in the moment a picture is shown.
LOOK = """(selector) => new Promise((done) => {
  const video = document.querySelector(selector);
  const read = async () => {
    const { burnedIn } = await import("/state/selftest.js");
    for (let turn = 0; video.paused && turn < 4; turn++) await new Promise(requestAnimationFrame); // painted
    const thought = app.marks.lookingAt();
    done([thought, burnedIn(video)?.instantMs ?? null]);
  };
  if (video.paused) read(); else video.requestVideoFrameCallback(read);
})"""
SHOWN_IN_PANE = """async (number) => {
  const { burnedIn } = await import("/state/selftest.js");
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame); // painted
  const pane = document.querySelectorAll("step-pane")[number];
  return [pane.capture, burnedIn(pane.video)?.instantMs ?? null];
}"""
# There is a recording to look back into.
RECORDED = """app.box.request("GET", "/channels/cam1/timeline")
  .then(({ spans }) => Date.parse(spans.at(-1).end) - Date.parse(spans[0].start) > 6000)"""
# Press, and say what was looked at in that moment.
PRESS = """(selector) => {
  const at = app.marks.lookingAt();
  document.querySelector(selector).click();
  return at;
}"""
EXACT_MS = 0.5  # also while the clock of a source that has just begun is being learnt
LIVE = "live-view.leader video"
PAST = "video.past"
IS_LIVE = f"document.querySelector('{PAST}').hidden && app.marks.lookingAt() !== null"
# A picture of the past stands, and nothing lies over it.
STANDS = f"""((video) => !video.hidden && video.readyState > 1 && !video.seeking && video.paused &&
  ![...document.querySelectorAll(".past.preview")].some((over) => !over.hidden))(
  document.querySelector("{PAST}"))"""
SIZES = {"tablet": TABLET, "phone": PHONE, "small phone": SMALL, "phone on its side": FLAT}
# What is wrong with the buttons: too small for a finger, words cut, out of the page, over the picture.
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
    """When the picture that stands was captured, as the box publishes it, ms; the page thinks the same."""
    until(page, STANDS)
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        thought, said = page.evaluate(LOOK, PAST)
        published = captured_ms(demo.state, demo.urls[0], "cam1", said) if said else 0
        if abs(thought - published) < EXACT_MS:
            return published
        # painted a moment after it is sought
        assert time.monotonic() < deadline, (thought, published)


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    one = open_page(browser, demo.urls[-1] + "/#live")
    until(one, f"document.querySelector('{LIVE}')?.currentTime > 0")
    yield one
    assert errors_of(one) == []


def test_live_is_less_than_two_seconds_behind(page: Page) -> None:
    until(page, "parseFloat(document.querySelector('#behind').textContent) < 2")
    expect(page.locator("#behind")).to_contain_text("s behind")


def test_the_page_knows_when_its_picture_was_captured(page: Page, demo: Demo) -> None:
    page.evaluate("import('/state/selftest.js')")
    off = [page.evaluate(LOOK, LIVE) for _ in range(5)]
    known = [(thought, captured_ms(demo.state, demo.urls[0], "cam1", said)) for thought, said in off]
    assert min(abs(thought - truth) for thought, truth in known) < 41


def test_every_angle_at_once(page: Page) -> None:
    page.keyboard.press("v")
    expect(page.locator("live-view")).to_have_count(2)
    until(page, "[...document.querySelectorAll('live-view video')].every(video => video.currentTime > 0)")
    photograph(page, "live-all")
    page.keyboard.press("v")
    expect(page.locator("live-view")).to_have_count(1)


def test_paused_the_picture_stays_and_a_mark_means_it(page: Page, demo: Demo) -> None:
    until(page, "parseFloat(document.querySelector('#behind').textContent) < 2")
    until(page, RECORDED)
    page.get_by_role("button", name="Back 5 s").click()
    until(page, f"document.querySelector('{PAST}').currentTime > 0.3")
    page.keyboard.press("Space")
    published = looked_at(page, demo)
    page.click("#new-play")
    until(page, "[...app.box.state.plays.values()].length === 1")
    play = plain_get(f"{demo.urls[0]}/plays")["items"][0]
    assert 0 <= published - from_rfc3339(play["start_time"]) / 1000 < 2, "it begins with that very picture"
    photograph(page, "live-back")
    page.keyboard.press("u")
    until(page, "[...app.box.state.plays.values()].length === 0")


def test_back_to_live(page: Page) -> None:
    page.get_by_role("button", name="● LIVE").click()
    until(page, "parseFloat(document.querySelector('#behind').textContent) < 2")
    expect(page.locator(PAST).first).to_be_hidden()


def test_paused_while_live_the_picture_that_was_shown_stays(page: Page, demo: Demo) -> None:
    until(page, IS_LIVE)
    was = page.evaluate(PRESS, ".go")
    assert abs(looked_at(page, demo) - was) < 41
    page.keyboard.press("Space")
    until(page, f"!document.querySelector('{PAST}')?.paused")


def test_from_live_one_frame_back_and_on(page: Page, demo: Demo) -> None:
    page.keyboard.press("0")
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
        page.keyboard.press(",")  # beyond what was loaded: the piece before it comes
    until(page, f"Math.abs(app.marks.lookingAt() - {at[3] - 30 * 40}) < 20")
    looked_at(page, demo)
    page.keyboard.press("0")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_nothing_is_cut_off_or_lies_over_the_picture(page: Page, size: dict[str, int]) -> None:
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    photograph(page, f"live-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name="One frame back")).to_be_visible()
    assert page.evaluate(WRONG) == []


def test_a_browser_that_ignores_edit_lists_shows_and_means_the_same_instants(
    browser: Browser, demo: Demo
) -> None:
    page = open_page(browser, demo.urls[0] + "/docs")
    ignore_edit_lists(page, "**/replay.mp4*")
    page.goto(demo.urls[0] + "/#live")
    until(page, f"document.querySelector('{LIVE}')?.currentTime > 0")
    until(page, RECORDED)
    page.get_by_role("button", name="Back 5 s").click()
    until(page, f"(v => !v.paused && v.played.length && !v.seeking)(document.querySelector('{PAST}'))")
    page.keyboard.press("Space")
    at = looked_at(page, demo)
    page.get_by_role("button", name="One frame back").click()
    assert round((looked_at(page, demo) - at) / 40) == -1
    page.evaluate("app.go('lineup')")
    panes = "[...document.querySelectorAll('step-pane')]"
    until(page, f"{panes}.length === 2 && {panes}.every((pane) => pane.capture)")
    until(
        page, RECORDED.replace("6000", "14000")
    )  # so that the pieces do not begin with the recording, a key
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
        thought, said = page.evaluate(SHOWN_IN_PANE, camera - 1)
        assert (
            abs(thought - captured_ms(demo.state, demo.urls[0], f"cam{camera}", said)) < 1
        )  # by the list of pictures
    assert errors_of(page) == []
    page.context.close()
