"""The box restarts under a page, a page is closed while marks are pending: nothing is lost, no user is
interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo, returning_demo, start_again, stop_demo
from tests.e2e.own import Session, own_device, own_page
from tests.kit.browser import executable, photograph, press, until
from tests.kit.narrow import narrow_link

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
LEADER = ".tile.leader video"
ONLINE = "#link[data-state=connected]"
NOTHING_WAITS = "app.box.online && app.box.outbox.waiting().length === 0"
# ms from the last message of the box to the banner, on the page's own clock.
REPORTED_AFTER = """new Promise((done) => {
  const banner = document.querySelector("#banner");
  const look = () => banner.hidden || done(performance.now() - app.box.link.heard);
  new MutationObserver(look).observe(banner, { attributes: true });
})"""
HERE = "[...app.clips().values()].flat().every((clip) => app.prefetch.held.has(clip.stream_url))"
# The banner's text in the same turn in which the browser reports that it is offline.
BANNER_AT_ONCE = """new Promise((done) => {
  const drawn = (next) => queueMicrotask(() => queueMicrotask(next));
  addEventListener("offline", () => drawn(() => done(document.querySelector("#banner").textContent)));
})"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with returning_demo(tmp_path_factory.mktemp("away"), "--cameras", "1") as demo:
        yield demo


@pytest.fixture
def watching(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """A page that plays a complete, locally stored play: an incomplete one would be cut again."""
    session.ready_play(1)
    with own_page(browser, demo.urls[0], session) as page:
        until(page, f"app.plays().length && {HERE}")  # its thumbnail may be stored before it
        page.locator("#plays .play .open").first.click()
        until(page, f"document.querySelector('{LEADER}')?.currentTime > 0.2")
        until(page, f"document.querySelector('{LEADER}').src.startsWith('blob:')")
        yield page


def test_a_play_cut_again_is_watched_until_the_new_bytes_are_here(watching: Page, session: Session) -> None:
    """As if the box went down at that moment: the new cut is known and cannot be fetched."""
    page = watching
    [clip] = session.clips()
    page.route("**/m2/**", lambda route: route.abort())
    src = page.evaluate(f"document.querySelector('{LEADER}').src")
    session.tell(f"/clips/{clip['id']}", {"mode": "exact"}, method="PATCH")
    until(page, f"app.box.state.clips.get('{clip['id']}').stream_url.includes('/m2/')")
    at = page.evaluate(f"document.querySelector('{LEADER}').currentTime")
    until(page, f"document.querySelector('{LEADER}').currentTime !== {at}")
    assert page.evaluate(f"document.querySelector('{LEADER}').src") == src
    page.keyboard.press("Space")
    page.evaluate("document.querySelector('replay-player').videos.seek(0.5)")
    page.unroute("**/m2/**")
    page.get_by_label("Star play 1").click()  # any event about the play: the page tries again
    until(
        page,
        f"(v => v.src !== '{src}' && v.readyState > 1 && !v.seeking)(document.querySelector('{LEADER}'))",
    )
    assert page.evaluate(f"document.querySelector('{LEADER}').src").startswith("blob:")
    until(
        page, "Math.abs(document.querySelector('replay-player').videos.time - 0.5) < 0.041"
    )  # once it is painted
    page.keyboard.press("Space")
    until(page, f"document.querySelector('{LEADER}').currentTime > 0.6")


def test_marks_made_while_the_box_is_away_arrive_with_their_times(
    watching: Page, demo: Demo, session: Session
) -> None:
    page = watching
    page.evaluate(f"window.reportedAfterMs = {REPORTED_AFTER}, true")  # not awaited here
    stop_demo(demo)
    before, after = press(page, "#new-play")
    card = page.locator("#plays .play").first
    expect(card.get_by_text("Not sent")).to_be_visible()
    assert card.locator(".state").evaluate("(text) => text.scrollWidth <= text.clientWidth"), "it is cut off"
    expect(page.locator("#banner")).to_contain_text("Marks are kept here")
    assert page.evaluate("window.reportedAfterMs") > 1900, "a short absence is not reported"
    photograph(page, "away")
    first, other = (page.evaluate(f"document.querySelector('{LEADER}').currentTime") for _ in range(2))
    until(page, f"document.querySelector('{LEADER}').currentTime !== {other}")  # it continues to play
    assert first is not None
    until(page, "document.querySelector('[data-since]').textContent > '0:01'")  # however late it was reported
    page.click("#end-play")
    start_again(demo)
    expect(page.locator(ONLINE)).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()
    expect(card.locator(".number")).to_have_text("2")
    until(page, NOTHING_WAITS)  # the play's end too
    plays = {each["number"]: each for each in session.plays()}
    assert sorted(plays) == [1, 2]
    assert before - 1 <= from_rfc3339(plays[2]["start_time"]) / 1000 <= after + 1
    assert plays[2]["duration"] > 1
    assert page.evaluate("app.box.reloads") == 1, "resumed by seq, without another snapshot"


def test_marks_survive_the_page(browser: Browser, demo: Demo, session: Session) -> None:
    with own_device(browser, session) as tablet:
        page = tablet.new_page()
        page.goto(demo.urls[0])
        expect(page.locator(ONLINE)).to_be_visible()
        marked_and_closed(page, demo)
        start_again(demo)
        later = tablet.new_page()
        later.goto(demo.urls[0])
        expect(later.locator("#plays .play .number")).to_have_text("1")
        assert [play["number"] for play in session.plays()] == [1]


def marked_and_closed(page: Page, box: Demo) -> None:
    """A mark while the box is down; the page is closed as soon as it is stored."""
    stop_demo(box)
    until(page, "!app.box.online")
    page.click("#last10")
    expect(page.locator("#plays .play")).to_have_count(1)
    # the URL that the page uses
    module = "import(`/v/${document.documentElement.dataset.build}/state/device/disk.js`)"
    condition = f"(await (await {module}).diskOfMarks().all()).some(m => m.state === 'waiting')"
    until(page, f"(async () => {condition})()")
    page.close()


def test_silence_is_noticed_and_a_mark_of_it_arrives_once(
    browser: Browser, demo: Demo, session: Session
) -> None:
    """Out of Wi-Fi range: no connection ends, nothing arrives."""
    with (
        narrow_link(urlsplit(demo.urls[0]).port or 0, 50e6) as link,
        own_page(browser, link.url, session) as page,
    ):
        expect(page.locator(ONLINE)).to_be_visible()
        page.evaluate(f"window.reportedAfterMs = {REPORTED_AFTER}, window.sameDocument = true")
        link.cut()
        expect(page.locator("#banner")).to_contain_text("Marks are kept here")
        # 4 s; at most 8 s with bad round trips. Waiting for the box's heartbeat alone would take 14 s.
        assert 3000 < page.evaluate("window.reportedAfterMs") < 9000
        page.click("#last10")
        expect(page.locator("#plays .play").first).to_contain_text("Not sent")
        expect(page.locator("#banner")).to_contain_text("(1 to send)")
        assert session.plays() == []
        link.mend()
        arrives_once(page, session)


def test_being_offline_is_shown_at_once_and_being_online_starts_an_attempt(
    page: Page, session: Session
) -> None:
    page.evaluate(f"window.said = {BANNER_AT_ONCE}, window.sameDocument = true")
    page.context.set_offline(True)
    assert "Marks are kept here" in page.evaluate("window.said")
    page.click("#last10")
    expect(page.locator("#banner")).to_contain_text("(1 to send)")
    page.context.set_offline(False)
    arrives_once(page, session)


def arrives_once(page: Page, session: Session) -> None:
    """The one mark, without a reload."""
    until(page, NOTHING_WAITS)
    expect(page.locator("#banner")).to_be_hidden()
    assert len(session.plays()) == 1
    assert page.evaluate("[window.sameDocument, app.box.reloads]") == [True, 1]
