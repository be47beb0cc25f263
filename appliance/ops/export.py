"""`appliance export SESSION --format json`: a session that can be read without a box.

Owns: the manifest's format (`schema_version`) and the folder's layout: manifest.json and clips/<clip id>.mp4.
Files are copies of the plans' bytes, the same as are served. Works while the box runs: it only reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from appliance.box.domains import resources
from appliance.box.settings import Settings
from appliance.domain import ExportFormat
from appliance.kernel import json
from appliance.kernel.clock import BoxClock, to_rfc3339
from appliance.kernel.store import open_store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Row

SCHEMA_VERSION = 1
CHUNK_BYTES = 8 * 2**20


class ExportError(Exception):
    """The session cannot be exported; the text says why."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """`left_out`: (clip id, reason) of clips listed in the manifest without a file."""

    clips: int
    size_bytes: int
    left_out: tuple[tuple[str, str], ...]


async def export_session(settings: Settings, session_id: str, out: Path) -> ExportReport:
    """Write the session into `out`. Raises ExportError, OSError."""
    path = settings.storage.state_dir / "box.db"
    if not path.exists():
        raise ExportError(f"no database at {path}")
    async with open_store(path, BoxClock.start(None, None)) as store:
        session = await store.read(partial(read_session, session_id=session_id))
    if session is None:  # raised outside the block, which would wrap it in an exception group
        raise ExportError(f"no session {session_id}")
    manifest, plans = session
    return await in_thread(write_session, manifest, plans, settings, out)


def read_session(tx: ReadTx, session_id: str) -> tuple[dict[str, Any], dict[str, Row]] | None:
    """The manifest, and the plan that each of its clips plays, by clip id. None: no such session."""
    format_of = {each.table: each.export for each in resources()}
    session = tx.one("SELECT * FROM sessions WHERE id = ? AND deleted_us IS NULL", (session_id,))
    if session is None:
        return None
    rows = {
        each.table: tx.all(
            f"SELECT * FROM {each.table} WHERE session_id = ? AND {each.present}"
            f" ORDER BY {each.export.order or each.order}, id",
            (session_id,),
        )
        for each in resources()
        if each.of_session
    }
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "exported_at": to_rfc3339(tx.now_us),
        "as_of_seq": tx.head(),
        "epoch": tx.value("SELECT value FROM meta WHERE key = 'epoch'"),
        "session": _shown(session, format_of["sessions"]),
        **{
            table: [_shown(row, format_of[table]) for row in table_rows] for table, table_rows in rows.items()
        },
    }
    plans = tx.all(
        "SELECT plans.* FROM plans JOIN clips ON clips.id = clip_id AND plans.media_rev = ready_media_rev"
        " WHERE session_id = ? AND deleted_us IS NULL",
        (session_id,),
    )
    return manifest, {plan["clip_id"]: plan for plan in plans}


def _shown(row: Row, written: ExportFormat) -> dict[str, Any]:
    """The row as in the API: `*_us` instants as RFC 3339, durations in seconds."""
    instants = {**_INSTANTS, **written.instants}
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name in written.hidden or name == "deleted_us":
            continue
        if name in written.json_columns:
            shown[name] = None if value is None else json.decode_stored(value)
        elif name in written.spans:
            shown[written.spans[name]] = None if value is None else value / 1e6
        elif name.endswith("_us"):
            shown[instants.get(name, name[:-3])] = None if value is None else to_rfc3339(value)
        elif name.startswith("is_") or name in written.booleans:
            shown[name] = bool(value)
        else:
            shown[name] = value
    return shown


_INSTANTS = {"created_us": "created_at", "updated_us": "updated_at"}


def write_session(
    manifest: dict[str, Any], plans: dict[str, Row], settings: Settings, out: Path
) -> ExportReport:
    """Write the clip files first, the manifest last: if it exists, the folder is complete. Blocks."""
    folder = out / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    left_out: list[tuple[str, str]] = []
    written = 0
    for clip in manifest["clips"]:
        clip["file"] = None
        plan = plans.get(clip["id"])
        if plan is None:
            left_out.append((clip["id"], f"it is {clip['status']}"))
            continue
        try:
            size_bytes += _write_clip(plan, settings, folder / f"{clip['id']}.mp4")
        except _Lost as error:
            left_out.append((clip["id"], str(error)))
            continue
        clip["file"] = f"clips/{clip['id']}.mp4"
        clip["size_bytes"] = plan["size"]
        written += 1
    draft = out / "manifest.json.tmp"
    draft.write_bytes(json.encode(manifest) + b"\n")
    os.replace(draft, out / "manifest.json")
    return ExportReport(written, size_bytes, tuple(left_out))


class _Lost(Exception):
    """The clip's bytes no longer exist."""


def _write_clip(plan: Row, settings: Settings, target: Path) -> int:
    draft = target.with_suffix(".tmp")
    try:
        with draft.open("wb") as file:
            for chunk in _bytes_of(plan, settings):
                file.write(chunk)
            size = file.tell()
            os.fsync(file.fileno())
        if size != plan["size"]:
            raise _Lost(f"{size} of {plan['size']} bytes are there")
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return size


def _bytes_of(plan: Row, settings: Settings) -> Iterator[bytes]:
    """The file if there is one of the right size, else header and ranges."""
    if plan["file_path"] is not None:
        path = settings.storage.clips / plan["file_path"]
        if path.is_file() and path.stat().st_size == plan["size"]:
            yield from _read(path, 0, plan["size"])
            return
    yield plan["header"]
    for name, offset, length in json.decode_stored(plan["ranges"]):
        yield from _read(settings.storage.recordings_dir / name, offset, length)


def _read(path: Path, offset: int, length: int) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise _Lost(f"{path.name} is gone") from None
    with file:
        file.seek(offset)
        while length and (chunk := file.read(min(length, CHUNK_BYTES))):
            length -= len(chunk)
            yield chunk
