"""The pages of the hosted side in a browser: what the demo shows, tokens, an outage; axe in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser, Page, expect

from appliance.cloud.console import make_token
from appliance.cloud.settings import check_settings
from tests.e2e import looks
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import PHONE, TABLET, errors_of, executable, open_page
from tests.kit.running import Process
from tests.kit.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
    axe.HERE,
]

OTHER = "019307a0-0000-7000-8000-00000000dead"  # a league without tournaments
VERDICT = re.compile("in order|attention|not work")  # a busy machine may be slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str, Path]]:
    """The demo's process, its address and its state folder."""
    folder = tmp_path_factory.mktemp("cloud")
    demo = Process(["cloud", "demo", "--port", "0", "--state", str(folder / "state")], folder / "demo.log")
    demo.launch()
    try:
        trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in demo.output(), what="the demo of the cloud"))
        (url,) = re.findall(r"Open (http://\S+:\d+)", demo.output())
        yield demo, url, folder / "state"
    finally:
        demo.kill_everything()


def check(page: Page, what: str) -> list[str]:
    """Violations in both themes; small targets and what is cut off at both sizes."""
    wrong = violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    wrong += violations(page, "color-contrast")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    for size in (PHONE, TABLET):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        wrong += page.evaluate(looks.SMALL_TARGETS)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wrong += [f"{wide} px too wide for {size['width']}"] if wide > 0 else []
    return [f"{what}: {each}" for each in wrong]


def test_the_page_shows_what_runs_and_says_when_nothing_answers(
    browser: Browser, cloud: tuple[Process, str, Path]
) -> None:
    _, url, _ = cloud
    page = open_page(browser, url, bypass_csp=True)
    expect(page.locator("#verdict")).to_have_text(VERDICT)
    for title in ("Processes", "Journal", "Leases", "Deliveries", "Health", "Service"):
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_text("answers this page")).to_be_visible()
    assert page.get_by_role("link", name="Status").get_attribute("aria-current") == "page"
    bring_axe(page)
    wrong = check(page, "status")
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.route("**/status", lambda route: route.abort())
    page.route("**/readyz", lambda route: route.abort())
    expect(page.locator("#link")).to_contain_text("does not answer since")
    expect(page.locator("#verdict")).to_have_text("Not known at present")
    wrong += [f"away: {each}" for each in violations(page)]
    page.unroute("**/status")
    page.unroute("**/readyz")
    expect(page.locator("#link")).to_be_hidden()
    expect(page.locator("#verdict")).to_have_text(VERDICT)
    assert errors_of(page) == [] and wrong == [], "\n".join(wrong)
    page.context.close()


def test_a_token_is_asked_for_and_its_role_decides(
    browser: Browser, cloud: tuple[Process, str, Path]
) -> None:
    _, url, state = cloud
    settings = check_settings({"cloud": {"state_dir": state}})
    client, league, admin = (
        trio.run(partial(make_token, settings, role, role.title(), scopes))
        for role, scopes in (("client", ("client:one",)), ("league", (f"league:{OTHER}",)), ("admin", ()))
    )
    # as through a proxy: nothing is open
    proxied = {"X-Forwarded-For": "198.51.100.7"}
    page = open_page(browser, url, bypass_csp=True, extra_http_headers=proxied)
    expect(page.get_by_role("link", name="League")).to_be_visible()  # everybody reads it
    expect(page.get_by_role("link", name="Status")).to_have_count(0)
    page.get_by_role("button", name="Enter a token").click()
    expect(page.get_by_role("heading", name="This needs a token")).to_be_visible()
    page.goto(f"{url}/#status")
    expect(page.get_by_role("heading", name="This needs a token")).to_be_visible()
    expect(page.locator("#trouble")).to_have_text("")
    bring_axe(page)
    wrong = check(page, "token")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#trouble")).to_have_text("Enter a token first.")
    page.get_by_label("Token", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#trouble")).to_have_text("This token is wrong or was revoked.")
    page.get_by_label("Token", exact=True).fill(client)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No page for this token")).to_be_visible()
    wrong += check(page, "refused")
    page.get_by_role("button", name="Forget token").click()
    page.get_by_label("Token", exact=True).fill(league)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Status")).to_have_count(0)
    page.get_by_role("link", name="Updates").click()
    expect(page.get_by_text("Nothing has run yet.")).to_be_visible()  # the demo's are of another league
    expect(page.locator("#link")).to_be_hidden()
    page.get_by_role("button", name="Forget token").click()
    page.goto(f"{url}/#status")
    page.get_by_label("Token", exact=True).fill(admin)
    page.get_by_label("Keep it on this device").check()
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_have_text(VERDICT)
    page.reload()
    expect(page.locator("#verdict")).to_have_text(VERDICT)
    page.get_by_role("button", name="Forget token").click()
    expect(page.get_by_role("heading", name="This needs a token")).to_be_visible()
    assert errors_of(page) == [] and wrong == [], "\n".join(wrong)
    page.context.close()
