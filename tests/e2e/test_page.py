"""The page in a real browser: a play is marked, visible to others, and played from its exact first frame.

Opened by a network address where there is one: such a page is no secure context.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Demo
from tests.e2e.kit import assert_same_instant, expected_first
from tests.e2e.looks import FLAT
from tests.e2e.own import Session, own_page
from tests.kit.browser import PHONE, TABLET, executable, photograph, picture_at, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
LEADER = ".tile.leader video"  # the watched angle


def test_a_play_is_marked_watched_from_its_first_frame_and_seen_by_others(
    browser: Browser, demo: Demo, session: Session
) -> None:
    """NEW PLAY, CUE, END PLAY; the other angle at the same instant; a phone shows it, and its star."""
    assert demo.urls[0].startswith("http://127.0.0.1:")
    with own_page(browser, demo.urls[-1], session) as coach:
        if len(demo.urls) > 1:
            assert coach.evaluate("isSecureContext") is False, "the address told is one of the network"
        expect(coach.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
        coach.click("#new-play")
        card = coach.locator("#plays .play").first
        expect(card.locator("[data-since]")).to_be_visible()
        coach.click("#cue")
        expect(card.get_by_text("cue")).to_be_visible()
        until(coach, "document.querySelector('[data-since]').textContent > '0:01'")
        coach.click("#end-play")
        # not the text Ready: a slow synthetic camera skips frames, and the card says so
        expect(coach.locator("#plays [data-state=ready]")).to_have_count(1)
        [play] = session.plays(include="clips")
        coach.locator("#plays .play .open").first.click()
        until(coach, f"document.querySelector('{LEADER}')?.currentTime > 0.5")
        first = picture_at(coach, 0, LEADER)
        assert first is not None and first.frame == expected_first(demo.state, demo.urls[0], play)
        photograph(coach, "watching")
        picture = picture_at(coach, 0.5, LEADER)
        coach.get_by_role("button", name="Camera 2").click()
        expect(coach.locator(".tile.leader[data-channel=cam2]")).to_be_visible()
        other = picture_at(coach, 0.5, LEADER)
        assert picture is not None and other is not None
        together = {"cam1": picture.instant_us / 1000, "cam2": other.instant_us / 1000}
        assert_same_instant(demo.state, demo.urls[0], together)
        with own_page(browser, demo.urls[0], session, size=PHONE) as phone:
            there = phone.locator("#plays .play").first
            expect(phone.locator("#plays [data-state=ready]")).to_have_count(1)
            star = "Star play 1"
            coach.get_by_label(star).click()
            expect(there.get_by_label(star)).to_have_attribute("aria-pressed", "true")
            there.locator(".open").click()
            expect(phone.locator(LEADER)).to_be_in_viewport()
            photograph(phone, "phone")


def test_nothing_is_cut_off(page: Page, session: Session) -> None:
    """No sideways scrolling, every button tall enough for a thumb with its text inside, marks visible."""
    session.play()
    expect(page.locator("#plays .play")).to_have_count(1)
    for size in (TABLET, PHONE, FLAT):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        photograph(page, f"size-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        tall = "[...document.querySelectorAll('.marks button')].every(b => b.offsetHeight >= 44)"
        assert page.evaluate(tall), size
        cut = "[...document.querySelectorAll('button')].filter(b => b.scrollWidth > b.clientWidth + 1)"
        assert page.evaluate(f"{cut}.map(b => b.textContent)") == [], size
        for mark in ("#last10", "#new-play", "#cue", "#end-play"):
            expect(page.locator(mark)).to_be_in_viewport(ratio=1)


def test_the_last_ten_seconds_are_a_play_at_once_and_undo_takes_it_away(page: Page, session: Session) -> None:
    """And an open play says why it cannot be watched."""
    session.play()
    expect(page.locator("#plays .play")).to_have_count(1)
    with new_card(page) as card:
        page.click("#last10")
        expect(card.get_by_text("0:10.0")).to_be_visible()
    with new_card(page) as card:
        page.click("#new-play")
        expect(card.locator("[data-since]")).to_be_visible()
        card.locator(".open").click()
        expect(page.locator("#stage")).to_contain_text("Press END PLAY")
    expect(page.locator("#stage")).to_contain_text("Tap a play")
    photograph(page, "after-undo")


@contextmanager
def new_card(page: Page) -> Iterator[Locator]:
    """The card of the play that is made in the block; undone at its end."""
    cards = page.locator("#plays .play")
    before = cards.count()
    yield cards.first
    expect(cards).to_have_count(before + 1)
    cards.first.locator(".undo").click()
    expect(cards).to_have_count(before)
