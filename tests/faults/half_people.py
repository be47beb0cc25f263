"""People at their tablets in a half: every press is recorded in a ledger, which gives the expected result.

Owns: the actions of a coach or an operator on the real page, and their effect on a play. Must not know: their
order (half.py), the comparison (half_checks.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.kit.app_page import AppPage

SHORTEST = "0:00.5"  # minimum length of a play, by its running clock
MADE = "app.box.outbox.marks.filter((mark) => mark.doing === 'play_new')"
BOARD = "document.querySelector('tag-board')"
BACK = {
    "new": "delete",
    "cue": "uncue",
    "end": "reopen",
    "delete": "restore",
    "star": "unstar",
    "tag": "untag",
}
BACK |= {"retag": "retag"}
RECORDED_OF = """(async () => {
  const start = app.plays().find((play) => play.id === "%s").start_time;
  const span = `start=${start}&end=${new Date(app.box.now()).toISOString()}&frames=1`;
  const cameras = [...app.box.state.channels.keys()];
  const answers = cameras.map((id) => app.box.request("GET", `/channels/${id}/timeline?${span}`));
  return (await Promise.all(answers)).every(({ frames }) => (frames ?? []).length > 5);
})()"""
PLAYER = "document.querySelector('replay-player')"
SHOWN = "[...document.querySelectorAll('#plays .play')].map((each) => each.dataset.key)"
WAITING = """[app.box.link.state, app.box.online, app.box.underway.size,
  app.box.outbox.waiting().map((mark) => [mark.doing, mark.tries])]"""
PICTURE = """[[...document.querySelectorAll("video")].map((video) => [video.src, video.readyState,
  video.networkState, video.error?.message, video.currentTime, video.paused]), [...app.prefetch.rejected],
  document.querySelector("replay-player .message")?.textContent, location.hash, window.wrong]"""
LEADER = "document.querySelector('.tile.leader video')"


@dataclass
class Marked:
    """The expected final state of a play.

    `acts`: the actions on it, (name, device); each must be in the journal. `footage`: the box ran while it
    lasted. `seconds`: of the last trim, 0: never trimmed.
    """

    id: str
    by: str
    session: str
    acts: list[tuple[str, str]] = field(default_factory=list)
    deleted: bool = False
    footage: bool = True
    starred: bool = False
    seconds: float = 0.0
    tags: list[dict[str, Any]] = field(default_factory=list)

    def did(self, act: str, by: str) -> None:
        self.acts.append((act, by))


@dataclass
class Person:
    """A person with a tablet.

    `done`: the last presses (act, play, the quarter before), for Undo. `marks`, `views`: how many were sent.
    """

    page: AppPage
    ledger: dict[str, Marked]
    device: str = ""
    done: list[tuple[str, Marked, int]] = field(default_factory=list)
    marks: int = 0
    views: int = 0

    def __post_init__(self) -> None:
        self.device = self.page.device

    def _did(self, act: str, play: Marked, before: int = 0) -> None:
        play.did(act, self.device)
        self.marks += 1
        self.done.append((act, play, before))

    # -- marks --------------------------------------------------------------------------------------------

    def new(self, button: str = "#new-play") -> Marked:
        """NEW PLAY, or the last seconds as a complete play."""
        made = self.page.ask(f"{MADE}.length")
        self.page.click(button)
        self.page.until(f"{MADE}.length === {made + 1}")
        body = self.page.ask(f"{MADE}.at(-1).body")
        play = self.ledger[body["id"]] = Marked(body["id"], self.device, body["session_id"])
        self._did("new", play)
        self.page.until(f"{card(play)} !== null")
        return play

    def last(self) -> Marked:
        return self.new("#last10")

    def runs(self, play: Marked) -> None:
        """Until the play is long enough, by the clock on its card."""
        self.page.until(f"{card(play)}.querySelector('.length').textContent > '{SHORTEST}'")

    def is_recorded(self, play: Marked) -> None:
        """Until the box has footage of it on every camera."""
        self.page.until(RECORDED_OF % play.id)

    def cue(self, play: Marked) -> None:
        self.page.click("#cue")
        self._did("cue", play)

    def end(self, play: Marked) -> None:
        self.runs(play)
        self.page.click("#end-play")
        self.page.until("document.querySelector('#end-play').disabled")
        self._did("end", play)

    def end_on_card(self, play: Marked) -> None:
        """A play of another person."""
        self.runs(play)
        self.page.click(f"{at(play)} .end")
        self.page.until(f"!{card(play)}.querySelector('.length').dataset.since")
        self._did("end", play)

    def undo(self) -> None:
        """Undo the last action, by the key."""
        act, play, before = self.done.pop()
        self.page.press("u")
        play.did(BACK[act], self.device)
        self.marks += 1
        if act == "new":
            play.deleted = True
            self.page.until(f"{card(play)} === null")
        elif act == "end":
            self.page.until(f"{card(play)}.querySelector('.length').dataset.since !== undefined")
        elif act == "delete":
            play.deleted = False
            self.page.until(f"{card(play)} !== null")
        elif act == "star":
            play.starred = False
            self.page.until(starred(play, "false"))
        elif act == "tag":
            play.tags.pop()
        elif act == "retag":
            play.tags[-1]["quarter"] = before

    # -- actions on a play --------------------------------------------------------------------------

    def star(self, play: Marked) -> None:
        self.page.click(f"{at(play)} .star")
        self.page.until(starred(play, "true"))
        play.starred = True
        self._did("star", play)

    def delete(self, play: Marked) -> None:
        self.page.click(f"{at(play)} .undo")
        self.page.until(f"{card(play)} === null")
        play.deleted = True
        self._did("delete", play)

    def watch(self, play: Marked) -> None:
        """Until its first angle shows a picture."""
        self.page.until(f"app.clips().get('{play.id}')?.some((clip) => clip.stream_url)")
        self.page.click(f"{at(play)} .open")
        shown = f"{PLAYER}.play?.id === '{play.id}' && {LEADER}?.readyState >= 2"
        self.page.until(shown, show=PICTURE)
        self.views += 1

    def back(self) -> None:
        """Back to the list."""
        self.page.press("Escape")
        self.page.until(f"{PLAYER}.play === null")

    def tag(self, play: Marked, quarter: int) -> None:
        self.watch(play)
        if not self.page.ask(f"{BOARD}?.offsetParent"):
            self.page.click("replay-player [aria-label=Tags]")
        number = f"app.plays().find((each) => each.id === '{play.id}').number"
        self.page.until(
            f"{BOARD}?.querySelector('h2').textContent === `Play ${{{number}}}` && {BOARD}.groups.length > 0"
        )
        button = f"tag-board [data-field=quarter] [data-digit='{quarter}']"
        self.page.click(button)
        self.page.until(f"document.querySelector(\"{button}\").getAttribute('aria-pressed') === 'true'")
        if play.tags:  # existing tags are corrected, whoever set them
            before, play.tags[-1]["quarter"] = play.tags[-1]["quarter"], quarter
            self._did("retag", play, before)
        else:
            play.tags.append({"created_by": self.device, "quarter": quarter})
            self._did("tag", play)
        self.back()

    def trim(self, play: Marked) -> None:
        """Shorten it by a tenth of a second, by the handle's keys."""
        self.watch(play)
        self.page.press("t")
        self.page.until("!document.querySelector('.trim-bar').hidden")
        self.page.ask("(document.querySelector('.handle.hi').focus(), true)")
        self.page.press("ArrowLeft")
        self.page.until(f"{PLAYER}.trim.range.hi < {PLAYER}.play.duration")
        self.page.click(".trim-bar .primary")
        self.page.until("document.querySelector('.trim-bar').hidden")
        trimmed = self.page.ask("app.box.outbox.marks.findLast((mark) => mark.doing === 'play_trim')")
        assert trimmed["subject"] == play.id
        play.seconds = trimmed["request"]["body"]["duration_seconds"]
        self._did("trim", play)
        self.back()

    def choose(self, session: str) -> None:
        """Choose another session, in the menu."""
        self.page.click("#menu")
        self.page.ask(f"""(() => {{
            const select = document.querySelector("#choose-session");
            select.value = "{session}";
            select.dispatchEvent(new Event("change"));
            return true;
        }})()""")
        self.page.click("dialog [aria-label=Close]")
        self.page.until(f"!document.querySelector('dialog') && app.session().id === '{session}'")

    # -- waiting ------------------------------------------------------------------------------------------

    def settled(self) -> None:
        """Everything this tablet did is on the box."""
        self.page.until("app.box.online && app.box.outbox.waiting().length === 0", show=WAITING)

    def sees(self, plays: list[Marked]) -> None:
        """The list shows exactly these plays of the box."""
        wanted = ",".join(sorted(play.id for play in plays))
        self.page.until(f"{SHOWN}.sort().join() === '{wanted}'")
        self.page.until("app.plays().every((play) => !play.local && play.number)")

    def lost(self) -> None:
        """The page has noticed that the box is unreachable."""
        self.page.until("!app.box.online")


def at(play: Marked) -> str:
    """Selector of its card."""
    return f"#plays [data-key='{play.id}']"


def card(play: Marked) -> str:
    """Its card in the page, as an expression."""
    return f'document.querySelector("{at(play)}")'


def starred(play: Marked, is_so: str) -> str:
    """The state of its star, as an expression."""
    return f"{card(play)}.querySelector('.star').getAttribute('aria-pressed') === '{is_so}'"


def acts_of(ledger: dict[str, Marked]) -> Counter[tuple[str, str]]:
    """(play, action) of all actions on plays themselves; tags are resources of their own."""
    return Counter((play.id, act) for play in ledger.values() for act, _ in play.acts if "tag" not in act)
