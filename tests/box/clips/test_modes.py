"""How a clip is made (`mode`): the request, the settings, and changing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.box.clips.model import ClipPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from tests.box.clips.conftest import Bench
from tests.kit.box import COACH, mark_rules


async def patch(bench: Bench, clip_id: str, **fields: Any) -> dict[str, Any]:
    body = ClipPatch.model_validate(fields)
    answer = await bench.store.write(lambda tx: marks.change_clip(tx, COACH, bench.rules, clip_id, body))
    return dict(answer.resource)


async def test_the_default_mode_is_that_of_the_settings(bench: Bench) -> None:
    assert (await bench.clip())["mode"] == "instant"
    assert (await bench.clip(mode="exact"))["mode"] == "exact"
    rules = mark_rules(mode="transcode")
    other = replace(bench, rules=rules)
    assert (await other.clip())["mode"] == "transcode"
    assert (await other.clip(mode="instant"))["mode"] == "instant"
    play = await other.play()
    assert {each["mode"] for each in await bench.clips_of(play["id"])} == {"transcode"}


async def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValidationError, match="mode"):
        ClipPatch.model_validate({"mode": "fast"})


async def test_a_ghosts_mode_is_changed_in_place_and_holds_at_out(bench: Bench) -> None:
    ghost = await bench.clip()
    changed = await patch(bench, ghost["id"], mode="exact")
    assert (changed["mode"], changed["media_rev"], changed["waiting_for"]) == ("exact", 1, "out")
    bench.clock.advance(5)
    await bench.end(ghost["id"])
    (job,) = await bench.store.read(cuts.waiting_jobs)
    assert (job.mode, job.is_export, job.media_rev) == ("exact", True, 1)


async def test_a_trim_keeps_the_mode_and_a_title_cuts_nothing(bench: Bench) -> None:
    clip = await bench.clip(duration=5, mode="exact")
    assert (await patch(bench, clip["id"], title="Goal"))["media_rev"] == 1
    trimmed = await patch(bench, clip["id"], duration_seconds=4)
    assert (trimmed["mode"], trimmed["media_rev"]) == ("exact", 2)
    both = await patch(bench, clip["id"], duration_seconds=3, mode="instant")
    assert (both["mode"], both["media_rev"]) == ("instant", 3), "one new cut for both"
