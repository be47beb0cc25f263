"""A daemon with TLS "auto": what a tablet does with it, from the plain port to pairing and the page."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trio_websocket
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import started
from tests.e2e.test_pairing import console_link, is_connected
from tests.kit.browser import PHONE, TABLET, errors_of, executable, open_page, photograph
from tests.kit.ports import free_port
from tests.kit.running import Box, running_box, serving_box

pytestmark = pytest.mark.slow
with_browser = pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box that is reachable from the network, with TLS and an authority of its own; access is paired."""
    server = {"host": "0.0.0.0", "port": free_port(), "local_port": 0}
    settings = {
        "server": {**server, "tls": "auto", "tls_port": free_port()},
        "access": {"mode": "paired"},
        "channels": [{"id": "cam1"}],
    }
    with serving_box(tmp_path_factory.mktemp("encrypted"), settings, started) as box:
        box.url = f"https://127.0.0.1:{box.settings['server']['tls_port']}"
        yield box


def on_loopback(link: str) -> str:
    """The same link by an address that every machine has."""
    return re.sub(r"//[^:/]+:", "//127.0.0.1:", link)


async def test_a_device_is_paired_over_tls_only(encrypted: Box) -> None:
    link = on_loopback(console_link(encrypted, "coach"))
    page, _, words = link.partition("#")
    code = re.findall("c=([^&]+)", words)[0]
    async with httpx.AsyncClient() as plain:
        refused = await plain.post(page, json={"code": code, "name": "Bench"})
        assert (refused.status_code, refused.json()["code"]) == (403, "tls_required")
        assert f"{encrypted.url}/pair" in refused.json()["hint"] and not refused.cookies
        der = (await plain.get(page.replace("/pair", "/ca.crt"))).content
    trusting = ssl.create_default_context(cadata=der)
    trusting.check_hostname = False  # 127.0.0.1 is not in a network, so it is not in the certificate
    async with httpx.AsyncClient(verify=trusting, base_url=encrypted.url) as box:
        assert (await box.get("/clips")).status_code == 401
        paired = await box.post("/pair", json={"code": code, "name": "Bench"})
        assert paired.status_code == 201 and "; Secure" in paired.headers["set-cookie"]
        assert (await box.get("/clips")).status_code == 200  # by its cookie


@pytest.mark.browser
@with_browser
def test_a_coach_scans_the_code_trusts_the_box_and_is_paired(browser: Browser, encrypted: Box) -> None:
    admin = open_page(
        browser, on_loopback(console_link(encrypted, "admin")), TABLET, {}, ignore_https_errors=True
    )
    pair_on(admin, encrypted, "Office")
    expect(admin.locator("#paired li")).not_to_have_count(0)
    admin.get_by_role("button", name="Add a device").click()
    admin.locator(".roles [value=coach]").click()
    with admin.expect_response("**/devices/codes") as made:
        admin.get_by_role("button", name="Make a code").click()
    link = made.value.json()["link"]

    stranger = open_page(browser, on_loopback(link), PHONE, {})
    expect(stranger.get_by_role("status")).to_contain_text("does not trust the box yet. Follow the steps")
    expect(stranger.get_by_text("Download the profile")).to_be_visible()
    photograph(stranger, "trust-phone")
    stranger.context.close()

    other = on_loopback(link).replace("fp=", "fp=x")
    misled = open_page(browser, other, PHONE, {}, ignore_https_errors=True)
    expect(misled.get_by_role("status")).to_contain_text("This code is of another box")
    misled.context.close()

    coach = open_page(browser, on_loopback(link), PHONE, {}, ignore_https_errors=True)  # it trusts the box
    pair_on(coach, encrypted, "Sideline")
    expect(admin.get_by_text("Sideline is paired")).to_be_visible()
    is_connected(coach)
    put_on_the_home_screen(browser, coach, encrypted)
    assert errors_of(coach) == []
    admin.context.close()
    coach.context.close()


def put_on_the_home_screen(browser: Browser, coach: Page, box: Box) -> None:
    """The installed app has cookies of its own: the coach's page makes a code for it."""
    coach.get_by_role("button", name="Menu").click()
    coach.get_by_role("button", name="Put on the Home Screen").click()
    expect(coach.get_by_role("heading", name="Code for Sideline app")).to_be_visible()
    photograph(coach, "app-code-phone")
    installed = open_page(browser, box.url, PHONE, {}, ignore_https_errors=True)
    expect(installed).to_have_url(f"{box.url}/pair")
    installed.get_by_label("Code", exact=True).fill(coach.locator("output.code").inner_text())
    installed.get_by_role("button", name="Pair this device").click()
    is_connected(installed)
    installed.context.close()
    coach.get_by_role("button", name="Done").click()


def pair_on(page: Page, box: Box, name: str) -> None:
    """On the encrypted page, to which the plain one has gone on by itself, with the code."""
    expect(page).to_have_url(f"{box.url}/pair")
    page.get_by_label("Name of this device").fill(name)
    page.get_by_role("button", name="Pair this device").click()


async def test_a_device_trusts_the_box_once_and_works_over_tls(tmp_path: Path) -> None:
    port, tls_port = free_port(), free_port()
    camera = {"id": "cam1", "input_url": "synthetic:"}
    server = {"host": "127.0.0.1", "port": port, "local_port": 0, "tls": "auto", "tls_port": tls_port}
    async with running_box(tmp_path, site={"id": "north"}, server=server, channels=[camera]):
        async with httpx.AsyncClient() as plain:
            away = await plain.get(f"http://127.0.0.1:{port}/clips?limit=1")
            assert away.status_code == 307
            assert away.headers["location"] == f"https://127.0.0.1:{tls_port}/clips?limit=1"
            der = (await plain.get(f"http://127.0.0.1:{port}/ca.crt")).content
        trusting = ssl.create_default_context(cadata=der)
        # the name is resolved by mDNS in a stadium; here the client is told the address
        sni = {"sni_hostname": "north.local"}
        async with httpx.AsyncClient(verify=trusting, base_url=f"https://127.0.0.1:{tls_port}") as box:
            ready = await box.get("/readyz", extensions=sni, headers={"Host": f"north.local:{tls_port}"})
            assert ready.json()["parts"]["certificate"]["status"] == "ok"
            page = await box.get("/", extensions=sni)
            assert f"wss://127.0.0.1:{tls_port}" in page.headers["content-security-policy"]
        trusting.check_hostname = False  # trio-websocket has no way to name another host
        async with trio_websocket.open_websocket_url(
            f"wss://127.0.0.1:{tls_port}/ws?client=tablet", ssl_context=trusting
        ) as socket:
            assert json.loads(await socket.get_message())["type"] == "connected"
