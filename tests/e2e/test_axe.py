"""axe on every screen: labels, roles, contrast, in both themes; touch targets at every size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import looks
from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import PHONE, TABLET, executable, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
    axe.HERE,
]
# The page of a watched play, and the screens by their names in the app.
SCREENS = "['desk', ...Object.keys(app.screens).filter((name) => name !== 'desk')]"


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """A page that watches a play, with axe in it (our pages allow no foreign script: the test bypasses
    that)."""
    session.tell(f"/plays/{session.ready_play(1)['id']}/favorite")
    with own_page(browser, demo.urls[-1], session, bypass_csp=True) as opened:
        opened.locator("#plays .play .open").first.click()
        until(opened, "document.querySelector('.tile.leader video')?.currentTime > 0")
        opened.keyboard.press("Space")
        bring_axe(opened)
        yield opened


def test_every_screen_in_both_themes(page: Page) -> None:
    wrong: list[str] = []
    for name in page.evaluate(SCREENS):
        page.evaluate("(name) => { if (name !== 'desk') app.go(name); }", name)
        until(page, f"document.querySelector('#main.{name}')?.childElementCount > 0")
        wrong += [f"{name}: {each}" for each in violations(page)]
        page.evaluate("app.prefs.set('theme', 'dark')")
        wrong += [f"{name}, dark: {each}" for each in violations(page, "color-contrast")]
        page.evaluate("app.prefs.set('theme', 'light')")
    assert not wrong, "\n".join(wrong)


# What is drawn in a button changes at any moment, and a click on an element that is gone is no click.
PRESSED_INSIDE = """() => [...document.querySelectorAll("button, .button")].map((button) => {
  const { left, top, width, height } = button.getBoundingClientRect();
  const under = document.elementFromPoint(left + width / 2, top + height / 2);
  return under !== button && button.contains(under) ? `${location.hash} ${button.outerHTML}` : "";
}).filter(Boolean)"""


def test_a_press_is_of_the_button_and_not_of_what_is_drawn_in_it(page: Page) -> None:
    for name in page.evaluate(SCREENS):
        page.evaluate("(name) => app.go(name)", name)
        until(page, f"document.querySelector('#main.{name}')?.childElementCount > 0")
        assert page.evaluate(PRESSED_INSIDE) == []


SIZES = (TABLET, looks.UPRIGHT, PHONE, looks.BARS, looks.SMALL, looks.FLAT)
PANES = {"Clips": ".clip-list li", "Figures": ".figures", "Footage": "game-timeline"}  # of Review


def test_every_target_is_44_px_high_and_wide(page: Page) -> None:
    """Each screen at every size, also after a window was rotated."""
    small: list[str] = []

    def look(what: str) -> None:
        for size in SIZES:
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
            results = page.evaluate(looks.SMALL_TARGETS)
            small.extend(f"{what}, {size['width']}x{size['height']}: {each}" for each in results)

    for name in page.evaluate(SCREENS):
        play = "app.plays()[0].id" if name == "desk" else "undefined"
        page.evaluate(f"app.go('{name}', {play})")
        until(page, f"document.querySelector('#main.{name}')?.childElementCount > 0")
        look(name)
        for tab, shows in PANES.items() if name == "review" else ():
            page.get_by_role("button", name=tab, exact=True).click()
            expect(page.locator(shows).first).to_be_visible()
            look(tab)
    page.evaluate("app.go('desk', app.plays()[0].id)")
    page.locator("#menu").click()
    look("menu")
    assert not small, "\n".join(small)


def test_the_menu_and_the_trim(page: Page) -> None:
    page.keyboard.press("t")
    wrong = violations(page) + page.evaluate(looks.SMALL_TARGETS)
    page.keyboard.press("Escape")
    page.click("#menu")
    wrong += violations(page)
    assert not wrong, "\n".join(wrong)


def test_the_forms_of_a_session(page: Page, session: Session) -> None:
    page.evaluate("app.go('operator')")
    page.get_by_role("button", name=f"Edit {session.name}").click()
    wrong = violations(page) + page.evaluate(looks.SMALL_TARGETS)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New session").click()
    wrong += violations(page) + page.evaluate(looks.SMALL_TARGETS)
    assert not wrong, "\n".join(wrong)
