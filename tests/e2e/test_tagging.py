"""Tags on the page: by button and key, predicted, searched, for many plays, visible to others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Demo
from tests.e2e.looks import BARS, CUT_WORDS, FLAT, SMALL, UPRIGHT, WIDE
from tests.e2e.own import Session, own_page
from tests.kit.browser import PHONE, TABLET, executable, photograph, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
PLAYS = 6
RUN = {"quarter": 2, "down": 1, "distance": 10, "play_type": "Run", "yards_gained": 4, "players": ["22 Ruiz"]}


@pytest.fixture
def plays(session: Session) -> list[dict[str, Any]]:
    """Six untagged plays by another device, oldest first."""
    return [session.play(0.3, (PLAYS - at) * 0.3) for at in range(PLAYS)]


@pytest.fixture
def page(browser: Browser, demo: Demo, session: Session, plays: list[dict[str, Any]]) -> Iterator[Page]:
    with own_page(browser, demo.urls[-1], session, "#tagging") as opened:
        expect(opened.locator(".tag-list .play")).to_have_count(PLAYS)
        yield opened


def tagged(session: Session, play: dict[str, Any], **fields: object) -> None:
    """A tag by another device."""
    session.tell("/tags", {"clip_id": play["clip_ids"][0], **fields})


def choose(page: Page, number: int) -> None:
    page.get_by_role("button", name=f"Watch play {number}", exact=True).click()
    expect(page.locator("tag-board h2")).to_have_text(f"Play {number}")


PAGES = {
    "Situation": ("quarter", "down", "distance", "yard_line"),
    "Play": ("play_type", "formation"),
    "Result": ("result", "yards_gained"),
    "More": ("players", "labels", "notes"),
}


def group(page: Page, name: str) -> Locator:
    """A field of the board, on its page."""
    for label, fields in PAGES.items():
        if name in fields:
            turn = page.locator("tag-board .pages").get_by_role("button", name=label, exact=True)
            if turn.is_visible():  # with enough space typed values are shown beside the keys
                turn.click()
    return page.locator(f".tag-group[data-field={name}]")


def pressed(page: Page, field: str) -> Locator:
    return group(page, field).locator("[aria-pressed=true]")


def sent(page: Page) -> None:
    """All changes of this page are on the box."""
    until(page, "app.box.outbox.waiting().length === 0")


def test_a_play_is_tagged_by_buttons(page: Page, session: Session, plays: list[dict[str, Any]]) -> None:
    """And the next one starts with the predicted values."""
    choose(page, 1)
    for field, word in (("quarter", "2"), ("down", "1"), ("distance", "10"), ("play_type", "Run")):
        group(page, field).get_by_role("button", name=word, exact=True).click()
        expect(pressed(page, field)).to_have_text(word)
    group(page, "yards_gained").get_by_label("Yards gained, from").fill("4")
    page.keyboard.press("Enter")
    group(page, "players").get_by_role("textbox").fill("22 Ruiz")
    page.keyboard.press("Enter")
    expect(pressed(page, "players")).to_have_text("22 Ruiz")
    expect(page.locator(".tag-list .play").last).to_contain_text("1&10 Run")
    sent(page)
    [tag] = session.tags(plays[0])
    assert {name: tag[name] for name in RUN} == RUN
    choose(page, 2)
    expect(page.get_by_role("button", name="Take over Q2 · 2&6")).to_be_visible()
    expect(group(page, "down").locator(".carried")).to_have_text("2")
    assert session.tags(plays[1]) == []  # unconfirmed values are not stored
    group(page, "play_type").get_by_role("button", name="Pass", exact=True).click()
    expect(pressed(page, "down")).to_have_text("2")
    sent(page)
    [tag] = session.tags(plays[1])
    assert (tag["quarter"], tag["down"], tag["distance"], tag["play_type"]) == (2, 2, 6, "Pass")


def test_keys_do_what_buttons_do(page: Page, session: Session, plays: list[dict[str, Any]]) -> None:
    """And a mark is made while a play is tagged: the board switches to it, and back when it is undone."""
    choose(page, 3)
    page.keyboard.press("r")  # opens its page
    expect(page.locator(".tag-group[data-field=result]")).to_be_visible()
    expect(page.locator(".tag-group[data-field=result]")).to_have_class("tag-group word armed")
    photograph(page, "tagging-armed")
    page.keyboard.press("2")
    expect(pressed(page, "result")).to_have_text("Touchdown")
    page.keyboard.press("i")  # a number is typed
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.keyboard.press("!")
    page.keyboard.press("h")
    page.keyboard.type("Watch the safety; n and e are letters here")
    page.keyboard.press("Escape")
    sent(page)
    [tag] = session.tags(plays[2])
    assert (tag["result"], tag["distance"], tag["is_important"]) == ("Touchdown", 12, True)
    assert tag["notes"] == "Watch the safety; n and e are letters here"
    page.keyboard.press("r")
    page.keyboard.press("2")  # pressed again: cleared
    expect(pressed(page, "result")).to_have_count(0)
    page.keyboard.press("r")
    page.keyboard.press("2")
    sent(page)
    assert len(session.plays()) == PLAYS
    page.click("#new-play")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS + 1)
    expect(page.locator("tag-board h2")).to_have_text("Play 7")
    page.keyboard.press("u")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS)
    expect(page.locator("tag-board h2")).to_have_text("Play 3")


def test_plays_are_found_by_words_and_by_filters(
    page: Page, session: Session, plays: list[dict[str, Any]]
) -> None:
    tagged(session, plays[0], **RUN)
    tagged(session, plays[2], result="Touchdown")
    until(page, "app.box.state.tags.size === 2")
    rows = page.locator(".tag-list .play")
    page.keyboard.press("/")
    page.keyboard.type("ruiz")
    expect(rows).to_have_count(1)
    page.keyboard.type(" nobody")
    expect(page.get_by_text("No play says that")).to_be_visible()
    page.get_by_label("Search plays").fill("")
    page.get_by_role("button", name="Filters").click()
    page.locator("[data-facet=result] select").select_option("Touchdown")
    expect(rows).to_have_count(1)
    photograph(page, "tagging-filters")
    page.get_by_role("button", name="Show all plays").click()
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name="Untagged").click()
    expect(rows).to_have_count(PLAYS - 2)


def test_many_plays_at_once(page: Page, session: Session, plays: list[dict[str, Any]]) -> None:
    for play in plays[:3]:
        tagged(session, play, play_type="Run")
    page.get_by_role("button", name="Untagged").click()
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS - 3)
    page.get_by_label("Choose all plays shown").check()
    expect(page.locator("tag-board h2")).to_have_text("3 plays")
    group(page, "labels").get_by_role("button", name="Defence").click()
    page.get_by_role("group", name="All chosen plays").get_by_role("button", name="Star").click()
    sent(page)
    photograph(page, "tagging-bulk")

    def starred() -> set[str]:
        return {play["id"] for play in session.plays() if play["is_favorite"]}

    assert [session.tags(play)[0]["labels"] for play in plays[3:]] == [["Defence"]] * 3
    assert starred() == {play["id"] for play in plays[3:]}
    page.keyboard.press("u")  # the star
    page.keyboard.press("u")  # and the tags
    sent(page)
    assert starred() == set()
    assert all(session.tags(play) == [] for play in plays[3:])


def test_another_device_sees_the_tags_and_each_field_has_its_newest_value(
    page: Page, browser: Browser, demo: Demo, session: Session, plays: list[dict[str, Any]]
) -> None:
    choose(page, 4)
    with own_page(browser, demo.urls[-1], session, f"#tagging/{plays[3]['id']}", size=UPRIGHT) as other:
        group(page, "formation").get_by_role("button", name="Trips").click()
        expect(pressed(other, "formation")).to_have_text("Trips")
        group(other, "formation").get_by_role("textbox").fill("Wildcat")
        other.keyboard.press("Enter")
        expect(pressed(page, "formation")).to_have_text("Wildcat")


def test_nothing_is_cut_off(page: Page) -> None:
    """No sideways scrolling; all is large enough for a finger, shows its text completely, has a name."""
    choose(page, 6)
    shown = "[...document.querySelectorAll('#main :is(button, input, select)')].filter(e => e.offsetParent)"
    small = "Math.min(e.offsetHeight, e.offsetWidth) < 44 && !e.closest('label')"
    cut = "e.scrollWidth > e.clientWidth + 1 && e.localName === 'button'"
    out = "e.getBoundingClientRect().right > innerWidth + 1"
    unnamed = "!(e.ariaLabel || e.textContent.trim() || e.labels?.length)"
    wrong = f"{shown}.filter(e => {small} || {cut} || {out} || {unnamed}).map(e => e.outerHTML)"
    for size in (TABLET, UPRIGHT, PHONE, FLAT):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        expect(page.locator("tag-board .groups").first).to_be_visible()
        photograph(page, f"tagging-{size['width']}")
        assert page.evaluate(CUT_WORDS) == [], size
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        assert page.evaluate(wrong) == [], size


def test_the_board_follows_the_running_play_and_enter_goes_to_older_ones(page: Page) -> None:
    heading = page.locator("tag-board h2")
    choose(page, 2)
    page.click("#new-play")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS + 1)
    expect(heading).to_have_text("Play 7")
    page.click("#end-play")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Play 6")  # the next older untagged one, not play 1


# Layout errors of a board page: not fully visible, too small, texts cut off, covered, scrolled; the keys of a
# number in two rows.
FAULTS = """(() => {
  const board = document.querySelector("tag-board");
  const parts = [board, document.querySelector(".board-aside")].filter((each) => each?.offsetParent);
  const keys = parts.flatMap((part) => [...part.querySelectorAll("button, input, textarea")])
    .filter((each) => each.offsetParent);
  const name = (each) => each.ariaLabel || each.textContent;
  const box = (each) => each.getBoundingClientRect();
  const main = box(document.querySelector("#main"));
  const outside = keys.filter((each) => {
    const { left, top, right, bottom } = box(each);
    return left < -0.5 || right > innerWidth + 0.5 || top < main.top - 0.5 || bottom > main.bottom + 0.5;
  });
  const small = keys.filter((each) => box(each).width < 43.9 || box(each).height < 43.9);
  const torn = keys.filter((each) => [...each.childNodes].filter((one) => one.data).some((text) => {
    const lines = (from, to) => {
      const range = document.createRange();
      range.setStart(text, from);
      range.setEnd(text, to);
      return new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size;
    };
    const words = [...text.data.matchAll(/\\S+/g)];
    return words.some((word) => lines(word.index, word.index + word[0].length) > 1)
      || each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1;
  }));
  const covered = keys.filter((each) => {
    const { left, top, width, height } = box(each);
    const topmost = document.elementFromPoint(left + width / 2, top + height / 2);
    return !each.contains(topmost);
  });
  const scrolls = [...parts, ...document.querySelectorAll("#main .panel, #main .board, tag-board .groups")]
    .filter((each) => each.offsetParent && each.scrollHeight > each.clientHeight + 1);
  const rows = (group) => {
    const keys = [...group.querySelectorAll(".options button")];
    return new Set(keys.map((each) => box(each).top)).size;
  };
  const numbers = [...board.querySelectorAll(".tag-group:is(.number, .choice)")];
  const wrapped = numbers.filter((each) => rows(each) > 1).map((each) => each.dataset.field);
  const wrong = [outside, small, torn, covered].map((each) => each.map(name));
  return [...wrong, scrolls.map((each) => each.className), wrapped];
})()"""
PHONES = [PHONE, SMALL, BARS]
LARGER = [TABLET, UPRIGHT, WIDE]


@contextmanager
def with_board(
    browser: Browser, demo: Demo, session: Session, screen: str, size: dict[str, int]
) -> Iterator[Page]:
    """The board of the newest play, as an analyst opens it: on a phone by its key."""
    analyst: dict[str, object] = {"role": "analyst"}
    with own_page(browser, demo.urls[-1], session, f"#{screen}", size=size, prefs=analyst) as page:
        page.locator("#main.tagging .open, #main.desk .open").first.click()
        if screen == "desk" and size in PHONES:
            page.get_by_role("button", name="Tags", exact=True).click()
        expect(page.locator("tag-board .tag-group").first).to_be_visible()
        yield page


@pytest.mark.parametrize("screen", ["tagging", "desk"])
@pytest.mark.parametrize("sizes", [PHONES, LARGER], ids=["phones", "larger"])
def test_each_page_of_the_board_is_whole_in_sight(
    browser: Browser, demo: Demo, session: Session, sizes: list[dict[str, int]], screen: str
) -> None:
    """Three pages of large keys and one of typed values, also below a notice; nothing is scrolled.

    The same in a window that changes its size, like a rotated tablet.
    """
    session.play()
    with with_board(browser, demo, session, screen, sizes[0]) as page:
        page.evaluate("app.say('Play 41 ready', { action: 'Watch', seconds: 0 })")
        for size in sizes:
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
            for label, fields in PAGES.items():
                for field in fields:
                    expect(group(page, field)).to_be_visible()
                photograph(page, f"board-{screen}-{size['width']}x{size['height']}-{label}")
                assert page.evaluate(FAULTS) == [[]] * 6, (size, label)


@pytest.mark.parametrize("screen", ["tagging", "desk"])
@pytest.mark.parametrize("size", PHONES, ids=[f"{size['width']}x{size['height']}" for size in PHONES])
def test_on_a_phone_the_board_follows_the_running_play(
    browser: Browser, demo: Demo, session: Session, size: dict[str, int], screen: str
) -> None:
    for _ in range(2):
        session.play()
    with with_board(browser, demo, session, screen, size) as page:
        group(page, "result")
        page.click("#new-play")
        heading = page.locator("tag-board h2")
        expect(heading).to_have_text("Play 3")
        expect(page.locator("tag-board .pages [aria-pressed=true]")).to_have_text("Situation")
        group(page, "down").get_by_role("button", name="3", exact=True).click()
        expect(pressed(page, "down")).to_have_text("3")
        page.get_by_role("button", name="Picture", exact=True).click()
        expect(page.locator("replay-player .stage")).to_be_in_viewport(ratio=1)
        expect(page.locator("replay-player .message")).to_contain_text("This play is open")
        page.get_by_role("button", name="Play", exact=True).first.click()
        expect(group(page, "play_type")).to_be_visible()
        page.click("#end-play")
        page.keyboard.press("Enter")
        if screen == "tagging":  # at the desk Enter watches the newest play that can be watched
            expect(heading).to_have_text("Play 2")
        sent(page)


def test_typed_text_belongs_to_the_play_shown_when_typing_began(
    browser: Browser, demo: Demo, session: Session, plays: list[dict[str, Any]]
) -> None:
    """A play begins while a note is typed, and while a finger is down: the board switches to it
    afterwards."""
    with own_page(browser, demo.urls[-1], session, "#tagging", size=PHONE) as page:
        choose(page, 5)
        heading = page.locator("tag-board h2")

        def begin() -> dict[str, Any]:
            made: dict[str, Any] = session.tell("/plays", {"session_id": session.id, "duration_seconds": 0})
            until(page, f"app.plays().some((play) => play.id === '{made['id']}')")
            session.tell(f"/plays/{made['id']}/end")
            return made

        note = group(page, "notes").get_by_role("textbox")
        note.fill("Late motion")
        first = begin()
        expect(heading).to_have_text("Play 5")
        note.blur()
        expect(heading).to_have_text("Play 7")
        sent(page)
        assert [tag["notes"] for tag in session.tags(plays[4])] == ["Late motion"]
        key = group(page, "play_type").get_by_role("button", name="Screen", exact=True)
        at = key.bounding_box()
        assert at is not None
        page.mouse.move(at["x"] + 20, at["y"] + 20)
        page.mouse.down()
        second = begin()
        page.mouse.up()
        expect(heading).to_have_text("Play 8")
        sent(page)
        assert [tag["play_type"] for tag in session.tags(first)] == ["Screen"]
        assert session.tags(second) == []
