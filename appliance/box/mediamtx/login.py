"""The box's own login at MediaMTX: from the settings, else from a file that `appliance mediamtx-config` made.

Owns: `state_dir/mediamtx-password`, which only the box's user can read. Everything here blocks for a moment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from appliance.box.mediamtx.settings import MediamtxSettings
from appliance.box.mediamtx.users import BOX_USER, new_password

NAME: Final = "mediamtx-password"


def login_of(settings: MediamtxSettings, state_dir: Path) -> tuple[str, str]:
    """(user, password); two empty strings: MediaMTX asks for none, or none was made yet."""
    if settings.read_password:
        return settings.read_user or BOX_USER, settings.read_password
    try:
        password = (state_dir / NAME).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return settings.read_user, ""
    return settings.read_user or BOX_USER, password


def make_login(settings: MediamtxSettings, state_dir: Path) -> tuple[str, str, bool]:
    """(user, password, whether the password is new): as `login_of`, and made where there is none. Raises
    OSError."""
    user, password = login_of(settings, state_dir)
    if password:
        return user, password, False
    password = new_password()
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = state_dir / f"{NAME}.tmp"
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:  # the daemon runs as the owner of its folder
        owner = state_dir.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    os.replace(draft, state_dir / NAME)
    return user or BOX_USER, password, True
