"""A stopped box, built by hand: one session with a play, a ready clip, its plan, file, thumbnail and tag."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.box.settings import Settings, check_settings
from appliance.kernel import json
from appliance.kernel.ids import new_uuid
from appliance.kernel.store import open_store
from appliance.kernel.tx import Tx
from tests.kit.clock import KICKOFF_US, HandClock

HEADER = b"header of the clip "
RECORDING = bytes(range(256)) * 8
RANGES = [["cam1/a.mp4", 100, 50], ["cam1/a.mp4", 300, 20], ["cam1/b.mp4", 0, 10]]
CLIP_BYTES = HEADER + RECORDING[100:150] + RECORDING[300:320] + RECORDING[:10]


@dataclass(frozen=True, slots=True)
class Box:
    """Its folders, and the ids in it."""

    settings: Settings
    session_id: str
    clip_id: str
    ghost_id: str

    @property
    def clip_file(self) -> Path:
        return self.settings.storage.clips / f"{self.session_id}/{self.clip_id}-m1.mp4"

    @property
    def picture(self) -> Path:
        return self.settings.storage.clips / f"thumbs/{self.clip_id}-m1.jpg"

    def recording(self, name: str) -> Path:
        return self.settings.storage.recordings_dir / name


def settings_in(folder: Path) -> Settings:
    storage = {"state_dir": folder / "state", "recordings_dir": folder / "recordings", "reserve_gb": 0}
    return check_settings({"storage": storage, "retention": {"min_free_gb": 0}})


async def make_box(folder: Path) -> Box:
    """All of it consistent: fsck reports nothing."""
    box = Box(settings_in(folder), new_uuid(), new_uuid(), new_uuid())
    for name in ("cam1/a.mp4", "cam1/b.mp4"):
        box.recording(name).parent.mkdir(parents=True, exist_ok=True)
        box.recording(name).write_bytes(RECORDING)
    for path, data in ((box.clip_file, CLIP_BYTES), (box.picture, b"jpeg")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    async with open_store(box.settings.storage.state_dir / "box.db", HandClock()) as store:
        await store.write(partial(_fill, box=box))
    return box


async def change(box: Box, sql: str, *params: object) -> None:
    """Change a row directly in the database."""
    async with open_store(box.settings.storage.state_dir / "box.db", HandClock()) as store:
        await store.write(lambda tx: tx.run(sql, params))


def _fill(tx: Tx, box: Box) -> None:
    made = {"request_hash": "x", "created_by": "test", "created_us": tx.now_us, "updated_us": tx.now_us}
    session = {"id": box.session_id, "name": "Game", "type": "game", "status": "active", "all_channels": 1}
    tx.insert("sessions", {**session, **made})
    tx.append("session_created", f"session:{box.session_id}", {"session": {"rev": 1}})
    play_id = new_uuid()
    play = {"id": play_id, "session_id": box.session_id, "number": 1}
    tx.insert("plays", {**play, "start_us": KICKOFF_US, "duration_us": 2_000_000, **made})
    tx.append("play_created", f"play:{play_id}", {"play": {"rev": 1}})
    base = {"session_id": box.session_id, "channel_id": "cam1", "start_us": KICKOFF_US, "latency_ms": 0}
    base |= {"mode": "instant", **made}
    ready = {"id": box.clip_id, "play_id": play_id, "duration_us": 2_000_000, "status": "ready"}
    coverage = json.encode({"start": "a", "end": "b", "missing": []}).decode()
    paths = {
        "file_path": f"{box.session_id}/{box.clip_id}-m1.mp4",
        "thumbnail_path": f"thumbs/{box.clip_id}-m1.jpg",
    }
    tx.insert("clips", {**base, **ready, **paths, "ready_media_rev": 1, "coverage": coverage})
    tx.append("clip_ready", f"clip:{box.clip_id}", {"clip": {"rev": 1}})
    tx.insert("clips", {**base, "id": box.ghost_id, "duration_us": 0, "status": "pending"})
    tx.append("clip_created", f"clip:{box.ghost_id}", {"clip": {"rev": 1}})
    tx.insert(
        "plans",
        {
            "clip_id": box.clip_id,
            "media_rev": 1,
            "header": HEADER,
            "ranges": json.encode(RANGES).decode(),
            "size": len(CLIP_BYTES),
            "media_spans": "[]",
            "frames": 60,
            "width": 320,
            "height": 180,
            "codec": "avc1",
            "file_path": paths["file_path"],
            "created_us": tx.now_us,
        },
    )
    tag = {"id": new_uuid(), "clip_id": box.clip_id, "session_id": box.session_id, "labels": '["key"]'}
    tx.insert("tags", {**tag, **made})
    tx.append("tag_created", f"tag:{tag['id']}", {"tag": {"rev": 1}})
