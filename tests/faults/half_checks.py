"""The final checks of a half: on the box, on every tablet, in the journal, and of what each page holds.

Owns: the comparison with the ledger. Must not know: the course of the half.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339, to_rfc3339
from appliance.kernel.store import open_store
from tests.e2e.conftest import Demo
from tests.faults.half_people import Marked, Person, acts_of
from tests.faults.tally import Tally
from tests.kit.browser import plain_get
from tests.kit.clock import HandClock
from tests.kit.counting import HELD, SENT
from tests.kit.waiting import LIMIT_S

SCREENS = ("live", "desk", "tagging", "review", "operator", "lineup", "health", "desk")
KEPT = ("nodes", "detached", "handlers")
NODES_MORE = 60  # of nodes and handlers: kept by the engine itself; less than any screen has
# Additional bytes a page may hold after the last quarter compared with the second: rows of as many plays, and
# noise. WebKit is not asked to collect garbage, and uses memory for players until it has 400 MB, where it
# stays: 120 MB at first, 274 after 120 clips in a page without the app, 404 to 407 after 70 screens of it.
MEMORY_MORE = {"heap": 1.5e6, "private": 120e6}


@dataclass(frozen=True)
class Held:
    """What a page holds when idle: `counts` of counting.py, `memory` of the engine."""

    counts: dict[str, int]
    memory: dict[str, float]

    def words(self) -> str:
        figures = {name: round(value) for name, value in self.memory.items()}
        return " ".join(f"{name} {value}" for name, value in {**self.counts, **figures}.items())

    def more_than(self, first: Held) -> dict[str, float]:
        """The counters that have grown."""
        stored = {name: self.memory[name] - NODES_MORE for name in KEPT if name in self.memory}
        now, then = {**self.counts, **stored}, {**first.counts, **first.memory}
        return {name: count - then[name] for name, count in now.items() if count > then[name]}


def held_of(person: Person, empty: str, session: str, first: Held | None) -> Held:
    """Opens every screen once, then an empty session; returns as soon as nothing exceeds the first check."""
    page = person.page
    for screen in SCREENS:
        page.goes(screen)
    person.choose(empty)
    person.sees([])
    page.at_rest()
    deadline = time.monotonic() + LIMIT_S
    objects = Held(page.ask(HELD), page.memory())
    while (
        first and objects.more_than(first) and time.monotonic() < deadline
    ):  # a notice that ends, a thumbnail
        page.rest()
        objects = Held(page.ask(HELD), page.memory())
    person.choose(session)
    return objects


def check_flat(held: Sequence[dict[str, Held]], tally: Tally) -> None:
    """Listeners, timers, sockets, videos, nodes are as many as at the first check: nothing shown is kept.

    Memory at the last check is that of the second.
    """
    for who in held[0] if held else ():
        first, second, last = held[0][who], held[1][who], held[-1][who]
        tally.check(not last.more_than(first), f"{who}: {first.words()} became {last.words()}")
        for name, more in MEMORY_MORE.items():
            then, now = second.memory.get(name, 0), last.memory.get(name, 0)
            tally.check(now <= then + more, f"{who}: {name} {then / 1e6:.1f} MB became {now / 1e6:.1f}")


def check_plays(demo: Demo, people: Sequence[Person], ledger: dict[str, Marked], tally: Tally) -> None:
    """The box has every play and tag, with its author; each tablet has the same data as the box."""
    known = plain_get(f"{demo.urls[0]}/snapshot")
    plays = {play["id"]: play for play in known["plays"]}
    live = {id: play for id, play in ledger.items() if not play.deleted}
    tally.lose(f"play of {live[id].by}" for id in live.keys() - plays.keys())
    tally.check(
        not plays.keys() - live.keys(), f"{len(plays.keys() - live.keys())} plays nobody made, or undone"
    )
    for id in live.keys() & plays.keys():
        check_play(plays[id], live[id], known, tally, demo.urls[0])
    for person in people:
        theirs = person.page.ask(
            "app.plays().map((play) => [play.id, play.rev, play.number, play.created_by])"
        )
        mine = [[each[name] for name in ("id", "rev", "number", "created_by")] for each in plays.values()]
        mine = [each for each in mine if live[each[0]].session == person.page.ask("app.session().id")]
        tally.check(sorted(theirs) == sorted(mine), f"{person.page.who} has other plays than the box")


def check_play(play: dict[str, Any], want: Marked, known: dict[str, Any], tally: Tally, url: str) -> None:
    named = f"play {play['number']} of {want.by}"
    tally.check(play["created_by"] == want.by, f"{named}: created by {play['created_by']}")
    tally.check(play["session_id"] == want.session, f"{named}: in another session")
    tally.check(play["duration"] > 0, f"{named}: is open")
    tally.check(
        play["is_favorite"] == want.starred, f"{named}: starred {play['is_favorite']}, not {want.starred}"
    )
    tally.check(not want.seconds or play["duration"] == want.seconds, f"{named}: {play['duration']} s")
    tags = [
        {"created_by": tag["created_by"], "quarter": tag["quarter"]}
        for tag in known["tags"]
        if tag["play_id"] == play["id"]
    ]
    tally.check(tags == want.tags, f"{named}: tags {tags}, not {want.tags}")
    clips = [clip for clip in known["clips"] if clip["play_id"] == play["id"]]
    tally.check(len(clips) == 2, f"{named}: {len(clips)} angles")
    without = [clip["channel_id"] for clip in clips if not clip["stream_url"] and not is_unfilmed(clip, url)]
    tally.check(not (want.footage and without), f"{named}: cannot be watched: {without}")


def is_unfilmed(clip: dict[str, Any], url: str) -> bool:
    """A synthetic camera without processor time sends nothing: then the clip has the error "No footage", and
    no picture of its span is recorded."""
    start_us = from_rfc3339(clip["start_time"])
    span = f"start={clip['start_time']}&end={to_rfc3339(start_us + round(clip['duration'] * 1e6))}&frames=1"
    recorded = plain_get(f"{url}/channels/{clip['channel_id']}/timeline?{span}")["frames"]
    return (clip["error_message"] or "").startswith("No footage") and not recorded


def check_sent(people: Sequence[Person], tally: Tally) -> None:
    """As many marks as presses, each settled; none was repeated after the box had answered it."""
    for person in people:
        who, page = person.page.who, person.page
        sent = page.ask(SENT)
        marks = [each for each in sent if not each["what"].endswith("/view")]
        tally.check(len(marks) == person.marks, f"{who}: {len(marks)} marks sent for {person.marks} presses")
        views = len(sent) - len(marks)
        tally.check(views == person.views, f"{who}: {views} views told for {person.views}")
        again = [each["what"] for each in sent if each["needless"]]
        tally.check(not again, f"{who}: sent once more after the answer: {again}")
        states = Counter(page.ask("app.box.outbox.marks.map((mark) => mark.state)"))
        tally.check(
            states == {"done": person.marks}, f"{who}: marks are {dict(states)}, {person.marks} presses"
        )
        tally.check(not page.ask("window.wrong.length"), f"{who}: {page.ask('window.wrong')}")


async def check_journal(state: Path, ledger: dict[str, Marked], tally: Tally) -> None:
    """Every action on each play is in the journal once, and nothing else."""
    async with open_store(state / "box.db", HandClock(), in_thread=False) as store:
        of_plays = "type LIKE 'play_%' OR type = 'tag_created'"
        sql = f"SELECT type, subject, body FROM journal WHERE {of_plays} ORDER BY seq"
        rows = await store.read(lambda tx: tx.all(sql))
    entries = [
        (row["type"], row["subject"].partition(":")[2], json.decode(row["body"].encode())) for row in rows
    ]
    tags = Counter(subject for kind, subject, _ in entries if kind == "tag_created")
    tally.check(all(count == 1 for count in tags.values()), f"tags made twice: {tags}")
    result, wanted = acts_in(entries), acts_of(ledger)
    tally.lose(f"{act} of a play by {ledger[id].by}" for id, act in (wanted - result).elements())
    for id, act in (result - wanted).elements():
        tally.wrong(f"{act} of a play by {ledger[id].by if id in ledger else 'nobody'} that nobody did")


def acts_in(entries: Sequence[tuple[str, str, Any]]) -> Counter[tuple[str, str]]:
    """(play, action) of every entry of a play, derived from its changes."""
    counts: Counter[tuple[str, str]] = Counter()
    before: dict[str, Any] = {}
    for kind, id, body in entries:
        if kind == "tag_created":
            continue
        play = body.get("play")
        if kind == "play_created":
            counts[id, "new"] += 1
        elif kind == "play_deleted":
            counts[id, "delete"] += 1
            play = {**before[id], "deleted": True}
        else:
            counts.update((id, act) for act in changes(before[id], play))
        before[id] = play
    return counts


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The action of one entry."""
    if old.get("deleted"):
        return ["restore"]
    acts = []
    if bool(old["duration"]) != bool(new["duration"]):
        acts.append("end" if new["duration"] else "reopen")
    elif (old["start_time"], old["duration"]) != (new["start_time"], new["duration"]):
        acts.append("trim")
    if old["cue_time"] != new["cue_time"]:
        acts.append("cue" if new["cue_time"] else "uncue")
    if old["is_favorite"] != new["is_favorite"]:
        acts.append("star" if new["is_favorite"] else "unstar")
    return acts or ["nothing"]
