"""The record of the domain clips: plays and clips, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from appliance.box.clips.access import ACCESS
from appliance.box.clips.settings import ClipsSettings
from appliance.domain import Consistency, Domain, ExportFormat, Resources, SessionCounters, clip_words
from appliance.kernel.tx import ReadTx, Row, Tx

if TYPE_CHECKING:
    from appliance.box.clips.cutting.cutter import CutterHandle
    from appliance.box.clips.cutting.planner import Planner
    from appliance.box.clips.files.delivery import ClipDelivery
    from appliance.box.clips.records.marks import MarkRules
    from appliance.box.clips.viewing.thumbnails import Pictures
    from appliance.box.domains import Services
    from appliance.http.api import Routes


# Imports inside functions: the small commands do not load the daemon's code.


def _clip(tx: ReadTx, row: Row) -> dict[str, Any]:
    from appliance.box.clips.records.rows import clip_resource

    return clip_resource(tx, row)


def _play(tx: ReadTx, row: Row) -> dict[str, Any]:
    from appliance.box.clips.records.rows import play_resource

    return play_resource(tx, row)


_RENAMED: Final = {"start_us": "start_time", "cue_us": "cue_time", "out_received_us": "out_received_at"}
_SPANS: Final = {"duration_us": "duration", "preroll_us": "preroll_s", "ready_after_us": "ready_after_s"}
_PLAYS: Final = ExportFormat("number", ["request_hash"], (), ["auto_closed"], _SPANS, _RENAMED)
_CLIPS: Final = ExportFormat("start_us", ["request_hash"], ["coverage"], ["auto_closed"], _SPANS, _RENAMED)

_PATH_SCHEMAS: Final = {"media_rev": {"type": "string", "pattern": "^[0-9]{1,9}$"}}
_COUNTERS: Final = {
    "play_count": (int, ...),
    "clip_count": (int, ...),
    "total_duration_seconds": (float, Field(description="clips neither deleted, failed nor ghosts")),
}


def _counters(tx: ReadTx, session_id: str) -> dict[str, Any]:
    row = tx.one(
        "SELECT count(*) AS clips,"
        " coalesce(sum(duration_us) FILTER (WHERE status <> 'failed'), 0) AS duration_us,"
        " (SELECT count(*) FROM plays WHERE session_id = :id AND deleted_us IS NULL) AS plays"
        " FROM clips WHERE session_id = :id AND deleted_us IS NULL",
        {"id": session_id},
    )
    assert row is not None  # an aggregate always has one row
    return {
        "play_count": row["plays"],
        "clip_count": row["clips"],
        "total_duration_seconds": row["duration_us"] / 1e6,
    }


def _session_completed(tx: Tx, settings: Any, session_id: str) -> None:
    from appliance.box.clips.records.marks import mark_rules
    from appliance.box.clips.records.plays import close_session_ghosts

    close_session_ghosts(tx, mark_rules(settings), session_id)


def _session_deleted(tx: Tx, settings: Any, session_id: str) -> None:
    from appliance.box.clips.records.marks import mark_rules
    from appliance.box.clips.records.plays import delete_session_clips

    delete_session_clips(tx, mark_rules(settings), session_id)


def _session_restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    from appliance.box.clips.records.undo import restore_session_clips

    restore_session_clips(tx, session_id, deleted_us)


def _consistency() -> Consistency:
    from appliance.box.clips.housekeeping.fsck import CONSISTENCY

    return CONSISTENCY


def _media_workers(settings: Any) -> int:
    section: ClipsSettings = settings.section(ClipsSettings)
    return section.workers


def _routes(
    box: Services,
    rules: MarkRules,
    planner: Planner,
    delivery: ClipDelivery,
    pictures: Pictures,
    cutter: CutterHandle,
) -> list[Routes]:
    from appliance.box.clips.files.delivery import media_routes
    from appliance.box.clips.http import clip_routes, play_routes
    from appliance.box.clips.viewing.quality import quality_routes
    from appliance.box.clips.viewing.replay import Replays, picture_routes
    from appliance.http.api import Routes

    zone = box.settings.site.timezone
    media = media_routes(store=box.store, delivery=delivery, zone=zone, words=clip_words)
    replays = Replays(box.store, box.recordings, box.clock, rules, planner.plan_span, delivery)
    return [
        play_routes(rules=rules, cutter=cutter),
        clip_routes(rules=rules, cutter=cutter),
        Routes("media", raw=[*media, *picture_routes(pictures)], path_schemas=_PATH_SCHEMAS),
        replays.routes(),
        quality_routes(box.media_jobs, delivery),
    ]


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """The cutter, the files of clips, and their pictures: they turn footage and marks into clips."""
    from appliance.box.clips.cutting.cutter import run_cutter
    from appliance.box.clips.cutting.exports import Exports
    from appliance.box.clips.cutting.from_own_file import OwnCuts
    from appliance.box.clips.cutting.planner import Planner
    from appliance.box.clips.files.delivery import ClipDelivery
    from appliance.box.clips.health import add_clips
    from appliance.box.clips.housekeeping.actor import run_clip_files
    from appliance.box.clips.records.marks import expire_clip, mark_rules
    from appliance.box.clips.viewing.exact_frames import ExactFrames
    from appliance.box.clips.viewing.thumbnails import Pictures
    from appliance.kernel.actor import running

    settings, store, footage, jobs = box.settings, box.store, box.recordings, box.media_jobs
    clips_dir = settings.storage.clips
    rules = mark_rules(settings)
    planner = Planner(footage, box.threads)
    delivery = ClipDelivery(footage, clips_dir, box.threads)
    exports = Exports(store, jobs, delivery, slots=max(1, rules.clips.workers - 1))
    exact = ExactFrames(store, jobs, delivery, planner.plan_span)
    pictures = Pictures(store, footage, box.decode_key, clips_dir, box.threads, exact, delivery.disk)
    async with (
        running(
            "clip files",
            run_clip_files,
            store=store,
            footage=footage,
            clips_dir=clips_dir,
            look_inside=box.after_cut,
            readers=delivery.readers,
            disk=delivery.disk,
            hold=box.holds.files,
        ) as files,
        running(
            "cutter",
            run_cutter,
            store=store,
            footage=footage,
            source_down=box.source_down(box.recorder),
            rules=rules,
            clock=box.clock,
            plan_span=planner.plan_span,
            plan_together=planner.plan_together,
            exports=exports,
            own_cuts=OwnCuts(store, clips_dir, box.threads, delivery.disk),
            hold=box.holds.cutting,
        ) as cutter,
        running("pictures", pictures.run, hold=box.holds.files),
    ):
        box.routes += _routes(box, rules, planner, delivery, pictures, cutter)
        box.clip_files = files
        box.expire_clip = lambda tx, clip_id, reason: expire_clip(tx, rules, clip_id, reason)
        add_clips(box.board, box.metrics, cutter, files)
        yield


DOMAIN: Domain[Services] = Domain(
    name="clips",
    schema=Path(__file__).parent / "schema",
    sections={"clips": ClipsSettings},
    media_workers=_media_workers,
    resources=[
        Resources("play", "plays", "start_us", _play, export=_PLAYS),
        Resources("clip", "clips", "start_us", _clip, export=_CLIPS),
    ],
    consistency=_consistency,
    session_counters=SessionCounters(_COUNTERS, _counters),
    on_session_complete=_session_completed,
    on_session_delete=_session_deleted,
    on_session_restore=_session_restored,
    access=ACCESS,
    run=_run,
)
