"""A run over a folder of games, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from appliance.box.datasets.model import CAMERAS
from appliance.box.datasets.runs.batch import Batch, RunResult, make_work
from appliance.box.datasets.runs.camera import Context
from appliance.box.datasets.runs.engine import Engine
from appliance.box.datasets.runs.progress import RunEvent, log_event
from appliance.box.datasets.runs.publish import uri_of
from appliance.box.datasets.runs.sources import FilePlays, StoredVideos
from appliance.box.datasets.runs.spec import RunSpec
from appliance.box.datasets.storage.folder import FolderStorage
from appliance.box.datasets.storage.model import Storage

NOW_US = 1_764_500_000_000_000


def rows(game_id: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Plays of a game, left and right in turn, which do not overlap."""
    return [
        {
            "id": f"{game_id}-p{at}",
            "game_id": game_id,
            "angle": "RIGHT" if at % 2 else "LEFT",
            "start_timestamp": 10.0 * at,
            "end_timestamp": 10.0 * at + 4,
            "play_type": "drive",
            **changes,
        }
        for at in range(count)
    ]


def add_videos(root: Path, game_id: str, cameras: Sequence[str] = CAMERAS) -> None:
    for camera in cameras:
        path = root / "Games" / game_id / f"{camera}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"video {game_id} {camera}".encode())


class Runs:
    """Runs into one root. `events`: what the last one has reported."""

    def __init__(self, folder: Path, out: Storage | None = None) -> None:
        self.sources = folder / "sources"
        self.folder = folder
        self.out = out or FolderStorage(folder / "out")
        self.events: list[RunEvent] = []
        self.count = 0

    def batch(
        self, plays: Sequence[dict[str, Any]], engine: Engine, videos: Any = None, **spec: Any
    ) -> Batch:
        games = list(dict.fromkeys(row["game_id"] for row in plays))
        asked = RunSpec.model_validate({"game_ids": games, **spec})
        self.count += 1
        self.events = []
        run_id = f"run{self.count}"

        def report(event: RunEvent) -> None:
            log_event(event)
            self.events.append(event)

        context = Context(
            spec=asked,
            videos=videos or StoredVideos(FolderStorage(self.sources)),
            out=self.out,
            engine=engine,
            units=trio.CapacityLimiter(engine.parallel),
            work=make_work(self.out, self.folder / "work", run_id),
            report=report,
        )
        return Batch(context, run_id, FilePlays(plays), uri_of(self.out, "bucket"), lambda: NOW_US)

    async def run(self, plays: Sequence[dict[str, Any]], engine: Engine, **spec: Any) -> RunResult:
        return await self.batch(plays, engine, **spec).perform()
