"""A game on a page: pictures of the box's own clips, and what was rejected among the failures."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from appliance.box.datasets.on_box.game_view import game_view, shown
from appliance.box.datasets.plays.checked import Rejection
from appliance.box.datasets.runs.manifest import Failure, Manifest, SplitFacts
from appliance.box.datasets.storage.folder import FolderStorage
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store
from tests.box.datasets.clips import clip
from tests.kit.box import sim_store
from tests.kit.clock import HandClock

MANIFEST = Manifest(
    run_id="r",
    game_id="g1",
    status="completed",
    started_at="",
    clips=(clip(), clip(camera="NEAR_RIGHT")),
    failures=(Failure(play_id="p2", camera="FAR_LEFT", code="black", reason="every frame is black"),),
    rejected=(Rejection(play_id="p3", game_id="g1", code="bad_range", reason="it ends before it starts"),),
    split=SplitFacts(seed="0", unit="play", training_plays=1, left_out=("p9",)),
)


def test_pictures_failures_and_split_are_shown() -> None:
    view = shown(MANIFEST, {("p1", "FAR_LEFT"): "/clips/c1/thumbnail"})
    assert [each["thumbnail_url"] for each in view["clips"]] == ["/clips/c1/thumbnail", None]
    assert [(each["play_id"], each["camera"], each["code"]) for each in view["failures"]] == [
        ("p2", "FAR_LEFT", "black"),
        ("p3", "", "bad_range"),
    ]
    assert (view["training_plays"], view["left_out"]) == (1, ["p9"])


async def test_outputs_that_are_not_there_or_cannot_be_read_say_so(tmp_path: Path) -> None:
    async def asked(store: Store, error: OSError | None) -> None:
        def opened() -> FolderStorage:
            if error is not None:
                raise error
            return FolderStorage(tmp_path / "out")

        await game_view(store, opened, "g1")

    async with sim_store(tmp_path, HandClock()) as store:
        with pytest.raises(Refused) as refused:
            await asked(store, None)
        assert refused.value.status == 404
        with pytest.raises(Unavailable, match="cannot be read"):
            await asked(store, OSError(errno.EIO, "the bucket cannot be used"))
