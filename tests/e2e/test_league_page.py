"""The league page and the updates page in a browser: a real season and a real cup, loaded by the command.

Tables, rounds and the bracket on a phone and on a laptop, by keyboard, in both themes with axe; an execution
with its report, run again. Requirements: D23, D29, D30, B08.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser, Page, expect

from tests.e2e import looks
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import PHONE, errors_of, executable, open_page, photograph
from tests.kit.running import Process
from tests.kit.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
    axe.HERE,
]

DATA = Path(__file__).parents[1] / "data/football"
LAPTOP = {"width": 1440, "height": 900}
PROXIED = {"X-Forwarded-For": "198.51.100.7"}  # as through a proxy: nothing is open
SEASONS = (
    ("2010-11.en.3.json", "league-one", "england:3", "League One", "2010-11", "Europe/London"),
    ("2012-13.cl.txt", "champions-league", "uefa-groups", "Champions League", "2012-13", "Europe/Zurich"),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's address, with two real competitions beside its own."""
    folder = tmp_path_factory.mktemp("league")
    demo = Process(["cloud", "demo", "--port", "0", "--state", str(folder / "state")], folder / "demo.log")
    demo.launch()
    try:
        trio.run(lambda: eventually(lambda: "Ctrl-C stops it" in demo.output(), what="the demo of the cloud"))
        (address,) = re.findall(r"Open (http://\S+:\d+)", demo.output())
        (token,) = re.findall(r"Internal token: (\S+)", demo.output())
        for season in SEASONS:
            assert load(address, token, *season) == 0
        yield address
    finally:
        demo.kill_everything()


def load(
    url: str, token: str, file: str, tournament: str, rules: str, name: str, season: str, zone: str
) -> int:
    words = ["cloud", "import", str(DATA / file), "--tournament", tournament, "--rules", rules, "--url", url]
    words += ["--name", name, "--season", season, "--timezone", zone]
    environment = os.environ | {"INTERNAL_SERVICE_TOKEN": token}
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words], env=environment, check=False
    ).returncode


def check(page: Page, what: str) -> list[str]:
    """Violations in both themes; at both sizes small targets and what is wider than the screen."""
    wrong = violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    wrong += violations(page, "color-contrast")
    photograph(page, f"{what}-dark")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    for size in (PHONE, LAPTOP):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        photograph(page, f"{what}-{size['width']}")
        wrong += page.evaluate(looks.SMALL_TARGETS)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wrong += [f"{wide} px too wide for {size['width']}"] if wide > 0 else []
    return [f"{what}: {each}" for each in wrong]


def test_everybody_reads_a_table_on_any_day(browser: Browser, url: str) -> None:
    page = open_page(
        browser, f"{url}/#league/league-one", LAPTOP, bypass_csp=True, extra_http_headers=PROXIED
    )
    expect(page.get_by_role("heading", name="League One 2010-11")).to_be_visible()
    rows = page.locator(".standings tbody tr")
    expect(rows).to_have_count(24)
    expect(rows.nth(0)).to_contain_text("Brighton & Hove Albion")
    expect(rows.nth(0)).to_have_attribute("data-zone", "wanted")
    expect(rows.nth(23)).to_have_attribute("data-zone", "avoided")
    expect(page.get_by_role("row", name="Swindon Town Relegation is certain")).to_be_visible()
    notes = page.locator(".standings .notes")
    expect(notes).to_contain_text(
        "Oldham Athletic, then Tranmere Rovers, all with 56 points: decided by points in"
    )
    bring_axe(page)
    wrong = check(page, "table")
    slider = page.get_by_label("Table as of")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#as-of-day")).to_have_text(re.compile("August 7, 2010"))
    expect(page.locator(".part > [role=status]")).to_contain_text("As of the end of")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("1")
    assert "as_of%3D2010-08-07" in page.url
    page.reload()  # the view has an address
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("1")
    page.get_by_role("button", name="Back to now").click()
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("46")
    page.get_by_label("Matches", exact=True).select_option("home")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("23")
    expect(page.locator(".zones")).to_be_hidden()
    assert errors_of(page) == [] and wrong == [], "\n".join(wrong)
    page.context.close()


def test_rounds_and_the_bracket_of_a_cup(browser: Browser, url: str) -> None:
    page = open_page(browser, f"{url}/#league", PHONE, bypass_csp=True, extra_http_headers=PROXIED)
    page.get_by_label("Tournament", exact=True).select_option(label="Champions League 2012-13")
    expect(page.locator(".standings")).to_have_count(8)
    bring_axe(page)
    wrong = check(page, "groups")
    page.get_by_role("link", name="Rounds").click()
    expect(page.locator(".match")).to_have_count(1)
    expect(page.locator(".match")).to_contain_text("half-time 0–0")
    assert page.get_by_role("button", name="Later").is_disabled()
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator(".match")).to_have_count(4)
    wrong += check(page, "rounds")
    page.get_by_role("link", name="Bracket").click()
    expect(page.locator(".tie")).to_have_count(15)
    tie = page.locator(".tie", has_text="Arsenal").first
    expect(tie).to_contain_text("Through on goals away from home")
    expect(tie.locator(".team.through .name")).to_have_text("Bayern München (GER)")
    expect(tie.locator(".team.through .sum")).to_have_text("aggregate: 3")
    assert page.locator(".tree svg path").get_attribute("d").count("M") == 14  # type: ignore[union-attr]
    wrong += check(page, "bracket")
    assert errors_of(page) == [] and wrong == [], "\n".join(wrong)
    page.context.close()


def test_an_execution_with_its_report_is_run_again(browser: Browser, url: str) -> None:
    page = open_page(browser, f"{url}/#updates", LAPTOP, bypass_csp=True)
    runs = page.locator(".run", has_text="Import of a file · Champions League")  # beside the demo's own
    expect(runs).to_have_count(1)
    expect(runs).to_contain_text("125 matches, 125 new")
    planned = page.get_by_role("region", name="The next 24 hours")
    expect(planned).to_contain_text("Daily: schedules of the day")
    expect(page.get_by_role("region", name="Schedules", exact=True)).to_contain_text("next run")
    bring_axe(page)
    wrong = check(page, "updates")
    runs.get_by_role("link").click()
    report = page.get_by_role("article", name="Report")
    expect(report.get_by_role("heading", name="Champions League: import completed")).to_be_visible()
    expect(report).to_contain_text("15 of 15 ties are decided.")
    wrong += check(page, "report")
    before = page.url
    page.get_by_role("button", name="Run again from the kept answers").click()
    expect(page).not_to_have_url(before)
    expect(page.get_by_role("heading", name="Import of a file · Champions League")).to_be_visible()
    expect(page.locator(".page header [role=status]")).to_contain_text("Completed")
    page.get_by_role("link", name="All updates").click()
    expect(runs.nth(0)).to_contain_text("125 matches, 0 new, 0 changed")
    expect(runs.nth(0)).to_contain_text("15 of 15 ties decided · run again")
    assert errors_of(page) == [] and wrong == [], "\n".join(wrong)
    page.context.close()
