"""A batch of CloudEvents as a box sends it, read and checked. Pure.

Owns: the wire form (`id` = {epoch}:{seq}, `source` = /sites/{site_id}, `sequence`, `sha256` of the entry),
and which journal type changes which resource. A batch whose events have no clear place is refused as a whole;
an event whose content is wrong is only marked, so that it never holds back those after it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from appliance.kernel import json
from appliance.kernel.errors import FieldError, Refused

EVENTS_MAX: Final = 500
BATCH_BYTES: Final = 2**20  # of several events; one alone may be larger
PREFIX: Final = "org.stadiumbox."
KINDS: Final = ("session", "channel", "play", "clip", "tag")
_CHANGES: Final = frozenset(  # what follows the kind in types whose data holds the whole resource
    ["created", "updated", "start", "paused", "resumed", "end", "reopened", "status", "footage"]
    + ["processing", "ready", "failed"]
)
SEQ_MAX: Final = 2**53  # beyond it JSON numbers are not exact
_TYPE: Final = re.compile(r"org\.stadiumbox\.([a-z0-9_]{1,64})\.v1")
_EPOCH: Final = r"[A-Za-z0-9_-]{1,64}"
_ID: Final = re.compile(rf"({_EPOCH}):([1-9][0-9]{{0,15}})")
_AFTER: Final = re.compile(r"([0-9]{1,16})(?::([0-9a-f]{64})?)?")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TEXT_MAX: Final = 256
_RESOURCE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Change:
    """What an event makes of one resource. `resource`: JSON; None: the event does not hold it; it stays
    as it is."""

    kind: str
    id: str
    session_id: str | None
    resource: str | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Counters:
    """Figures of a session that an event of its clips and tags carries."""

    session_id: str
    text: str  # JSON object


@dataclass(frozen=True, slots=True)
class SentEvent:
    """`type`: as on the box where we know the form, else as it was sent. `bad`: why its content cannot be
    used; it is then parked."""

    seq: int
    type: str
    subject: str
    box_clock: str  # RFC 3339
    sha256: str
    session_id: str | None
    data: str  # JSON object
    change: Change | None = None
    counters: Counters | None = None
    bad: str = ""
    as_sent: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """In the order of their seq, each once. `epoch` "": the batch is empty."""

    epoch: str
    events: tuple[SentEvent, ...]


def read_batch(body: bytes, site_id: str) -> Batch:
    """Raises Refused: 400 not JSON, 413 too large, 404 of another site, 422 malformed."""
    try:
        sent = json.decode_long(body)
    except json.BadJson as error:
        raise Refused(400, "malformed_json", f"the batch is not JSON: {error}"[:300]) from None
    if not isinstance(sent, list):
        raise _malformed("body", "must be an array of events")
    if len(sent) > EVENTS_MAX or (len(body) > BATCH_BYTES and len(sent) > 1):
        limits = {"limit_events": EVENTS_MAX, "limit_bytes": BATCH_BYTES}
        detail = f"a batch has at most {EVENTS_MAX} events and {BATCH_BYTES} bytes, or one larger event"
        raise Refused(413, "batch_too_large", detail, "send fewer events at a time", extra=limits)
    epoch, events = "", dict[int, SentEvent]()
    for at, each in enumerate(sent):
        of_epoch, event = _event(at, each, site_id)
        if epoch not in ("", of_epoch):
            raise _malformed(f"{at}.id", "is of another epoch than the events before it")
        epoch = of_epoch
        known = events.setdefault(event.seq, event)
        if known != event:
            raise _malformed(f"{at}.id", "another event of this batch has this sequence")
    return Batch(epoch, tuple(events[seq] for seq in sorted(events)))


def read_after(header: str) -> tuple[int, str] | None:
    """`Sync-After: seq:sha256`: (seq, sha256 or ""); None without it. Raises Refused 400."""
    if not header:
        return None
    match = _AFTER.fullmatch(header)
    if match is None:
        raise Refused(400, "bad_header", "Sync-After: must be seq:sha256 of the last acknowledged entry")
    return int(match[1]), match[2] or ""


def read_epoch(text: str) -> str:
    """The epoch itself. Raises Refused 422."""
    if not re.fullmatch(_EPOCH, text):
        raise _malformed("epoch", "must have 1 to 64 letters, digits, - or _")
    return text


def reread(event: str, site_id: str) -> SentEvent:
    """An event that was kept as it was sent, as it is read now."""
    return _event(0, json.decode_long(event.encode()), site_id)[1]


def _event(at: int, sent: Any, site_id: str) -> tuple[str, SentEvent]:
    """(epoch, event). Raises Refused for one whose place in the stream is not clear."""
    if not isinstance(sent, dict):
        raise _malformed(str(at), "must be an object")
    if sent.get("specversion") != "1.0":
        raise _malformed(f"{at}.specversion", 'must be "1.0"')
    source = sent.get("source")
    if source != f"/sites/{site_id}":
        detail = f"event {at} is of {source!r}, and this token is of /sites/{site_id}"
        raise Refused(404, "other_site", detail[:300], "send it with the token of its site")
    match = _ID.fullmatch(sent["id"]) if isinstance(sent.get("id"), str) else None
    if match is None or int(match[2]) > SEQ_MAX:
        raise _malformed(f"{at}.id", "must be {epoch}:{seq}")
    if sent.get("sequence", match[2]) != match[2]:
        raise _malformed(f"{at}.sequence", "must be the seq of the id, as a decimal string")
    return match[1], _content(int(match[2]), sent)


def _content(seq: int, sent: dict[str, Any]) -> SentEvent:
    bad, texts = "", dict[str, str]()
    for name in ("type", "subject", "time"):
        value = sent.get(name, "")
        if not isinstance(value, str) or len(value) > _TEXT_MAX or not value.isprintable():
            bad, value = bad or f"{name}: must be text of at most {_TEXT_MAX} characters", ""
        texts[name] = value
    data = sent.get("data")
    if not isinstance(data, dict):
        bad, data = bad or "data: must be an object", {}
    encoded = json.encode(data)
    match = _TYPE.fullmatch(texts["type"])
    type_ = match[1] if match else texts["type"]
    change, counters = None, None
    if match is not None and not bad:
        try:
            change, counters = _change(type_, texts["subject"], data), _counters(type_, data)
            json.require_depth(encoded)
        except ValueError as error:
            bad = str(error)
    session_id = data.get("session_id")
    return SentEvent(
        seq,
        type_,
        texts["subject"],
        texts["time"],
        _sha256(sent, seq, type_, texts["time"], encoded),
        session_id if isinstance(session_id, str) and _RESOURCE_ID.fullmatch(session_id) else None,
        encoded.decode(),
        None if bad else change,
        None if bad else counters,
        bad,
        sent,
    )


def _sha256(sent: dict[str, Any], seq: int, type_: str, time: str, data: bytes) -> str:
    """Of the box's journal entry. A box whose event lacks private fields sends it; otherwise the entry is the
    event as /ws shows it."""
    given = sent.get("sha256")
    if isinstance(given, str) and _SHA256.fullmatch(given):
        return given
    head = json.encode({"type": type_, "seq": seq, "ts": time})[:-1]
    return hashlib.sha256(head + (b"," + data[1:] if len(data) > 2 else b"}")).hexdigest()


def _change(type_: str, subject: str, data: dict[str, Any]) -> Change | None:
    """What the event makes of a resource; None: it is only kept. Raises ValueError: of a kind that we know,
    but not as we know it."""
    kind, _, what = type_.partition("_")
    if kind not in KINDS or not what:
        return None
    row_id = subject.removeprefix(f"{kind}:")
    if subject == row_id or not _RESOURCE_ID.fullmatch(row_id):
        raise ValueError(f"subject: must be {kind}:ID")
    if what == "deleted":
        return Change(kind, row_id, _session_of(kind, row_id, data), None, is_deleted=True)
    resource = data.get(kind)
    if type(size := data.get("too_large")) is int:
        raise ValueError(
            f"data: had {size} bytes, more than an event may have; the {kind} is as it was before"
        )
    if not isinstance(resource, dict):
        if what not in _CHANGES:
            return None  # of a newer box
        raise ValueError(f"data.{kind}: must be the whole {kind}")
    if resource.get("id") != row_id:
        raise ValueError(f"data.{kind}.id: is not that of the subject")
    session_id = _session_of(kind, row_id, resource)
    return Change(kind, row_id, session_id, json.encode(_stored(kind, resource)).decode())


def snapshot_change(line: Any) -> Change:
    """A line of a snapshot: {kind, id, resource} or {kind, id, deleted: true}. A kind of a newer box is kept
    too. Raises ValueError."""
    kind = line.get("kind") if isinstance(line, dict) else None
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ValueError("kind: must be that of a resource, such as " + ", ".join(KINDS))
    row_id, resource = line.get("id"), line.get("resource")
    if not isinstance(row_id, str) or not _RESOURCE_ID.fullmatch(row_id):
        raise ValueError("id: must be that of the resource")
    if line.get("deleted") is True:
        return Change(kind, row_id, _session_of(kind, row_id, line), None, is_deleted=True)
    if not isinstance(resource, dict) or resource.get("id") != row_id:
        raise ValueError("resource: must be the whole resource with this id")
    text = json.encode(_stored(kind, resource))
    json.require_depth(text)
    return Change(kind, row_id, _session_of(kind, row_id, resource), text.decode())


def _stored(kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    """A play without `clip_ids`: its event comes before those of its clips, and each clip names its play."""
    return {name: value for name, value in resource.items() if kind != "play" or name != "clip_ids"}


def _session_of(kind: str, row_id: str, holder: dict[str, Any]) -> str | None:
    if kind == "session":
        return row_id
    session_id = holder.get("session_id")
    if session_id is None:
        return None
    if not isinstance(session_id, str) or not _RESOURCE_ID.fullmatch(session_id):
        raise ValueError("session_id: must be the id of a session")
    return session_id


def _counters(type_: str, data: dict[str, Any]) -> Counters | None:
    """A clip's or tag's event carries its session's figures under `session`."""
    figures, session_id = data.get("session"), data.get("session_id")
    if type_.startswith("session_") or not isinstance(figures, dict) or not isinstance(session_id, str):
        return None
    return Counters(session_id, json.encode(figures).decode())


def _malformed(loc: str, msg: str) -> Refused:
    return Refused(422, "invalid", f"{loc}: {msg}", "send events as CloudEvents 1.0", (FieldError(loc, msg),))


def newest_changes(events: Sequence[SentEvent]) -> dict[tuple[str, str], tuple[int, Change]]:
    """The last change of each resource, with its seq: as if they were applied one after another."""
    newest: dict[tuple[str, str], tuple[int, Change]] = {}
    for event in events:
        change = event.change
        if change is None:
            continue
        before = newest.get((change.kind, change.id))
        if before is not None:
            session_id, resource = before[1].session_id, before[1].resource
            change = replace(
                change,
                session_id=change.session_id or session_id,
                resource=change.resource if change.resource is not None else resource,
            )
        newest[change.kind, change.id] = (event.seq, change)
    return newest
