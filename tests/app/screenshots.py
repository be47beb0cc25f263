"""Every screen at tablet and phone size, from a demo with plays: `scripts/screenshots DIR [WORD ...]`.

Words select sizes by their name, and pictures by a part of theirs: `flat review` makes those with review in
their name, on a phone in landscape; `hosted` those of the hosted side.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from appliance.access.console import leave_code
from tests.app import hosted
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
# Conditions before a screen is captured, and before any picture.
READY = {
    "live": "/behind/.test(document.querySelector('#behind')?.textContent)",
    "operator": "document.querySelectorAll('.panel-box li').length > 4",
    "health": "document.querySelector('#verdict')?.dataset.status",
    "lineup": "[...document.querySelectorAll('step-pane video')].filter(v => v.readyState > 1).length > 1",
    "tagging": "document.querySelectorAll('.tag-list .play').length > 0",
    "review": "document.querySelector('footage-view video:not([hidden])')?.readyState > 1",
    "review/clips": "document.querySelectorAll('.clip-list li').length > 0",
    "review/figures": "document.querySelector('.figures .totals') !== null",
    "selftest": "document.querySelectorAll('.selftest li').length > 5",
}
STILL = """(() => {
  const seen = (each) => each.offsetParent !== null;
  const shown = ".tile.on video, footage-view video:not([hidden])";
  const stands = (video) => !video.currentSrc || (video.readyState > 1 && !video.seeking);
  return document.getAnimations().every((each) => each.playState !== "running")
    && [...document.images].filter(seen).every((each) => each.complete)
    && [...document.querySelectorAll(shown)].filter(seen).every(stands);
})()"""


@dataclass(frozen=True, slots=True)
class Camera:
    """Makes the selected pictures: all of them without a selection."""

    page: Page
    folder: Path
    size: str
    wanted: Sequence[str]

    def wants(self, *names: str) -> bool:
        return not self.wanted or any(word in name for word in self.wanted for name in names)

    def shot(self, name: str) -> None:
        if not self.wants(name):
            return
        until(self.page, STILL)
        self.page.screenshot(path=str(self.folder / f"{self.size}-{name}.png"))
        print(f"{self.size}-{name}.png")

    def in_both(self, name: str) -> None:
        self.shot(name)
        if self.wants(f"{name}-dark"):
            self.page.evaluate("app.prefs.set('theme', 'dark')")
            self.shot(f"{name}-dark")
            self.page.evaluate("app.prefs.set('theme', 'light')")


def main(folder: Path, words: Sequence[str]) -> None:
    sizes = [size for size in SIZES if size in words] or list(SIZES)
    wanted = [word for word in words if word not in SIZES]
    with tempfile.TemporaryDirectory() as state, chromium() as browser:
        if hosted.names(wanted):
            chosen = {size: SIZES[size] for size in sizes}
            hosted.take_hosted(browser, folder, Path(state) / "hosted", chosen, wanted)
        if wanted and all(hosted.names([word]) for word in wanted):
            return
        demo = start_demo(Path(state), "--cameras", "4")
        try:
            make_plays(browser, demo.urls[0])
            for size in sizes:
                width, height = SIZES[size]
                page = open_page(browser, demo.urls[0], {"width": width, "height": height})
                camera = Camera(page, folder, size, [word for word in words if word not in SIZES])
                take(camera)
                if camera.wants("pair", "devices"):
                    pair(camera, demo.urls[0], leave_code(demo.state, "admin", None, 10))
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


def take(camera: Camera) -> None:
    """The screens in sequence."""
    page = camera.page
    until(page, "document.querySelectorAll('#plays .play').length > 2")
    if camera.wants("desk", "player", "four", "trim", "dark", "menu"):
        watch(camera)
    if camera.wants("tagging-one", "tagging-many", "review-cut", "review-clips", "review-figures"):
        analyse(camera)
    for name in page.evaluate("Object.keys(app.screens)"):
        if name != "desk" and camera.wants(name, f"{name}-dark"):
            visit(page, name)
            camera.in_both(name)
    if camera.wants("operator-new", "operator-ask", "operator-trouble", "health-trouble"):
        operate(camera)


def visit(page: Page, where: str) -> None:
    """Go to a screen; returns when its content is shown."""
    page.evaluate("(words) => app.go(...words)", where.split("/"))
    name = where.split("/")[0]
    there = f"document.querySelector('#main.{name}')?.childElementCount > 0"
    until(page, READY.get(where) or READY.get(name, there))


def watch(camera: Camera) -> None:
    """The desk and its player."""
    page = camera.page
    camera.shot("desk")
    page.locator(PLAYS).nth(1).click()
    until(page, f"{LEADER}?.currentTime > 0.5")
    camera.shot("player")
    page.keyboard.press("v")
    page.keyboard.press("v")
    camera.shot("four")
    page.keyboard.press("v")
    page.keyboard.press("t")
    camera.shot("trim")
    page.keyboard.press("Escape")
    page.evaluate("app.prefs.set('theme', 'dark')")
    camera.shot("dark")
    page.evaluate("app.prefs.set('theme', 'light')")
    page.click("#menu")
    camera.shot("menu")
    page.keyboard.press("Escape")


def operate(camera: Camera) -> None:
    """The operator's screens with something to do."""
    page = camera.page
    page.evaluate("app.prefs.set('role', 'operator')")
    visit(page, "operator")
    page.keyboard.press("a")
    camera.shot("operator-new")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    camera.shot("operator-ask")
    page.keyboard.press("Escape")
    page.evaluate("app.box.request('POST', '/channels/cam2/deactivate')")
    page.evaluate("app.box.request('POST', '/channels/cam3/error', { reason: 'lens cap' })")
    until(page, "['cam2', 'cam3'].every((id) => app.box.state.channels.get(id).status !== 'active')")
    camera.shot("operator-trouble")
    visit(page, "health")
    until(page, "document.querySelector('#verdict').dataset.status === 'bad'")
    camera.shot("health-trouble")
    for channel in ("cam2", "cam3"):
        page.evaluate(f"app.box.request('POST', '/channels/{channel}/activate')")
    until(page, "['cam2', 'cam3'].every((id) => app.box.state.channels.get(id).footage === 'on')")
    page.evaluate("app.prefs.set('role', 'coach')")


def analyse(camera: Camera) -> None:
    """The analyst's screens: one play, many plays, a clip being cut, clips, statistics; light and dark."""
    page = camera.page
    page.evaluate("app.prefs.set('role', 'analyst')")
    out = page.get_by_role("button", name="OUT: the clip ends here")
    views: tuple[tuple[str, str, Callable[[], None]], ...] = (
        ("tagging/starred", "one", page.locator(".tag-list .open").last.click),
        ("tagging", "many", page.get_by_label("Choose all plays shown").check),
        ("review/footage", "cut", out.click),
        ("review/clips", "clips", page.locator(".clip-list .open").nth(1).click),
        ("review/figures", "figures", page.locator("summary").first.click),
    )
    for where, name, act in views:
        named = f"{where.split('/')[0]}-{name}"
        if not camera.wants(named, f"{named}-dark"):
            continue
        visit(page, where)
        act()
        camera.in_both(named)
    page.evaluate("app.prefs.set('role', 'coach')")


def pair(camera: Camera, url: str, code: str) -> None:
    """The pairing page, and the devices as an admin sees them, with a code for another one."""
    page = camera.page
    page.goto(f"{url}/pair?c={code}")
    page.get_by_label("Name of this device").fill("Office")
    camera.shot("pair")
    page.get_by_role("button", name="Pair this device").click()
    until(page, "document.querySelectorAll('#paired li').length > 0")
    camera.in_both("devices")
    page.get_by_role("button", name="Add a device").click()
    camera.shot("devices-form")
    page.get_by_role("button", name="Make a code").click()
    until(page, "document.querySelector('.qr')?.naturalWidth > 0")
    camera.shot("devices-code")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
