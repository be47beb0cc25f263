"""The cloud's part of /readyz and Health, in plain words, and its figures.

Owns: the texts. A box without internet is not a fault of the box: only what a person can correct is red.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.box.sync.client import CloudClient
from appliance.box.sync.link import Link, Trouble
from appliance.box.sync.up.actor import Uplink
from appliance.kernel.clock import DAY_US, S_US, to_rfc3339
from appliance.kernel.errors import Refused, Unavailable
from appliance.ops.health import HealthPart, Status

if TYPE_CHECKING:
    from appliance.ops.metrics import Metrics

ANEW_US: Final = DAY_US  # so long a new epoch that the box did not choose is shown
TRY_S: Final = 5.0
NO_TOKEN: Final = HealthPart(
    "bad",
    "nothing is sent to the cloud: [cloud] token_file cannot be read, or holds no token alone on its line",
    "make one with `appliance cloud token --role box --scope site:ID`, put it there, restart",
)
CHANGES: Final = "/edge/v1/changes"
_NO_CURSOR: Final = "0.0.0"  # of no cloud: what it answers is that it has expired
_ORDINARY: Final = "the first connection to this cloud"
_WORDS: Final = {  # code of a refusal: what it means here, and what to do
    "not_paired": (
        "the cloud does not accept the token of this box",
        "make one with `appliance cloud token --role box --scope site:ID`, put it in [cloud] token, restart",
    ),
    "not_allowed": (
        "the token of this box is not one of a box",
        "make one with `appliance cloud token --role box --scope site:ID`, put it in [cloud] token, restart",
    ),
    "not_a_box": (
        "the token of this box is not one of a box",
        "make one with `appliance cloud token --role box --scope site:ID`, put it in [cloud] token, restart",
    ),
    "other_site": (
        "the token of this box is that of another site",
        "[site] id and the scope of the token must be the same",
    ),
    "other_box": (
        "another machine is this site's box",
        "if this one is to be the box, an admin of the cloud must name it (replace-box); else give it a site"
        " of its own",
    ),
    "epoch_superseded": (
        "the cloud has a later state of this box: a copy of it sends, or this one was set back",
        "stop the copy if there is one; then an admin of the cloud lets this one begin anew (replace-box): it"
        " goes on by itself within minutes, and nothing that the cloud has is deleted",
    ),
}


_NAMED: Final = ("other_box", "epoch_superseded")  # an admin names this machine


def cloud_part(link: Link, up: Uplink, head: int, now_us: int) -> HealthPart:
    """One line: connected or since when not, what is still to be sent, the last error and what to do."""
    entries = _entries(up, head)
    waiting = _waiting(entries, link, up, now_us)
    trouble = next(iter(link.troubles.values()), None)
    figures = {
        "entries": float(entries),
        "bytes": float(up.backlog.bytes),
        "oldest_s": _age_s(up.backlog.oldest_us, now_us),
        "parked": float(up.parked),
    }
    since = f"{to_rfc3339(link.since_us)[:16]}Z"
    state = f"connected to {link.url} since {since}" if link.is_connected else f"not connected since {since}"
    if trouble is not None:
        detail, hint = _explained(trouble)
        if trouble.code in _NAMED and up.state is not None:
            detail = f"{detail} (this machine is box_id {up.state.box_id})"
        status: Status = "bad" if trouble.is_final else "warn"
        return HealthPart(status, f"{state}: {detail}; {waiting}", hint, figures)
    if not link.is_connected:
        return HealthPart("ok", f"connecting to {link.url}; {waiting}", figures=figures)
    if (anew := _began_anew(up, now_us)) is not None:
        return HealthPart(anew[0], f"{state}; {waiting}; {anew[1]}", anew[2], figures)
    if up.state is not None and up.state.left_out:
        hint = "split or shorten them here: they are sent with their next change; all others are in the cloud"
        detail = f"{state}; {waiting}; too large for the cloud, so left out: {up.state.left_out}"
        return HealthPart("warn", detail, hint, figures)
    if up.parked:
        hint = "the cloud keeps them: an admin finds them under parked events of this site"
        detail = f"{state}; {waiting}; {up.parked} events could not be applied there"
        return HealthPart("warn", detail, hint, figures)
    return HealthPart("ok", f"{state}; {waiting}", figures=figures)


async def try_cloud(client: CloudClient, site_id: str) -> HealthPart:
    """For `appliance doctor`: does the cloud answer, and accept the token of this box?"""
    try:
        await _ask_as_box(client)
        site = await client.call("GET", f"/fleet/v1/sites/{site_id}", timeout_s=TRY_S)
    except Refused as error:
        if error.code == "not_found":
            return HealthPart("ok", "the cloud answers; nothing of this site was sent yet")
        detail, hint = _explained(Trouble(error.code, error.detail, error.hint or "see its log", True))
        return HealthPart("bad", detail, hint)
    except Unavailable as error:
        return HealthPart("warn", error.detail, error.hint)
    if site.get("box_id") not in (None, client.box_id):
        return HealthPart("bad", *_WORDS["other_box"])
    return HealthPart("ok", f"the cloud answers; it heard this site last at {site.get('seen_at')}")


async def _ask_as_box(client: CloudClient) -> None:
    """Raises Refused: the token is not this site's, or another machine is its box. The route of people does
    not say so: to the token of another site this one does not exist."""
    try:
        await client.call("GET", CHANGES, params={"cursor": _NO_CURSOR}, timeout_s=TRY_S)
    except Refused as error:
        if error.code != "cursor_expired":
            raise


def _explained(trouble: Trouble) -> tuple[str, str]:
    return _WORDS.get(trouble.code, (trouble.detail, trouble.hint))


def _began_anew(up: Uplink, now_us: int) -> tuple[Status, str, str] | None:
    """(status, detail, hint) of an epoch that began because the cloud has another journal."""
    state = up.state
    if state is None or state.reason == _ORDINARY:
        return None
    if state.snapshot_seq is not None:
        return "bad", f"everything is sent anew: {state.reason}", "nothing: it goes on by itself"
    if now_us - state.began_us < ANEW_US:
        hint = "was this box's state copied or set back? what the cloud has and the box lacks is listed there"
        return "warn", f"everything was sent anew: {state.reason}", hint
    return None


def _entries(up: Uplink, head: int) -> int:
    """Of the journal, that the cloud does not have for sure."""
    return max(0, head - up.state.in_cloud) if up.state is not None else 0


def _waiting(entries: int, link: Link, up: Uplink, now_us: int) -> str:
    if up.state is None:
        return "what is to be sent is not read yet"
    if up.state.snapshot_seq is not None:
        is_going = link.is_connected and "up" not in link.troubles
        return "a whole copy is being sent" if is_going else "a whole copy is to be sent"
    if not entries:
        return "everything is sent"
    age_s = _age_s(up.backlog.oldest_us, now_us)
    oldest = "" if age_s is None else f", the oldest {_span(age_s)} old"
    return f"{entries} entries ({_size(up.backlog.bytes)}) to send{oldest}"


def _age_s(since_us: int | None, now_us: int) -> float | None:
    return None if since_us is None else max(0.0, (now_us - since_us) / S_US)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def add_figures(metrics: Metrics, link: Link, up: Uplink, head: Callable[[], int]) -> None:
    """The same for Prometheus."""
    metrics.gauge("sync_connected", "1: the cloud answers", lambda: float(link.is_connected))
    metrics.gauge(
        "sync_backlog_entries",
        "Journal entries that the cloud does not have yet",
        lambda: float(_entries(up, head())),
    )
    metrics.gauge("sync_backlog_bytes", "Their size, estimated", lambda: float(up.backlog.bytes))
    metrics.gauge("sync_sent", "Events sent since the start", lambda: float(up.sent))
    metrics.gauge("sync_parked", "Events that the cloud could not apply", lambda: float(up.parked))
