"""Operator, line up and health: a session's life by finger and by key, footage, delays, what is wrong."""

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
from tests.kit.browser import PHONE, errors_of, executable, open_page, photograph, plain_get, until
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
  const { burnedIn } = await import("/state/selftest.js");
  return [...document.querySelectorAll("step-pane video")].map(video => burnedIn(video)?.instantMs ?? null);
}"""
BOTH_SHOWN = "[...document.querySelectorAll('step-pane')].filter(pane => pane.capture).length === 2"


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    one = open_page(browser, demo.urls[-1] + "/#operator")
    expect(one.locator("#sessions .session")).to_have_count(1)
    yield one
    assert errors_of(one) == []


def sessions(demo: Demo) -> dict[str, dict[str, Any]]:
    """Sessions by name, as the box knows them."""
    return {each["name"]: each for each in plain_get(f"{demo.urls[0]}/sessions")["items"]}


def zone(demo: Demo) -> ZoneInfo:
    """The site's: this machine's, in a demo."""
    return ZoneInfo(plain_get(f"{demo.urls[0]}/version")["timezone"])


def captures(page: Page) -> list[float]:
    """When the pictures shown were captured, as the page thinks, ms."""
    found: list[float] = page.evaluate(
        "[...document.querySelectorAll('step-pane')].map(pane => pane.capture)"
    )
    return found


def card(page: Page, name: str) -> Locator:
    return page.locator("#sessions .session", has=page.get_by_role("heading", name=name))


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
    for press, state in (("Complete", "completed"), ("Reopen", "LIVE")):
        mine.get_by_role("button", name=f"{press} Final").click()
        sure = page.get_by_role("dialog", name=f"{press} Final?")
        sure.get_by_role("button", name=press).click()
        expect(mine.locator(".badge")).to_have_text(state)
    assert sessions(demo)["Final"]["status"] == "active"


def test_an_operator_holds_the_session_on_every_screen(browser: Browser, page: Page, demo: Demo) -> None:
    page.get_by_role("button", name="Show here: Final").click()  # a session that begins is not swapped in
    page.evaluate("app.prefs.set('role', 'operator')")
    page.click("nav.tabs a[href='#desk']")
    expect(page.locator("#session-name")).to_have_text("Final v Rival")
    for press, state in (("Pause", "paused"), ("Resume", "LIVE")):
        page.get_by_role("button", name=f"{press} Final").click()
        expect(page.locator("#session-state")).to_have_text(state)
    page.evaluate("app.prefs.set('role', 'coach')")
    expect(page.locator("session-control")).to_have_count(0)
    page.evaluate("app.go('operator')")
    expect(page.locator("#sessions .session")).to_have_count(2)


def test_a_question_that_is_not_answered_changes_nothing(page: Page, demo: Demo) -> None:
    mine = card(page, "Final v Rival")
    mine.get_by_role("button", name="Complete Final").click()
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    mine.get_by_role("button", name="Complete Final").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert sessions(demo)["Final"]["status"] == "active"


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


def test_what_the_box_refuses_is_said_in_its_words(page: Page, demo: Demo) -> None:
    def somebody_was_faster(route: Route) -> None:
        httpx.post(route.request.url, **PLAIN).raise_for_status()
        route.continue_()

    page.route("**/pause", somebody_was_faster)
    mine = card(page, "Final v Rival")
    mine.get_by_role("button", name="Pause Final").click()
    expect(page.locator(".notice.bad")).to_contain_text("Not paused: a session that is paused cannot pause")
    expect(mine.locator(".badge")).to_have_text("paused")
    page.unroute("**/pause")


def test_two_operators_do_not_overwrite_each_other(page: Page, demo: Demo) -> None:
    mine = card(page, "Training")
    mine.get_by_role("button", name="Edit Training").click()
    form = page.get_by_role("dialog", name="Edit Training")
    expect(form.get_by_label("Name")).to_have_value("Training")
    expect(form.get_by_label("Kind")).to_have_value("practice")
    form.get_by_label("Opponent").fill("Green")
    theirs = f"{demo.urls[0]}/sessions/{sessions(demo)['Training']['id']}"
    said = {"opponent": "Blue", "location": "North", "channel_ids": ["cam1"]}
    httpx.patch(theirs, json=said, **PLAIN).raise_for_status()
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Somebody else has changed it")
    expect(form.get_by_label("Place")).to_have_value("North")
    expect(form.get_by_label("Camera 2")).not_to_be_checked()
    expect(form.get_by_label("Opponent")).to_have_value("Green")
    expect(form.get_by_label("Opponent")).to_have_accessible_description("Another device says: Blue")
    expect(form.get_by_label("Opponent")).to_be_focused()
    photograph(page, "operator-clash")
    form.get_by_role("button", name="Save").click()
    expect(card(page, "Training v Green")).to_be_visible()
    now = sessions(demo)["Training"]
    assert (now["opponent"], now["location"], now["channel_ids"]) == ("Green", "North", ["cam1"])


def test_what_the_box_says_of_a_field_stands_at_the_field(page: Page, demo: Demo) -> None:
    page.get_by_role("button", name="Show here: Final").click()
    page.keyboard.press("r")  # of the session in work
    form = page.get_by_role("dialog", name="Edit Final")
    name = form.get_by_label("Name")
    name.fill("   ")
    name.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description(re.compile("at least 1 character"))
    expect(name).to_be_focused()
    name.fill("Grand final")
    name.press("Enter")
    expect(card(page, "Grand final v Rival")).to_be_visible()
    assert sessions(demo)["Grand final"]["week"] is None


@pytest.fixture
def scrap(demo: Demo) -> Iterator[tuple[httpx.Client, str]]:
    """The box as another device meets it, and the path of a session with two plays, one of them starred."""
    with httpx.Client(base_url=demo.urls[0], **PLAIN) as box:
        made = box.post("/sessions", json={"name": "Scrap", "type": "other"}).raise_for_status().json()
        for _ in range(2):
            play = box.post("/plays", json={"session_id": made["id"], "duration_seconds": 1})
        box.post(f"/plays/{play.raise_for_status().json()['id']}/favorite").raise_for_status()
        yield box, f"/sessions/{made['id']}"


def test_a_deleted_session_takes_its_plays_along_and_comes_back_with_them(
    page: Page, demo: Demo, scrap: tuple[httpx.Client, str]
) -> None:
    box, path = scrap
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
    box.delete(path, params={"force": 1}).raise_for_status()
    expect(mine).to_have_count(0)
    page.get_by_text("1 deleted in the last 24 hours").click()
    photograph(page, "operator-deleted")
    page.get_by_role("button", name="Restore Scrap").click()
    expect(mine).to_be_visible()
    expect(page.locator("#deleted")).to_be_hidden()
    until(page, with_plays)


def test_footage_is_drawn_per_camera_with_what_is_missing(page: Page, demo: Demo) -> None:
    card(page, "Demo").get_by_role("button", name="Show here: Demo").click()
    cameras = page.locator("#cameras .camera")
    expect(cameras).to_have_count(2)
    for camera in cameras.all():
        expect(camera.locator(".badge")).to_have_text("records")
        expect(camera.locator("coverage-strip .covered").first).to_be_visible()
        expect(camera.locator("coverage-strip .ends b")).to_contain_text("recorded since")
        expect(camera.get_by_role("img", name="recorded since")).to_be_visible()
    page.get_by_role("button", name="Session", exact=True).click()
    began = datetime.fromisoformat(sessions(demo)["Demo"]["actual_start"]).astimezone(zone(demo))
    expect(page.locator("coverage-strip .ends span").first).to_have_text(f"{began:%H:%M:%S}")
    expect(page.get_by_role("region", name="Room on the disks").locator(".disk")).to_have_count(3)


def test_connected_devices_and_how_far_behind_they_are(page: Page, browser: Browser, demo: Demo) -> None:
    expect(page.locator("#devices")).to_contain_text("(this)")
    other = open_page(browser, demo.urls[0] + "/#live")
    expect(other.locator("#link[data-state=connected]")).to_be_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # looks at once
    device = other.evaluate("app.prefs.get('device')")
    expect(page.locator("#devices .device", has_text=device)).to_contain_text("up to date")
    other.context.close()


def test_a_delay_is_set_by_stepping_to_the_same_instant_and_can_be_undone(page: Page, demo: Demo) -> None:
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


# -- health


@pytest.fixture(scope="module")
def health(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Opened from the status line, as people do; on a device whose clock is set to another zone."""
    one = open_page(browser, demo.urls[-1], timezone_id="Asia/Kathmandu")
    one.click("#link")
    yield one
    assert [said for said in errors_of(one) if "WebSocket" not in said] == []  # it was offline


def test_every_part_is_named_and_green(health: Page) -> None:
    for part in (
        "camera-cam1",
        "recording_hours",
        "disk_clips",
        "clock",
        "store",
        "workers",
        "connection",
        "self-test",
    ):
        expect(health.locator(f"#check-{part}")).to_have_attribute("data-status", "ok")
    expect(health.locator("#check-self-test")).to_contain_text("edit_lists: ok")
    photograph(health, "health")


def test_a_camera_that_is_off_is_amber_and_one_at_fault_is_red_with_the_fix(health: Page) -> None:
    verdict = health.locator("#verdict")
    camera = health.locator("#check-camera-cam1")
    say(health, "/channels/cam1/deactivate")
    expect(camera).to_have_attribute("data-status", "warn")
    expect(camera.locator(".fix")).to_contain_text("Switch it on at Operator")
    expect(verdict).to_contain_text("Camera 1")
    say(health, "/channels/cam1/activate")
    say(health, "/channels/cam1/error", "{ reason: 'lens cap' }")
    expect(camera).to_have_attribute("data-status", "bad")
    expect(camera.locator(".words")).to_contain_text("Lens cap")
    expect(verdict).to_contain_text("Not ready: Camera 1")
    photograph(health, "health-bad")
    say(health, "/channels/cam1/activate")
    expect(camera).to_have_attribute("data-status", "ok")


def say(health: Page, path: str, body: str = "undefined") -> None:
    health.evaluate(f"app.box.request('POST', '{path}', {body}).then(() => null)")


def test_the_box_away_is_red_and_back_is_green_by_itself(health: Page) -> None:
    health.context.set_offline(True)
    expect(health.locator("#check-connection")).to_have_attribute("data-status", "bad")
    expect(health.locator("#verdict")).to_contain_text("This device")
    health.context.set_offline(False)
    expect(health.locator("#check-connection")).to_have_attribute("data-status", "ok")
    expect(health.locator("#check-store")).to_be_visible()


def test_the_status_line_says_how_long_can_be_recorded_and_leads_to_health(health: Page) -> None:
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    until(health, f"({look}, document.querySelector('#room').textContent.includes(' h'))")
    room = health.locator("#room")
    expect(room).to_have_attribute("href", "#health")
    both = "[document.querySelector('#verdict').innerText, document.querySelector('#room').ariaLabel]"
    until(
        health,
        f"(([verdict, room]) => room.includes(`h of recording left. ${{verdict}}. Open health`))({both})",
    )


def test_times_are_the_sites_and_not_the_devices(health: Page, demo: Demo) -> None:
    shown = datetime.strptime(health.locator(".status .clock").inner_text(), "%H:%M:%S")
    now = datetime.fromtimestamp(health.evaluate("app.box.now()") / 1000, zone(demo))
    apart_s = (now.replace(tzinfo=None) - shown).seconds
    assert min(apart_s, 86_400 - apart_s) < 120, "the device is set to Kathmandu, a quarter of an hour off"


def test_nothing_is_cut_off_on_a_phone(browser: Browser, demo: Demo) -> None:
    page = open_page(browser, f"{demo.urls[-1]}/#operator", PHONE)
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
            found = f"{all_}.filter(e => e.offsetParent && {wrong}).map(e => e.textContent)"
            assert page.evaluate(found) == []
    assert errors_of(page) == []
    page.context.close()
