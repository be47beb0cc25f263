"""Pages of the hosted side for `scripts/screenshots`: from its demo, in both themes. See screenshots.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import trio
from playwright.sync_api import Browser

from tests.kit.browser import open_page, until
from tests.kit.running import Process
from tests.kit.waiting import eventually

# By the name of the picture: the address, and what has to be there.
PAGES = {
    "status": ("status", ".group"),
    "league-table": ("league/demo-league/table", ".standings tbody tr"),
    "league-rounds": ("league/demo-league/rounds", ".match"),
    "league-bracket": ("league/demo-cup/bracket", ".tie"),
    "updates": ("updates", ".run"),
}


def names(words: Sequence[str]) -> list[str]:
    """The pictures that the words select; all of them without words."""
    return [name for name in PAGES if not words or any(word in name or word == "hosted" for word in words)]


def take_hosted(
    browser: Browser, folder: Path, state: Path, sizes: dict[str, tuple[int, int]], words: Sequence[str]
) -> None:
    """The demo of the hosted side runs as long as this does."""
    state.mkdir()
    demo = Process(["cloud", "demo", "--port", "0", "--state", str(state)], state / "demo.log")
    demo.launch()
    try:
        trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in demo.output(), what="the demo of the cloud"))
        (url,) = re.findall(r"Open (http://\S+:\d+)", demo.output())
        for size, (width, height) in sizes.items():
            for name in names(words):
                shoot(browser, folder, f"{size}-{name}", url, PAGES[name], {"width": width, "height": height})
    finally:
        demo.kill_everything()


def shoot(
    browser: Browser, folder: Path, name: str, url: str, where: tuple[str, str], size: dict[str, int]
) -> None:
    page = open_page(browser, f"{url}/#{where[0]}", size)
    until(page, f"document.querySelector({where[1]!r}) !== null")
    for theme, ending in (("light", ""), ("dark", "-dark")):
        page.evaluate(f"app.prefs.set('theme', '{theme}')")
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.screenshot(path=str(folder / f"{name}{ending}.png"))
        print(f"{name}{ending}.png")
    page.context.close()
