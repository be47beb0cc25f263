"""Who may do what on the box: every route and every /ws command, one row each. Admin may do all of it.

The rows of a removable domain stand in its `domain.py`, those of pairing in access/roles.py. `/docs` shows
the whole table. A route without a row keeps the box from starting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.access.roles import EVERYBODY, Matrix, Permission, matrix, roles

WATCH = roles("operator", "coach", "analyst", "assistant", "integrator")  # reads everything, changes nothing
MEDIA = Permission(WATCH.roles, media=True)  # the same, for players outside the page too
MARK = roles("operator", "coach", "analyst")
RUN = roles("operator")  # sessions and cameras
REPORT = roles("operator", "capture")  # what a capture device says of its camera
PAIRED = roles("operator", "coach", "analyst", "capture", "assistant", "integrator")
WATCH_HEALTH = roles("operator", "coach", "analyst", "integrator")

ROWS: Mapping[str, Permission] = {
    # the box
    "GET /healthz": EVERYBODY,
    "GET /version": EVERYBODY,
    "GET /time": PAIRED,
    "GET /readyz": WATCH_HEALTH,
    "GET /metrics": roles("operator", "integrator"),
    "GET /openapi.json": PAIRED,
    "GET /clients": WATCH_HEALTH,
    "GET /sources": WATCH_HEALTH,
    # every change
    "WS /ws": WATCH,
    "GET /snapshot": WATCH,
    "GET /events": WATCH,
    # sessions
    "GET /sessions": WATCH,
    "GET /sessions/{session_id}": WATCH,
    "GET /sessions/{session_id}/plays": WATCH,
    "GET /sessions/{session_id}/clips": WATCH,
    "POST /sessions": RUN,
    "PATCH /sessions/{session_id}": RUN,
    "DELETE /sessions/{session_id}": RUN,
    "POST /sessions/{session_id}/restore": RUN,
    "POST /sessions/{session_id}/start": RUN,
    "POST /sessions/{session_id}/pause": RUN,
    "POST /sessions/{session_id}/resume": RUN,
    "POST /sessions/{session_id}/complete": RUN,
    "POST /sessions/{session_id}/reopen": RUN,
    # channels
    "GET /channels": PAIRED,
    "GET /channels/{channel_id}": PAIRED,
    "GET /channels/{channel_id}/timeline": WATCH,
    "POST /channels": RUN,
    "PATCH /channels/{channel_id}": RUN,
    "DELETE /channels/{channel_id}": RUN,
    "POST /channels/{channel_id}/activate": RUN,
    "POST /channels/{channel_id}/deactivate": RUN,
    "POST /channels/{channel_id}/heartbeat": REPORT,
    "POST /channels/{channel_id}/error": REPORT,
    # live pictures
    "WS /channels/{channel_id}/live": WATCH,
    "GET /channels/{channel_id}/live": WATCH,
    "POST /channels/{channel_id}/whep": WATCH,
    "PATCH /channels/{channel_id}/whep/{secret}": WATCH,
    "DELETE /channels/{channel_id}/whep/{secret}": WATCH,
    # recordings and clips as media
    "GET /channels/{channel_id}/replay": WATCH,
    "GET /channels/{channel_id}/replay.mp4": MEDIA,
    "GET /channels/{channel_id}/frame.jpg": MEDIA,
    "GET /clips/{clip_id}/stream": MEDIA,
    "GET /clips/{clip_id}/m{media_rev}/{name}": MEDIA,
    "GET /clips/{clip_id}/thumbnail": MEDIA,
    # clips
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
    # plays
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

TRUST_ROWS: Mapping[str, Permission] = {  # of a box with an authority of its own
    "GET /trust": EVERYBODY,
    "GET /ca.crt": EVERYBODY,
    "GET /ca.mobileconfig": EVERYBODY,
}


def box_matrix(domains: Iterable[Mapping[str, Permission]]) -> Matrix:
    """The whole table; `domains`: the rows of the removable ones."""
    return matrix(ROWS, *domains)
