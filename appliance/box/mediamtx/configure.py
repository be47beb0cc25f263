"""`appliance mediamtx-config`: write MediaMTX's users, and tell what to type into each encoder.

Owns: reading and replacing the file. A password exists in plain text in two places only: the encoder, and
the answer of this command (for the box itself, login.py). Everything here blocks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.box.mediamtx.login import make_login
from appliance.box.mediamtx.settings import MediamtxSettings
from appliance.box.mediamtx.users import (
    CannotWrite,
    camera_url,
    hashed,
    hashes_of,
    new_password,
    rewritten,
    srt_port,
)
from appliance.kernel.witness import sync_folder

if TYPE_CHECKING:
    from appliance.box.settings import Settings


@dataclass(frozen=True, slots=True)
class Configured:
    """`urls`: by channel, for cameras whose password is new. `kept`: channels that keep theirs. `removed`:
    users that may no longer come in; `removed_paths`: paths that MediaMTX no longer accepts."""

    urls: dict[str, str]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    removed_paths: tuple[str, ...]
    is_written: bool
    is_box_password_new: bool


def configure(settings: Settings, file: Path, new: Sequence[str], host: str) -> Configured:
    """Write the users of all [[channels]] and of the box into `file`. `new`: channels that get a new
    password; others keep the one they have. `host`: the box's address for cameras.

    Raises CannotWrite, OSError. A file that needs no change is not written: MediaMTX reads it again at every
    change.
    """
    channels = [channel.id for channel in settings.channels]
    if unknown := [each for each in new if each not in channels]:
        raise CannotWrite(
            f"no channel {unknown[0]} in the settings; there are: {', '.join(channels) or 'none'}"
        )
    text = file.read_text(encoding="utf-8")
    known = hashes_of(text)
    passwords = {each: new_password() for each in channels if each in new or each not in known}
    cameras = {each: hashed(passwords[each]) if each in passwords else known[each] for each in channels}
    user, password, is_new = make_login(settings.section(MediamtxSettings), settings.storage.state_dir)
    result = rewritten(text, cameras, user, hashed(password))
    if result.text != text:
        _replace(file, result.text)
    port = srt_port(text)
    return Configured(
        {name: camera_url(host, port, name, own) for name, own in passwords.items()},
        tuple(each for each in channels if each not in passwords),
        result.removed,
        result.removed_paths,
        result.text != text,
        is_new,
    )


def _replace(file: Path, text: str) -> None:
    """Write it whole, with owner and mode as they are: MediaMTX ends when it reads half of a file."""
    before = file.stat()
    draft = file.with_name(f".{file.name}.tmp")
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        opened.write(text)
        opened.flush()
        os.fchmod(opened.fileno(), before.st_mode & 0o7777)
        if os.geteuid() == 0:
            os.fchown(opened.fileno(), before.st_uid, before.st_gid)
        os.fsync(opened.fileno())
    os.replace(draft, file)
    sync_folder(file.parent)
