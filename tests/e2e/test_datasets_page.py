"""Training clips from the page: a game is cut by the real box, and its clips are shown as pictures."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page
from tests.kit.browser import executable, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


def test_a_game_is_cut_and_its_clips_are_shown(browser: Browser, demo: Demo, session: Session) -> None:
    session.ready_play(1)
    with own_page(browser, demo.urls[-1], session) as page:
        page.evaluate("app.go('datasets')")
        page.locator(f"input[name=game][value='{session.id}']").check()
        page.locator("input[name=format][value=hf]").check()
        page.locator("#cut").click()
        run = page.locator("#runs > li").first
        expect(run.locator(".badge")).to_have_text("Complete", timeout=60_000)
        run.locator("summary").click()
        until(
            page, "[...document.querySelectorAll('.dataset-clips img')].some((each) => each.naturalWidth > 0)"
        )
        assert "validate" in run.inner_text() and "seed, hf" in run.inner_text()
