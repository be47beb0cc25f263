"""A tablet out of Wi-Fi range, and one that was suspended: back without a reload, marks arrive once."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.clock import from_rfc3339
from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page
from tests.kit.browser import executable, press, until
from tests.kit.narrow import Link, narrow_link

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
PLAYS = "#plays .play"
NOTHING_WAITS = "app.box.outbox.waiting().length === 0"


@pytest.fixture
def link(demo: Demo) -> Iterator[Link]:
    with narrow_link(urlsplit(demo.urls[0]).port or 0, 50e6) as narrow:
        yield narrow


@pytest.fixture
def page(browser: Browser, link: Link, session: Session) -> Iterator[Page]:
    with own_page(browser, link.url, session) as opened:
        expect(opened.locator("#link[data-state=connected]")).to_be_visible()
        expect(opened.locator("#new-play")).to_be_enabled()
        opened.evaluate("window.sameDocument = true")
        yield opened


def test_a_mark_made_out_of_reach_arrives_once_with_its_time(
    page: Page, link: Link, session: Session
) -> None:
    """The page gets no notification: the socket stays silent, after a second the mark is also sent by
    HTTP."""
    link.cut()
    with page.expect_request(lambda request: request.method == "POST"):
        before, after = press(page, "#new-play")
        expect(page.locator(PLAYS)).to_have_count(1)
        expect(page.locator(PLAYS).first).to_contain_text("Not sent")
    assert session.plays() == []
    link.mend()
    until(page, NOTHING_WAITS)
    expect(page.locator(f"{PLAYS} .number")).to_have_text("1")
    page.click("#end-play")
    until(page, NOTHING_WAITS)
    [play] = session.plays()
    assert before - 1 <= from_rfc3339(play["start_time"]) / 1000 <= after + 1
    assert page.evaluate("app.box.reloads") == 1


def test_a_page_put_aside_catches_up(page: Page, session: Session) -> None:
    """Frozen, like a tablet with its cover closed; meanwhile another device marks a play."""
    tool = page.context.new_cdp_session(page)
    tool.send("Page.setWebLifecycleState", {"state": "frozen"})
    session.tell("/plays", {"session_id": session.id})
    tool.send("Page.setWebLifecycleState", {"state": "active"})
    expect(page.locator(PLAYS)).to_have_count(1)
    expect(page.locator("#banner")).to_be_hidden()
    assert page.evaluate("[window.sameDocument, app.box.reloads]") == [True, 1]
