"""Any order of tags among marks, cuts, session transitions, crashes and restarts keeps all guarantees
(Hypothesis). The rules of everything else are those of tests/faults/test_stateful.py."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import invariant, rule

from appliance.box.tags.model import TagIn, TagPatch
from appliance.box.tags.store import change_tag, create_tag, delete_tag
from appliance.kernel.ids import new_uuid
from tests.faults import test_stateful
from tests.faults.replay import in_rows
from tests.faults.test_stateful import COACH


class TaggedGameMachine(test_stateful.GameMachine):
    """`tags`: the clip of each tag; those of deleted clips went with them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, str] = {}

    def without_clip(self, clip_id: str) -> None:
        super().without_clip(clip_id)
        self.tags = {tag: clip for tag, clip in self.tags.items() if clip != clip_id}

    @rule(data=st.data(), down=st.integers(1, 4))
    def new_tag(self, data: st.DataObject, down: int) -> None:
        clip_id = self.pick(data, self.model.clips)
        body = TagIn(clip_id=clip_id, down=down, id=new_uuid())
        answer = self.do(lambda tx: create_tag(tx, COACH, body))
        assert (answer is not None) == (clip_id in self.model.clips)
        if answer is not None:
            self.tags[answer.resource["id"]] = clip_id

    @rule(data=st.data(), distance=st.integers(1, 3), delete=st.booleans())
    def change_tag(self, data: st.DataObject, distance: int, delete: bool) -> None:
        tag_id = self.pick(data, self.tags)
        body = TagPatch(distance=distance)
        if delete:
            answer = self.do(lambda tx: delete_tag(tx, COACH, tag_id))
        else:
            answer = self.do(lambda tx: change_tag(tx, COACH, tag_id, body))
        assert (answer is not None) == (tag_id in self.tags)
        if answer is not None and delete:
            del self.tags[tag_id]

    @invariant()
    def tags_agree(self) -> None:
        rows = self.box.read(in_rows)
        assert {key: each["clip_id"] for key, each in rows["tag"].items()} == self.tags
        for session_id, shown in rows["session"].items():
            clips = {key for key, each in rows["clip"].items() if each["session_id"] == session_id}
            assert shown["tag_count"] == sum(clip_id in clips for clip_id in self.tags.values())


TaggedGameMachine.TestCase.settings = settings(test_stateful.GameMachine.TestCase.settings, max_examples=20)
TestTaggedGame = TaggedGameMachine.TestCase
