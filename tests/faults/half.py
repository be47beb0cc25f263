"""Half a game in real browsers: a coach, a second coach and an operator, each with a tablet.

Events during it: another session begins and ends, one tablet loses its connection, all of them do, the box is
restarted. Owns: the order of actions. A round is a mark that creates a play: a whole half is scripts/faults
--only half_webkit --rounds 40.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.conftest import Demo, returning_demo, start_again, stop_demo
from tests.faults.half_checks import Held, check_flat, check_journal, check_plays, check_sent, held_of
from tests.faults.half_people import Marked, Person
from tests.faults.tally import Tally
from tests.kit.app_page import app_pages
from tests.kit.browser import plain_get
from tests.kit.waiting import PLAIN

WHO = ("coach", "second coach", "operator")
READY = "document.querySelector(\"#cams[aria-label*='all cameras send']\") && app.box.online && app.session()"
# A play is cut from recordings: every camera has started.
RECORDED = "[...app.box.state.channels.values()].every((each) => each.footage === 'on')"
# Every clip is ready, or has a reason.
CUT = "[...app.box.state.clips.values()].every((clip) => clip.stream_url || clip.status === 'failed')"
NOTICE = ".notice[data-key=session] button"


@dataclass
class Half:
    """A running half: of `session`, beside `second` and one that is `empty`. `turn` counts plays."""

    demo: Demo
    people: list[Person]
    ledger: dict[str, Marked]
    tally: Tally
    turn: int
    session: str = ""
    second: str = ""
    empty: str = ""
    held: list[dict[str, Held]] = field(default_factory=list)  # by person, at each check

    # -- the box and the network --------------------------------------------------------------------------

    def tell(self, path: str, body: object = None) -> Any:
        """By another device, not through the tablets' links."""
        headers = {"X-Client": "laptop"}
        answer = httpx.post(f"{self.demo.urls[0]}{path}", json=body, headers=headers, **PLAIN)
        answer.raise_for_status()
        return answer.json()

    def person(self, by: int) -> Person:
        """Roles rotate, so that every person does everything."""
        return self.people[(self.turn + by) % len(self.people)]

    def plays(self, session: str = "") -> list[Marked]:
        return [
            play
            for play in self.ledger.values()
            if play.session == (session or self.session) and not play.deleted
        ]

    def caught_up(self) -> None:
        """Every tablet has sent all its changes, and shows those of all others."""
        for person in self.people:
            person.settled()
        head = plain_get(f"{self.demo.urls[0]}/snapshot")["as_of_seq"]
        for person in self.people:
            person.page.until(f"app.box.state.seq >= {head}")
            person.sees(self.plays())

    def begin(self) -> None:
        self.session = plain_get(f"{self.demo.urls[0]}/sessions")["items"][0]["id"]
        self.empty = self.tell("/sessions", {"name": "Next week", "type": "practice"})["id"]
        for person in self.people:
            person.page.until(READY)
            person.page.until(RECORDED)
            if person.page.who == "operator":
                person.page.ask("(app.prefs.set('role', 'operator'), true)")

    def one_loses_its_link(self) -> None:
        """It gets no notification; the others continue. Its first mark is sent both ways, and both arrive in
        the end."""
        away, other = self.person(0), self.person(1)
        mine = away.new()
        away.settled()
        away.page.link.cut()
        away.cue(mine)
        theirs = other.new()
        other.end(theirs)
        away.end(mine)
        away.star(mine)
        away.new()
        away.undo()
        away.lost()
        away.page.link.mend()
        self.caught_up()

    def all_lose_their_links(self) -> None:
        for person in self.people:
            person.page.link.cut()
        for person in self.people:
            play = person.new()
            person.cue(play)
            person.end(play)
            person.undo()
            person.end(play)
        for person in self.people:
            person.lost()
        for person in self.people:
            person.page.link.mend()
        self.caught_up()

    def the_box_starts_again(self, *, killed: bool) -> None:
        """During an open play that is partly recorded, and marks are made meanwhile."""
        open_play = self.person(0).new()
        self.person(0).is_recorded(open_play)
        if killed:
            self.demo.process.kill_everything()
        else:
            stop_demo(self.demo)
        self.person(0).end(open_play)
        for person in self.people:
            person.lost()
            person.last().footage = False
        start_again(self.demo)
        self.caught_up()

    def another_session_begins(self) -> None:
        """All are informed and stay; one changes the session, marks a play, and returns."""
        self.second = self.tell("/sessions", {"name": "Second team", "type": "practice"})["id"]
        self.tell(f"/sessions/{self.second}/start")
        for person in self.people:
            person.page.until(f"document.querySelector('{NOTICE}')")
            person.sees(self.plays())
        guest = self.person(2)
        guest.page.click(NOTICE)
        guest.page.until(f"app.session().id === '{self.second}'")
        guest.sees(self.plays(self.second))
        guest.end(guest.new())
        guest.sees(self.plays(self.second))
        guest.choose(self.session)
        self.caught_up()

    def another_session_ends(self) -> None:
        self.tell(f"/sessions/{self.second}/complete")
        self.caught_up()
        for person in self.people:
            self.tally.check(
                person.page.ask("app.session().id") == self.session,
                f"{person.page.who} was taken to another session",
            )

    def look(self) -> None:
        """The objects each page holds, in the session without plays: what it showed of plays is freed by
        then."""
        first = self.held[0] if self.held else {}
        look = partial(held_of, empty=self.empty, session=self.session)
        self.held.append({each.page.who: look(each, first=first.get(each.page.who)) for each in self.people})
        self.caught_up()

    # -- plays --------------------------------------------------------------------------------------------

    def simple(self) -> Marked:
        play = self.person(0).new()
        self.person(0).end(play)
        return play

    def cued(self) -> Marked:
        person = self.person(0)
        play = person.new()
        person.cue(play)
        person.end(play)
        return play

    def last_seconds(self) -> Marked:
        return self.person(0).last()

    def ended_by_another(self) -> Marked:
        play = self.person(0).new()
        self.caught_up()
        self.person(1).end_on_card(play)
        self.caught_up()
        return play

    def end_taken_back(self) -> Marked:
        person = self.person(0)
        play = person.new()
        person.end(play)
        person.undo()
        person.end(play)
        return play

    def undone(self) -> Marked:
        self.person(0).new()
        self.caught_up()
        self.person(0).undo()
        return self.simple()

    def cue_taken_back(self) -> Marked:
        person = self.person(0)
        play = person.new()
        person.cue(play)
        person.undo()
        person.end(play)
        return play

    def all_at_once(self) -> Marked:
        made = [person.new() for person in self.people]
        for person, play in zip(self.people, made, strict=True):
            person.end(play)
        return made[0]

    # -- actions on plays ---------------------------------------------------------------------------

    def look_closely(self, play: Marked, kind: int) -> None:
        """A shown play causes an action: each kind once in eight plays."""
        first, second = self.person(1), self.person(2)
        if kind == 0:
            first.star(play)
        elif kind == 1:
            first.tag(play, 1 + self.turn % 3)
        elif kind == 2:
            second.trim(play)
        elif kind == 3:
            second.star(play)
            second.undo()
        elif kind == 4:
            first.delete(play)
            first.undo()
        elif kind == 5:
            first.tag(play, 1)
            self.caught_up()
            second.tag(play, 2)
        elif kind == 6:
            second.tag(play, 4)
            second.undo()
        elif kind == 7:
            first.delete(play)

    def play_on(self, marks: int) -> None:
        """Plays, and actions on them, until this many have been marked."""
        styles: list[Callable[[], Marked]] = [
            self.simple, self.cued, self.last_seconds, self.ended_by_another,
            self.end_taken_back, self.undone, self.cue_taken_back, self.all_at_once,
        ]  # fmt: skip
        while len(self.ledger) < marks:
            play = styles[self.turn % 8]()
            self.caught_up()
            self.look_closely(play, (self.turn + self.turn // 8) % 8)
            self.caught_up()
            self.turn += 1

    def run(self, marks: int) -> None:
        """The whole half, with a check after each quarter."""
        self.begin()
        quarter = marks // 4
        self.play_on(quarter)
        self.look()
        self.another_session_begins()
        self.play_on(marks * 3 // 8)
        self.one_loses_its_link()
        self.play_on(2 * quarter)
        self.look()
        self.the_box_starts_again(killed=False)
        self.play_on(marks * 5 // 8)
        self.all_lose_their_links()
        self.another_session_ends()
        self.play_on(3 * quarter)
        self.look()
        self.the_box_starts_again(killed=True)
        self.play_on(marks)
        self.look()

    def run_short(self) -> None:
        """Each disturbance once, each action once; only the long run checks what pages hold."""
        self.begin()
        self.another_session_begins()
        for kind, style in enumerate((self.end_taken_back, self.cued)):
            play = style()
            self.caught_up()
            self.look_closely(play, 2 * kind)
            self.turn += 1
        self.one_loses_its_link()
        self.the_box_starts_again(killed=True)
        self.another_session_ends()
        self.look_closely(self.undone(), 5)
        self.caught_up()

    def check(self) -> None:
        """All final checks. They stop the box."""
        self.people[0].page.until(CUT)
        check_plays(self.demo, self.people, self.ledger, self.tally)
        check_sent(self.people, self.tally)
        check_flat(self.held, self.tally)
        self.people.clear()
        stop_demo(self.demo)
        trio.run(partial(check_journal, self.demo.state, self.ledger, self.tally))


def half(engines: dict[str, str], marks: int, seed: int, folder: Path) -> tuple[Half, Tally]:
    """Run and check it. `engines`: "chromium" or "webkit", by person. `marks` 0: the short one."""
    tally, ledger = Tally(), dict[str, Marked]()
    folder.mkdir(parents=True, exist_ok=True)
    with returning_demo(folder) as demo, app_pages(engines, demo.urls[0]) as pages:
        played = Half(demo, [Person(page, ledger) for page in pages], ledger, tally, seed - 1)
        played.run(marks) if marks else played.run_short()
        played.check()
    tally.rounds = tally.struck = len(ledger)
    tally.acknowledged = sum(len(play.acts) for play in ledger.values())
    return played, tally


async def half_in(engine: str, rounds: int, seed: int, folder: Path) -> Tally:
    """Three tablets of one engine; a round is a mark that creates a play. Prints what each page holds."""
    engines = dict.fromkeys(WHO, engine)
    played, tally = await trio.to_thread.run_sync(half, engines, rounds, seed, folder)
    for number, pending in enumerate(played.held):
        for who, each in pending.items():
            print(f"{engine}, {who}, look {number + 1}: {each.words()}", file=sys.stderr)
    return tally


half_chromium = partial(half_in, "chromium")
half_webkit = partial(half_in, "webkit")
