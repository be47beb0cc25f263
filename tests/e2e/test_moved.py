"""TLS is switched on while a tablet's page is open over http: the page finds the box, with its marks."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser, expect

from tests.e2e.test_pairing import BEGIN, PLAYS, WAITING, code_for, console_code, is_connected, pair
from tests.kit.browser import PHONE, TABLET, executable, open_page, photograph, until
from tests.kit.ports import free_port
from tests.kit.running import Box

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


def test_a_page_from_before_tls_goes_by_trust_to_the_encrypted_one_with_its_marks(
    browser: Browser, tmp_path: Path
) -> None:
    port, tls_port = free_port(), free_port()
    server = {"host": "0.0.0.0", "port": port, "local_port": 0}
    box = Box(
        tmp_path / "box", {"server": server, "access": {"mode": "paired"}, "channels": [{"id": "cam1"}]}
    )
    plain, encrypted = f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"
    try:
        trio.run(box.start)
        admin = open_page(browser, plain, TABLET, {}, ignore_https_errors=True)
        pair(admin, console_code(box, "admin"), "Office")
        is_connected(admin)
        admin.evaluate(BEGIN)
        pages = []
        for name, trusts in (("Bench", True), ("Booth", False)):  # the second did not follow the steps yet
            coach = open_page(browser, plain, PHONE, {}, ignore_https_errors=trusts)
            pair(coach, code_for(admin, "coach"), name)
            expect(admin.get_by_text(f"{name} is paired")).to_be_visible()
            admin.get_by_role("button", name="Done").click()
            is_connected(coach)
            pages.append(coach)
        trio.run(box.stop)
        for page in pages:
            page.click("#new-play")
            until(page, f"{WAITING} === 1")
        box.settings = {**box.settings, "server": {**server, "tls": "auto", "tls_port": tls_port}}
        box.write_settings()
        trio.run(box.start)
        bench, booth = pages

        expect(bench.locator("#banner")).to_contain_text("The box is encrypted now, at another address.")
        photograph(bench, "moved-phone")
        bench.get_by_role("link", name="Go there with them").click()
        expect(bench).to_have_url(f"{encrypted}/#desk")  # by /trust, which found the address that opens
        is_connected(bench)  # paired as before: by its cookie of this host
        bench.get_by_role("button", name="Send").click()
        admin.goto(encrypted)
        until(admin, f"{PLAYS}.join() === 'Bench'")
        assert bench.evaluate(WAITING) == 0

        booth.get_by_role("link", name="Go there with them").click()
        expect(booth.get_by_text("This device does not trust the box yet")).to_be_visible()
        expect(booth.get_by_text("Download the profile")).to_be_visible()
        photograph(booth, "moved-untrusted-phone")
        booth.goto(plain)  # its marks are still there
        for page in (admin, *pages):
            page.context.close()
        assert trio.run(box.stop) == 0
    finally:
        box.process.kill_everything()
