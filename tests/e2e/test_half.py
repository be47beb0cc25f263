"""Requirements of half a game on the page: it shows the true state and loses no play."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.e2e.own import Session, own_session, recorded_for, recorded_until
from tests.kit.browser import PHONE, executable, photograph, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


def cards(page: Page) -> Locator:
    return page.locator("#plays .play")


@contextmanager
def out_of_reach(page: Page) -> Iterator[None]:
    """The device has no network meanwhile; its sockets log errors to the console."""
    page.context.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    yield
    page.context.set_offline(False)


def test_an_undone_play_is_not_offered(page: Page, session: Session) -> None:
    recorded_until(session.url, 1)
    made = session.play()
    notice = page.locator(".notice", has_text="Play 1 ready")
    expect(notice).to_be_visible()
    session.tell(f"/plays/{made['id']}", method="DELETE")
    expect(notice).to_have_count(0)
    expect(cards(page)).to_have_count(0)


def test_ended_while_the_box_is_away_is_not_called_open(page: Page) -> None:
    page.click("#new-play")
    expect(cards(page).first.locator(".state")).to_have_text("Open")
    with out_of_reach(page):
        page.click("#end-play")
        expect(cards(page).first.locator(".state")).to_have_text("Ended, not on the box yet")
    expect(cards(page).first.locator(".state")).to_have_text(re.compile("Ready|Part missing"))


def test_a_question_ends_with_its_screen(page: Page) -> None:
    page.evaluate("app.go('operator')")
    page.click("#new-session")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.evaluate("app.go('desk')")
    expect(page.locator("#plays")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_cameras_are_not_shown_as_equal_before_a_comparison(page: Page, session: Session) -> None:
    recorded_for(session.url, 14)  # it begins 8 s ago
    page.evaluate("app.go('lineup')")
    until(page, "[...document.querySelectorAll('step-pane')].filter(pane => pane.capture).length === 2")
    expect(page.locator("#difference")).to_have_text("")
    expect(page.locator("#lineup-plan")).to_have_text("Nothing compared yet")
    expect(page.locator("#same")).to_be_disabled()
    page.keyboard.press(".")
    expect(page.locator("#difference")).not_to_have_text("")


def test_the_operator_reads_plays_and_an_opponent_once(page: Page, session: Session) -> None:
    session.play()
    with own_session(session.url, "Atletico v Rival", opponent="Rival"):
        page.evaluate("app.go('operator')")
        expect(page.get_by_role("heading", name="Atletico v Rival", exact=True)).to_be_visible()
        expect(page.locator("#sessions .current p")).to_contain_text("· 1 play")
        page.evaluate("app.go('review')")
        options = page.locator("main select option")
        expect(options.filter(has_text="Rival")).to_have_text([re.compile("[0-9] Atletico v Rival$")])


def test_a_trim_shows_its_length_while_it_is_dragged(page: Page, session: Session) -> None:
    session.ready_play()
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


def test_two_angles_stand_where_they_are_largest(page: Page, session: Session) -> None:
    """Stacked in a pane that is higher than wide, side by side in a wide one."""
    session.ready_play()
    cards(page).first.locator(".open").click()
    expect(page.locator("#angles button:enabled")).to_have_count(2)
    page.get_by_role("button", name="Two angles").click()
    tops = "[...document.querySelectorAll('.tile.on')].map(each => each.getBoundingClientRect().top)"
    for width, height, same in ((1180, 820, True), (1100, 1100, False), (1180, 560, True)):
        page.set_viewport_size(ViewportSize(width=width, height=height))
        until(page, f"(([one, other]) => (one === other) === {str(same).lower()})({tops})")
    photograph(page, "two-up-tall")


def test_a_key_keeps_its_camera_while_another_is_missing(page: Page, session: Session) -> None:
    session.ready_play()
    cards(page).first.locator(".open").click()
    expect(page.locator("#angles button:enabled")).to_have_count(2)
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


def test_with_six_cameras_on_a_phone_no_text_is_broken(page: Page, session: Session) -> None:
    phone = page
    phone.set_viewport_size(ViewportSize(width=PHONE["width"], height=PHONE["height"]))
    session.ready_play()
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


def test_ready_plays_are_shown_out_of_reach_on_every_angle(page: Page, session: Session) -> None:
    """Stored on the device, marked on the card, also while one plays and loops."""
    session.ready_play()
    cards(page).first.locator(".open").click()
    until(page, "document.querySelector('replay-player').videos.running")
    made = [session.ready_play(1.5), session.ready_play(1.5)]
    for each in made:
        expect(page.locator(f"#plays [data-key='{each['id']}'] [data-state=ready]")).to_be_visible()
    expect(page.locator("#plays .here", has_text="⤓")).to_have_count(cards(page).count())
    until(page, "[...app.clips().values()].flat().every(clip => app.prefetch.held.has(clip.stream_url))")
    shown = "own => (own.find(clip => clip.channel_id === app.prefs.get('angle')) ?? own[0]).thumbnail_url"
    pictures = f"[...app.clips().values()].map({shown})"  # as the cards choose it
    until(page, f"{pictures}.every(url => app.prefetch.held.has(url))")
    with out_of_reach(page):
        for each in made:
            page.locator(f"#plays [data-key='{each['id']}'] .open").click()
            for camera in ("Camera 1", "Camera 2"):
                page.get_by_role("button", name=camera).click()
                until(page, "document.querySelector('.tile.leader video').currentTime > 0.05")
                assert page.locator(".tile.leader video").evaluate("each => each.src").startswith("blob:")


def test_the_operator_brings_a_deleted_play_back(page: Page, session: Session) -> None:
    made = session.play()
    expect(cards(page)).to_have_count(1)
    page.evaluate("app.go('operator')")
    session.tell(f"/plays/{made['id']}", method="DELETE")
    row = page.locator(f"#deleted-plays [data-key='{made['id']}']")
    expect(row).to_contain_text(session.name)
    row.get_by_role("button", name=f"Restore play {made['number']}").click()
    expect(row).to_have_count(0)
    page.evaluate("app.go('desk')")
    expect(cards(page)).to_have_count(1)


def test_a_clip_is_saved_under_its_name(page: Page, session: Session) -> None:
    session.ready_play()
    page.evaluate("app.go('review', 'clips')")
    save = page.locator(".clip-list a[download]:visible").first
    expect(save).to_be_visible()
    with page.expect_download() as saved:
        save.click()
    assert re.fullmatch(rf"{session.name}_Play-1.*\.mp4", saved.value.suggested_filename)


@pytest.mark.parametrize(
    ("state", "body", "words", "mark"),
    [
        ("deactivate", None, r"Camera 2: Switched off", "▲"),
        ("error", {"reason": "lens cap"}, r"Camera 2: Lens cap.*", "✗"),  # the box may add a detail
    ],
    ids=["off", "at fault"],
)
def test_the_status_line_and_health_show_the_same_state_of_each_camera(
    page: Page, session: Session, state: str, body: object, words: str, mark: str
) -> None:
    line = page.locator("#cams")
    try:
        session.tell(f"/channels/cam2/{state}", body)
        pattern = re.compile(rf"cam1 cam2: {words}\. Open health\.")
        expect(line).to_have_attribute("aria-label", pattern)
        expect(line.locator(":scope > span").nth(1)).to_have_text(f"cam2 {mark}")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        room = re.compile(f"{'Ready, look at' if body is None else 'Not ready'}: .*Camera 2")
        expect(page.locator("#room")).to_have_attribute("aria-label", room)
    finally:
        session.tell("/channels/cam2/activate")
    expect(line).to_have_attribute("aria-label", "cam1 cam2: all cameras send. Open health.")
