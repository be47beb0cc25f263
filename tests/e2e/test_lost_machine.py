"""The machine with its disk is lost in a game; a new one is made from the backup, and no mark is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser, Page, expect

from tests.e2e.kit import typed
from tests.e2e.test_pairing import BEGIN, PLAYS, WAITING, code_for, console_code, is_connected, pair
from tests.kit.browser import PHONE, TABLET, another, executable, open_page, until
from tests.kit.encrypted import trusting_flag
from tests.kit.ports import free_port
from tests.kit.running import Box

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


@contextmanager
def machine(folder: Path, ports: tuple[int, int]) -> Iterator[Box]:
    """One that is not started; both have the same address."""
    port, tls_port = ports
    server = {"host": "0.0.0.0", "port": port, "local_port": 0, "tls": "auto", "tls_port": tls_port}
    settings = {"server": server, "access": {"mode": "paired"}, "channels": [{"id": "cam1"}]}
    box = Box(folder, settings)
    try:
        yield box
    finally:
        box.process.kill_everything()


def paired(browser: Browser, url: str, code: str, name: str, size: dict[str, int]) -> Page:
    page = open_page(browser, url, size, {})
    pair(page, code, name)
    return page


def a_coach(browser: Browser, admin: Page, url: str, name: str) -> Page:
    """A tablet that is paired, and has sent one mark."""
    code = code_for(admin, "coach")
    page = paired(browser, url, code, name, PHONE)
    expect(admin.get_by_text(f"{name} is paired")).to_be_visible()
    admin.get_by_role("button", name="Done").click()
    is_connected(page)
    page.click("#last10")
    until(page, f"{PLAYS}.includes('{name}') && {WAITING} === 0")
    return page


def test_a_lost_machine_is_made_again_from_its_backup_and_no_mark_is_lost(
    browser: Browser, tmp_path: Path
) -> None:
    ports, backup = (free_port(), free_port()), tmp_path / "usb"
    url = f"https://127.0.0.1:{ports[1]}"
    backup.mkdir()
    with machine(tmp_path / "first", ports) as first, machine(tmp_path / "second", ports) as second:
        trio.run(first.start)
        with another(browser, trusting_flag(ports[1])) as trusting:
            admin = paired(trusting, url, console_code(first, "admin"), "Office", TABLET)
            is_connected(admin)
            admin.evaluate(BEGIN)
            bench = a_coach(trusting, admin, url, "Bench")
            typed(first, "backup", str(backup / "box.db"))
            shutil.copytree(first.folder / "state" / "tls", backup / "tls")
            booth = a_coach(trusting, admin, url, "Booth")  # after the copy
            trio.run(first.kill)
            shutil.rmtree(first.folder)
            for page in (bench, booth):
                page.click("#new-play")
                until(page, f"{WAITING} === 1")

            shutil.copytree(backup / "tls", second.folder / "state" / "tls")
            typed(second, "restore", str(backup / "box.db"))
            trio.run(second.start)

            until(bench, f"{WAITING} === 0")  # it was paired before the copy: nothing is to be done
            until(admin, f"{PLAYS}.join() === 'Bench,Bench'")
            banner = booth.locator("#banner")
            expect(banner).to_contain_text("1 mark is kept on it; pair it again to send it.")
            code = code_for(admin, "coach")
            booth.get_by_role("link", name="Pair it again").click()
            booth.get_by_label("Code").fill(code)
            booth.get_by_role("button", name="Pair this device").click()
            is_connected(booth)
            until(booth, f"{WAITING} === 0")
            # also what the first machine had acknowledged after the copy: the tablet had kept it
            until(admin, f"{PLAYS}.sort().join() === 'Bench,Bench,Booth,Booth'")
        assert trio.run(second.stop) == 0
