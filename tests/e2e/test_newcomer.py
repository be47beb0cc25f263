"""A newcomer's trial: "From nothing to the first play" of config/OPERATING.md, in its order, encrypted.

The commands are typed as they stand there; only places and ports are those of a test. `scripts/install` is
tried on a real system apart (tests/systemd, tests/scripts). The browsers: one that has not followed the steps
of /trust yet, and one that has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from playwright.sync_api import Browser, Page, expect

from tests.e2e.kit import typed
from tests.e2e.test_pairing import IPAD, PLAYS, WAITING, code_for, is_connected
from tests.kit.browser import PHONE, TABLET, another, executable, open_page, photograph, until
from tests.kit.encrypted import trusting_flag
from tests.kit.ports import free_port
from tests.kit.running import Box

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


def edited(text: str, section: str, **values: Any) -> str:
    """The settings as after an editor: the `#` in front of these keys removed, and their values changed."""
    head, mark, rest = text.partition(f"[{section}]")
    body, following, others = rest.partition("\n[")
    for key, value in values.items():
        body, count = re.subn(rf"(?m)^#?{key} = [^#\n]*", f"{key} = {json.dumps(value)} ", body, count=1)
        assert count == 1, f"[{section}] {key} is not in the file"
    return head + mark + body + following + others


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Installed, and nothing else: the settings file is the one that comes with the box."""
    box = Box(tmp_path / "box", {})
    text = (ROOT / "config" / "appliance.toml").read_text()
    folders = {"state_dir": str(box.folder / "state"), "recordings_dir": str(box.folder / "recordings")}
    text = edited(text, "storage", **folders, reserve_gb=0)
    text = edited(
        edited(text, "retention", min_free_gb=0), "server", port=free_port(), local_port=free_port()
    )
    (box.folder / "appliance.toml").write_text(text)
    yield box
    box.process.kill_everything()


def settings_of(box: Box) -> str:
    return (box.folder / "appliance.toml").read_text()


def port_of(box: Box, key: str) -> int:
    return int(re.findall(rf"(?m)^{key} = (\d+)", settings_of(box))[0])


def on_this_machine(link: str) -> str:
    return re.sub(r"//[^:/]+:", "//127.0.0.1:", link)


def set_up(box: Box) -> None:
    """Steps 2 to 4, and encryption."""
    text = edited(settings_of(box), "site", id="north", name="North Field", timezone="Europe/Madrid")
    text = edited(text, "server", host="0.0.0.0", tls="auto", tls_port=free_port())
    (box.folder / "appliance.toml").write_text(text)
    printed = typed(box, "add-camera", "cam1", "--name", "Sideline", "--port", str(free_port()))
    assert "passphrase" in printed.lower()
    assert "ok" in typed(box, "check-config", option="--file")


def test_from_nothing_to_the_first_play(browser: Browser, box: Box) -> None:
    set_up(box)
    trio.run(box.start)
    doctor = typed(box, "doctor", code=None)
    assert "cam1" in doctor and "pip" not in doctor
    link = on_this_machine(
        re.findall(r"QR +(\S+)", typed(box, "pair", "--role", "admin", "--name", "Office"))[0]
    )
    encrypted = f"https://127.0.0.1:{port_of(box, 'tls_port')}"

    stranger = open_page(browser, link, TABLET, {}, user_agent=IPAD)
    expect(stranger.get_by_text("This device does not trust the box yet. Follow the steps")).to_be_visible()
    photograph(stranger, "newcomer-trust-tablet")
    stranger.context.close()
    with another(browser, trusting_flag(port_of(box, "tls_port"))) as trusting:
        admin = open_page(trusting, link, TABLET, None, user_agent=IPAD)
        expect(admin).to_have_url(f"{encrypted}/pair")
        admin.get_by_role("button", name="Pair this device").click()  # the console has named it
        is_connected(admin)
        until(admin, "navigator.serviceWorker.getRegistration().then((found) => Boolean(found?.active))")
        play_a_session(trusting, admin)
        health_says_what_to_do(admin)
        recover(box, admin)


def play_a_session(browser: Browser, admin: Page) -> None:
    """Step 6."""
    admin.click("nav.tabs a[href='#operator']")
    admin.click("#new-session")
    form = admin.get_by_role("dialog", name="New session")
    form.get_by_label("Name").fill("Friendly")
    form.get_by_role("button", name="Create", exact=True).click()
    admin.click("#session-go")
    coach = open_page(browser, on_this_machine(link_for_a_coach(admin)), PHONE, None, user_agent=IPAD)
    expect(coach).to_have_url(re.compile("^https://.*/pair$"))  # from the plain page, by itself
    coach.get_by_label("Name of this device").fill("Bench")
    coach.get_by_role("button", name="Pair this device").click()
    expect(admin.get_by_text("Bench is paired")).to_be_visible()
    admin.get_by_role("button", name="Done").click()
    is_connected(coach)
    coach.click("#new-play")
    coach.wait_for_timeout(1100)
    coach.click("#end-play")
    until(coach, f"{PLAYS}.join() === 'Bench' && {WAITING} === 0")
    expect(coach.locator("#plays .play")).to_have_count(1)
    until(admin, f"{PLAYS}.join() === 'Bench'")
    photograph(coach, "newcomer-play-phone")


def link_for_a_coach(admin: Page) -> str:
    admin.get_by_role("button", name="Menu").click()
    admin.get_by_role("dialog", name="Menu").get_by_role("link", name="Devices").click()
    with admin.expect_response("**/devices/codes") as made:
        code_for(admin, "coach")
    expect(admin.locator("#paired").get_by_text("Office")).to_be_visible()
    return str(made.value.json()["link"])


def health_says_what_to_do(admin: Page) -> None:
    """No encoder sends: the camera is red, and the page says so."""
    admin.get_by_role("button", name="Menu").click()
    admin.get_by_role("dialog", name="Menu").get_by_role("link", name="Health").click()
    expect(admin.get_by_text("Sideline").first).to_be_visible()
    photograph(admin, "newcomer-health-tablet")


def recover(box: Box, admin: Page) -> None:
    """Backup, and restore to it: the tablet goes on without being paired again."""
    copy = box.folder / "usb.db"
    typed(box, "backup", str(copy))
    trio.run(box.stop)
    typed(box, "restore", str(copy))
    typed(box, "fsck", code=0)
    trio.run(box.start)
    is_connected(admin)
    until(admin, f"{PLAYS}.join() === 'Bench'")
    assert trio.run(box.stop) == 0
