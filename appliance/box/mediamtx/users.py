"""The users and paths in MediaMTX's settings file, as `appliance mediamtx-config` writes them. Pure.

Owns: the keys authMethod, authInternalUsers and paths of mediamtx.yml; every other line stays as it is. Users
are checked inside MediaMTX: with its HTTP authentication no camera could reconnect while the daemon is down.
Each camera may publish its own path and do nothing else; the box alone reads and asks the API.

Passwords are random (100 bits) and stored as SHA-256. Argon2 would protect them no better, and would cost
MediaMTX a tenth of a second of a core for each wrong login.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

BOX_USER: Final = "appliance"
PASSWORD_CHARS: Final = 20
_ALPHABET: Final = (
    "0123456789abcdefghjkmnpqrstvwxyz"  # 32; none that a stream id, a URL or YAML reads otherwise
)

_MARK: Final = "# written by `appliance mediamtx-config`"
_KEY: Final = re.compile(r"([A-Za-z]\w*):(.*)")
_PLAIN_PATH: Final = re.compile(r"\s+[\"']?([^\s\"':]+)[\"']?:\s*(\{\})?\s*(#.*)?")
_PLACEHOLDER: Final = "ReplaceThis"  # the password of a user in the file that releases before shipped


class CannotWrite(Exception):
    """The file has a form that cannot be changed safely; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The file's new text. `removed`: users that may no longer come in; `removed_paths`: paths that MediaMTX
    no longer accepts; both for people."""

    text: str
    removed: tuple[str, ...]
    removed_paths: tuple[str, ...]


def new_password() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_CHARS))


def hashed(password: str) -> str:
    """As MediaMTX stores it."""
    return "sha256:" + base64.b64encode(hashlib.sha256(password.encode()).digest()).decode("ascii")


def camera_url(host: str, port: int, channel_id: str, password: str) -> str:
    """What is typed into an encoder."""
    return f"srt://{host}:{port}?streamid=publish:{channel_id}:{channel_id}:{password}"


def srt_port(text: str) -> int:
    """The port of srtAddress in the file's text; MediaMTX's default without one."""
    found = re.search(r"(?m)^srtAddress:[^#\n]*:(\d+)", text)
    return int(found[1]) if found else 8890


def hashes_of(text: str) -> dict[str, str]:
    """The stored passwords by user; those that are there in plain text are hashed. Raises CannotWrite."""
    users = [_user_of(entry) for entry in _entries(_block(text, "authInternalUsers"))]
    return {
        name: stored if stored.startswith(("sha256:", "argon2:")) else hashed(stored)
        for name, stored in reversed(users)  # of two entries MediaMTX takes the first
        if stored and _PLACEHOLDER not in stored
    }


def rewritten(text: str, cameras: Mapping[str, str], box_user: str, box_hash: str) -> Rewritten:
    """The file's text with these users alone: cameras by channel id, with stored passwords, and the box.

    Kept as they are: users with other names and a password, and users without a password (`any`) that are
    limited to addresses (`ips`) and to publishing: cameras that can send none. Paths are added; those without
    settings of their own are removed when no user of the new text may publish them: a channel that was made
    by POST /channels is in the database only. Raises CannotWrite.
    """
    if box_user in cameras:
        raise CannotWrite(f"mediamtx.read_user: a channel is called {box_user} too; choose another name")
    kept, removed = _kept_users(text, {*cameras, box_user})
    users = [_camera(name, stored) for name, stored in cameras.items()]
    users.append(_box(box_user, box_hash))
    text = _with_block(text, "authMethod", ["authMethod: internal"])
    text = _with_block(text, "authInternalUsers", ["authInternalUsers:", *_flat(users), *_flat(kept)])
    paths, removed_paths = _paths(text, list(cameras), kept)
    return Rewritten(_with_block(text, "paths", paths), tuple(removed), tuple(removed_paths))


def _camera(name: str, stored: str) -> list[str]:
    return [
        f"  - user: {name}  {_MARK}",
        f"    pass: {stored}",
        "    permissions:",
        "      - action: publish",
        f"        path: {name}",
    ]


def _box(name: str, stored: str) -> list[str]:
    return [
        f"  - user: {name}  {_MARK}",
        f"    pass: {stored}",
        '    ips: ["127.0.0.1", "::1"]',
        "    permissions:",
        "      - action: read",
        "      - action: api",
    ]


def _kept_users(text: str, ours: set[str]) -> tuple[list[list[str]], list[str]]:
    """(entries of others, names of those that must go)."""
    kept, removed = list[list[str]](), list[str]()
    for entry in _entries(_block(text, "authInternalUsers")):
        name, stored = _user_of(entry)
        if name in ours or _PLACEHOLDER in stored:
            continue
        has_login = name not in ("", "any") and bool(stored)
        if _MARK not in entry[0] and (has_login or _is_limited(entry)):
            kept.append(entry)
        else:
            removed.append(name or "a user without a name")
    return kept, removed


def _is_limited(entry: Sequence[str]) -> bool:
    """An entry without a password: only for publishing, and only from addresses that are given."""
    text = "\n".join(line.partition(" #")[0] for line in entry)
    actions = set(re.findall(r"action:\s*[\"']?(\w+)", text))
    has_ips = re.search(r"\bips:\s*(\[\s*[^\s\]]|\n\s+-)", text) is not None
    return actions == {"publish"} and has_ips


def _user_of(entry: Sequence[str]) -> tuple[str, str]:
    """(name, stored password) of one entry of the list; "" for what it does not have. Raises CannotWrite."""
    if entry[0].lstrip(" -").startswith("{"):
        raise CannotWrite("authInternalUsers: write each user as a block, one key below the other")
    values = {"user": "", "pass": ""}
    for line in entry:
        found = re.match(r"[\s-]*(user|pass):\s*(.*)", line)
        if found:
            values[found[1]] = found[2].partition(" #")[0].strip().strip("\"'")
    return values["user"], values["pass"]


def _may_publish(entry: Sequence[str], path: str) -> bool:
    """Whether a user's entry allows it; in doubt it does. A permission without a path is for every path, one
    that begins with ~ is a regular expression."""
    text = "\n".join(line.partition(" #")[0] for line in entry)
    if re.search(r"action:\s*[\"']?publish\b", text) is None:
        return False
    names = [name.strip("\"'") for name in re.findall(r"\bpath:[ \t]*([^\s,}]+)", text)]
    if len(names) < len(re.findall(r"\baction:", text)) or "" in names:
        return True
    return any(name == path or (name.startswith("~") and _matches(name[1:], path)) for name in names)


def _matches(pattern: str, path: str) -> bool:
    try:
        return re.search(pattern, path) is not None
    except re.error:
        return True  # a pattern that Python cannot read: MediaMTX's are Go's


def _paths(text: str, channels: Sequence[str], users: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """(the lines of `paths`, names of those that are removed): those with settings of their own, or that one
    of `users` may publish, stay; a plain one is there for each channel."""
    kept, removed = list[list[str]](), list[str]()
    own = set[str]()
    for entry in _entries(_block(text, "paths")):
        plain = _PLAIN_PATH.fullmatch(entry[0])
        name = entry[0].strip().partition(":")[0].strip("\"'")
        if plain is not None and len(entry) == 1:
            if name in channels:
                continue
            if not any(_may_publish(user, name) for user in users):
                removed.append(name)
                continue
        kept.append(entry)
        own.add(name)
    added = [f"  {name}: {{}}" for name in channels if name not in own]
    return ["paths:", *added, *_flat(kept)] if added or kept else ["paths: {}"], removed


def _flat(entries: Sequence[Sequence[str]]) -> list[str]:
    return [line for entry in entries for line in entry]


# -- the file's top-level keys ---------------------------------------------------------------------------


def _block(text: str, key: str) -> list[str]:
    """The lines of a top-level key after its own line. Raises CannotWrite for a value on that line."""
    lines = text.split("\n")
    span = _span(lines, key)
    if span is None:
        return []
    rest = lines[span[0]].partition(":")[2].partition(" #")[0].strip()
    if rest not in ("", "[]", "{}"):
        raise CannotWrite(f"{key}: write it as a block, one entry below the other")
    return lines[span[0] + 1 : span[1]]


def _with_block(text: str, key: str, block: Sequence[str]) -> str:
    """The text with the key's lines replaced; at its end where it has none."""
    lines = text.rstrip("\n").split("\n")
    start, end = _span(lines, key) or (len(lines), len(lines))
    return "\n".join([*lines[:start], *block, *lines[end:]]) + "\n"


def _span(lines: Sequence[str], key: str) -> tuple[int, int] | None:
    """First and last (exclusive) line of a top-level key, without the comments before the next one."""
    starts = [at for at, line in enumerate(lines) if (found := _KEY.match(line)) and found[1] == key]
    if not starts:
        return None
    end = start = starts[0]
    for at in range(start + 1, len(lines)):
        if _KEY.match(lines[at]):
            break
        if lines[at].strip() and not lines[at].startswith("#"):
            end = at
    return start, end + 1


def _entries(block: Sequence[str]) -> list[list[str]]:
    """The entries of a block, without comments: each begins at the indentation of the first one, which
    becomes two spaces."""
    entries = list[list[str]]()
    first: int | None = None
    for line in block:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        first = indent if first is None else first
        if indent <= first:
            entries.append([f"  {stripped}"])
        else:
            entries[-1].append(f"  {line[first:].rstrip()}")
    return entries
