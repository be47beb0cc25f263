"""What must be consistent between rows, plans, files and journal. Pure: facts in, findings out.

Owns: the invariants. A clip that is ready has a plan; a plan's sizes add up; its bytes are in its file or in
the recordings; every file in clips_dir has a row; the journal has no holes and agrees with the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

OURS = re.compile(r"([0-9a-f-]{36}/[0-9a-f-]{36}-m\d+|thumbs/.+)\.(mp4|jpg|partial|tmp)")
UNFINISHED = (".partial", ".tmp")
ASIDE = "aside/"  # files that the box keeps for a while, and counts in /readyz


@dataclass(frozen=True, slots=True)
class Finding:
    """One violated invariant. `mend` names the safe repair, "" when there is none."""

    code: str
    subject: str
    detail: str
    mend: str = ""
    repaired: bool = False

    def __str__(self) -> str:
        tail = " [repaired]" if self.repaired else " [--repair can mend this]" if self.mend else ""
        return f"{self.code}: {self.subject}: {self.detail}{tail}"


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
class JournalFacts:
    """`newest`: rev in the newest entry of each subject; `rows`: rev of each row an entry must exist for."""

    head: int
    first: int
    last: int
    count: int
    newest: Mapping[str, int]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """All facts from the database and the disks, read while nothing changes."""

    clips: Sequence[ClipRow]
    plans: Sequence[PlanRow]
    garbage: frozenset[str]  # paths that will be deleted
    deleted_files: frozenset[str]  # paths of deleted clips: in garbage, or already gone
    clip_files: Mapping[str, int]  # path in clips_dir -> bytes
    recordings: Mapping[str, int]  # recording -> bytes, of those that a plan refers to
    journal: JournalFacts
    database: Sequence[str] = ()  # results of SQLite's own checks


def check(facts: BoxFacts) -> list[Finding]:
    """Every violated invariant, the gravest kinds first."""
    return [
        *(Finding("database", "box.db", error) for error in facts.database),
        *_journal(facts.journal),
        *_clips(facts),
        *_plans(facts),
        *_files(facts),
    ]


def repaired(finding: Finding) -> Finding:
    return replace(finding, repaired=True)


def _journal(journal: JournalFacts) -> Iterator[Finding]:
    if journal.count and journal.last > journal.head:
        yield Finding("journal_head", "journal", f"entry {journal.last} is beyond the head {journal.head}")
    if journal.count and journal.count != journal.last - journal.first + 1:
        missing = journal.last - journal.first + 1 - journal.count
        yield Finding(
            "journal_gap", "journal", f"{missing} entries missing in {journal.first}..{journal.last}"
        )
    if not journal.count and journal.head and journal.rows:
        yield Finding("journal_gap", "journal", f"is empty although it counted to {journal.head}")
    # old entries are deleted first: a row without an entry may be older than the first
    is_pruned = journal.first > 1
    for subject, rev in journal.rows.items():
        journaled_rev = journal.newest.get(subject)
        if journaled_rev is None and not is_pruned:
            yield Finding("not_journaled", subject, "it has no journal entry")
        elif journaled_rev is not None and journaled_rev != rev:
            yield Finding(
                "journal_differs", subject, f"the row has rev {rev}, its newest journal entry {journaled_rev}"
            )


def _clips(facts: BoxFacts) -> Iterator[Finding]:
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


def _plans(facts: BoxFacts) -> Iterator[Finding]:
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


def _files(facts: BoxFacts) -> Iterator[Finding]:
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
        if path.startswith(ASIDE):
            continue
        mend = ("unlink" if path.endswith(UNFINISHED) else "set_aside") if OURS.fullmatch(path) else ""
        yield Finding("orphan_file", path, f"{facts.clip_files[path]} bytes nobody knows", mend=mend)
