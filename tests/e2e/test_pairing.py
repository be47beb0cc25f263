"""Pairing by the page: the first admin, a coach, a revocation with a mark that waits, and pairing again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import started
from tests.kit.browser import PHONE, TABLET, errors_of, executable, open_page, photograph, until
from tests.kit.running import Box, serving_box

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1"
BEGIN = """async () => {
  const made = await app.box.request("POST", "/sessions", { name: "Final", type: "game" });
  await app.box.request("POST", `/sessions/${made.id}/start`);
}"""
PLAYS = "app.plays().map((play) => play.created_by)"
WAITING = "app.box.outbox.waiting().length"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box that is reachable from the network, where access is paired; one camera, no footage."""
    settings = {
        "server": {"host": "0.0.0.0", "port": 0, "local_port": 0},
        "access": {"mode": "paired"},
        "channels": [{"id": "cam1"}],
    }
    with serving_box(tmp_path_factory.mktemp("guarded"), settings, started) as box:
        box.url = box.url.replace("0.0.0.0", "127.0.0.1")
        yield box


def console_code(box: Box, role: str) -> str:
    """A code by `appliance pair`, typed from its output."""
    return printed(box, role, r"code +(\w{4}-\w{4}) ")


def console_link(box: Box, role: str) -> str:
    """The link of its QR."""
    return printed(box, role, r"QR +(\S+)")


def printed(box: Box, role: str, pattern: str) -> str:
    words = [sys.executable, "-m", "appliance", "pair", "--role", role]
    config = str(Path(box.folder) / "appliance.toml")
    done = subprocess.run([*words, "--config", config], capture_output=True, text=True, check=True)
    match = re.search(pattern, done.stdout)
    assert match is not None, done.stdout
    return match[1]


def pair(page: Page, code: str, name: str) -> None:
    """Type both and press; the page goes on by itself. What comes next waits for that page, not the press."""
    page.get_by_label("Code").fill(code)
    page.get_by_label("Name of this device").fill(name)
    page.get_by_role("button", name="Pair this device").click(no_wait_after=True)


def is_connected(page: Page) -> None:
    """On the page that pairing leads to, once it is there. (On a phone the link is not shown.)"""
    expect(page.locator("#link[data-state=connected]")).to_be_attached()


def code_for(admin: Page, role: str) -> str:
    """Make a code on the admin's page; the link of its QR."""
    admin.get_by_role("button", name="Add a device").click()
    admin.locator(f".roles [value={role}]").click()
    photograph(admin, "devices-form")
    admin.get_by_role("button", name="Make a code").click()
    sheet = admin.get_by_role("dialog", name="Code for a device")
    until(admin, "document.querySelector('.qr')?.naturalWidth > 0")
    photograph(admin, "devices-code")
    return sheet.locator("output").inner_text()


def first_admin(browser: Browser, box: Box) -> Page:
    """By a wrong code, then by one of the console; with a session that runs."""
    admin = open_page(browser, box.url, TABLET, {})
    expect(admin).to_have_url(re.compile("/pair$"))  # not the desk, and no error
    pair(admin, "ZZZZ-ZZZZ", "Office")
    expect(admin.get_by_role("alert")).to_contain_text("This code is wrong or over. Compare each character")
    pair(admin, console_code(box, "admin").lower().replace("-", ""), "Office")
    expect(admin.locator("#paired li")).to_have_count(1)
    is_connected(admin)
    admin.evaluate(BEGIN)
    return admin


def new_coach(browser: Browser, box: Box, admin: Page) -> Page:
    """A tablet that scanned the QR on the admin's page."""
    coach = open_page(browser, f"{box.url}/pair?c={code_for(admin, 'coach')}", PHONE, {}, user_agent=IPAD)
    expect(coach).to_have_url(re.compile("/pair$"))  # the code is not left in the address
    photograph(coach, "pair-phone")
    coach.get_by_label("Name of this device").fill("Bench")
    coach.get_by_role("button", name="Pair this device").click()
    expect(admin.get_by_text("Bench is paired")).to_be_visible()
    admin.get_by_role("button", name="Done").click()
    is_connected(coach)
    return coach


def test_a_coach_is_paired_removed_and_paired_again(browser: Browser, guarded: Box) -> None:
    admin = first_admin(browser, guarded)
    coach = new_coach(browser, guarded, admin)
    coach.click("#last10")
    until(admin, f"{PLAYS}.join() === 'Bench'")
    until(coach, f"{PLAYS}.join() === 'Bench' && {WAITING} === 0")
    coach.evaluate("app.box.keepRows(app.session().id)")  # as it does by itself within a second
    operator = coach.locator("nav.tabs a[href='#operator']")
    expect(operator).not_to_be_attached()
    admin.get_by_role("button", name="Change Bench").click()
    admin.locator(".roles [value=operator]").click()
    admin.get_by_role("button", name="Save").click()
    expect(operator).to_be_attached()  # its page follows by itself

    admin.get_by_role("button", name="Remove Bench").click()
    photograph(admin, "devices-remove")
    admin.get_by_role("dialog").get_by_role("button", name="Remove").click()
    banner = coach.locator("#banner")
    expect(banner).to_contain_text("This tablet is no longer paired. Plays that are kept on it can be")
    coach.click("#new-play")
    expect(banner).to_contain_text("1 mark is kept on it; pair it again to send it.")
    photograph(coach, "removed")
    coach.goto(guarded.url)  # as a bookmark does, with its mark and its plays
    expect(banner).to_contain_text("1 mark is kept on it; pair it again to send it.")
    expect(coach.locator("#plays .play")).to_have_count(2)
    assert admin.evaluate(PLAYS) == ["Bench"]

    code = code_for(admin, "coach")
    coach.get_by_role("link", name="Pair it again").click()
    expect(coach.get_by_text("1 mark is kept on this device.")).to_be_visible()
    coach.get_by_label("Code").fill(code)
    coach.get_by_role("button", name="Pair this device").click()  # its name is known
    is_connected(coach)
    until(coach, f"{WAITING} === 0 && {PLAYS}.join() === 'Bench,Bench'")
    until(admin, f"{PLAYS}.join() === 'Bench,Bench'")
    expect(operator).not_to_be_attached()
    assert errors_of(admin) == []
    admin.context.close()
    coach.context.close()
