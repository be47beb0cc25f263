"""Operator and line-up: a session's life cycle by touch and by keyboard, footage, delays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page, own_session, recorded_for, remove, tell
from tests.kit.browser import PHONE, executable, photograph, plain_get, until
from tests.kit.waiting import PLAIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
BEHIND_MS = 400
PICTURE_MS = 41
# When the pictures shown were captured, by what the synthetic cameras burned into them.
TRUTH = """async () => {
  const { burnedIn } = await import("/state/device/selftest.js");
  return [...document.querySelectorAll("step-pane video")].map(video => burnedIn(video)?.instantMs ?? null);
}"""
BOTH_SHOWN = "[...document.querySelectorAll('step-pane')].filter(pane => pane.capture).length === 2"


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    """An operator's page, at the sessions."""
    with own_page(browser, demo.urls[-1], session, "#operator") as opened:
        expect(card(opened, session.name)).to_be_visible()
        yield opened


def sessions(demo: Demo) -> dict[str, dict[str, Any]]:
    """Sessions by name, from the box."""
    return {each["name"]: each for each in plain_get(f"{demo.urls[0]}/sessions")["items"]}


@pytest.fixture
def others(demo: Demo) -> Iterator[None]:
    """Sessions that the test makes on the page are deleted after it."""
    known = {each["id"] for each in plain_get(f"{demo.urls[0]}/sessions")["items"]}
    yield
    for each in plain_get(f"{demo.urls[0]}/sessions")["items"]:
        if each["id"] not in known:
            remove(demo.urls[0], each["id"])


def zone(demo: Demo) -> ZoneInfo:
    """The site's: this machine's, in a demo."""
    return ZoneInfo(plain_get(f"{demo.urls[0]}/version")["timezone"])


def captures(page: Page) -> list[float]:
    """When the pictures shown were captured, as the page thinks, ms."""
    result: list[float] = page.evaluate(
        "[...document.querySelectorAll('step-pane')].map(pane => pane.capture)"
    )
    return result


def card(page: Page, name: str) -> Locator:
    return page.locator("#sessions .session", has=page.get_by_role("heading", name=name))


@pytest.mark.usefixtures("others")
def test_a_session_by_finger_from_its_making_to_its_reopening(page: Page, demo: Demo) -> None:
    page.click("#new-session")
    form = page.get_by_role("dialog", name="New session")
    form.get_by_label("Name").fill("Final")
    form.get_by_label("Opponent").fill("Rival")
    form.get_by_label("Begins").fill("2027-03-01T19:30")
    form.get_by_label("Camera 2").uncheck()
    photograph(page, "operator-form")
    form.get_by_role("button", name="Create", exact=True).click()
    mine = card(page, "Final v Rival")
    expect(mine.get_by_text("scheduled")).to_be_visible()
    made = sessions(demo)["Final"]
    begins = datetime(2027, 3, 1, 19, 30, tzinfo=zone(demo))
    assert (datetime.fromisoformat(made["scheduled_start"]), made["channel_ids"]) == (begins, ["cam1"])
    for press, state in (("Start", "LIVE"), ("Pause", "paused"), ("Resume", "LIVE")):
        mine.get_by_role("button", name=f"{press} Final").click()
        expect(mine.locator(".badge")).to_have_text(state)
    mine.get_by_role("button", name="Complete Final").click()
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    mine.get_by_role("button", name="Complete Final").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert sessions(demo)["Final"]["status"] == "active", "a question that is not answered changes nothing"
    for press, state in (("Complete", "completed"), ("Reopen", "LIVE")):
        mine.get_by_role("button", name=f"{press} Final").click()
        sure = page.get_by_role("dialog", name=f"{press} Final?")
        sure.get_by_role("button", name=press).click()
        expect(mine.locator(".badge")).to_have_text(state)
    assert sessions(demo)["Final"]["status"] == "active"


def test_an_operator_holds_the_session_on_every_screen(page: Page, session: Session) -> None:
    with own_session(session.url, "Final", opponent="Rival"):  # a session that begins is not swapped in
        page.get_by_role("button", name="Show here: Final").click()
        page.evaluate("app.prefs.set('role', 'operator')")
        page.click("nav.tabs a[href='#desk']")
        expect(page.locator("#session-name")).to_have_text("Final v Rival")
        for press, state in (("Pause", "paused"), ("Resume", "LIVE")):
            page.get_by_role("button", name=f"{press} Final").click()
            expect(page.locator("#session-state")).to_have_text(state)
        page.evaluate("app.prefs.set('role', 'coach')")
        expect(page.locator("session-control")).to_have_count(0)


@pytest.mark.usefixtures("others")
def test_a_session_by_keys_alone(page: Page, demo: Demo) -> None:
    page.keyboard.press("a")
    page.keyboard.type("Training")
    page.keyboard.press("Tab")
    page.keyboard.type("P")  # practice
    page.get_by_role("button", name="Create and start").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)  # until then the keys are the form's
    mine = card(page, "Training")
    expect(mine.locator(".badge")).to_have_text("LIVE")
    expect(page.locator("#session-name")).to_have_text("Training")  # the newest that runs is the one in work
    for key, state in (("s", "paused"), ("s", "LIVE")):
        page.keyboard.press(key)
        expect(mine.locator(".badge")).to_have_text(state)
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Complete", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(mine.locator(".badge")).to_have_text("completed")
    assert sessions(demo)["Training"]["type"] == "practice"


def test_a_refusal_is_shown_with_the_text_of_the_box(page: Page, session: Session) -> None:
    def somebody_was_faster(route: Route) -> None:
        httpx.post(route.request.url, **PLAIN).raise_for_status()
        route.continue_()

    page.route("**/pause", somebody_was_faster)
    mine = card(page, session.name)
    mine.get_by_role("button", name=f"Pause {session.name}").click()
    expect(page.locator(".notice.bad")).to_contain_text("Not paused: a session that is paused cannot pause")
    expect(mine.locator(".badge")).to_have_text("paused")


def test_two_operators_do_not_overwrite_each_other(page: Page, session: Session) -> None:
    mine = card(page, session.name)
    mine.get_by_role("button", name=f"Edit {session.name}").click()
    form = page.get_by_role("dialog", name=f"Edit {session.name}")
    expect(form.get_by_label("Name")).to_have_value(session.name)
    expect(form.get_by_label("Kind")).to_have_value("game")
    form.get_by_label("Opponent").fill("Green")
    theirs = {"opponent": "Blue", "location": "North", "channel_ids": ["cam1"]}
    session.tell(f"/sessions/{session.id}", theirs, method="PATCH")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text(
        "Another device has changed this session. Check the fields"
    )
    expect(form.get_by_label("Place")).to_have_value("North")
    expect(form.get_by_label("Camera 2")).not_to_be_checked()
    expect(form.get_by_label("Opponent")).to_have_value("Green")
    expect(form.get_by_label("Opponent")).to_have_accessible_description("Another device says: Blue")
    expect(form.get_by_label("Opponent")).to_be_focused()
    photograph(page, "operator-clash")
    form.get_by_role("button", name="Save").click()
    expect(card(page, f"{session.name} v Green")).to_be_visible()
    now = session.row()
    assert (now["opponent"], now["location"], now["channel_ids"]) == ("Green", "North", ["cam1"])


def test_an_error_of_a_field_is_shown_at_the_field(page: Page, session: Session) -> None:
    page.keyboard.press("r")  # of the session in work
    form = page.get_by_role("dialog", name=f"Edit {session.name}")
    name = form.get_by_label("Name")
    name.fill("   ")
    name.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description(re.compile("at least 1 character"))
    expect(name).to_be_focused()
    name.fill("Grand final")
    name.press("Enter")
    expect(card(page, "Grand final")).to_be_visible()
    assert (session.row()["name"], session.row()["week"]) == ("Grand final", None)


@pytest.fixture
def scrap(demo: Demo) -> Iterator[Session]:
    """Another session, which is over: with two plays, one of them starred."""
    with own_session(demo.urls[0], "Scrap") as scrap:
        scrap.play()
        scrap.tell(f"/plays/{scrap.play()['id']}/favorite")
        scrap.tell(f"/sessions/{scrap.id}/complete")
        yield scrap


def test_a_session_is_deleted_and_restored_with_its_plays(page: Page, demo: Demo, scrap: Session) -> None:
    path = f"/sessions/{scrap.id}"
    scrap_plays = [play["id"] for play in scrap.plays()]
    with_plays = f"""[...app.box.state.plays.values()]
        .filter((play) => '{path}'.endsWith(play.session_id)).length === 2"""
    mine = card(page, "Scrap")
    ask = page.get_by_role("dialog", name="Delete Scrap?")
    ask_again = page.get_by_role("dialog", name="Delete favourites too?")
    mine.get_by_role("button", name="Delete Scrap").click()
    expect(ask).to_contain_text("2 plays, 4 clips. Recordings stay.")
    expect(ask.get_by_role("button", name="Not now")).to_be_focused()
    photograph(page, "operator-delete")
    ask.get_by_role("button", name="Delete").click()
    ask_again.get_by_role("button", name="Not now").click()
    assert "Scrap" in sessions(demo), "one word is not enough for favourites"
    mine.get_by_role("button", name="Delete Scrap").click()
    ask.get_by_role("button", name="Delete").click()
    ask_again.get_by_role("button", name="Delete with favourites").click()
    expect(mine).to_have_count(0)
    page.locator(".notice", has_text="Deleted Scrap.").get_by_role("button", name="Undo").click()
    expect(mine).to_be_visible()
    until(page, with_plays)
    scrap.tell(f"{path}?force=1", method="DELETE")
    expect(mine).to_have_count(0)
    of_it = [f"[data-key='{play}']" for play in scrap_plays]
    expect(page.locator(f"#deleted-plays :is({', '.join(of_it)})")).to_have_count(0)  # they come with it
    page.locator("#deleted summary").click()
    photograph(page, "operator-deleted")
    gone = page.locator("#deleted li", has_text="Scrap")
    gone.first.get_by_role("button", name="Restore Scrap").click()  # the newest
    expect(mine).to_be_visible()
    until(page, with_plays)
    page.reload()
    expect(mine).to_be_visible()


def test_footage_is_drawn_per_camera_with_what_is_missing(page: Page, demo: Demo, session: Session) -> None:
    cameras = page.locator("#cameras .camera")
    expect(cameras).to_have_count(2)
    for camera in cameras.all():
        expect(camera.locator(".badge")).to_have_text("records")
        expect(camera.locator("coverage-strip .covered").first).to_be_visible()
        expect(camera.locator("coverage-strip .ends b")).to_contain_text("recorded since")
        expect(camera.get_by_role("img", name="recorded since")).to_be_visible()
    page.get_by_role("button", name="Session", exact=True).click()
    began = datetime.fromisoformat(session.row()["actual_start"]).astimezone(zone(demo))
    expect(page.locator("coverage-strip .ends span").first).to_have_text(f"{began:%H:%M:%S}")
    expect(page.get_by_role("region", name="Room on the disks").locator(".disk")).to_have_count(3)


def test_connected_devices_and_how_far_behind_they_are(
    page: Page, browser: Browser, demo: Demo, session: Session
) -> None:
    expect(page.locator("#devices")).to_contain_text("(this)")
    with own_page(browser, demo.urls[0], session, "#live") as other:
        expect(other.locator("#link[data-state=connected]")).to_be_visible()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # looks at once
        device = other.evaluate("app.prefs.get('device')")
        expect(page.locator("#devices .device", has_text=device)).to_contain_text("up to date")


@pytest.fixture
def delays(demo: Demo) -> Iterator[None]:
    """Cameras have no delay again after the test."""
    yield
    for channel in ("cam1", "cam2"):
        tell(demo.urls[0], f"/channels/{channel}", {"latency_ms": 0}, method="PATCH")


@pytest.mark.usefixtures("delays")
def test_a_delay_is_set_by_stepping_to_the_same_instant_and_can_be_undone(page: Page, demo: Demo) -> None:
    recorded_for(demo.urls[0], 3)
    page.keyboard.press("l")
    until(page, BOTH_SHOWN)
    apart = f"({TRUTH})().then(([ours, theirs]) => theirs - ours)"
    before, thought_before = page.evaluate(apart), captures(page)
    page.click("step-pane:last-of-type video")
    for _ in range(BEHIND_MS // 40 // 5):
        page.keyboard.press("ArrowRight")  # five pictures on
    until(page, BOTH_SHOWN)
    assert abs(page.evaluate(apart) - before - BEHIND_MS) < PICTURE_MS
    expect(page.locator("#difference")).to_contain_text("ms behind Camera 1")
    thought = captures(page)
    assert abs((thought[1] - thought[0]) - (thought_before[1] - thought_before[0]) - BEHIND_MS) < PICTURE_MS
    photograph(page, "lineup")

    page.keyboard.press("Enter")
    expect(page.locator("#difference")).to_contain_text("agree")
    set_ms = delay(demo, "cam2")
    assert abs(set_ms - (thought[1] - thought[0])) <= 1 and delay(demo, "cam1") == 0
    page.click("#lineup-undo")
    expect(page.locator("#difference")).to_contain_text(f"{set_ms} ms behind")
    assert delay(demo, "cam2") == 0
    page.keyboard.press("Escape")
    expect(page.locator("#cameras")).to_be_visible()


def delay(demo: Demo, channel: str) -> int:
    return int(plain_get(f"{demo.urls[0]}/channels/{channel}")["latency_ms"])


def test_nothing_is_cut_off_on_a_phone(browser: Browser, demo: Demo, session: Session) -> None:
    recorded_for(demo.urls[0], 3)
    with own_page(browser, demo.urls[-1], session, "#operator", size=PHONE) as page:
        ready = {"operator": "#cameras .covered", "health": "#check-store", "lineup": "step-pane .instant"}
        for screen, what in ready.items():
            page.evaluate("(name) => app.go(name)", screen)
            expect(page.locator(what).first).to_be_visible()
            photograph(page, f"phone-{screen}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            for wrong, where in (
                ("e.offsetHeight < 44", "button, a, select"),
                ("e.scrollWidth > e.clientWidth + 1", "button, h2, h3, .row"),
            ):
                all_ = f"[...document.querySelector('#main').querySelectorAll('{where}')]"
                actual = f"{all_}.filter(e => e.offsetParent && {wrong}).map(e => e.textContent)"
                assert page.evaluate(actual) == []
