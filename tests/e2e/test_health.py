"""Health: problems with what to do about them, and unknown values while the box is down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page
from tests.e2e.test_operator import card, zone
from tests.kit.browser import executable, photograph, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


@pytest.fixture
def health(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """Opened from the status line, like users do; on a device set to another time zone."""
    with own_page(browser, demo.urls[-1], session, timezone_id="Asia/Kathmandu") as opened:
        opened.click("#link")
        yield opened


def status_of(health: Page, part: str, status: str) -> None:
    expect(health.locator(f"#check-{part}")).to_have_attribute("data-status", status)


def test_every_part_is_named_and_green(health: Page) -> None:
    """And the status line shows the recordable hours and the verdict, and leads here."""
    for part in ("camera-cam1", "recording_hours", "disk_clips", "clock", "store", "workers", "connection"):
        status_of(health, part, "ok")
    status_of(health, "self-test", "ok")
    expect(health.locator("#check-self-test")).to_contain_text("edit_lists: ok")
    photograph(health, "health")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    until(health, f"({look}, document.querySelector('#room').textContent.includes(' h'))")
    expect(health.locator("#room")).to_have_attribute("href", "#health")
    both = "[document.querySelector('#verdict').innerText, document.querySelector('#room').ariaLabel]"
    until(
        health,
        f"(([verdict, room]) => room.includes(`h of recording left. ${{verdict}}. Open health`))({both})",
    )


def test_a_camera_that_is_off_is_amber_and_one_at_fault_is_red_with_the_fix(
    health: Page, session: Session
) -> None:
    verdict = health.locator("#verdict")
    camera = health.locator("#check-camera-cam1")
    status_of(health, "camera-cam1", "ok")
    try:
        session.tell("/channels/cam1/deactivate")
        status_of(health, "camera-cam1", "warn")
        expect(camera.locator(".fix")).to_contain_text("Switch it on at Operator")
        expect(verdict).to_contain_text("Camera 1")
        session.tell("/channels/cam1/activate")
        session.tell("/channels/cam1/error", {"reason": "lens cap"})
        status_of(health, "camera-cam1", "bad")
        expect(camera.locator(".words")).to_contain_text("Lens cap")
        expect(verdict).to_contain_text("Not ready: Camera 1")
        photograph(health, "health-bad")
    finally:
        session.tell("/channels/cam1/activate")
    status_of(health, "camera-cam1", "ok")


def test_an_unreachable_box_is_red_and_its_earlier_state_is_not_shown(health: Page, session: Session) -> None:
    """The time of the last contact is shown; after the return it is green by itself. Operator's lists
    agree."""
    line, badge = health.locator("#check-session"), health.locator("#session-state")
    # both screens are loaded
    for screen, shown in (("operator", "#cameras .camera"), ("health", "#check-session")):
        health.evaluate("(name) => app.go(name)", screen)
        expect(health.locator(shown).first).to_be_visible()
    status_of(health, "session", "ok")
    expect(health.locator("#check-store")).to_be_visible()
    expect(badge).to_have_text("LIVE")
    health.context.set_offline(True)
    status_of(health, "connection", "bad")
    since = re.compile(r"The box has not answered since \d\d:\d\d:\d\d")
    expect(health.locator("#check-connection .words")).to_have_text(since)
    expect(line.locator(".words")).to_have_text(re.compile(f"{session.name} was active when the box last"))
    expect(health.locator("#check-store")).to_have_count(0)
    expect(health.locator("#check-own-clock .words")).not_to_contain_text("Agrees")
    expect(health.locator("#verdict")).to_contain_text("This device")
    expect(health.locator("#verdict-when")).to_contain_text("no answer since")
    expect(badge).to_have_text("LIVE?")
    photograph(health, "health-away")
    health.evaluate("app.go('operator')")
    expect(card(health, session.name).locator(".badge")).to_have_text("LIVE?")
    expect(health.locator("#cameras .camera").first).to_contain_text("The box does not answer")
    photograph(health, "operator-away")
    health.context.set_offline(False)
    expect(card(health, session.name).locator(".badge")).to_have_text("LIVE")
    expect(health.locator("#cameras .badge").first).to_have_text("records")
    health.evaluate("app.go('health')")
    status_of(health, "connection", "ok")
    status_of(health, "session", "ok")
    expect(health.locator("#check-store")).to_be_visible()


def test_times_are_the_sites_and_not_the_devices(health: Page, demo: Demo) -> None:
    shown = datetime.strptime(health.locator(".status .clock").inner_text(), "%H:%M:%S")
    now = datetime.fromtimestamp(health.evaluate("app.box.now()") / 1000, zone(demo))
    apart_s = (now.replace(tzinfo=None) - shown).seconds
    assert min(apart_s, 86_400 - apart_s) < 120, "the device is set to Kathmandu, a quarter of an hour off"
