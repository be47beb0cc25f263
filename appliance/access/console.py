"""Codes and tokens made on the box's console: `appliance pair` writes a file, the daemon stores its content.

Owns: the folder `state_dir/pairing`. The first admin is made here only: a user who may write to this folder
can change the database too, so it gives no additional rights. It works while the daemon runs, because no
second program opens the database. The file of a code holds its hash and the time since boot at which it was
made: a step of the wall clock makes no code older. The file of a token holds the token's hash; the device
gets the token in another file. The daemon reads both at its start, and when a device uses an unknown token.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from appliance.access.core import SELECTOR_CHARS, new_code, new_token, secret_hash
from appliance.access.roles import ROLES
from appliance.kernel import json
from appliance.kernel.clock import boot_id, boottime_us
from appliance.kernel.ids import new_uuid

FOLDER = "pairing"
_BYTES_MAX = 4096
_ENDING = ".json"
_TOKEN_ENDING = ".token"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T", "ConsoleCode", "ConsoleToken")


@dataclass(frozen=True, slots=True)
class ConsoleCode:
    """One file. Times in microseconds."""

    id: str
    selector: str
    code_hash: str
    role: str
    name: str | None
    boot_id: str
    made_boottime_us: int
    lives_us: int
    channel_id: str | None = None

    def left_us(self) -> int:
        """Microseconds for which it can still be used; 0 after a reboot."""
        if self.boot_id != boot_id():
            return 0
        return max(0, self.made_boottime_us + self.lives_us - boottime_us())


@dataclass(frozen=True, slots=True)
class ConsoleToken:
    """The file of a device that gets its token in another file."""

    id: str
    token_hash: str
    role: str
    name: str | None
    channel_id: str | None = None


def leave_code(
    state_dir: Path, role: str, name: str | None, minutes: float, channel_id: str | None = None
) -> str:
    """Make a code and leave its file for the daemon; returns the code. Raises OSError."""
    code = new_code()
    made = ConsoleCode(
        new_uuid(),
        code[:SELECTOR_CHARS],
        secret_hash(code),
        role,
        name,
        boot_id(),
        boottime_us(),
        round(minutes * 60e6),
        channel_id,
    )
    _leave(state_dir, made, _ENDING)
    return code


def leave_token(state_dir: Path, role: str, name: str | None, channel_id: str | None = None) -> str:
    """Make a device and leave its file for the daemon; returns its token. Raises OSError."""
    token = new_token()
    _leave(state_dir, ConsoleToken(new_uuid(), secret_hash(token), role, name, channel_id), _TOKEN_ENDING)
    return token


def _leave(state_dir: Path, made: ConsoleCode | ConsoleToken, ending: str) -> None:
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, draft = folder / f"{made.id}{ending}", folder / f"{made.id}.tmp"
    draft.touch(mode=0o600)
    draft.write_bytes(json.encode(asdict(made)))
    if os.geteuid() == 0:  # the daemon runs as the owner of its folder and must read and remove the file
        owner = state_dir.stat()
        for path in (folder, draft):
            os.chown(path, owner.st_uid, owner.st_gid)
    draft.rename(file)


def waiting_codes(state_dir: Path) -> list[ConsoleCode]:
    """The codes in the folder, also those whose time is over. A file that is not a code is passed over."""
    found = [(file, _read(file, ConsoleCode)) for file in _files(state_dir, _ENDING)]
    return [
        code
        for file, code in found
        if code is not None and _is_ours(file, code) and isinstance(code.selector, str) and _has_times(code)
    ]


def waiting_tokens(state_dir: Path) -> list[ConsoleToken]:
    """The devices in the folder. A file that is not one is passed over."""
    found = [(file, _read(file, ConsoleToken)) for file in _files(state_dir, _TOKEN_ENDING)]
    return [token for file, token in found if token is not None and _is_ours(file, token)]


def remove_files(state_dir: Path, ids: list[str]) -> None:
    """Remove the files of codes and devices that are in the database now."""
    for each in ids:
        for ending in (_ENDING, _TOKEN_ENDING):
            (state_dir / FOLDER / f"{each}{ending}").unlink(missing_ok=True)


def _files(state_dir: Path, ending: str) -> list[Path]:
    try:
        return sorted((state_dir / FOLDER).glob(f"*{ending}"))
    except OSError:
        return []


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        with file.open("rb") as opened:
            return kind(**json.decode(opened.read(_BYTES_MAX)))
    except (OSError, ValueError, TypeError):
        return None


def _is_ours(file: Path, made: ConsoleCode | ConsoleToken) -> bool:
    secret = made.code_hash if isinstance(made, ConsoleCode) else made.token_hash
    texts = (made.id, secret, made.role, made.name or "", made.channel_id or "")
    is_text = all(isinstance(text, str) for text in texts)
    return (
        is_text
        and made.role in ROLES
        and made.id == file.name.partition(".")[0]
        and _ID.fullmatch(made.id) is not None
    )


def _has_times(code: ConsoleCode) -> bool:
    return isinstance(code.made_boottime_us, int) and isinstance(code.lives_us, int)
