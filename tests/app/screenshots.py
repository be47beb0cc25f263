"""Every screen at tablet and phone size, from a demo with plays: `scripts/screenshots DIR`."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.e2e.conftest import start_demo
from tests.kit.browser import chromium, open_page, until

SIZES = {"tablet": (1180, 820), "upright": (820, 1180), "phone": (390, 844), "flat": (844, 390)}
LEADER = "document.querySelector('.tile.leader video')"
PLAYS = "#plays .play .open"
TAGS = [
    {"quarter": 2, "down": 2, "distance": 7, "play_type": "Pass", "result": "First down"},
    {"quarter": 1, "down": 1, "distance": 10, "play_type": "Run", "result": "Gain", "yards_gained": 3},
]
SAY = """async (tags) => {
  const clips = app.plays().map((play) => app.clips().get(play.id)[0]);
  for (const [at, tag] of tags.entries()) {
    await app.box.request("POST", "/tags", { clip_id: clips[at + 1].id, ...tag });
  }
}"""


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state, chromium() as browser:
        demo = start_demo(Path(state), "--cameras", "4")
        try:
            make_plays(browser, demo.urls[0])
            for size, (width, height) in SIZES.items():
                page = open_page(browser, demo.urls[0], {"width": width, "height": height})
                take(page, folder, size)
                page.context.close()
        finally:
            demo.process.send(signal.SIGINT)
            demo.process.kill_everything()


def make_plays(browser: Browser, url: str) -> None:
    """Three plays, one of them starred and one with a cue."""
    page = open_page(browser, url)
    until(page, "document.querySelector('#cams')?.ariaLabel?.includes('all cameras send')")
    for number in range(3):
        page.click("#new-play")
        until(page, "document.querySelector('[data-since]')?.textContent > '0:01'")
        if number == 1:
            page.click("#cue")
        page.click("#end-play")
        until(page, "document.querySelector('play-card').dataset.state === 'ready'")
    page.get_by_label("Star play 2").click()
    page.evaluate(SAY, TAGS)
    page.context.close()


def take(page: Page, folder: Path, size: str) -> None:
    """The screens, one after the other."""

    def shot(name: str) -> None:
        page.wait_for_timeout(600)
        page.screenshot(path=str(folder / f"{size}-{name}.png"))
        print(f"{size}-{name}.png")

    until(page, "document.querySelectorAll('#plays .play').length > 2")
    shot("desk")
    page.locator(PLAYS).nth(1).click()
    until(page, f"{LEADER}?.currentTime > 0.5")
    shot("player")
    page.keyboard.press("v")
    page.keyboard.press("v")
    shot("four")
    page.keyboard.press("v")
    page.keyboard.press("t")
    shot("trim")
    page.keyboard.press("Escape")
    page.evaluate("app.prefs.set('theme', 'dark')")
    shot("dark")
    page.evaluate("app.prefs.set('theme', 'light')")
    page.click("#menu")
    shot("menu")
    page.keyboard.press("Escape")
    analyse(page, shot)
    screens = page.evaluate("Object.keys(app.screens)")
    for name in screens:
        if name == "desk":
            continue
        page.evaluate("(name) => app.go(name)", name)
        page.wait_for_timeout(3000)
        shot(name)
        page.evaluate("app.prefs.set('theme', 'dark')")
        shot(f"{name}-dark")
        page.evaluate("app.prefs.set('theme', 'light')")
    operate(page, shot)


def operate(page: Page, shot: Callable[[str], None]) -> None:
    """What an operator sees when something is to be done."""
    page.evaluate("app.prefs.set('role', 'operator')")
    page.evaluate("app.go('operator')")
    page.wait_for_timeout(1000)
    page.keyboard.press("a")
    shot("operator-new")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    shot("operator-ask")
    page.keyboard.press("Escape")
    page.evaluate("app.box.request('POST', '/channels/cam2/deactivate')")
    page.evaluate("app.box.request('POST', '/channels/cam3/error', { reason: 'lens cap' })")
    page.wait_for_timeout(500)
    shot("operator-trouble")
    page.evaluate("app.go('health')")
    page.wait_for_timeout(3000)
    shot("health-trouble")
    for channel in ("cam2", "cam3"):
        page.evaluate(f"app.box.request('POST', '/channels/{channel}/activate')")
    page.evaluate("app.prefs.set('role', 'coach')")


def analyse(page: Page, shot: Callable[[str], None]) -> None:
    """What an analyst sees: one play, many plays, a clip being cut, clips, figures; in sun and booth."""
    page.evaluate("app.prefs.set('role', 'analyst')")
    views = (
        ("tagging/starred", "one", page.locator(".tag-list .open").last.click),
        ("tagging", "many", page.get_by_label("Choose all plays shown").check),
        ("review/footage", "cut", page.get_by_role("button", name="OUT: the clip ends here").click),
        ("review/clips", "clips", page.locator(".clip-list .open").first.click),
        ("review/figures", "figures", page.locator("summary").first.click),
    )
    for where, name, act in views:
        page.evaluate("(words) => app.go(...words)", where.split("/"))
        page.wait_for_timeout(2500)
        act()
        shot(f"{where.split('/')[0]}-{name}")
        page.evaluate("app.prefs.set('theme', 'dark')")
        shot(f"{where.split('/')[0]}-{name}-dark")
        page.evaluate("app.prefs.set('theme', 'light')")
    page.evaluate("app.prefs.set('role', 'coach')")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
