"""The file name of a saved clip: `Demo_Play-81_3and8-Pass-Complete_End-zone.mp4`, from the fields that are
set.

Owns: its parts and the allowed characters. Must not know: how a header encodes it (http/ranges.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.tx import ReadTx, Row

MAX_BYTES = 200  # file systems take 255, and a browser adds " (1)"
MAX_PART = 60  # maximum characters of a name that a person typed

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|]+")  # forbidden on at least one operating system
_GAPS = re.compile(r"[\s_]+")


Words = Callable[[ReadTx, Row], Sequence[str]]
"""What other domains say of a clip, from its row."""


def save_name(tx: ReadTx, clip_id: str, zone: str, words: Words = lambda tx, row: ()) -> str:
    """Session, play (else title, else local time of IN), other domains' words, camera. `zone`: the site's."""
    row = tx.one(
        "SELECT clips.*, sessions.name AS session, plays.number, plays.title AS play_title,"
        " channels.name AS channel FROM clips JOIN sessions ON sessions.id = clips.session_id"
        " LEFT JOIN plays ON plays.id = clips.play_id LEFT JOIN channels ON channels.id = clips.channel_id"
        " WHERE clips.id = ?",
        (clip_id,),
    )
    if row is None:
        return f"{clip_id}.mp4"
    added = "-".join(filter(None, map(_word, words(tx, row))))
    return joined([row["session"], _play_or_title(row, zone), added, row["channel"] or row["channel_id"]])


def joined(parts: Sequence[str]) -> str:
    """A file name of these parts, shortened to the length that every file system accepts."""
    return _short("_".join(filter(None, map(clean, parts)))) + ".mp4"


def clean(text: str) -> str:
    """Text a person typed, without characters that a file system forbids or that separate the name's
    parts."""
    text = _GAPS.sub("-", _FORBIDDEN.sub(" ", unicodedata.normalize("NFC", text)).strip())
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn"))
    return text[:MAX_PART].strip("-. ")


def _play_or_title(row: Row, zone: str) -> str:
    title = clean(row["title"] or row["play_title"] or "")
    if row["number"] is not None:
        return f"Play-{row['number']}" + (f"-{title}" if title else "")
    if title:
        return title
    at = datetime.fromisoformat(to_rfc3339(row["start_us"])).astimezone(ZoneInfo(zone))
    return f"{at:%H-%M-%S}"


def _word(text: str) -> str:
    """Capitalised: `touchdown` becomes Touchdown, `RPO` stays."""
    part = clean(text)
    return "-".join(word.capitalize() if word.islower() else word for word in part.split("-"))


def _short(name: str) -> str:
    return name.encode()[:MAX_BYTES].decode(errors="ignore").rstrip("-_. ")
