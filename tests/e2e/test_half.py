"""What a half of a game asks of the page: it says what is so, and loses no play."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from appliance.kernel.clock import to_rfc3339, wall_us
from tests.e2e.conftest import Demo
from tests.kit.browser import PHONE, errors_of, executable, open_page, photograph, plain_get, until
from tests.kit.waiting import PLAIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


# Both cameras have recorded the last three seconds but one: plays of them can be cut.
RECORDED = """Promise.all(["cam1", "cam2"].map(async (id) => {
  const ago = (ms) => new Date(app.box.now() - ms).toISOString();
  const span = `start=${ago(4000)}&end=${ago(3000)}&frames=1`;
  const { frames } = await app.box.request("GET", `/channels/${id}/timeline?${span}`);
  return (frames ?? []).length > 20;
})).then((each) => each.every(Boolean))"""


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    one = open_page(browser, demo.urls[0])
    expect(one.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
    until(one, RECORDED)
    yield one
    assert [each for each in errors_of(one) if "WebSocket" not in each] == []  # it was offline


def tell(demo: Demo, path: str, body: object = None, method: str = "POST") -> Any:
    answer = httpx.request(method, f"{demo.urls[0]}{path}", json=body, **PLAIN)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def cards(page: Page) -> Locator:
    return page.locator("#plays .play")


def play(demo: Demo, seconds: float = 0.5, ago_s: float = 1.5) -> dict[str, Any]:
    """A whole play by another device."""
    [session] = [each for each in plain_get(f"{demo.urls[0]}/sessions")["items"] if each["name"] == "Demo"]
    start = to_rfc3339(wall_us() - int(ago_s * 1e6))
    body = {"session_id": session["id"], "start_time": start, "duration_seconds": seconds}
    return dict(tell(demo, "/plays", body))


def test_an_undone_play_is_not_offered(page: Page, demo: Demo) -> None:
    made = play(demo)
    notice = page.locator(".notice", has_text="Play 1 ready")
    expect(notice).to_be_visible()
    tell(demo, f"/plays/{made['id']}", method="DELETE")
    expect(notice).to_have_count(0)
    expect(cards(page)).to_have_count(0)


def test_ended_while_the_box_is_away_is_not_called_open(page: Page) -> None:
    page.click("#new-play")
    expect(cards(page).first.locator(".state")).to_have_text("Open")
    until(page, "app.prefs.get('editLists')")  # the browser's test of itself loads a file
    page.context.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    page.click("#end-play")
    expect(cards(page).first.locator(".state")).to_have_text("Ended, not on the box yet")
    page.context.set_offline(False)
    expect(cards(page).first.locator(".state")).to_have_text(re.compile("Ready|Part missing"))


def test_a_question_ends_with_its_screen(page: Page) -> None:
    page.evaluate("app.go('operator')")
    page.click("#new-session")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.evaluate("app.go('desk')")
    expect(page.locator("#plays")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_nothing_is_said_to_agree_before_anybody_compared(page: Page) -> None:
    page.evaluate("app.go('lineup')")
    until(page, "[...document.querySelectorAll('step-pane')].filter(pane => pane.capture).length === 2")
    expect(page.locator("#difference")).to_have_text("")
    expect(page.locator("#lineup-plan")).to_have_text("Nothing compared yet")
    expect(page.locator("#same")).to_be_disabled()
    page.keyboard.press(".")
    expect(page.locator("#difference")).not_to_have_text("")
    page.evaluate("app.go('desk')")


def test_the_operator_reads_plays_and_an_opponent_once(page: Page, demo: Demo) -> None:
    tell(demo, "/sessions", {"name": "Atletico v Rival", "type": "game", "opponent": "Rival"})
    page.evaluate("app.go('operator')")
    expect(page.get_by_role("heading", name="Atletico v Rival", exact=True)).to_be_visible()
    expect(page.locator("#sessions .session", has_text="Demo").locator("p")).to_contain_text("· 1 play")
    page.evaluate("app.go('review')")
    options = page.locator("main select option")
    expect(options.filter(has_text="Rival")).to_have_text([re.compile("[0-9] Atletico v Rival$")])
    page.evaluate("app.go('desk')")


def test_a_trim_says_its_length_while_it_is_dragged(page: Page) -> None:
    cards(page).first.locator(".open").click()
    until(page, "document.querySelector('.tile.leader video')?.readyState >= 2")
    page.keyboard.press("t")
    words = page.locator(".trim-bar span")
    expect(words).to_contain_text("Drag the handles.")
    before = words.inner_text()
    handle = page.locator("scrub-bar .handle.lo")
    spot = handle.bounding_box()
    assert spot
    page.mouse.move(spot["x"] + spot["width"] - 4, spot["y"] + 22)
    page.mouse.down()
    page.mouse.move(spot["x"] + spot["width"] - 104, spot["y"] + 22, steps=3)
    expect(words).not_to_have_text(before)
    page.mouse.up()
    page.keyboard.press("Escape")


def test_two_angles_stand_where_they_are_largest(page: Page) -> None:
    """Above each other in a pane that is higher than wide, side by side in a wide one."""
    expect(page.locator("#angles button:enabled")).to_have_count(2)
    page.get_by_role("button", name="Two angles").click()
    tops = "[...document.querySelectorAll('.tile.on')].map(each => each.getBoundingClientRect().top)"
    for width, height, same in ((1180, 820, True), (1100, 1100, False), (1180, 560, True)):
        page.set_viewport_size(ViewportSize(width=width, height=height))
        until(page, f"(([one, other]) => (one === other) === {str(same).lower()})({tops})")
    photograph(page, "two-up-tall")
    page.get_by_role("button", name="One angle").click()


def test_a_key_keeps_its_camera_while_another_is_missing(page: Page, demo: Demo) -> None:
    leader = page.locator("#angles [aria-pressed=true]")
    page.keyboard.press("2")
    expect(leader).to_have_text("Camera 2")
    page.evaluate("""() => {
      const player = document.querySelector("replay-player");
      player.show(player.play, player.clips.filter(clip => clip.channel_id !== "cam1"), []);
    }""")
    expect(page.locator("#angles button")).to_have_count(1)
    page.keyboard.press("1")
    expect(leader).to_have_text("Camera 2")
    page.keyboard.press("2")
    expect(leader).to_have_text("Camera 2")
    page.evaluate("app.go('live')")
    expect(page.locator(".live-desk")).to_be_visible()
    page.evaluate("app.go('desk')")


def test_no_word_is_broken_with_six_cameras_on_a_phone(browser: Browser, page: Page, demo: Demo) -> None:
    phone = open_page(browser, demo.urls[0], PHONE)
    cards(phone).first.locator(".open").click()
    expect(phone.locator("#angles button:enabled")).to_have_count(2)
    broken = """() => {
      const row = document.querySelector("#angles");
      while (row.children.length < 6) row.append(row.lastElementChild.cloneNode(true));
      return [...row.children].filter((each) => {
        const text = each.firstChild;
        return text.data.split(" ").some((word, at, all) => {
          const from = all.slice(0, at).join(" ").length + (at ? 1 : 0);
          const range = document.createRange();
          range.setStart(text, from);
          range.setEnd(text, from + word.length);
          return new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size > 1;
        });
      }).length;
    }"""
    for size in (
        PHONE,
        {"width": 360, "height": 740},
        {"width": 844, "height": 390},
        {"width": 667, "height": 375},
    ):
        phone.set_viewport_size(ViewportSize(width=size["width"], height=size["height"]))
        assert phone.evaluate(broken) == 0, size
        photograph(phone, f"six-cameras-{size['width']}")
    phone.close()


def test_ready_plays_are_shown_out_of_reach_on_every_angle(page: Page, demo: Demo) -> None:
    """Kept on the device, marked on the card, also while one plays and loops."""
    cards(page).first.locator(".open").click()
    until(page, "document.querySelector('replay-player').deck.running")
    made = [play(demo, 1.5, 3.0), play(demo, 1.5, 3.0)]
    for each in made:
        expect(page.locator(f"#plays [data-key='{each['id']}'] [data-state=ready]")).to_be_visible()
    expect(page.locator("#plays .here", has_text="⤓")).to_have_count(cards(page).count())
    until(page, "[...app.clips().values()].flat().every(clip => app.prefetch.held.has(clip.stream_url))")
    shown = "own => (own.find(clip => clip.channel_id === app.prefs.get('angle')) ?? own[0]).thumbnail_url"
    pictures = f"[...app.clips().values()].map({shown})"  # as the cards choose it
    until(page, f"{pictures}.every(url => app.prefetch.held.has(url))")
    page.context.set_offline(True)
    for each in made:
        card = page.locator(f"#plays [data-key='{each['id']}'] .open")
        card.click()
        for camera in ("Camera 1", "Camera 2"):
            page.get_by_role("button", name=camera).click()
            until(page, "document.querySelector('.tile.leader video').currentTime > 0.05")
            assert page.locator(".tile.leader video").evaluate("each => each.src").startswith("blob:")
    page.context.set_offline(False)
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    page.keyboard.press("Escape")


def test_the_operator_brings_a_deleted_play_back(page: Page, demo: Demo) -> None:
    made = play(demo)
    expect(page.locator(f"#plays [data-key='{made['id']}'] [data-state=ready]")).to_be_visible()
    before = cards(page).count()
    page.evaluate("app.go('operator')")
    tell(demo, f"/plays/{made['id']}", method="DELETE")
    row = page.locator("#deleted-plays li", has_text=f"Play {made['number']}").first
    expect(row).to_contain_text("Demo")
    row.get_by_role("button", name=f"Restore play {made['number']}").click()
    expect(row).to_have_count(0)
    page.evaluate("app.go('desk')")
    expect(cards(page)).to_have_count(before)


def test_a_clip_is_saved_under_its_name(page: Page) -> None:
    page.evaluate("app.go('review', 'clips')")
    save = page.locator(".clip-list a[download]:visible").first
    expect(save).to_be_visible()
    with page.expect_download() as saved:
        save.click()
    assert re.fullmatch(r"Demo_Play-\d+.*\.mp4", saved.value.suggested_filename)
    page.evaluate("app.go('desk')")


def test_the_status_line_says_of_each_camera_what_health_says(page: Page, demo: Demo) -> None:
    line = page.locator("#cams")
    for state, body, words in (
        ("deactivate", None, r"Camera 2: Switched off"),
        ("error", {"reason": "lens cap"}, r"Camera 2: Lens cap.*"),  # the box may say more of it
    ):
        tell(demo, f"/channels/cam2/{state}", body)
        said = re.compile(rf"cam1 cam2: {words}\. Open health\.")
        expect(line).to_have_attribute("aria-label", said)
        expect(line.locator(":scope > span").nth(1)).to_have_text("cam2 " + ("▲" if body is None else "✗"))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        room = re.compile(f"{'Ready, look at' if body is None else 'Not ready'}: .*Camera 2")
        expect(page.locator("#room")).to_have_attribute("aria-label", room)
        tell(demo, "/channels/cam2/activate")
        expect(line).to_have_attribute("aria-label", "cam1 cam2: all cameras send. Open health.")
