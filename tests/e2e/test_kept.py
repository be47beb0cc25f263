"""A page opened while the box is down: it shows the plays stored on this device, and accepts marks.

A page over plain HTTP has no service worker: it opens from the browser's cache, by address, home screen or a
discarded tab. A reload by hand requests it from the box.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import Demo, returning_demo, start_again, stop_demo
from tests.e2e.own import Session, own_device
from tests.kit import webkit
from tests.kit.browser import executable, photograph, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PLAYS = 3
ALL_KEPT = """(async () => {
  const { diskOfPlays } = await import("/state/device/disk.js");
  const { rows, media } = diskOfPlays();
  const kept = new Set((await media.all()).map((each) => each.url));
  const last = await rows.load();
  const clips = [...app.clips().values()].flat();
  const pictures = [...app.clips().values()].map(([clip]) => clip.thumbnail_url);
  const rowed = (url) => last?.snapshot.clips.some((each) => each.stream_url === url);
  return clips.length === COUNT && pictures.every((url) => kept.has(url))
    && clips.every(({ stream_url: url }) => url && kept.has(url) && rowed(url));
})()""".replace("COUNT", str(2 * PLAYS))
SPOIL = """(async () => {
  const { media } = (await import("/state/device/disk.js")).diskOfPlays();
  const spoilt = ({ type }) => new Blob(["spoilt"], { type });
  for (const { url, blob } of await media.all()) await media.put(url, spoilt(blob));
})()"""
LEADER = "document.querySelector('.tile.leader video')"
SCREENS_HERE = """performance.getEntriesByType("resource").filter((each) =>
  /screens\\/(live\\/live|tagging|review\\/review|selftest)\\.js/.test(each.name)).length === 4"""

# A module is there before those it imports are: this waits for all of them.
SCREENS_LOADED = "async () => { for (const each of Object.values(app.screens)) await each.load(); }"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with returning_demo(tmp_path_factory.mktemp("kept"), "--host", "0.0.0.0") as demo:
        yield demo


@pytest.fixture
def game(session: Session) -> Session:
    """With three plays of two angles each."""
    for _ in range(PLAYS):
        session.ready_play()
    return session


@pytest.fixture
def tablet(browser: Browser, game: Session) -> Iterator[BrowserContext]:
    with own_device(browser, game) as context:
        yield context


def assert_plays_are_shown(page: Page) -> None:
    """Each is shown, with its thumbnail, and plays on both angles from the stored copies."""
    cards = page.locator("#plays .play")
    expect(cards).to_have_count(PLAYS)
    expect(page.locator("#plays .here", has_text="⤓")).to_have_count(PLAYS)
    until(page, "[...document.querySelectorAll('#plays img')].every((each) => each.naturalWidth > 0)")
    for at in range(PLAYS):
        cards.nth(at).locator(".open").click()
        for camera in ("Camera 1", "Camera 2"):
            page.get_by_role("button", name=camera, exact=True).click()
            until(page, f"{LEADER}.currentTime > 0.05 && {LEADER}.src.startsWith('blob:')")


@pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")
def test_a_page_opened_while_the_box_is_away_shows_and_marks(
    tablet: BrowserContext, demo: Demo, game: Session
) -> None:
    first = tablet.new_page()
    first.goto(demo.urls[-1])  # by its network name: no secure context
    assert first.evaluate("isSecureContext") is False
    until(first, ALL_KEPT)
    until(first, SCREENS_HERE)
    first.evaluate(SCREENS_LOADED)
    first.evaluate(
        "void Object.defineProperty(app.box, 'offsetMs', { get: () => 90_000 })"
    )  # a clock that is far off
    first.evaluate("app.box.changed('plays')")
    offset = "(await (await import('/state/device/disk.js')).diskOfPlays().rows.load()).offsetMs === 90_000"
    until(first, f"(async () => {offset})()")
    stop_demo(demo)
    first.close()
    page = tablet.new_page()
    page.goto(demo.urls[-1])
    assert_plays_are_shown(page)
    expect(page.locator("#banner")).to_contain_text("Marks are kept here")
    assert abs(page.evaluate("app.box.now() - Date.now()") - 90_000) < 5, "marks mean the box's time"
    photograph(page, "kept-away")
    page.evaluate("app.box.assumedMs = 0")  # the box's clock differs in reality
    page.click("#last10")
    expect(page.locator("#plays .play")).to_have_count(PLAYS + 1)
    expect(page.locator("#banner")).to_contain_text("(1 to send)")
    page.evaluate("app.go('tagging')")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS + 1)
    page.evaluate("app.go('desk')")
    start_again(demo)
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    until(page, "app.box.outbox.waiting().length === 0")
    expect(page.locator("#banner")).to_be_hidden()
    assert sorted(play["number"] for play in game.plays()) == list(range(1, PLAYS + 2))


@pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")
def test_a_reload_by_hand_is_asked_about_while_the_box_is_away(tablet: BrowserContext, demo: Demo) -> None:
    page = tablet.new_page()
    page.goto(demo.urls[-1])
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    page.locator("#plays .play .open").first.click()
    requests: list[str] = []

    def refuse(dialog: Any) -> None:
        requests.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.evaluate("window.sameDocument = true")
    stop_demo(demo)
    expect(page.locator("#banner")).to_contain_text("Marks are kept here")
    page.evaluate("setTimeout(() => location.reload())")
    until(page, "window.sameDocument")
    start_again(demo)
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    assert requests == ["beforeunload"]
    assert page.evaluate("window.sameDocument")
    page.evaluate("setTimeout(() => location.reload())")
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    page.wait_for_function("() => !window.sameDocument")
    assert requests == ["beforeunload"], "nobody is asked while the box is there"


@pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")
def test_a_kept_copy_that_cannot_be_read_is_taken_from_the_box(tablet: BrowserContext, demo: Demo) -> None:
    page = tablet.new_page()
    page.goto(demo.urls[-1])
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    until(page, ALL_KEPT)
    page.evaluate(SPOIL)
    page.reload()
    until(page, "[...document.querySelectorAll('#plays img')].some((each) => each.naturalWidth > 0)")
    page.locator("#plays .play .open").last.click()
    until(page, f"{LEADER}.currentTime > 0.05")
    until(page, "[...app.prefetch.rejected.keys()].some((url) => /\\/clips\\/.*m[0-9]/.test(url))")
    page.evaluate("void (app.panels['tag-board'] = () => Promise.reject(new TypeError('away')))")
    page.get_by_role("button", name="Tags", exact=True).click()
    expect(page.locator(".notice[data-key=late]")).to_contain_text("The tag board is not on this device")


@pytest.mark.skipif(webkit.missing() != "", reason=f"no WebKit here: {webkit.missing()}")
def test_the_next_page_has_what_was_kept_in_webkit_too(demo: Demo, game: Session) -> None:
    """WebKit under WebDriver has no disk cache for pages: opening one without the box is not tested here."""
    condition = "[...app.prefetch.held.keys()].filter((url) => url.includes('/m')).length"
    with webkit.webkit() as window:
        window.open(demo.urls[-1])
        window.until("app.box.online")
        window.run(f"app.working.choose('{game.id}')")
        window.until(f"app.box.online && {condition} >= {2 * PLAYS}")
        window.run_async(
            "const { media, rows } = (await import('/state/device/disk.js')).diskOfPlays();"
            f"while ((await media.all()).length < {3 * PLAYS} || !(await rows.load()))"
            "  await new Promise(requestAnimationFrame);"
        )
        window.until("app.prefs.get('editLists')")  # its self-test has ended: a player the page would leave
        window.reload()
        window.until(f"app.box.online && {condition} >= {2 * PLAYS}")
        fetched = (
            "performance.getEntriesByType('resource').filter((each) => each.name.endsWith('.mp4')).length"
        )
        assert window.run(f"return {fetched}") == 0
        window.click("#plays .play:nth-child(2) .open")
        window.until(f"{LEADER}?.currentTime > 0.05 && {LEADER}.src.startsWith('blob:')")
