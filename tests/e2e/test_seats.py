"""Several people at one game: each ends and takes back what is his own, and stays in his own session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Demo
from tests.kit.browser import errors_of, executable, open_page, plain_get, until
from tests.kit.waiting import LIMIT_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
# By one evaluate: a busy machine must not part the taps by more than a bounce.
TAP_TWICE = """async ([clientX, clientY]) => {
  const tap = () => {
    const under = document.elementFromPoint(clientX, clientY);
    const how = { bubbles: true, cancelable: true, clientX, clientY };
    for (const name of ["pointerdown", "pointerup"]) under.dispatchEvent(new PointerEvent(name, how));
    under.dispatchEvent(new MouseEvent("click", how));
    return under.closest(".play");
  };
  const first = tap();
  await new Promise((done) => setTimeout(done));
  return first !== tap();
}"""


def post(url: str, body: object = None, method: str = "POST") -> Any:
    data = json.dumps(body or {}).encode()
    request = Request(url, data=data, headers={"content-type": "application/json"}, method=method)
    with urlopen(request, timeout=LIMIT_S) as answer:
        return json.loads(answer.read() or b"null")


def opened(browser: Browser, demo: Demo) -> Page:
    page = open_page(browser, demo.urls[0])
    expect(page.locator("#link[data-state=connected]")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def one(browser: Browser, demo: Demo) -> Page:
    return opened(browser, demo)


@pytest.fixture
def other(browser: Browser, demo: Demo) -> Iterator[Page]:
    page = opened(browser, demo)
    yield page
    assert errors_of(page) == []
    page.close()


def cards(page: Page) -> Any:
    return page.locator("#plays .play")


def test_end_and_cue_are_ones_own_and_others_are_ended_on_their_card(one: Page, other: Page) -> None:
    one.click("#new-play")
    expect(cards(other)).to_have_count(1)
    expect(other.locator("#end-play")).to_be_disabled()
    expect(other.locator("#cue")).to_be_disabled()
    other.click("#new-play")
    expect(cards(one)).to_have_count(2)
    other.click("#end-play")
    expect(cards(one).first.locator(".end")).to_be_hidden()
    expect(cards(one).nth(1).locator(".end")).to_be_visible()
    expect(one.locator("#end-play")).to_be_enabled()
    cards(other).nth(1).get_by_role("button", name="End play 1").click()
    expect(one.locator("#end-play")).to_be_disabled()
    expect(one.locator("#plays .ghost")).to_have_count(0)


def test_a_second_press_at_once_is_the_same_press(one: Page) -> None:
    before = cards(one).count()
    one.evaluate("for (let n = 0; n < 2; n++) document.querySelector('#new-play').click()")
    expect(cards(one)).to_have_count(before + 1)
    one.click("#end-play")
    expect(one.locator("#plays .ghost")).to_have_count(0)


def test_undo_takes_back_the_last_action_whatever_it_was(one: Page, demo: Demo) -> None:
    before = cards(one).count()
    newest = cards(one).first
    number = newest.locator(".number").inner_text()
    notice = one.locator(".notice:last-child")
    one.keyboard.press("u")  # END of the test before, whose notice may be gone by now
    expect(newest.locator("[data-since]")).to_be_visible()
    one.click("#end-play")
    expect(notice).to_contain_text("ended")
    one.keyboard.press("u")  # END
    expect(newest.locator("[data-since]")).to_be_visible()
    expect(one.locator("#end-play")).to_be_enabled()
    one.click("#cue")
    expect(notice).to_contain_text("cue set")
    notice.get_by_role("button", name="Undo").click()
    expect(newest.get_by_text("cue", exact=True)).to_have_count(0)
    one.click("#end-play")
    newest.get_by_label(f"Star play {number}").click()
    expect(notice).to_contain_text("starred")
    one.keyboard.press("u")
    expect(newest.get_by_label(f"Star play {number}")).to_have_attribute("aria-pressed", "false")
    newest.locator(".undo").click()
    expect(notice).to_contain_text(f"Play {number} deleted")
    expect(cards(one)).to_have_count(before - 1)
    notice.get_by_role("button", name="Undo").click()
    expect(cards(one)).to_have_count(before)
    until(one, "app.box.outbox.waiting().length === 0")  # shown before the box has it
    assert len(plain_get(f"{demo.urls[0]}/plays")["items"]) == before


def test_undo_of_a_new_play_opens_the_one_it_ended(one: Page, demo: Demo) -> None:
    one.click("#new-play")
    expect(cards(one).first.locator(".number")).not_to_have_text("…")
    number = cards(one).first.locator(".number").inner_text()
    before = cards(one).count()
    one.evaluate("app.marks.pressed = { what: '', at: -Infinity }")  # as after half a second
    one.click("#new-play")
    expect(cards(one)).to_have_count(before + 1)
    one.keyboard.press("u")
    expect(cards(one)).to_have_count(before)
    expect(cards(one).first.locator(".number")).to_have_text(number)
    expect(cards(one).first.locator("[data-since]")).to_be_visible()
    expect(one.locator("#end-play")).to_be_enabled()
    one.click("#end-play")
    until(one, "app.box.outbox.waiting().length === 0")
    open_ones = [each for each in plain_get(f"{demo.urls[0]}/plays")["items"] if not each["duration"]]
    assert open_ones == []


def test_two_taps_at_once_delete_one_play(one: Page, demo: Demo) -> None:
    """The next card is under the finger when the second tap comes."""
    for _ in range(2):
        one.evaluate("app.marks.pressed = { what: '', at: -Infinity }")
        one.click("#last10")
    expect(one.locator("#plays .number", has_text="…")).to_have_count(0)
    before = cards(one).count()
    at = cards(one).nth(1).locator(".undo").bounding_box()
    assert at is not None
    assert one.evaluate(TAP_TWICE, [at["x"] + 20, at["y"] + 20]), "the next card came under the finger"
    expect(cards(one)).to_have_count(before - 1)
    until(one, "app.box.outbox.waiting().length === 0")
    assert len(plain_get(f"{demo.urls[0]}/plays")["items"]) == before - 1
    one.keyboard.press("u")
    expect(cards(one)).to_have_count(before)


def test_a_session_that_begins_elsewhere_is_offered_and_not_swapped_in(
    one: Page, other: Page, demo: Demo
) -> None:
    before = cards(one).count()
    name = one.locator("#session-name").inner_text()
    made = post(f"{demo.urls[0]}/sessions", {"name": "Second team", "type": "practice"})
    post(f"{demo.urls[0]}/sessions/{made['id']}/start")
    expect(one.locator(".notice", has_text="Second team has begun")).to_be_visible()
    expect(one.locator("#session-name")).to_have_text(name)
    expect(cards(one)).to_have_count(before)
    other.locator(".notice").get_by_role("button", name="Go there").click()
    expect(other.locator("#session-name")).to_have_text("Second team")
    expect(cards(other)).to_have_count(0)
    other.click("#menu")
    other.locator("#choose-session").select_option(label=f"{name} (live)")
    other.keyboard.press("Escape")
    expect(other.locator("#session-name")).to_have_text(name)
    post(f"{demo.urls[0]}/sessions/{made['id']}/complete")
    expect(one.locator("#session-name")).to_have_text(name)


def test_a_session_deleted_elsewhere_is_told(browser: Browser, demo: Demo) -> None:
    made = post(f"{demo.urls[0]}/sessions", {"name": "By mistake", "type": "practice"})
    page = opened(browser, demo)
    page.evaluate("id => app.working.choose(id)", made["id"])
    expect(page.locator("#session-name")).to_have_text("By mistake")
    post(f"{demo.urls[0]}/sessions/{made['id']}", method="DELETE")
    expect(page.locator(".notice", has_text="By mistake was deleted")).to_contain_text("This is")
    page.close()


def test_no_page_made_an_error(one: Page) -> None:
    assert errors_of(one) == []
