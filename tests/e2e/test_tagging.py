"""Tags on the page: by button and by key, carried forward, found again, for many plays, seen by others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from appliance.kernel.clock import to_rfc3339, wall_us
from tests.e2e.conftest import Demo
from tests.e2e.looks import BARS, CUT_WORDS, FLAT, SMALL, UPRIGHT
from tests.kit.browser import PHONE, TABLET, errors_of, executable, open_page, photograph, plain_get, until
from tests.kit.waiting import PLAIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
PLAYS = 6


@pytest.fixture(scope="module")
def plays(demo: Demo) -> list[dict[str, Any]]:
    """Six plays by another device, oldest first, without tags."""
    [session] = plain_get(f"{demo.urls[0]}/sessions")["items"]
    made = []
    for at in range(PLAYS):
        start = to_rfc3339(wall_us() - (PLAYS - at) * 300_000)
        body = {"session_id": session["id"], "start_time": start, "duration_seconds": 0.3}
        answer = httpx.post(f"{demo.urls[0]}/plays", json=body, **PLAIN)
        assert answer.status_code == 201
        made.append(answer.json())
    return made


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo, plays: list[dict[str, Any]]) -> Iterator[Page]:
    one = open_page(browser, f"{demo.urls[-1]}/#tagging")
    expect(one.locator(".tag-list .play")).to_have_count(PLAYS)
    yield one
    assert errors_of(one) == []


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
            page.locator("tag-board .pages").get_by_role("button", name=label, exact=True).click()
    return page.locator(f".tag-group[data-field={name}]")


def pressed(page: Page, field: str) -> Locator:
    return group(page, field).locator("[aria-pressed=true]")


def said(demo: Demo, play: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plain_get(f"{demo.urls[0]}/tags?play_id={play['id']}")["items"]
    return found


def sent(page: Page) -> None:
    """Everything this page did is on the box."""
    until(page, "app.box.outbox.waiting().length === 0")


def test_a_play_is_tagged_by_buttons(page: Page, demo: Demo, plays: list[dict[str, Any]]) -> None:
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
    [tag] = said(demo, plays[0])
    kept = {
        "quarter": 2,
        "down": 1,
        "distance": 10,
        "play_type": "Run",
        "yards_gained": 4,
        "players": ["22 Ruiz"],
    }
    assert {name: tag[name] for name in kept} == kept


def test_the_next_play_begins_with_what_follows(page: Page, demo: Demo, plays: list[dict[str, Any]]) -> None:
    choose(page, 2)
    expect(page.get_by_role("button", name="Take over Q2 · 2&6")).to_be_visible()
    expect(group(page, "down").locator(".carried")).to_have_text("2")
    assert said(demo, plays[1]) == []  # what nobody confirmed is not kept
    group(page, "play_type").get_by_role("button", name="Pass", exact=True).click()
    expect(pressed(page, "down")).to_have_text("2")
    sent(page)
    [tag] = said(demo, plays[1])
    assert (tag["quarter"], tag["down"], tag["distance"], tag["play_type"]) == (2, 2, 6, "Pass")


def test_keys_do_what_buttons_do(page: Page, demo: Demo, plays: list[dict[str, Any]]) -> None:
    choose(page, 3)
    page.keyboard.press("r")  # its page is turned to
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
    [tag] = said(demo, plays[2])
    assert (tag["result"], tag["distance"], tag["is_important"]) == ("Touchdown", 12, True)
    assert tag["notes"] == "Watch the safety; n and e are letters here"
    page.keyboard.press("r")
    page.keyboard.press("2")  # pressed again: taken back
    expect(pressed(page, "result")).to_have_count(0)
    page.keyboard.press("r")
    page.keyboard.press("2")
    sent(page)
    assert len(plain_get(f"{demo.urls[0]}/plays")["items"]) == PLAYS


def test_a_mark_is_made_while_a_play_is_tagged(page: Page, demo: Demo) -> None:
    page.click("#new-play")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS + 1)
    expect(page.locator("tag-board h2")).to_have_text("Play 7")
    page.keyboard.press("u")
    expect(page.locator(".tag-list .play")).to_have_count(PLAYS)
    expect(page.locator("tag-board h2")).to_have_text("Play 3")


def test_plays_are_found_by_words_and_by_filters(page: Page) -> None:
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
    expect(rows).to_have_count(PLAYS - 3)


def test_many_plays_at_once(page: Page, demo: Demo, plays: list[dict[str, Any]]) -> None:
    page.get_by_label("Choose all plays shown").check()
    expect(page.locator("tag-board h2")).to_have_text("3 plays")
    group(page, "labels").get_by_role("button", name="Defence").click()
    page.get_by_role("group", name="All chosen plays").get_by_role("button", name="Star").click()
    sent(page)
    photograph(page, "tagging-bulk")
    for play in plays[3:]:
        assert said(demo, play)[0]["labels"] == ["Defence"]
        assert plain_get(f"{demo.urls[0]}/plays/{play['id']}")["is_favorite"] is True
    page.keyboard.press("u")  # the star
    page.keyboard.press("u")  # and the tags
    sent(page)
    assert not any(plain_get(f"{demo.urls[0]}/plays/{play['id']}")["is_favorite"] for play in plays[3:])
    assert all(said(demo, play) == [] for play in plays[3:])
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Untagged").click()


def test_another_device_sees_the_tags_and_each_field_has_its_own_say(
    page: Page, browser: Browser, demo: Demo, plays: list[dict[str, Any]]
) -> None:
    choose(page, 4)
    other = open_page(browser, f"{demo.urls[-1]}/#tagging/{plays[3]['id']}", UPRIGHT)
    group(page, "formation").get_by_role("button", name="Trips").click()
    expect(pressed(other, "formation")).to_have_text("Trips")
    group(other, "formation").get_by_role("textbox").fill("Wildcat")
    other.keyboard.press("Enter")
    expect(pressed(page, "formation")).to_have_text("Wildcat")
    assert errors_of(other) == []


@pytest.mark.parametrize("size", [TABLET, UPRIGHT, PHONE, FLAT], ids=["tablet", "upright", "phone", "flat"])
def test_nothing_is_cut_off(page: Page, size: dict[str, int]) -> None:
    """No sideways scrolling; all is wide and tall enough for a finger, shows its words whole, has a name."""
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    expect(page.locator("tag-board .groups").first).to_be_visible()
    photograph(page, f"tagging-{size['width']}")
    assert page.evaluate(CUT_WORDS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown = "[...document.querySelectorAll('#main :is(button, input, select)')].filter(e => e.offsetParent)"
    small = "Math.min(e.offsetHeight, e.offsetWidth) < 44 && !e.closest('label')"
    cut = "e.scrollWidth > e.clientWidth + 1 && e.localName === 'button'"
    out = "e.getBoundingClientRect().right > innerWidth + 1"
    unnamed = "!(e.ariaLabel || e.textContent.trim() || e.labels?.length)"
    wrong = f"{shown}.filter(e => {small} || {cut} || {out} || {unnamed}).map(e => e.outerHTML)"
    assert page.evaluate(wrong) == []


def test_the_board_follows_the_running_play_and_enter_goes_to_older_ones(page: Page, demo: Demo) -> None:
    page.set_viewport_size({"width": TABLET["width"], "height": TABLET["height"]})
    heading = page.locator("tag-board h2")
    choose(page, 2)
    cards = page.locator(".tag-list .play")
    before = cards.count()
    page.click("#new-play")
    expect(cards).to_have_count(before + 1)
    expect(page.locator(".tag-list .number").first).not_to_have_text("…")
    newest, older = page.locator(".tag-list .number").all_inner_texts()[:2]
    expect(heading).to_have_text(f"Play {newest}")
    page.click("#end-play")
    page.keyboard.press("Enter")
    expect(heading).to_have_text(f"Play {older}")  # the next older one without tags, and not play 1


# Wrong on a page of the board: not whole in sight, too small, words not whole, under something, scrolled.
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
    const found = document.elementFromPoint(left + width / 2, top + height / 2);
    return !each.contains(found);
  });
  const scrolls = [...parts, ...document.querySelectorAll("#main .panel, #main .board, tag-board .groups")]
    .filter((each) => each.offsetParent && each.scrollHeight > each.clientHeight + 1);
  const wrong = [outside, small, torn, covered].map((each) => each.map(name));
  return [...wrong, scrolls.map((each) => each.className)];
})()"""
PHONES = [PHONE, SMALL, BARS]
SIZES = [*PHONES, TABLET, UPRIGHT]


def with_board(page: Page, screen: str, size: dict[str, int]) -> None:
    """The board of the newest play, as an analyst opens it there: on a phone by its key."""
    page.evaluate("app.prefs.set('role', 'analyst')")
    page.evaluate("screen => app.go('health')", screen)
    expect(page.locator("#verdict")).to_be_visible()
    page.evaluate("screen => app.go(screen)", screen)
    page.locator("#main.tagging .open, #main.desk .open").first.click()
    board = page.locator("tag-board")
    if screen == "desk" and size in PHONES:
        page.get_by_role("button", name="Tags", exact=True).click()
    expect(board.locator(".tag-group").first).to_be_visible()


@pytest.mark.parametrize("screen", ["tagging", "desk"])
@pytest.mark.parametrize("size", SIZES, ids=[f"{size['width']}x{size['height']}" for size in SIZES])
def test_each_page_of_the_board_is_whole_in_sight(
    browser: Browser, demo: Demo, plays: list[dict[str, Any]], size: dict[str, int], screen: str
) -> None:
    """Three pages of large keys and one of what is typed, under a notice too; nothing is scrolled."""
    own = open_page(browser, f"{demo.urls[-1]}/#desk", size)
    expect(own.locator("#plays .play")).not_to_have_count(0)
    with_board(own, screen, size)
    own.evaluate("app.say('Play 41 ready', { action: 'Watch', seconds: 0 })")
    for label, fields in PAGES.items():
        for field in fields:
            expect(group(own, field)).to_be_visible()
        photograph(own, f"board-{screen}-{size['width']}x{size['height']}-{label}")
        assert own.evaluate(FAULTS) == [[], [], [], [], []], label
    own.context.close()


@pytest.mark.parametrize("screen", ["tagging", "desk"])
@pytest.mark.parametrize("size", PHONES, ids=[f"{size['width']}x{size['height']}" for size in PHONES])
def test_on_a_phone_the_board_follows_the_running_play(
    browser: Browser, demo: Demo, plays: list[dict[str, Any]], size: dict[str, int], screen: str
) -> None:
    own = open_page(browser, f"{demo.urls[-1]}/#desk", size)
    expect(own.locator("#plays .play")).not_to_have_count(0)
    with_board(own, screen, size)
    group(own, "result")
    before = max(play["number"] for play in plain_get(f"{demo.urls[0]}/plays")["items"])
    own.click("#new-play")
    heading = own.locator("tag-board h2")
    expect(heading).to_have_text(f"Play {before + 1}")
    expect(own.locator("tag-board .pages [aria-pressed=true]")).to_have_text("Situation")
    group(own, "down").get_by_role("button", name="3", exact=True).click()
    expect(pressed(own, "down")).to_have_text("3")
    own.get_by_role("button", name="Picture", exact=True).click()
    expect(own.locator("replay-player .stage")).to_be_in_viewport(ratio=1)
    expect(own.locator("replay-player .message")).to_contain_text("This play is open")
    own.get_by_role("button", name="Play", exact=True).first.click()
    expect(group(own, "play_type")).to_be_visible()
    own.click("#end-play")
    own.keyboard.press("Enter")
    expect(heading).not_to_have_text("Play 1")
    sent(own)
    own.context.close()


def test_what_is_typed_is_said_of_the_play_it_was_begun_for(
    browser: Browser, demo: Demo, plays: list[dict[str, Any]]
) -> None:
    """A play begins under a note, and under a finger that is down: the board follows after it."""
    own = open_page(browser, f"{demo.urls[-1]}/#tagging", PHONE)
    own.get_by_role("button", name="Watch play 5", exact=True).click()
    heading = own.locator("tag-board h2")
    expect(heading).to_have_text("Play 5")
    session = plays[4]["session_id"]
    before = max(play["number"] for play in plain_get(f"{demo.urls[0]}/plays")["items"])

    def begin() -> None:
        body = {"session_id": session, "duration_seconds": 0}
        made = httpx.post(f"{demo.urls[0]}/plays", json=body, trust_env=False).json()
        until(own, f"app.plays().some((play) => play.id === '{made['id']}')")
        httpx.post(f"{demo.urls[0]}/plays/{made['id']}/end", trust_env=False)

    note = group(own, "notes").get_by_role("textbox")
    note.fill("Late motion")
    begin()
    expect(heading).to_have_text("Play 5")
    note.blur()
    expect(heading).to_have_text(f"Play {before + 1}")
    sent(own)
    assert [tag["notes"] for tag in said(demo, plays[4])] == ["Late motion"]
    key = group(own, "play_type").get_by_role("button", name="Screen", exact=True)
    at = key.bounding_box()
    assert at is not None
    own.mouse.move(at["x"] + 20, at["y"] + 20)
    own.mouse.down()
    begin()
    own.mouse.up()
    expect(heading).to_have_text(f"Play {before + 2}")
    sent(own)
    marked = {play["number"]: play["id"] for play in plain_get(f"{demo.urls[0]}/plays")["items"]}
    assert [tag["play_type"] for tag in said(demo, {"id": marked[before + 1]})] == ["Screen"]
    assert said(demo, {"id": marked[before + 2]}) == []
    own.context.close()
