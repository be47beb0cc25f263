"""Any order of marks, cuts, session transitions, crashes and restarts keeps all guarantees
(Hypothesis).

The closures are the product's. The model is simple: which sessions, plays and clips exist, and in which
state. After every step rows, journal and model agree; after every crash nothing acknowledged is lost.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appliance.box.clips.cutting.late_clips import find_late
from appliance.box.clips.cutting.late_footage import mend
from appliance.box.clips.model import ClipIn, ClipPatch, CueIn, EndIn, PlayIn, PlayPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.cut_states import shown_us
from appliance.box.sessions.machine import SESSION, SessionEvent, SessionState
from appliance.box.sessions.model import SessionIn
from appliance.box.sessions.store import create_session, delete_session, move_session, restore_session
from appliance.domain import session_restored
from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.tx import Tx
from appliance.media.cut.plan import NoFootage
from tests.faults.loop import KilledStore, Portal
from tests.faults.replay import in_rows, replayed, rev_faults
from tests.faults.tally import Tally
from tests.faults.work import product_rules
from tests.kit.box import add_channel
from tests.kit.clock import HandClock
from tests.kit.hand_footage import HandFootage, HandPlanner

COACH = Caller("coach")
PORTAL = Portal()
Closure = Callable[[Tx], Answer]


@dataclass
class Model:
    """The expected state, without a database."""

    sessions: dict[str, str] = field(default_factory=dict)  # id -> state
    plays: dict[str, str] = field(default_factory=dict)  # id -> session
    clips: dict[str, str] = field(default_factory=dict)  # id -> session
    numbers: dict[str, int] = field(default_factory=dict)  # session -> plays it ever had


class GameMachine(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="stateful-"))
        self.clock = HandClock()
        self.box = KilledStore(PORTAL, self.folder, self.clock)
        self.footage = HandFootage()
        self.planner = HandPlanner(self.footage)
        self.rules_ = product_rules()
        self.model = Model()
        self.keys = 0
        self.answered: list[tuple[Caller, Closure, Answer]] = []

    def teardown(self) -> None:
        self.box.close()
        shutil.rmtree(self.folder)

    @initialize()
    def venue(self) -> None:
        def channels(tx: Tx) -> None:
            add_channel(tx, "cam1", latency_ms=120)
            add_channel(tx, "cam2")

        self.box.write(channels)
        self.new_session()

    # -- actions of clients ---------------------------------------------------------------------------------

    def do(self, closure: Closure) -> Answer | None:
        self.keys += 1
        self.clock.advance(0.25)
        caller = Caller("coach", f"key{self.keys}", f"print{self.keys}")
        try:
            answer = self.box.perform(caller, closure)
        except Refused:
            return None
        self.answered.append((caller, closure, answer))
        return answer

    def is_overdue(self, table: str, row_id: str) -> bool:
        """A mark longer than a clip may be, which the box has not closed yet: its OUT is refused."""
        row = self.box.read(lambda tx: tx.one(f"SELECT * FROM {table} WHERE id = ?", (row_id,)))
        longest_us = round(self.rules_.clips.max_duration_s * 1e6)
        return (
            row is not None and not row["duration_us"] and self.clock.now_us() - row["start_us"] > longest_us
        )

    def without_clip(self, clip_id: str) -> None:
        """The clip was deleted."""
        del self.model.clips[clip_id]

    def pick(self, data: st.DataObject, known: dict[str, Any]) -> str:
        return data.draw(st.sampled_from(sorted(known))) if known else new_uuid()

    @rule()
    def new_session(self) -> None:
        body = SessionIn(name="Game", type="game", id=new_uuid(), channel_ids=None)
        answer = self.do(lambda tx: create_session(tx, COACH, body))
        assert answer is not None and answer.resource["status"] == "scheduled"
        self.model.sessions[answer.resource["id"]] = "scheduled"

    @rule(data=st.data(), event=st.sampled_from(list(SessionEvent)))
    def move(self, data: st.DataObject, event: SessionEvent) -> None:
        session_id = self.pick(data, self.model.sessions)

        def ended(tx: Tx, completed: str) -> None:
            plays.close_session_ghosts(tx, self.rules_, completed)

        answer = self.do(lambda tx: move_session(tx, COACH, session_id, event, ended))
        state = self.model.sessions.get(session_id)
        legal = state is not None and event in SESSION.allowed(SessionState(state))
        assert (answer is not None) == legal
        if answer is not None:
            self.model.sessions[session_id] = answer.resource["status"]

    @rule(data=st.data(), undo=st.booleans())
    def delete_session(self, data: st.DataObject, undo: bool) -> None:
        session_id = self.pick(data, self.model.sessions)
        cascade = partial(plays.delete_session_clips, rules=self.rules_)

        def delete(tx: Tx) -> Answer:
            return delete_session(
                tx, COACH, session_id, force=True, cascade=lambda tx, sid: cascade(tx, session_id=sid)
            )

        answer = self.do(delete)
        legal = self.model.sessions.get(session_id) in ("scheduled", "completed")
        assert (answer is not None) == legal
        if answer is None:
            return
        if undo:
            restored = self.do(lambda tx: restore_session(tx, session_id, session_restored))
            assert restored is not None
            return
        del self.model.sessions[session_id]
        for clip_id in [each for each, of in self.model.clips.items() if of == session_id]:
            self.without_clip(clip_id)
        self.model.plays = {each: of for each, of in self.model.plays.items() if of != session_id}

    @rule(data=st.data(), seconds=st.sampled_from((0.0, 0.0, 8.0)))
    def new_play(self, data: st.DataObject, seconds: float) -> None:
        session_id = self.pick(data, self.model.sessions)
        body = PlayIn(session_id=session_id, duration_seconds=seconds, id=new_uuid())
        answer = self.do(lambda tx: plays.create_play(tx, COACH, self.rules_, body))
        if answer is not None:
            number = self.model.numbers.get(session_id, 0) + 1
            assert answer.resource["number"] == number and len(answer.resource["clip_ids"]) == 2
            self.model.numbers[session_id] = number
            self.model.plays[answer.resource["id"]] = session_id
            self.model.clips |= dict.fromkeys(answer.resource["clip_ids"], session_id)

    @rule(data=st.data(), what=st.sampled_from(("end", "cue", "star", "unstar", "title", "trim")))
    def change_play(self, data: st.DataObject, what: str) -> None:
        play_id = self.pick(data, self.model.plays)
        rules = self.rules_
        closures: dict[str, Closure] = {
            "end": lambda tx: plays.end_play(tx, COACH, rules, play_id, EndIn()),
            "cue": lambda tx: plays.cue_play(tx, COACH, play_id, CueIn()),
            "star": lambda tx: plays.star_play(tx, COACH, play_id, True),
            "unstar": lambda tx: plays.star_play(tx, COACH, play_id, False),
            "title": lambda tx: plays.change_play(tx, COACH, rules, play_id, PlayPatch(title="Blitz")),
            "trim": lambda tx: plays.change_play(tx, COACH, rules, play_id, PlayPatch(duration_seconds=5.0)),
        }
        answer = self.do(closures[what])
        if what != "end" or not self.is_overdue("plays", play_id):
            assert (answer is not None) == (play_id in self.model.plays)

    @rule(data=st.data())
    def delete_play(self, data: st.DataObject) -> None:
        play_id = self.pick(data, self.model.plays)
        clips = self.box.read(lambda tx: [row["id"] for row in plays.clips_of(tx, play_id)])
        answer = self.do(lambda tx: plays.delete_play(tx, COACH, self.rules_, play_id))
        if answer is not None:
            del self.model.plays[play_id]
            for clip_id in clips:
                self.without_clip(clip_id)

    @rule(data=st.data(), seconds=st.sampled_from((0.0, 5.0)))
    def new_clip(self, data: st.DataObject, seconds: float) -> None:
        session_id = self.pick(data, self.model.sessions)
        body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=seconds, id=new_uuid())
        answer = self.do(lambda tx: marks.create_clip(tx, COACH, self.rules_, body))
        assert (answer is not None) == (session_id in self.model.sessions)
        if answer is not None:
            self.model.clips[answer.resource["id"]] = session_id

    @rule(data=st.data(), what=st.sampled_from(("end", "star", "unstar", "trim", "both", "retry", "view")))
    def change_clip(self, data: st.DataObject, what: str) -> None:
        clip_id = self.pick(data, self.model.clips)
        rules = self.rules_
        trim, both = ClipPatch(duration_seconds=4.0), ClipPatch(duration_seconds=3.0, title="Sack")
        closures: dict[str, Closure] = {
            "end": lambda tx: marks.end_clip(tx, COACH, rules, clip_id, EndIn()),
            "star": lambda tx: marks.star_clip(tx, COACH, clip_id, True),
            "unstar": lambda tx: marks.star_clip(tx, COACH, clip_id, False),
            "trim": lambda tx: marks.change_clip(tx, COACH, rules, clip_id, trim),
            "both": lambda tx: marks.change_clip(tx, COACH, rules, clip_id, both),
            "retry": lambda tx: marks.retry_clip(tx, COACH, clip_id),
            "view": lambda tx: marks.view_clip(tx, clip_id),
        }
        answer = self.do(closures[what])
        if what != "retry" and not (what == "end" and self.is_overdue("clips", clip_id)):
            assert (answer is not None) == (clip_id in self.model.clips)

    @rule(data=st.data())
    def delete_clip(self, data: st.DataObject) -> None:
        clip_id = self.pick(data, self.model.clips)
        answer = self.do(lambda tx: marks.delete_clip(tx, COACH, self.rules_, clip_id))
        assert (answer is not None) == (clip_id in self.model.clips)
        if answer is not None:
            self.without_clip(clip_id)

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A client that did not receive its answer repeats the request."""
        caller, closure, answer = data.draw(st.sampled_from(self.answered))
        head = self.box.store.journal.head
        again = self.box.perform(caller, closure)
        assert (again.status, dict(again.resource)) == (answer.status, dict(answer.resource))
        assert self.box.store.journal.head == head

    # -- actions of the box -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1.0, 30.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.footage.until_us = self.clock.now_us() - round(seconds * 500_000)

    @rule(answers=st.booleans())
    def cut(self, answers: bool) -> None:
        """Every waiting clip is claimed; the plans arrive, or the box dies first."""
        for job in self.box.read(cuts.waiting_jobs):
            claimed = self.box.write(partial(cuts.claim, job=job))
            if claimed is None or not answers:
                continue
            try:
                plan = PORTAL.call(
                    self.planner, job.channel_id, job.start_us, job.end_us, job.latency_ms * 1000
                )
            except NoFootage:
                assert self.box.write(partial(cuts.fail, job=claimed, message="No footage"))
            else:
                assert self.box.write(partial(cuts.finish, job=claimed, plan=plan))

    @rule()
    def overdue(self) -> None:
        for ghost in self.box.read(cuts.open_ghosts):
            self.box.write(partial(cuts.close_overdue, rules=self.rules_, kind=ghost.kind, row_id=ghost.id))

    @rule()
    def late_footage(self) -> None:
        for late in self.box.read(find_late):
            span = late.channel_id, late.start_us, late.end_us, late.latency_us
            try:
                plan = PORTAL.call(self.planner, *span)
            except NoFootage:
                continue
            if late.is_wanted(plan, self.footage):
                assert self.box.write(partial(mend, late=late, plan=plan))
                assert late.had_us < shown_us(plan, late.start_us, late.end_us)

    @rule(data=st.data())
    def bytes_lost(self, data: st.DataObject) -> None:
        clip_id = self.pick(data, self.model.clips)
        rev = self.box.read(lambda tx: tx.value("SELECT media_rev FROM clips WHERE id = ?", (clip_id,)))
        self.box.write(partial(cuts.lost, clip_id=clip_id, media_rev=rev or 1))

    # -- faults -------------------------------------------------------------------------------------

    @rule()
    def crash(self) -> None:
        self._through(self.box.crash)

    @rule()
    def crash_in_a_transaction(self) -> None:
        body = SessionIn(name="Never", type="game", channel_ids=None)
        self._through(partial(self.box.crash, lambda tx: create_session(tx, COACH, body)))

    @rule()
    def restart(self) -> None:
        self._through(self.box.restart)

    def _through(self, event: Callable[[], None]) -> None:
        before, head = self.box.read(in_rows), self.box.store.journal.head
        event()
        assert self.box.read(in_rows) == before
        assert self.box.store.journal.head == head
        self.box.write(cuts.recover)

    # -- invariants ---------------------------------------------------------------------------------

    @invariant()
    def everything_agrees(self) -> None:
        entries = PORTAL.call(self.box.store.journal.read, 0, 100_000)
        rows = self.box.read(in_rows)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert replayed(entries) == rows
        faults = rev_faults(entries)
        assert faults == [], faults
        model = self.model
        assert {key: each["status"] for key, each in rows["session"].items()} == model.sessions
        assert set(rows["play"]) == set(model.plays)
        assert {key: each["session_id"] for key, each in rows["clip"].items()} == model.clips
        for session_id, shown in rows["session"].items():
            clips = [each for each in rows["clip"].values() if each["session_id"] == session_id]
            assert shown["clip_count"] == len(clips)
            seconds = sum(each["duration"] for each in clips if each["status"] != "failed")
            assert abs(shown["total_duration_seconds"] - seconds) < 1e-6


GameMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),  # shrinking takes minutes: shrink by hand after a failure
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestGame = GameMachine.TestCase


async def any_order(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` games of up to 50 steps each, for scripts/faults."""
    tally = Tally(rounds=rounds)
    machine = hypothesis.seed(seed)(type("SeededGame", (GameMachine,), {}))
    request = settings(
        GameMachine.TestCase.settings,
        max_examples=rounds,
        stateful_step_count=50,
        derandomize=False,
        database=None,
    )
    try:
        await trio.to_thread.run_sync(partial(run_state_machine_as_test, machine, settings=request))
    except AssertionError as error:
        tally.wrong("\n".join([str(error), *getattr(error, "__notes__", [])]))
    return tally
