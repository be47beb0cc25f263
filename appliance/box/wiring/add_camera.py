"""`appliance add-camera`: one more `[[channels]]` block at the end of the settings file.

Owns: the block's text, the port that is free in the settings, the passphrase. The whole new text is checked
before the file is replaced, so a camera that cannot be added changes nothing.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from appliance.box.settings import Settings, SettingsError, check_settings, load_settings
from appliance.kernel import json

FIRST_PORT = 8891
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no two of them look alike: people type it into an encoder
_PASSPHRASE_CHARS = 16  # 79 bits


@dataclass(frozen=True, slots=True)
class Added:
    """`port` None: MediaMTX records, so the camera sends to its port."""

    port: int | None
    passphrase: str


def add_camera(file: Path, channel_id: str, name: str, port: int | None) -> Added:
    """Append the block. Raises SettingsError naming what is wrong, OSError."""
    settings = load_settings(file)
    if any(channel.id == channel_id for channel in settings.channels):
        raise SettingsError([f"channels: there is a camera {channel_id} in {file} already"])
    lines = ["", "[[channels]]", f"id = {_quoted(channel_id)}"]
    if name:
        lines.append(f"name = {_quoted(name)}")
    added = Added(None, "")
    if settings.recorder.mode == "embedded":
        added = Added(
            port or _free_port(settings), "".join(secrets.choice(_LETTERS) for _ in range(_PASSPHRASE_CHARS))
        )
        lines.append(f'input_url = "srt://:{added.port}?passphrase={added.passphrase}&pbkeylen=16"')
    text = file.read_text(encoding="utf-8").rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"channels: the block cannot be appended to {file}: {error}"]) from None
    check_settings(tree)
    _replace(file, text)
    return added


def _free_port(settings: Settings) -> int:
    used = {urlsplit(channel.input_url).port for channel in settings.channels if channel.input_url}
    return next(port for port in range(FIRST_PORT, 65_536) if port not in used)


def _quoted(text: str) -> str:
    """A TOML basic string has the escapes of JSON."""
    return json.encode(text).decode()


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, with the file's owner and mode: it holds passphrases."""
    stats, draft = file.stat(), file.with_name(f"{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        os.fchmod(descriptor, stats.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(descriptor, stats.st_uid, stats.st_gid)
        opened.flush()
        os.fsync(descriptor)
    os.replace(draft, file)
