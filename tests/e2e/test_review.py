"""Review: the whole recording by timeline, a clip from anywhere in it, and figures of what was tagged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339, to_rfc3339, wall_us
from tests.e2e.conftest import Demo
from tests.e2e.kit import captured_ms, published_frames
from tests.e2e.looks import BARS, FLAT, OVER_THE_PICTURE, PICTURE, SMALL_TARGETS, UPRIGHT
from tests.kit.browser import PHONE, TABLET, errors_of, executable, open_page, photograph, plain_get, until
from tests.kit.waiting import PLAIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
VIDEO = "footage-view video:not([hidden])"
TAGS = [
    {"quarter": 1, "down": 3, "distance": 4, "play_type": "Run", "yards_gained": 6, "result": "First down"},
    {"quarter": 1, "down": 3, "distance": 8, "play_type": "Pass", "yards_gained": 2, "result": "Complete"},
    {"quarter": 2, "play_type": "Pass", "result": "Touchdown", "is_important": True},
]
# What the page thinks it shows, and what the picture says.
LOOK = f"""async () => {{
  const {{ burnedIn }} = await import("/state/selftest.js");
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame); // what was sought is painted
  const said = burnedIn(document.querySelector("{VIDEO}"));
  return [document.querySelector("footage-view").at, said?.instantMs ?? null];
}}"""
# Both cameras have footage of the same three seconds.
RECORDED = """(async () => {
  const [now, both] = [app.box.now(), []];
  const span = `start=${new Date(now - 60e3).toISOString()}&end=${new Date(now).toISOString()}`;
  for (const id of ["cam1", "cam2"]) {
    const { spans } = await app.box.request("GET", `/channels/${id}/timeline?${span}`);
    if (spans.length !== 1) return false;
    both.push([Date.parse(spans[0].start), Date.parse(spans[0].end)]);
  }
  return Math.min(both[0][1], both[1][1]) - Math.max(both[0][0], both[1][0]) > 3000;
})()"""
SETTLED = f"""(document.querySelector("footage-view")?.front?.loading === false &&
  (v => v?.readyState > 1 && !v.seeking && v.paused)(document.querySelector("{VIDEO}")))"""


@pytest.fixture(scope="module")
def session(demo: Demo) -> dict[str, Any]:
    [one] = plain_get(f"{demo.urls[0]}/sessions")["items"]
    return dict(one)


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    one = open_page(browser, demo.urls[-1])
    expect(one.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
    until(one, RECORDED)
    one.goto(f"{demo.urls[-1]}/#review")
    until(one, SETTLED)
    yield one
    assert errors_of(one) == []


def at(page: Page) -> float:
    """Capture time of the picture, ms."""
    return float(page.evaluate("document.querySelector('footage-view').at"))


def assert_nearest(demo: Demo, shown_ms: float, wanted_ms: float) -> None:
    """Camera 1's picture that is shown is the one nearest to the time that was wanted, by the box's times."""
    frames = published_frames(demo.state, demo.urls[0], "cam1", round(wanted_ms * 1000))
    times = [at_us / 1000 for at_us, _ in frames]
    assert min(abs(at_ms - shown_ms) for at_ms in times) < 1, "the time shown is a picture's"
    assert abs(shown_ms - wanted_ms) < min(abs(at_ms - wanted_ms) for at_ms in times) + 1


def test_the_footage_is_shown_with_its_time_and_every_camera(page: Page, demo: Demo) -> None:
    thought, said = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam1", said)) < 41
    expect(page.locator("game-timeline .camera-row")).to_have_count(2)
    expect(page.locator("game-timeline .leads .covered")).to_be_visible()


def test_a_finger_and_keys_go_anywhere(page: Page, demo: Demo) -> None:
    box = page.locator("game-timeline .leads .covered").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=3)
    expect(page.locator("footage-view .still")).to_be_visible()
    page.mouse.up()
    until(page, SETTLED)
    expect(page.locator("footage-view .still")).to_be_hidden()
    thought, said = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam1", said)) < 41
    before = at(page)
    page.keyboard.press("ArrowLeft")
    until(page, SETTLED)
    assert_nearest(demo, at(page), before - 1000)


def test_another_camera_shows_the_same_instant(page: Page, demo: Demo) -> None:
    before = at(page)
    page.keyboard.press("2")
    until(page, SETTLED)
    assert abs(at(page) - before) < 61
    thought, said = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam2", said)) < 41
    page.keyboard.press("1")
    until(page, SETTLED)


def test_a_clip_from_anywhere_plays(page: Page, demo: Demo) -> None:  # V16
    start = at(page)
    page.keyboard.press("i")
    page.keyboard.press("ArrowRight")
    until(page, SETTLED)
    end = at(page)
    assert_nearest(demo, end, start + 1000)
    page.get_by_role("button", name="OUT: the clip ends here").click()
    expect(page.locator(".make")).to_have_text("Make clip 0:01.0")
    photograph(page, "review-cut")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Watch", exact=True).click()
    until(page, "document.querySelector('.clips-pane .tile.leader video')?.currentTime > 0.1")
    photograph(page, "review-clip")
    [clip] = plain_get(f"{demo.urls[0]}/clips")["items"]
    assert (clip["play_id"], clip["channel_id"]) == (None, "cam1")
    assert clip["duration"] == pytest.approx((end - start) / 1000, abs=0.001)
    assert abs(from_rfc3339(clip["start_time"]) / 1000 - start) < 1.5
    page.get_by_role("button", name="Star Clip of Camera 1").click()
    expect(page.get_by_role("button", name="Star Clip of Camera 1")).to_have_attribute("aria-pressed", "true")
    until(page, "app.box.outbox.waiting().length === 0")  # shown before the box has it
    assert plain_get(f"{demo.urls[0]}/clips/{clip['id']}")["is_favorite"] is True


def test_a_clip_deleted_by_mistake_comes_back(page: Page, demo: Demo) -> None:
    """One tap deletes, Undo brings it back; its star and its making are taken back the same way."""
    rows = page.locator(".clip-list li")
    notice = page.locator(".notice")
    page.get_by_role("button", name="Delete Clip of Camera 1").click()
    expect(rows).to_have_count(0)
    expect(notice).to_contain_text("Clip of Camera 1 deleted")
    notice.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(1)
    star = page.get_by_role("button", name="Star Clip of Camera 1")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    expect(notice).to_contain_text("star taken away")
    page.keyboard.press("u")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Footage").click()
    until(page, SETTLED)
    page.keyboard.press("i")
    page.keyboard.press("ArrowRight")
    until(page, SETTLED)
    page.keyboard.press("Enter")
    until(page, "app.box.state.clips.size === 2")
    page.keyboard.press("u")
    until(page, "app.box.state.clips.size === 1")
    until(page, "app.box.outbox.waiting().length === 0")
    assert len(plain_get(f"{demo.urls[0]}/clips")["items"]) == 1


def test_of_all_cameras_it_is_a_play(page: Page, demo: Demo) -> None:
    page.get_by_role("button", name="Footage").click()
    until(page, SETTLED)
    start = at(page)
    page.keyboard.press("i")
    page.keyboard.press("a")
    page.keyboard.press("ArrowRight")
    until(page, SETTLED)
    end = at(page)
    page.keyboard.press("Enter")
    until(page, "app.plays().length === 1")
    expect(page.locator("game-timeline .lane")).to_have_text("1")
    [play] = plain_get(f"{demo.urls[0]}/plays")["items"]
    assert len(play["clip_ids"]) == 2
    assert play["duration"] == pytest.approx((end - start) / 1000, abs=0.001)


def test_without_tags_there_are_words_and_no_charts(page: Page) -> None:
    page.get_by_role("button", name="Figures").click()
    expect(page.get_by_text("2 plays, none tagged yet")).to_be_visible()
    expect(page.locator(".chart svg")).to_have_count(0)


def test_charts_show_what_was_tagged(page: Page, demo: Demo, session: dict[str, Any]) -> None:  # V19
    for tag in TAGS:
        body = {"session_id": session["id"], "start_time": to_rfc3339(wall_us() - 900_000)}
        play = httpx.post(f"{demo.urls[0]}/plays", json={**body, "duration_seconds": 0.3}, **PLAIN)
        said = {"clip_id": play.json()["clip_ids"][0], **tag}
        assert httpx.post(f"{demo.urls[0]}/tags", json=said, **PLAIN).status_code == 201
    expect(page.get_by_text("From the tags of 3 of 5 plays.")).to_be_visible()
    share = page.get_by_label("Run and pass: Run 33 percent, Pass 67 percent")
    expect(share).to_be_visible()
    expect(page.get_by_label("Third downs converted: 1 of 2, 50 percent")).to_be_visible()
    expect(page.get_by_label("Plays by period: Q1 2 plays, Q2 1 play")).to_be_visible()
    bars = page.locator("figure", has_text="By result")
    bars.get_by_text("As a table").click()
    expect(bars.get_by_role("row", name="Touchdown 1")).to_be_visible()
    photograph(page, "review-figures")


SIZES = {"tablet": TABLET, "upright": UPRIGHT, "phone": PHONE, "browser's bars": BARS, "flat": FLAT}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_nothing_is_cut_off(page: Page, size: dict[str, int]) -> None:
    """No sideways scrolling; all is wide and tall enough for a finger, shows its words whole, has a name."""
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    for pane, shows in (("Figures", ".chart svg"), ("Clips", ".clip-list li"), ("Footage", "game-timeline")):
        page.get_by_role("button", name=pane, exact=True).click()
        expect(page.locator(shows).first).to_be_visible()
        photograph(page, f"review-{pane}-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shown = (
            "[...document.querySelectorAll('#main :is(button, input, select)')].filter(e => e.offsetParent)"
        )
        cut = "e.scrollWidth > e.clientWidth + 1 && e.localName === 'button'"
        out = "e.getBoundingClientRect().right > innerWidth + 1"
        unnamed = "!(e.ariaLabel || e.textContent.trim() || e.labels?.length)"
        wrong = f"{shown}.filter(e => {cut} || {out} || {unnamed}).map(e => e.outerHTML)"
        assert page.evaluate(wrong) == []
        assert page.evaluate(SMALL_TARGETS) == []
    until(page, SETTLED)
    assert page.evaluate(OVER_THE_PICTURE) == []
    # Without scrolling: the picture, the timeline, and what a clip is made with.
    for part in (VIDEO, "game-timeline", ".go", ".ends [aria-label^=IN]", ".ends [aria-label^=OUT]", ".make"):
        expect(page.locator(f".footage {part}")).to_be_in_viewport(ratio=1)
    _, _, wide, _ = page.evaluate(PICTURE)
    assert wide > size["width"] * (0.4 if size == FLAT else 0.6)


def test_a_bar_leads_to_its_plays(page: Page) -> None:
    page.set_viewport_size({"width": TABLET["width"], "height": TABLET["height"]})
    page.get_by_role("button", name="Figures").click()
    page.get_by_label("Touchdown: 1 play. Show them").click()
    expect(page.locator(".tag-list .play")).to_have_count(1)
    expect(page.locator(".tag-list")).to_contain_text("Touchdown")
