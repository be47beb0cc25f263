"""The player's analysis controls, in a real browser: angles at one instant, stepping, trims, prefetched
clips.

The picture shown is identified by the frame number and instant that synthetic cameras burn in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.e2e.conftest import Demo
from tests.e2e.kit import assert_same_instant, captured_ms
from tests.e2e.looks import CUT_WORDS, FLAT, OVER_THE_PICTURE, PICTURE, UPRIGHT
from tests.e2e.own import Session, own_page
from tests.kit.browser import PHONE, TABLET, executable, photograph, until, without_edit_lists
from tests.kit.waiting import LIMIT_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
LEADER = ".tile.leader video"
READ = f"""async () => {{
  const {{ burnedIn }} = await import("/state/device/selftest.js");
  return burnedIn(document.querySelector("{LEADER}"));
}}"""
BOTH = """async () => {
  const { burnedIn } = await import("/state/device/selftest.js");
  return [...document.querySelectorAll(".tile.on video")].map(burnedIn);
}"""
TOGETHER = f"({BOTH})().then(([one, other]) => Math.abs(one?.instantMs - other?.instantMs) < 41)"
BEGIN = "document.querySelector('[aria-label=\"Begin of the trim\"]').ariaValueNow"
SETTLED = """async () => {
  const shown = [...document.querySelectorAll(".tile.on video")];
  const videos = document.querySelector("replay-player").videos;
  const busy = () => videos.target !== null || shown.some((video) => video.seeking || video.readyState < 2);
  while (busy()) await new Promise(requestAnimationFrame);
  for (let turn = 0; turn < 3; turn++) await new Promise(requestAnimationFrame);
}"""


def shown(page: Page) -> dict[str, float]:
    """{frame, instantMs} of the picture shown, once it is stable: a slow browser paints the first one of a
    new cut some time after it reports the picture as loaded."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        page.evaluate(SETTLED)
        reading: dict[str, float] | None = page.evaluate(READ)
        if reading is not None:
            return reading
        assert time.monotonic() < deadline, "no picture is shown"


def stands(page: Page, frame: float) -> dict[str, float]:
    """Wait for this picture: a slow browser paints some time after it reports `seeked`."""
    deadline = time.monotonic() + LIMIT_S
    while (picture := shown(page))["frame"] != frame:
        assert time.monotonic() < deadline, f"picture {picture} stands, not {frame}"
    return picture


def begins_at(page: Page, demo: Demo, start_time: str) -> None:
    """Wait until the play shows its first picture at its start: a slow browser loads a cut, seeks and paints
    with a long delay."""
    start_ms = page.evaluate("(at) => Date.parse(at)", start_time)
    deadline, late_ms = time.monotonic() + LIMIT_S, -1.0
    while not 0 <= late_ms < 41:
        assert time.monotonic() < deadline, f"the first picture is {late_ms} ms after the begin"
        page.evaluate("document.querySelector('replay-player').videos.seek(0)")
        late_ms = captured(demo, "cam1", shown(page)) - start_ms


def captured(demo: Demo, channel_id: str, picture: dict[str, float]) -> float:
    """The published capture time of a picture, ms."""
    return captured_ms(demo.state, demo.urls[0], channel_id, picture["instantMs"])


@pytest.fixture
def play(session: Session) -> dict[str, Any]:
    """Two seconds, complete on both cameras."""
    return session.ready_play(2)


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session, play: dict[str, Any]) -> Iterator[Page]:
    """A tablet with the play open, paused."""
    with own_page(browser, demo.urls[-1], session) as opened:
        opened.locator("#plays .play .open").first.click()
        until(opened, f"document.querySelector('{LEADER}')?.currentTime > 0.6")
        opened.keyboard.press("Space")
        yield opened


def test_frame_by_frame(page: Page) -> None:
    first = shown(page)
    for by, key in ((1, "."), (2, "."), (3, "."), (2, ","), (1, ",")):
        page.keyboard.press(key)
        stands(page, first["frame"] + by)


def test_another_angle_is_at_the_same_instant(page: Page, demo: Demo) -> None:
    """After any number of switches, although the cameras' frames are out of phase."""
    seen = {"1": shown(page)}
    for key in "212121":
        page.keyboard.press(key)
        expect(page.locator(f".tile.leader[data-channel=cam{key}]")).to_be_visible()
        first = seen.setdefault(key, shown(page))
        assert stands(page, first["frame"]) == first
    assert_same_instant(demo.state, demo.urls[0], {f"cam{key}": seen[key]["instantMs"] for key in "12"})


def test_two_angles_run_together(page: Page, demo: Demo) -> None:
    page.keyboard.press("v")
    expect(page.locator(".tile.on")).to_have_count(2)
    page.keyboard.press("Space")
    until(page, "[...document.querySelectorAll('.tile.on video')].every(v => !v.paused && v.currentTime > 0)")
    apart = (
        "(([a, b]) => Math.abs(a.currentTime - b.currentTime))([...document.querySelectorAll('.tile video')])"
    )
    until(page, f"{apart} < 0.06")
    # The pause of an end, handled when what loops plays again: nobody paused it.
    page.evaluate(f"document.querySelector('{LEADER}').dispatchEvent(new Event('pause'))")
    assert page.evaluate("document.querySelector('replay-player').videos.running")
    page.keyboard.press("Space")
    page.evaluate(SETTLED)
    until(page, TOGETHER)  # a slow browser paints some time after its seek
    first, second = page.evaluate(BOTH)
    together = {"cam1": first["instantMs"], "cam2": second["instantMs"]}
    assert_same_instant(demo.state, demo.urls[0], together)
    photograph(page, "two-up")
    page.get_by_role("button", name="One angle").click()
    expect(page.locator(".tile.on")).to_have_count(1)


def test_jumps_and_speed_pinch_and_pan(page: Page) -> None:
    page.evaluate("document.querySelector('replay-player').videos.seek(1)")
    picture = shown(page)
    page.keyboard.press("[")
    assert shown(page)["instantMs"] == pytest.approx(picture["instantMs"] - 250, abs=41)
    page.get_by_role("button", name="Speed 0.5").click()
    assert page.evaluate(f"document.querySelector('{LEADER}').playbackRate") == 0.5
    page.keyboard.down("Control")
    box = page.locator("#stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    until(page, f"document.querySelector('{LEADER}').style.transform.includes('scale(2.7')")
    page.keyboard.press("z")
    until(page, f"document.querySelector('{LEADER}').style.transform === ''")
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    two_fingers(page, middle, (40, 80, 120))
    until(page, f"document.querySelector('{LEADER}').style.transform.includes('scale(3)')")
    two_fingers(page, middle, (120, 60, 20))
    until(page, f"document.querySelector('{LEADER}').style.transform === ''")


def two_fingers(page: Page, middle: dict[str, float], apart: Sequence[float]) -> None:
    """Two fingers side by side, at these distances from the middle, in sequence."""
    tool = page.context.new_cdp_session(page)
    for at, far in enumerate(apart):
        points = [{"x": middle["x"] + side * far, "y": middle["y"], "id": side + 1} for side in (-1, 1)]
        kind = "touchMove" if at else "touchStart"
        tool.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tool.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tool.detach()


def drag(page: Page, handle: Locator, share: float) -> None:
    """To a position as a share of the bar."""
    bar, knob = page.locator("scrub-bar .track").bounding_box(), handle.bounding_box()
    assert knob is not None and bar is not None
    grip = knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2
    page.mouse.move(*grip)
    page.mouse.down()
    page.mouse.move(bar["x"] + share * bar["width"], grip[1], steps=4)
    page.mouse.up()


def test_a_trim_cuts_every_angle_anew(page: Page, demo: Demo, session: Session, play: dict[str, Any]) -> None:
    page.keyboard.press("t")
    handle = page.get_by_role("slider", name="Begin of the trim")
    drag(page, handle, 1)  # against the other one, which stays reachable
    until(page, f"{BEGIN} > 1")
    drag(page, handle, 0)  # before the play begins
    until(page, f"{BEGIN} < 0")
    until(page, f"!document.querySelector('{LEADER}').seeking")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    photograph(page, "trim")
    page.get_by_role("button", name="Save").click()
    until(page, f"app.clips().get('{play['id']}').every(clip => clip.stream_url?.includes('/m2/'))")
    [now] = session.plays()
    assert now["duration"] == pytest.approx(play["duration"] - 0.5, abs=0.002)
    begins_at(page, demo, now["start_time"])


def test_the_watched_angle_is_fetched_in_advance_and_announced(page: Page) -> None:
    """And keys and swipes change to older and newer plays."""
    page.evaluate("app.prefs.set('angle', 'cam1')")
    page.keyboard.press("Escape")  # nothing plays now
    page.click("#last10")
    notice = page.get_by_text("Play 2 ready")
    expect(notice).to_be_visible()
    number = "app.box.state.plays.get(clip.play_id)?.number"
    watched = f"clip.channel_id === 'cam1' && {number} === 2 && app.prefetch.held.has(clip.stream_url)"
    until(page, f"[...app.clips().values()].flat().some(clip => {watched})")
    page.get_by_role("button", name="Watch", exact=True).click()
    until(page, f"document.querySelector('{LEADER}')?.currentSrc.startsWith('blob:')")
    until(page, f"document.querySelector('{LEADER}').currentTime > 0.2")
    expect(page.locator("#plays .play .figure").first).to_contain_text(" s")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".heading b")).to_have_text("1")
    box = page.locator("#stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 155, steps=5)
    page.mouse.up()
    expect(page.locator(".heading b")).to_have_text("2")


def test_the_texts_of_a_play_are_complete_and_nothing_covers_its_picture(
    page: Page, session: Session, play: dict[str, Any]
) -> None:
    words = {"down": 2, "distance": 7, "play_type": "Pass", "result": "First down"}
    session.tell("/tags", {"clip_id": play["clip_ids"][0], **words})
    for size in (UPRIGHT, PHONE, FLAT, TABLET):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        expect(page.locator("#plays .words").first).to_have_text("2&7 Pass First down")
        for shown in ("Two angles", "One angle"):
            page.get_by_role("button", name=shown).click()
            page.evaluate(SETTLED)
            assert page.evaluate(OVER_THE_PICTURE) == [], size
        photograph(page, f"watching-{size['width']}")
        assert page.evaluate(CUT_WORDS) == [], size
        before = page.evaluate(PICTURE)
        page.get_by_role("button", name="Large picture").click()
        assert page.evaluate(OVER_THE_PICTURE) == [], size
        assert page.evaluate(PICTURE)[2] >= before[2], size
        page.get_by_role("button", name="Large picture").click()


def test_a_browser_that_ignores_edit_lists_starts_exactly_too(
    browser: Browser, demo: Demo, session: Session, play: dict[str, Any]
) -> None:
    ignored: dict[str, object] = {"editLists": "ignored"}
    with own_page(browser, demo.urls[0], session, "docs", prefs=ignored) as page:
        without_edit_lists(page, "**/clips/**/*.mp4")
        page.goto(demo.urls[0])
        page.locator("#plays .play .open").last.click()
        until(page, f"document.querySelector('{LEADER}')?.currentTime > 0.6")
        page.keyboard.press("Space")
        begins_at(page, demo, play["start_time"])


# A play of four angles, one with a gap, as cards of these widths: what each says, if its words are whole.
CARD_WIDTHS = (200, 240, 280, 290, 320, 360, 420)
SAYS_IT = """async (widths) => {
  await import("/parts/play-card.js");
  const missing = [{ start: "2026-01-01T00:00:00Z", end: "2026-01-01T00:00:03Z", reason: "gap" }];
  const clips = [1, 2, 3, 4].map((n) => ({
    id: `c${n}`, channel_id: `cam${n}`, status: "ready", stream_url: "x", rev: 1, thumbnail_url: "",
    coverage: { missing: n === 2 ? missing : [] },
  }));
  const start_time = "2026-01-01T10:00:00Z";
  const play = { id: "p", rev: 1, number: 12, title: "", start_time, duration: 12, is_favorite: false };
  return widths.map((width) => {
    const card = document.createElement("play-card");
    card.style.width = `${width}px`;
    document.querySelector("#main").append(card);
    card.view = { play, clips, tags: [], chosen: false, figure: 0.021, refused: "", angle: "cam1", kept: 4 };
    const [state, face] = [card.querySelector(".state"), card.querySelector(".face")];
    const [own, all] = [state, face].map((each) => each.getBoundingClientRect());
    const isWhole = state.scrollWidth <= state.clientWidth + 1 && own.width > 0;
    const isInside = own.right <= all.right + 1 && own.bottom <= all.bottom + 1;
    const shown = state.textContent;
    card.remove();
    return isWhole && isInside ? shown : `${width}: ${own.width} of ${state.scrollWidth}`;
  });
}"""


def test_a_card_of_four_angles_says_at_every_width_that_a_part_is_missing(page: Page) -> None:
    widths = list(CARD_WIDTHS)
    assert page.evaluate(SAYS_IT, widths) == ["Part missing"] * len(widths)


def test_a_clip_of_which_nothing_arrives_is_requested_again(page: Page, session: Session) -> None:
    """A tablet that changed its access point: its connection is never answered, and never closed either."""
    page.route("**/clips/*/m*/**", lambda route: held.append(route))  # noqa: PLW0108  # Playwright sets an attribute of the handler
    held: list[Route] = []
    session.ready_play(1)
    page.clock.install()
    page.locator("#plays .play .open").first.click()
    # Another picture may load beside it: the request of each has come, before the next ones pass.
    loading = "[...document.querySelectorAll('video')].filter((each) => each.networkState === 2).length"
    own = f"document.querySelector('{LEADER}')?.networkState === 2 ? {loading} : Infinity"
    while sum(route.request.resource_type == "media" for route in held) < page.evaluate(own):
        page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate(f"document.querySelector('{LEADER}').readyState") == 0
    page.unroute("**/clips/*/m*/**")
    page.clock.fast_forward(15_000)
    until(page, f"document.querySelector('{LEADER}').currentTime > 0")
