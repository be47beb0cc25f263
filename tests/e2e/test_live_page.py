"""Live pictures on the page: how far behind, which instant is shown, marks that mean it, the last seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo
from tests.e2e.kit import captured_ms
from tests.kit.browser import errors_of, executable, open_page, photograph, plain_get, until

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
# There is a recording to look back into.
RECORDED = """app.box.request("GET", "/channels/cam1/timeline")
  .then(({ spans }) => Date.parse(spans.at(-1).end) - Date.parse(spans[0].start) > 6000)"""
LIVE = "live-view.leader video"
PAST = "video.past"


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
    until(page, f"document.querySelector('{PAST}').paused && !document.querySelector('{PAST}').seeking")
    thought, said = page.evaluate(LOOK, PAST)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam1", said)) < 41
    page.click("#new-play")
    until(page, "[...app.box.state.plays.values()].length === 1")
    play = plain_get(f"{demo.urls[0]}/plays")["items"][0]
    assert abs(from_rfc3339(play["start_time"]) / 1000 - thought) < 2
    photograph(page, "live-back")
    page.keyboard.press("u")
    until(page, "[...app.box.state.plays.values()].length === 0")


def test_back_to_live(page: Page) -> None:
    page.get_by_role("button", name="● LIVE").click()
    until(page, "parseFloat(document.querySelector('#behind').textContent) < 2")
    expect(page.locator(PAST).first).to_be_hidden()
