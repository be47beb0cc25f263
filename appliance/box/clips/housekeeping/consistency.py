"""What must be consistent between clips, plans and files. Pure: facts in, findings out.

Owns: the invariants. A clip that is ready has a plan; a plan's sizes add up; its bytes are in its file or in
the recordings; every file in clips_dir has a row. fsck.py reads the facts and makes the repairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.domain import Finding

OURS = re.compile(r"([0-9a-f-]{36}/[0-9a-f-]{36}-m\d+|thumbs/.+)\.(mp4|jpg|partial|tmp)")
UNFINISHED = (".partial", ".tmp")


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip that is not deleted."""

    id: str
    session_id: str
    status: str
    ready_media_rev: int | None
    file_path: str | None
    thumbnail_path: str | None
    media_rev: int = 1


@dataclass(frozen=True, slots=True)
class PlanRow:
    clip_id: str
    media_rev: int
    size: int
    header_bytes: int
    ranges: tuple[tuple[str, int, int], ...]  # recording, offset, length
    file_path: str | None

    @property
    def is_file_only(self) -> bool:
        """An export: re-encoded, so it exists only as its file."""
        return not self.header_bytes and not self.ranges


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """All facts from the database and the disks, read while nothing changes."""

    clips: Sequence[ClipRow]
    plans: Sequence[PlanRow]
    garbage: frozenset[str]  # paths that will be deleted
    deleted_files: frozenset[str]  # paths of deleted clips: in garbage, or already gone
    clip_files: Mapping[str, int]  # path in clips_dir -> bytes; without those kept aside
    recordings: Mapping[str, int]  # recording -> bytes, of those that a plan refers to


def check(facts: ClipFacts) -> list[Finding]:
    """Every violated invariant, the gravest kinds first."""
    return [*_clips(facts), *_plans(facts), *_files(facts)]


def _clips(facts: ClipFacts) -> Iterator[Finding]:
    plans = {(plan.clip_id, plan.media_rev): plan for plan in facts.plans}
    for clip in facts.clips:
        subject = f"clip:{clip.id}"
        if clip.status == "ready" and clip.ready_media_rev is None:
            yield Finding("no_plan", subject, "is ready but names no media_rev")
        if clip.ready_media_rev is not None:
            plan = plans.get((clip.id, clip.ready_media_rev))
            if plan is None:
                yield Finding("no_plan", subject, f"plays m{clip.ready_media_rev}, which has no plan")
            elif plan.file_path != clip.file_path:
                yield Finding(
                    "file_mismatch", subject, f"names file {clip.file_path}, its plan {plan.file_path}"
                )
        if clip.thumbnail_path is not None and clip.thumbnail_path not in facts.clip_files:
            detail = f"picture {clip.thumbnail_path} is gone; it is made again when asked for"
            yield Finding("picture_missing", subject, detail, mend="forget_picture")


def _plans(facts: ClipFacts) -> Iterator[Finding]:
    current = {(clip.id, clip.ready_media_rev) for clip in facts.clips}
    for plan in facts.plans:
        subject = f"clip:{plan.clip_id} m{plan.media_rev}"
        total = plan.header_bytes + sum(length for _, _, length in plan.ranges)
        if plan.is_file_only:
            yield from _export(plan, facts.clip_files, (plan.clip_id, plan.media_rev) in current)
            continue
        if total != plan.size:
            yield Finding("plan_size", subject, f"says {plan.size} bytes, its parts are {total}")
        lost = _lost_ranges(plan, facts.recordings)
        if plan.file_path is not None:
            size = facts.clip_files.get(plan.file_path)
            if size != plan.size:
                have = "is gone" if size is None else f"has {size} bytes instead of {plan.size}"
                mend = "" if lost else "forget_file"
                yield Finding("file_wrong", subject, f"file {plan.file_path} {have}", mend=mend)
        elif (plan.clip_id, plan.media_rev) in current and lost:
            yield Finding("bytes_lost", subject, f"{lost}; the box cuts it again at its next start")


def _export(plan: PlanRow, clip_files: Mapping[str, int], is_current: bool) -> Iterator[Finding]:
    subject = f"clip:{plan.clip_id} m{plan.media_rev}"
    size = None if plan.file_path is None else clip_files.get(plan.file_path)
    if size == plan.size:
        return
    have = "is gone" if size is None else f"has {size} bytes instead of {plan.size}"
    if is_current:
        detail = f"file {plan.file_path} {have}; the box makes it again at its next start"
        yield Finding("bytes_lost", subject, detail)
    else:
        yield Finding("file_wrong", subject, f"file {plan.file_path} {have}", mend="forget_plan")


def _lost_ranges(plan: PlanRow, recordings: Mapping[str, int]) -> str:
    for name, offset, length in plan.ranges:
        size = recordings.get(name)
        if size is None:
            return f"recording {name} is gone"
        if size < offset + length:
            return f"recording {name} ends at {size}, before {offset + length}"
    return ""


def _files(facts: ClipFacts) -> Iterator[Finding]:
    known = set(facts.garbage) | set(facts.deleted_files)
    known.update(plan.file_path for plan in facts.plans if plan.file_path)
    known.update(clip.thumbnail_path for clip in facts.clips if clip.thumbnail_path)
    session_of = {clip.id: clip.session_id for clip in facts.clips}
    for plan in facts.plans:  # written but not yet committed: the next start writes it again
        known.add(f"{session_of.get(plan.clip_id, '')}/{plan.clip_id}-m{plan.media_rev}.mp4")
        known.add(f"thumbs/{plan.clip_id}-m{plan.media_rev}.jpg")
        known.add(f"thumbs/{plan.clip_id}-m{plan.media_rev}-key.jpg")
    for clip in facts.clips:  # a running export; its remains after a crash are deleted at the next start
        if clip.status in ("pending", "processing"):
            name = f"{clip.session_id}/{clip.id}-m{clip.media_rev}"
            known.update((f"{name}.partial", f"{name}.mp4"))
    for path in sorted(set(facts.clip_files) - known):
        mend = ("delete_file" if path.endswith(UNFINISHED) else "set_aside") if OURS.fullmatch(path) else ""
        yield Finding("orphan_file", path, f"{facts.clip_files[path]} bytes, named by no row", mend=mend)
