"""Which machine this is, for the cloud: a copy of the state folder on another machine is noticed there.

Owns: `box_id`, made from the machine's id, which is itself never sent. A machine without one (a container)
counts as the folder that holds the state.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Final

MACHINE_ID: Final = Path("/etc/machine-id")
_FORMAT: Final = b"stadium-box:"


def box_id(state_dir: Path, machine_id: Path = MACHINE_ID) -> str:
    """The same UUID at each start on this machine, another one on every other machine. Blocking."""
    try:
        machine = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    digest = hashlib.sha256(_FORMAT + (machine or f"folder:{state_dir}").encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
