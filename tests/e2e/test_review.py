"""Review: the whole recording by timeline, a clip from any part of it, and statistics of the tags."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339, to_rfc3339
from tests.e2e.conftest import Demo
from tests.e2e.kit import captured_ms, published_frames
from tests.e2e.looks import BARS, FLAT, OVER_THE_PICTURE, PICTURE, SMALL_TARGETS, UPRIGHT
from tests.e2e.own import Session, own_page, recorded_until
from tests.kit.browser import PHONE, TABLET, executable, photograph, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
NOTHING_WAITS = "app.box.outbox.waiting().length === 0"
CLIPS = "[...app.box.state.clips.values()].filter((clip) => clip.session_id === app.session().id).length"
VIDEO = "footage-view video:not([hidden])"
TAGS = [
    {"quarter": 1, "down": 3, "distance": 4, "play_type": "Run", "yards_gained": 6, "result": "First down"},
    {"quarter": 1, "down": 3, "distance": 8, "play_type": "Pass", "yards_gained": 2, "result": "Complete"},
    {"quarter": 2, "play_type": "Pass", "result": "Touchdown", "is_important": True},
]
# The capture time the page assumes, and the picture's barcode.
LOOK = f"""async () => {{
  const {{ burnedIn }} = await import("/state/device/selftest.js");
  for (let turn = 0; turn < 4; turn++) await new Promise(requestAnimationFrame); // what was sought is painted
  const barcode = burnedIn(document.querySelector("{VIDEO}"));
  return [document.querySelector("footage-view").at, barcode?.instantMs ?? null];
}}"""
SETTLED = f"""(document.querySelector("footage-view")?.front?.loading === false &&
  (v => v?.readyState > 1 && !v.seeking && v.paused)(document.querySelector("{VIDEO}")))"""


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """At the newest footage of both cameras, which have three seconds of it."""
    recorded_until(demo.urls[0], 3)
    with own_page(browser, demo.urls[-1], session, "#review") as opened:
        until(opened, SETTLED)
        yield opened


def at(page: Page) -> float:
    """Capture time of the picture, ms."""
    return float(page.evaluate("document.querySelector('footage-view').at"))


def assert_nearest(page: Page, demo: Demo, wanted_ms: float) -> None:
    """Camera 1's picture shown is the one nearest to the requested time, in published times.

    Of two equally near ones either is accepted: published times change a little while a clock is being
    measured.
    """
    _, text = page.evaluate(LOOK)
    frames = published_frames(demo.state, demo.urls[0], "cam1", round(wanted_ms * 1000))
    far_ms = {burned.instant_us: abs(at_us / 1000 - wanted_ms) for at_us, burned in frames}
    assert far_ms[round(text * 1000)] < min(far_ms.values()) + 5


def test_a_finger_and_keys_go_anywhere_and_another_camera_shows_the_same_instant(
    page: Page, demo: Demo
) -> None:
    thought, content = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam1", content)) < 41
    expect(page.locator("game-timeline .camera-row")).to_have_count(2)
    box = page.locator("game-timeline .leads .covered").last.bounding_box()  # the newest
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=3)
    expect(page.locator("footage-view .still")).to_be_visible()
    page.mouse.up()
    until(page, SETTLED)
    expect(page.locator("footage-view .still")).to_be_hidden()
    thought, content = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam1", content)) < 41
    before = at(page)
    page.keyboard.press("ArrowLeft")
    until(page, SETTLED)
    assert_nearest(page, demo, before - 1000)
    before = at(page)
    page.keyboard.press("2")
    until(page, SETTLED)
    assert abs(at(page) - before) < 61
    thought, content = page.evaluate(LOOK)
    assert abs(thought - captured_ms(demo.state, demo.urls[0], "cam2", content)) < 41


def test_a_clip_from_anywhere_plays(page: Page, demo: Demo, session: Session) -> None:  # V16
    page.keyboard.press("ArrowLeft")
    until(page, SETTLED)
    start = at(page)
    page.keyboard.press("i")
    page.keyboard.press("ArrowRight")
    until(page, SETTLED)
    end = at(page)
    assert_nearest(page, demo, start + 1000)
    page.get_by_role("button", name="OUT: the clip ends here").click()
    expect(page.locator(".make")).to_have_text("Make clip 0:01.0")
    photograph(page, "review-cut")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Watch", exact=True).click()
    until(page, "document.querySelector('.clips-pane .tile.leader video')?.currentTime > 0.1")
    photograph(page, "review-clip")
    [clip] = session.clips()
    assert (clip["play_id"], clip["channel_id"]) == (None, "cam1")
    assert clip["duration"] == pytest.approx((end - start) / 1000, abs=0.001)
    assert abs(from_rfc3339(clip["start_time"]) / 1000 - start) < 1.5
    star = page.get_by_role("button", name="Star Clip of Camera 1")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    until(page, NOTHING_WAITS)  # shown before the box has it
    assert session.clips()[0]["is_favorite"] is True


def test_a_clip_deleted_by_mistake_comes_back(page: Page, session: Session) -> None:
    """One tap deletes, Undo restores it; its star and its creation are undone in the same way."""
    start = to_rfc3339(recorded_until(session.url, 1) - 1_000_000)
    body = {"session_id": session.id, "channel_id": "cam1", "start_time": start, "duration": 1}
    clip = session.tell("/clips", body)
    session.tell(f"/clips/{clip['id']}/favorite")
    page.get_by_role("button", name="Clips", exact=True).click()
    rows, notice = page.locator(".clip-list li"), page.locator(".notice")
    star = page.get_by_role("button", name="Star Clip of Camera 1")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Delete Clip of Camera 1").click()
    expect(rows).to_have_count(0)
    expect(notice).to_contain_text("Clip of Camera 1 deleted")
    notice.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(1)
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
    until(page, f"{CLIPS} === 2")
    page.keyboard.press("u")
    until(page, f"{CLIPS} === 1 && {NOTHING_WAITS}")
    assert len(session.clips()) == 1


def test_of_all_cameras_it_is_a_play(page: Page, session: Session) -> None:
    page.keyboard.press("ArrowLeft")
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
    until(page, NOTHING_WAITS)
    [play] = session.plays()
    assert len(play["clip_ids"]) == 2
    assert play["duration"] == pytest.approx((end - start) / 1000, abs=0.001)


def test_charts_show_what_was_tagged_and_a_bar_leads_to_its_plays(page: Page, session: Session) -> None:
    """V19. Without tags there are words and no charts."""
    for _ in range(2):
        session.play()
    page.get_by_role("button", name="Figures").click()
    expect(page.get_by_text("2 plays, none tagged yet")).to_be_visible()
    expect(page.locator(".chart svg")).to_have_count(0)
    tag_three(session)
    expect(page.get_by_text("From the tags of 3 of 5 plays.")).to_be_visible()
    share = page.get_by_label("Run and pass: Run 33 percent, Pass 67 percent")
    expect(share).to_be_visible()
    expect(page.get_by_label("Third downs converted: 1 of 2, 50 percent")).to_be_visible()
    expect(page.get_by_label("Plays by period: Q1 2 plays, Q2 1 play")).to_be_visible()
    bars = page.locator("figure", has_text="By result")
    bars.get_by_text("As a table").click()
    expect(bars.get_by_role("row", name="Touchdown 1")).to_be_visible()
    photograph(page, "review-figures")
    page.get_by_label("Touchdown: 1 play. Show them").click()
    expect(page.locator(".tag-list .play")).to_have_count(1)
    expect(page.locator(".tag-list")).to_contain_text("Touchdown")


def tag_three(session: Session) -> None:
    """Three plays with tags."""
    for tag in TAGS:
        session.tell("/tags", {"clip_id": session.play(0.3)["clip_ids"][0], **tag})


# Buttons whose text is cut off, that are outside the page or have no name.
WRONG = """[...document.querySelectorAll("#main :is(button, input, select)")]
  .filter((each) => each.offsetParent)
  .filter((each) => (each.scrollWidth > each.clientWidth + 1 && each.localName === "button")
    || each.getBoundingClientRect().right > innerWidth + 1
    || !(each.ariaLabel || each.textContent.trim() || each.labels?.length))
  .map((each) => each.outerHTML)"""
SIZES = {"tablet": TABLET, "upright": UPRIGHT, "phone": PHONE, "browser's bars": BARS, "flat": FLAT}


def test_nothing_is_cut_off(page: Page, session: Session) -> None:
    """No sideways scrolling; all is large enough for a finger, shows its text completely, has a name."""
    tag_three(session)
    for size in SIZES.values():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for pane, shows in (
            ("Figures", ".chart svg"),
            ("Clips", ".clip-list li"),
            ("Footage", "game-timeline"),
        ):
            page.get_by_role("button", name=pane, exact=True).click()
            expect(page.locator(shows).first).to_be_visible()
            photograph(page, f"review-{pane}-{size['width']}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (size, pane)
            assert page.evaluate(WRONG) == [], (size, pane)
            assert page.evaluate(SMALL_TARGETS) == [], (size, pane)
        until(page, SETTLED)
        assert page.evaluate(OVER_THE_PICTURE) == [], size
        # Without scrolling: the picture, the timeline, and the controls that make a clip.
        parts = (
            VIDEO,
            "game-timeline",
            ".go",
            ".ends [aria-label^=IN]",
            ".ends [aria-label^=OUT]",
            ".make",
        )
        for part in parts:
            expect(page.locator(f".footage {part}")).to_be_in_viewport(ratio=1)
        _, _, wide, _ = page.evaluate(PICTURE)
        assert wide > size["width"] * (0.4 if size == FLAT else 0.6), size
