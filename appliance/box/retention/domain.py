"""The record of the domain retention, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.box.retention.settings import RetentionSettings
from appliance.domain import Domain
from appliance.kernel.clock import DAY_US

if TYPE_CHECKING:
    from appliance.box.domains import Services
    from appliance.box.retention.core import RetentionLimits

GB: Final = 1_000_000_000
HOUR_US: Final = 3_600_000_000


def limits_of(settings: Any) -> RetentionLimits:
    """[retention] and [storage] reserve_gb in bytes and microseconds."""
    from appliance.box.retention.core import RetentionLimits

    wanted: RetentionSettings = settings.section(RetentionSettings)
    return RetentionLimits(
        min_free_bytes=round(wanted.min_free_gb * GB),
        reserve_bytes=round(settings.storage.reserve_gb * GB),
        raw_us=round(wanted.raw_days * DAY_US),
        clip_us=round(wanted.clip_days * DAY_US),
        guard_us=round(wanted.session_guard_h * HOUR_US),
    )


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Keep space free on the disks; while safe mode holds it back nothing is deleted."""
    # here, so that the small commands do not load them
    from appliance.box.retention.actor import run_retention
    from appliance.box.retention.health import add_retention
    from appliance.box.retention.model import Folders
    from appliance.kernel.actor import running

    storage = box.settings.storage
    async with running(
        "retention",
        run_retention,
        store=box.store,
        recordings=box.recordings,
        clips=box.clip_files,
        expire_clip=box.expire_clip,
        folders=Folders(storage.state_dir, storage.recordings_dir, storage.clips),
        limits=limits_of(box.settings),
        grace_us=round(box.settings.section(RetentionSettings).grace_h * HOUR_US),
        hold=box.holds.files,
    ) as handle:
        add_retention(box.board, box.metrics, handle)
        yield


def _before_start(state_dir: Path) -> None:
    from appliance.box.retention.spare_space import make_room

    make_room(state_dir)


def _kept_free_gb(settings: Any) -> Mapping[str, float]:
    return {"retention.min_free_gb": settings.section(RetentionSettings).min_free_gb}


DOMAIN: Domain[Services] = Domain(
    name="retention",
    schema=Path(__file__).parent / "schema",
    sections={"retention": RetentionSettings},
    demo={"retention": {"min_free_gb": 0.5, "raw_days": 1}},
    kept_free_gb=_kept_free_gb,
    before_start=_before_start,
    run=_run,
)
