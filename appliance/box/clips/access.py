"""Who may use the routes and /ws commands of plays and clips (access/roles.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appliance.access.roles import Permission
from appliance.box.permissions import MARK, MEDIA, WATCH

ACCESS: Final[Mapping[str, Permission]] = {
    "GET /sessions/{session_id}/plays": WATCH,
    "GET /sessions/{session_id}/clips": WATCH,
    "GET /channels/{channel_id}/replay": WATCH,
    "GET /channels/{channel_id}/replay.mp4": MEDIA,
    "GET /channels/{channel_id}/frame.jpg": MEDIA,
    "GET /clips/{clip_id}/stream": MEDIA,
    "GET /clips/{clip_id}/m{media_rev}/{name}": MEDIA,
    "GET /clips/{clip_id}/thumbnail": MEDIA,
    "GET /clips": WATCH,
    "GET /clips/{clip_id}": WATCH,
    "POST /clips": MARK,
    "DO clip_new": MARK,
    "PATCH /clips/{clip_id}": MARK,
    "POST /clips/{clip_id}/end": MARK,
    "DO clip_end": MARK,
    "DELETE /clips/{clip_id}": MARK,
    "POST /clips/{clip_id}/restore": MARK,
    "POST /clips/{clip_id}/favorite": MARK,
    "DELETE /clips/{clip_id}/favorite": MARK,
    "POST /clips/{clip_id}/retry": MARK,
    "POST /clips/{clip_id}/view": MARK,
    "POST /clips/{clip_id}/probe": MARK,
    "GET /plays": WATCH,
    "GET /plays/{play_id}": WATCH,
    "POST /plays": MARK,
    "DO play_new": MARK,
    "PATCH /plays/{play_id}": MARK,
    "POST /plays/{play_id}/end": MARK,
    "DO play_end": MARK,
    "POST /plays/{play_id}/cue": MARK,
    "DO play_cue": MARK,
    "DELETE /plays/{play_id}/cue": MARK,
    "POST /plays/{play_id}/reopen": MARK,
    "POST /plays/{play_id}/restore": MARK,
    "POST /plays/{play_id}/favorite": MARK,
    "DELETE /plays/{play_id}/favorite": MARK,
    "DELETE /plays/{play_id}": MARK,
}
