"""Several people in one game: each ends and undoes only his own plays, and stays in his session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Demo
from tests.e2e.own import Session, own_page, own_session, remove
from tests.kit.browser import PHONE, executable, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
# In one evaluate: on a busy machine the taps must not be further apart than a bounce.
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


NOTHING_WAITS = "app.box.outbox.waiting().length === 0"
LATER = "app.marks.pressed = { what: '', at: -Infinity }"  # as after half a second: no bounce


@pytest.fixture
def coach(page: Page) -> Page:
    return page


@pytest.fixture
def other_coach(browser: Browser, demo: Demo, session: Session) -> Iterator[Page]:
    with own_page(browser, demo.urls[0], session) as page:
        expect(page.locator("#link[data-state=connected]")).to_be_visible()
        yield page


def cards(page: Page) -> Locator:
    return page.locator("#plays .play")


def test_end_and_cue_are_ones_own_and_others_are_ended_on_their_card(coach: Page, other_coach: Page) -> None:
    coach.click("#new-play")
    expect(cards(other_coach)).to_have_count(1)
    expect(other_coach.locator("#end-play")).to_be_disabled()
    expect(other_coach.locator("#cue")).to_be_disabled()
    other_coach.click("#new-play")
    expect(cards(coach)).to_have_count(2)
    other_coach.click("#end-play")
    expect(cards(coach).first.locator(".end")).to_be_hidden()
    expect(cards(coach).nth(1).locator(".end")).to_be_visible()
    expect(coach.locator("#end-play")).to_be_enabled()
    cards(other_coach).nth(1).get_by_role("button", name="End play 1").click()
    expect(coach.locator("#end-play")).to_be_disabled()
    expect(coach.locator("#plays .ghost")).to_have_count(0)


def test_undo_takes_back_the_last_action_whatever_it_was(coach: Page, session: Session) -> None:
    """A second press at once is the same press, and one action."""
    coach.evaluate("for (let n = 0; n < 2; n++) document.querySelector('#new-play').click()")
    newest = cards(coach).first
    expect(newest.locator(".number")).to_have_text("1")
    expect(cards(coach)).to_have_count(1)
    notice = coach.locator(".notice:last-child")
    coach.click("#end-play")
    expect(notice).to_contain_text("ended")
    coach.keyboard.press("u")  # END
    expect(newest.locator("[data-since]")).to_be_visible()
    expect(coach.locator("#end-play")).to_be_enabled()
    coach.click("#cue")
    expect(notice).to_contain_text("cue set")
    notice.get_by_role("button", name="Undo").click()
    expect(newest.get_by_text("cue", exact=True)).to_have_count(0)
    coach.click("#end-play")
    newest.get_by_label("Star play 1").click()
    expect(notice).to_contain_text("starred")
    coach.keyboard.press("u")
    expect(newest.get_by_label("Star play 1")).to_have_attribute("aria-pressed", "false")
    newest.locator(".undo").click()
    expect(notice).to_contain_text("Play 1 deleted")
    expect(cards(coach)).to_have_count(0)
    notice.get_by_role("button", name="Undo").click()
    expect(cards(coach)).to_have_count(1)
    until(coach, NOTHING_WAITS)  # shown before the box has it
    assert len(session.plays()) == 1


def test_a_press_counts_although_the_card_is_drawn_again_meanwhile(coach: Page, session: Session) -> None:
    """A title of another device, a clip that becomes ready: a card changes also under a finger."""
    play = session.play()
    newest = cards(coach).first
    star = newest.get_by_label("Star play 1")
    at = star.bounding_box()
    assert at is not None
    coach.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    coach.mouse.down()
    session.tell(f"/plays/{play['id']}", {"title": "Wide left"}, "PATCH")
    expect(newest.get_by_text("Wide left")).to_be_visible()
    coach.mouse.up()
    expect(star).to_have_attribute("aria-pressed", "true")


def test_undo_of_a_new_play_opens_the_one_it_ended(coach: Page, session: Session) -> None:
    coach.click("#new-play")
    expect(cards(coach).first.locator(".number")).to_have_text("1")
    coach.evaluate(LATER)
    coach.click("#new-play")
    expect(cards(coach)).to_have_count(2)
    coach.keyboard.press("u")
    expect(cards(coach)).to_have_count(1)
    expect(cards(coach).first.locator(".number")).to_have_text("1")
    expect(cards(coach).first.locator("[data-since]")).to_be_visible()
    expect(coach.locator("#end-play")).to_be_enabled()
    coach.click("#end-play")
    until(coach, NOTHING_WAITS)
    assert [play for play in session.plays() if not play["duration"]] == []


def test_two_taps_at_once_delete_one_play(coach: Page, session: Session) -> None:
    """The next card is under the finger when the second tap happens."""
    for _ in range(3):
        session.play()
    expect(cards(coach)).to_have_count(3)
    at = cards(coach).nth(1).locator(".undo").bounding_box()
    assert at is not None
    assert coach.evaluate(TAP_TWICE, [at["x"] + 20, at["y"] + 20]), "the next card came under the finger"
    expect(cards(coach)).to_have_count(2)
    until(coach, NOTHING_WAITS)
    assert len(session.plays()) == 2
    coach.keyboard.press("u")
    expect(cards(coach)).to_have_count(3)


def test_a_session_that_begins_elsewhere_is_offered_and_not_swapped_in(
    coach: Page, other_coach: Page, session: Session
) -> None:
    session.play()
    expect(cards(coach)).to_have_count(1)
    with own_session(session.url, "Second team") as second:
        expect(coach.locator(".notice", has_text="Second team has begun")).to_be_visible()
        expect(coach.locator("#session-name")).to_have_text(session.name)
        expect(cards(coach)).to_have_count(1)
        other_coach.locator(".notice").get_by_role("button", name="Go there").click()
        expect(other_coach.locator("#session-name")).to_have_text("Second team")
        expect(cards(other_coach)).to_have_count(0)
        other_coach.click("#menu")
        other_coach.locator("#choose-session").select_option(label=f"{session.name} (live)")
        other_coach.keyboard.press("Escape")
        expect(other_coach.locator("#session-name")).to_have_text(session.name)
        second.tell(f"/sessions/{second.id}/complete")
        expect(coach.locator(".notice", has_text="Second team")).to_have_count(0)
        expect(coach.locator("#session-name")).to_have_text(session.name)


def test_when_a_session_is_over_one_that_ran_before_it_is_offered(coach: Page, session: Session) -> None:
    """It did not begin now, so no notice says so: the demo's own session."""
    session.tell(f"/sessions/{session.id}/complete")
    expect(coach.locator(".notice", has_text="Demo is running")).to_be_visible()
    expect(coach.locator("#session-name")).to_have_text(session.name)
    coach.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    expect(coach.locator(".status .clock")).to_be_hidden()  # on a phone the name has its place


def test_a_session_deleted_elsewhere_is_reported(coach: Page, session: Session) -> None:
    remove(session.url, session.id)
    expect(coach.locator(".notice", has_text=f"{session.name} was deleted")).to_contain_text("This is Demo")
