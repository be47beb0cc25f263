"""What datasets give the box: runs over its own plays and recordings, or those that its settings name."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.box.datasets.settings import DatasetSettings, contradictions_of
from appliance.box.permissions import RUN, WATCH
from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.box.datasets.on_box.performing import Wiring
    from appliance.box.datasets.runs.sources import PlaySource
    from appliance.box.datasets.storage.model import Storage
    from appliance.box.domains import Services


def _contradictions(settings: Any) -> Iterable[str]:
    return contradictions_of(settings.section(DatasetSettings))


def wiring_of(box: Services, environment: Mapping[str, str]) -> Wiring:
    """What a run needs: credentials of buckets come from the environment alone. Raises ValueError,
    LookupError or OSError for settings that cannot be used now."""
    from appliance.box.datasets.console.asked import BOX, bucket_of, open_plays
    from appliance.box.datasets.on_box.footage import BoxPlays, BoxVideos
    from appliance.box.datasets.on_box.performing import Wiring
    from appliance.box.datasets.runs.engine import LocalEngine
    from appliance.box.datasets.runs.sources import StoredVideos, VideoSource
    from appliance.box.datasets.storage.opened import open_storage

    section, storage = box.settings.section(DatasetSettings), box.settings.storage
    plays: PlaySource = BoxPlays(box.store)
    videos: VideoSource = BoxVideos(box.store, storage.recordings_dir, storage.clips)
    if section.sources != BOX:
        plays = open_plays(section.plays, environment)
        videos = StoredVideos(open_storage(section.sources, environment))
    hours = (section.game_limit_h, section.total_limit_h)
    return Wiring(
        plays=plays,
        videos=videos,
        out=outputs_of(box, environment),
        engine=LocalEngine(parallel=1),
        work=storage.state_dir / "datasets-work",
        limits_s=(hours[0] * 3600, hours[1] * 3600),
        bucket=bucket_of(environment, "GCS_TRAINING_BUCKET"),
    )


def outputs_of(box: Services, environment: Mapping[str, str]) -> Storage:
    """The root of outputs. Raises OSError: its credentials are missing."""
    from appliance.box.datasets.storage.opened import open_storage

    section = box.settings.section(DatasetSettings)
    return open_storage(section.out or str(box.settings.storage.state_dir / "datasets"), environment)


def _queried(plays: str, environment: Mapping[str, str]) -> PlaySource:
    from appliance.box.datasets.console.asked import open_plays

    return open_plays(plays, environment)


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Perform runs; while safe mode holds back cutting, none begins."""
    from appliance.box.datasets.http import dataset_routes
    from appliance.box.datasets.on_box.actor import run_datasets
    from appliance.kernel.actor import running

    section = box.settings.section(DatasetSettings)
    queried = section.plays.startswith("postgrest:")
    plays = partial(_queried, section.plays, os.environ) if queried else None
    async with running(
        "datasets",
        run_datasets,
        store=box.store,
        clock=box.clock,
        wiring=partial(wiring_of, box, os.environ),
        hold=box.holds.cutting,
    ):
        box.routes.append(dataset_routes(plays, partial(outputs_of, box, os.environ)))
        yield


DOMAIN: Domain[Services] = Domain(
    name="datasets",
    schema=Path(__file__).parent / "schema",
    sections={"datasets": DatasetSettings},
    contradictions=_contradictions,
    access={
        "POST /": RUN,
        "POST /dataset-runs": RUN,
        "GET /dataset-runs": WATCH,
        "GET /dataset-runs/{run_id}": WATCH,
        "GET /dataset-runs/{run_id}/games/{game_id}": WATCH,
        "POST /dataset-runs/{run_id}/cancel": RUN,
    },
    run=_run,
)
