"""Safe mode and the folders of the box: what the daemon keeps an eye on while it starts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import trio

from appliance.box.domains import SafeModeHolds
from appliance.box.settings import Settings
from appliance.kernel.safemode import MarkerFile, SafeMode, open_safe_mode
from appliance.kernel.version import appliance_version
from appliance.ops.health import HealthPart, safe_mode_part

RECORDINGS: Final = "all recordings, live pictures"
OLD_RECORDINGS: Final = "recordings made before the start"
CUTTING: Final = "cutting of clips"
FILES: Final = "clip files, their pictures, retention"


def safe_mode(state_dir: Path) -> AbstractContextManager[tuple[SafeMode, MarkerFile]]:
    """The parts that safe mode holds back, in the order in which they are turned on. Marks, health and,
    unless they end the box too, live video and frames work meanwhile."""
    parts = (OLD_RECORDINGS, CUTTING, FILES)
    return open_safe_mode(state_dir, parts, last_resort=RECORDINGS, version=appliance_version())


def holds(safe: SafeMode) -> SafeModeHolds:
    """What the domains wait for."""
    return SafeModeHolds(
        recordings=safe.hold(RECORDINGS),
        old_recordings=safe.hold(OLD_RECORDINGS),
        cutting=safe.hold(CUTTING),
        files=safe.hold(FILES),
    )


def safe_mode_line(safe: SafeMode) -> HealthPart:
    """The part `safe_mode` of /readyz."""
    next_in_s = None if safe.next_s is None else safe.next_s - trio.current_time()
    return safe_mode_part(safe.off_parts(), safe.reason, next_in_s)


def folders_of(settings: Settings) -> dict[str, Path]:
    """The folders whose disks are watched by health, by name."""
    storage = settings.storage
    return {"state": storage.state_dir, "recordings": storage.recordings_dir, "clips": storage.clips}
