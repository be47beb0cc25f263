"""Games: the box's copy of the cloud's rows, with tables and results, and with its age when that is old."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.conftest import Demo
from tests.kit.browser import PHONE, executable, open_device

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
LONG_AGO = "2026-11-20T19:00:00Z"


def standing(position: int, team: str, points: int) -> dict[str, Any]:
    figures = ("played", "won", "drawn", "lost", "goals_for", "goals_against")
    return {"position": position, "team": team, "points": points, **dict.fromkeys(figures, 2)}


def replica(kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": resource["id"],
        "resource": resource,
        "session_id": None,
        "changed_at": LONG_AGO,
    }


def match(home: str, away: str, *goals: int) -> dict[str, Any]:
    home_score, away_score = goals or (None, None)
    known = {"home_score": home_score, "away_score": away_score, "kickoff": LONG_AGO, "day": None}
    return {"home": home, "away": away, "status": "ended" if goals else "open", **known}


CUP = {
    "id": "cup",
    "name": "Cup",
    "season": "2026-27",
    "tables": [{"stage": "Group", "group": "A", "rows": [standing(1, "City", 6), standing(2, "<b>Town", 3)]}],
    "matches": [match("City", "<b>Town", 3, 1), match("<b>Town", "City")],
}


def test_tables_and_results_stand_below_the_games_with_their_age(browser: Browser, demo: Demo) -> None:
    device = open_device(browser, PHONE, {"role": "operator"})
    page_of_replicas = {"items": [replica("tournament", CUP)], "next_cursor": None, "as_of": LONG_AGO}

    def answer(route: Route) -> None:
        route.fulfill(body=json.dumps(page_of_replicas), content_type="application/json")

    device.route("**/replicas?*", answer)
    page = device.new_page()
    page.goto(f"{demo.urls[0]}#games")
    expect(page.locator("#games-when")).to_contain_text("Health says whether it answers")
    cup = page.get_by_role("region", name="Cup")
    expect(cup.get_by_text("Changed Fri 20.11.")).to_be_visible()
    expect(cup.get_by_role("row")).to_have_count(3)
    expect(cup.get_by_role("row").nth(1)).to_contain_text("City")
    expect(cup.get_by_role("row").nth(2).get_by_role("rowheader")).to_have_text("<b>Town")
    cup.get_by_text("Results and next matches").click()
    expect(cup.get_by_text("City 3–1 <b>Town")).to_be_visible()
    expect(cup.get_by_text("<b>Town v City")).to_be_visible()
    page.wait_for_timeout(5500)  # it asks again: what was opened stays open
    expect(cup.get_by_text("City 3–1 <b>Town")).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    device.close()
