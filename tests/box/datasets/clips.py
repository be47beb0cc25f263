"""Clips for tests of outputs."""

from __future__ import annotations

from typing import Any

from appliance.box.datasets.outputs.entries import Clip, clip_key


def clip(play_id: str = "p1", camera: str = "FAR_LEFT", game_id: str = "g1", **changes: Any) -> Clip:
    path = clip_key(game_id, play_id, camera)
    fields: dict[str, Any] = {
        "side": "training",
        "uri": f"gs://bucket/{path}",
        "sha256": "ab" * 32,
        "bytes": 1000,
        "start_s": 1.0,
        "end_s": 3.0,
        "duration_s": 2.0,
        "frames": 50,
        "prompt": "Basketball play from left side",
        "fields": {"play_type": "drive"},
    }
    return Clip(game_id=game_id, play_id=play_id, camera=camera, path=path, **{**fields, **changes})
