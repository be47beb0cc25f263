"""A page whose resources are late or missing: rows, storage, a screen, a stored copy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.conftest import Demo
from tests.e2e.looks import SMALL
from tests.e2e.own import Session, own_device
from tests.kit.browser import PHONE, TABLET, executable, photograph, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
LEADER = "document.querySelector('.tile.leader video')"
# Parts of the status line that are cut off, or overlap.
CROWDED = """(() => {
  const line = document.querySelector("status-line");
  const names = "h1, .badge, .clock, .cams, .link, .tabs a, .menu, session-control button";
  const parts = [...line.querySelectorAll(names)]
    .filter((each) => each.offsetParent && each.getBoundingClientRect().width);
  const boxes = parts.map((each) => [each, each.getBoundingClientRect()]);
  return boxes.filter(([, box], at) => box.left < -0.5 || box.right > innerWidth + 0.5
    || boxes.slice(0, at).some(([, other]) => other.right > box.left + 0.5)).map(([each]) => each.outerHTML);
})()"""
# The screens that are opened later, and their modules.
SCREENS_HERE = """(() => {
  const here = performance.getEntriesByType("resource").map((each) => each.name);
  const names = ["review/review-footage", "review/review-figures", "lineup", "selftest"];
  return names.every((name) => here.some((url) => url.endsWith(`/screens/${name}.js`)));
})()"""
# A module is there before those it imports are: this waits for all of them.
SCREENS_LOADED = "async () => { for (const each of Object.values(app.screens)) await each.load(); }"
# Opened databases, so that a test can close them like a browser does in the background.
OPENED = """
  window.opened = [];
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (...words) {
    const asked = open.apply(this, words);
    asked.addEventListener("success", () => opened.push(asked.result));
    return asked;
  };
"""
SILENT = """
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function () {
    return { answer: (...words) => open.apply(window.indexedDB, words) };  // and never does
  };
"""
KEPT_MARKS = """(async () => {
  const { diskOfMarks } = await import("/state/device/disk.js");
  return (await diskOfMarks().all()).map((mark) => mark.doing);
})()"""


@pytest.fixture
def tablet(browser: Browser, session: Session) -> Iterator[BrowserContext]:
    """A device that uses the session, without a page."""
    with own_device(browser, session) as context:
        yield context


@pytest.fixture
def plays(session: Session) -> list[str]:
    """Ids of three playable plays, oldest first."""
    return [session.ready_play()["id"] for _ in range(3)]


def held_back(page: Page, pattern: str) -> list[Route]:
    """Requests that wait until they are released."""
    waiting = list[Route]()
    page.route(pattern, lambda route: waiting.append(route))  # noqa: PLW0108  # Playwright sets an attribute of the handler
    return waiting


@pytest.mark.parametrize(
    ("screen", "shown"),
    [
        ("desk", "replay-player .heading b"),
        ("tagging", "tag-board h2"),
        ("review/clips", ".clip-list .chosen"),
    ],
)
def test_an_address_selects_its_play_however_late_the_rows_are(
    tablet: BrowserContext, demo: Demo, plays: list[str], screen: str, shown: str
) -> None:
    page = tablet.new_page()
    waiting = held_back(page, "**/snapshot")
    page.goto(f"{demo.urls[0]}/#{screen}/{plays[1]}")
    until(page, f"window.app && document.querySelector('#main.{screen.partition('/')[0]}')")
    expect(page.locator("#main")).to_contain_text("Waiting for the box.")
    while not waiting:
        page.wait_for_timeout(20)
    waiting[0].continue_()
    expect(page.locator(shown)).to_contain_text("2")
    assert "No session yet" not in page.inner_text("#main")


def test_a_play_that_is_there_at_the_start_does_not_begin(
    tablet: BrowserContext, demo: Demo, plays: list[str]
) -> None:
    """The tag board of a page whose rows arrived after its screen stays on the play it was opened for."""
    page = tablet.new_page()
    waiting = held_back(page, "**/snapshot")
    page.goto(f"{demo.urls[0]}/#tagging/{plays[0]}")
    until(page, "window.app && document.querySelector('#main.tagging')")
    while not waiting:
        page.wait_for_timeout(20)
    waiting[0].continue_()
    expect(page.locator("tag-board h2")).to_have_text("Play 1")


def test_a_storage_that_never_answers_blocks_nothing_and_is_reported(
    tablet: BrowserContext, demo: Demo
) -> None:
    page = tablet.new_page()
    page.add_init_script(SILENT)
    page.goto(f"{demo.urls[0]}/#health")
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    expect(page.locator("#check-own-disk .mark.warn")).to_be_visible()
    expect(page.locator(".notice", has_text="marks are kept only while this page stays open")).to_be_visible()
    page.click("#last10")
    until(page, "app.box.outbox.waiting().length === 0 && app.plays()[0].number > 0")
    page.keyboard.press("u")
    until(page, "app.box.outbox.waiting().length === 0")
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_contain_text("Marks are kept here while this page stays open")


def test_marks_are_kept_after_the_browser_has_closed_the_database(tablet: BrowserContext, demo: Demo) -> None:
    """By hand (InvalidStateError at the next use), and like browsers (the event `close`)."""
    page = tablet.new_page()
    page.add_init_script(f"{{{OPENED}}}")
    page.goto(demo.urls[0])
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    until(page, "opened.length >= 2")
    page.evaluate(KEPT_MARKS)  # the checking module is loaded
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    for close in ("base.close()", "(base.close(), base.dispatchEvent(new Event('close')))"):
        page.evaluate(f"opened.forEach((base) => {close})")
        before = page.evaluate(f"{KEPT_MARKS}.then((all) => all.length)")
        page.click("#last10")
        until(page, f"{KEPT_MARKS}.then((all) => all.length === {before} + 1)")
        page.keyboard.press("u")
        until(page, f"{KEPT_MARKS}.then((all) => all.length === {before} + 2)")
        assert page.evaluate("app.box.outbox.kept")
    tablet.set_offline(False)
    until(page, "app.box.outbox.waiting().length === 0")


def test_a_screen_that_did_not_load_is_tried_again(
    tablet: BrowserContext, demo: Demo, session: Session
) -> None:
    """By hand, and automatically; a screen the user opened meanwhile stays."""
    session.play()
    page = tablet.new_page()
    page.route("**/screens/review/review.js", lambda route: route.abort())
    page.route("**/parts/tags/tag-board.js", lambda route: route.abort())
    page.goto(f"{demo.urls[0]}/#review/clips")
    notice = page.locator(".notice[data-key=late]")
    expect(notice).to_contain_text("Review is not on this device")
    expect(page.locator("#main.desk")).to_be_visible()
    with page.expect_request("**/screens/review/review.js"):
        notice.get_by_role("button", name="Try again").click()
    page.unroute("**/screens/review/review.js")
    # at once, unless the page itself has tried again meanwhile
    page.evaluate("document.querySelector('.notice[data-key=late] button')?.click()")
    expect(page.locator("#main.review .clip-list")).to_be_visible()
    expect(notice).to_have_count(0)
    page.evaluate("app.go('tagging')")
    expect(notice).to_contain_text("Tagging is not on this device")
    expect(page.locator("#main.review")).to_be_visible()
    page.evaluate("app.go('live')")
    expect(page.locator("#main.live")).to_be_visible()
    expect(notice).to_have_count(0)
    page.evaluate("app.go('tagging')")
    expect(notice).to_be_visible()
    page.unroute("**/parts/tags/tag-board.js")  # a part that the screen needs
    expect(page.locator("#main.tagging tag-board")).to_be_visible()
    expect(notice).to_have_count(0)


def test_a_kept_copy_that_failed_once_is_shown_all_the_same(
    tablet: BrowserContext, demo: Demo, plays: list[str]
) -> None:
    """Its URL is revoked, as by a browser short of memory: while the box is down there is no other source."""
    page = tablet.new_page()
    page.goto(demo.urls[0])
    condition = "[...app.clips().values()].flat().every((clip) => app.prefetch.held.has(clip.stream_url))"
    until(page, f"app.plays().length && {condition}")
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    page.evaluate("for (const { url } of app.prefetch.held.values()) URL.revokeObjectURL(url)")
    for play in plays:
        page.locator(f"#plays [data-key='{play}'] .open").click()
        until(page, f"{LEADER}?.currentTime > 0.05 && {LEADER}.src.startsWith('blob:')")
    tablet.set_offline(False)


def test_a_clip_the_box_did_not_give_comes_when_it_answers(
    tablet: BrowserContext, demo: Demo, plays: list[str]
) -> None:
    """Without any press: a clip that is not stored, requested while the box is down."""
    page = tablet.new_page()
    page.route("**/clips/**", lambda route: route.abort())
    page.goto(demo.urls[0])
    until(page, "app.box.online && app.plays().length")
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    page.locator(f"#plays [data-key='{plays[0]}'] .open").click()
    expect(page.locator(".message")).to_contain_text("It comes when the box answers")
    page.unroute("**/clips/**")
    tablet.set_offline(False)
    until(page, f"{LEADER}.currentTime > 0.05")


def test_the_status_line_has_space_for_its_texts_while_the_box_is_unreachable(
    tablet: BrowserContext, demo: Demo
) -> None:
    """Two marks to send, and no recordable hours while the box does not answer; on a tablet and on phones."""
    page = tablet.new_page()
    page.goto(demo.urls[0])
    until(page, "app.box.online && document.querySelector('#room').textContent")
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    page.click("#last10")
    page.keyboard.press("u")
    expect(page.locator("#banner")).to_contain_text("(2 to send)")
    expect(page.locator("#session-state")).to_have_text("LIVE?")
    for size in (TABLET, PHONE, SMALL):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        photograph(page, f"away-{size['width']}")
        assert page.evaluate(CROWDED) == [], size
        assert page.locator("#session-name").bounding_box()["width"] > 40  # type: ignore[index]
    expect(page.locator("#room")).to_be_hidden()
    expect(page.locator("#cams")).to_have_attribute("aria-label", re.compile("Not known: the box does not"))
    tablet.set_offline(False)
    expect(page.locator("#cams")).to_have_attribute("aria-label", re.compile("all cameras send"))
    until(page, "app.box.online && app.box.outbox.waiting().length === 0")


def test_a_watched_play_that_another_device_deletes_is_announced(
    tablet: BrowserContext, demo: Demo, session: Session, plays: list[str]
) -> None:
    page = tablet.new_page()
    page.goto(f"{demo.urls[0]}/#desk/{plays[2]}")
    expect(page.locator("replay-player .heading b")).to_have_text("3")
    session.tell(f"/plays/{plays[2]}", method="DELETE")
    expect(page.locator(".notice", has_text="Play 3 was deleted on another device")).to_be_visible()
    session.tell(f"/plays/{plays[2]}/restore")
    page.locator(f"#plays [data-key='{plays[2]}'] .undo").click()
    expect(page.locator(".notice[data-key=undo]")).to_contain_text("Play 3 deleted")
    expect(page.locator(".notice", has_text="on another device")).to_have_count(0)


def test_screens_opened_while_the_box_is_away_say_so_and_nothing_else(
    tablet: BrowserContext, demo: Demo, session: Session
) -> None:
    """Neither "no footage" nor the browser's error text."""
    session.play()
    page = tablet.new_page()
    page.goto(demo.urls[0])
    until(page, SCREENS_HERE)
    page.evaluate(SCREENS_LOADED)
    tablet.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    for screen, where, words in (
        ("review", "footage-view", "The footage is shown when the box answers."),
        ("review/figures", ".figures", "The figures come when the box answers."),
        ("lineup", "step-pane", "Not shown: the box does not answer"),
        ("selftest", ".selftest", "the box does not answer"),
    ):
        page.evaluate("(words) => app.go(...words)", screen.split("/"))
        expect(page.locator(where).first).to_contain_text(words)
        photograph(page, f"away-{screen.replace('/', '-')}")
    tablet.set_offline(False)
