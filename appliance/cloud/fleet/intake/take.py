"""Taking a batch: the rows that its events make and the cursor behind them, in one transaction.

So an event that is sent again, in whatever batch, is known, and nothing is taken twice or left out. Owns:
what is known, missing or different; what happens to an event that cannot be applied. The closure may take
longer than others: a batch is at most 1 MiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.cloud.fleet.intake import epochs, parked
from appliance.cloud.fleet.intake.events import Batch, SentEvent, newest_changes
from appliance.cloud.fleet.intake.hooks import tell_domains
from appliance.cloud.fleet.intake.rows import apply_changes, apply_counters, keep_events
from appliance.cloud.fleet.sites import bound_site, is_open, journal_site, load_site
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.tx import ReadTx, Row, Tx

FAILURES_MAX: Final = 100
"""Errors of ours in a row: then it is not the events, and nothing more is taken until that is corrected."""
_CAUSES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and what its headers say. `after`: the last acknowledged entry and its sha256 ("": not
    given)."""

    site_id: str
    box_id: str
    epoch: str = ""  # of an empty batch
    after: tuple[int, str] | None = None
    backlog: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """`refused`: nothing was applied. Counts are for the metrics."""

    acked_through: int = 0
    rejected: Sequence[dict[str, str]] = ()
    refused: Refused | None = None
    taken: int = 0
    known: int = 0
    parked: int | None = None  # of the site, all; None: not counted


@dataclass(slots=True)
class _Outcome:
    rejected: list[dict[str, str]] = field(default_factory=list)
    failures: int = 0


def take_batch(tx: Tx, sender: Sender, batch: Batch) -> Taken:
    """Raises Refused (409 `other_box`, `epoch_superseded`, `hole`) and Unavailable; a divergence is recorded,
    so it is returned."""
    may_begin = is_open(tx, sender.site_id)
    site = bound_site(tx, sender.site_id, sender.box_id)
    epochs.note_heard(tx, site["id"], sender.backlog, sender.version)
    name = batch.epoch or sender.epoch
    epoch = epochs.current_epoch(tx, site)
    if epoch is None:
        if not batch.events or batch.events[0].seq != 1:
            raise _hole(1)
        epoch = epochs.begin_epoch(tx, site, name, sender.box_id, cursor=0, reason="the first events")
    if epoch["epoch"] != name:
        raise epochs.superseded(tx, site["id"], name, may_begin=may_begin)
    if (at := _diverges_at(tx, epoch, sender.after, batch.events)) is not None:
        return Taken(refused=_diverged(tx, site, at))
    new = [event for event in batch.events if event.seq > epoch["cursor"]]
    for expected, event in enumerate(new, start=epoch["cursor"] + 1):
        if event.seq != expected:
            raise _hole(expected)
    if not new and sender.after is not None and sender.after[0] > epoch["cursor"]:
        raise _hole(epoch["cursor"] + 1)
    outcome = _take(tx, epoch, new)
    cursor = new[-1].seq if new else epoch["cursor"]
    count = not batch.events or outcome.rejected
    waiting = parked.count_parked(tx, site["id"]) if count else None
    return Taken(cursor, outcome.rejected, None, len(new), len(batch.events) - len(new), waiting)


def _hole(expected: int) -> Refused:
    detail = f"the next event here is {expected}"
    return Refused(409, "hole", detail, "send the events from there on", extra={"expected": expected})


def _diverges_at(
    tx: ReadTx, epoch: Row, after: tuple[int, str] | None, events: Sequence[SentEvent]
) -> int | None:
    """The first seq at which the box's journal is another one than that which was taken; None: none known."""
    shown = {event.seq: event.sha256 for event in events if event.seq <= epoch["cursor"]}
    if after is not None and after[1] and after[0] <= epoch["cursor"]:
        shown.setdefault(after[0], after[1])
    if not shown:
        return None
    known = {epoch["cursor"]: epoch["cursor_sha256"]} if epoch["cursor_sha256"] else {}
    if wanted := sorted(shown.keys() - known.keys()):
        marks = ", ".join("?" * len(wanted))
        sql = (
            f"SELECT seq, sha256 FROM site_events WHERE site_id = ? AND epoch_number = ? AND seq IN ({marks})"
        )
        rows = tx.all(sql, (epoch["site_id"], epoch["number"], *wanted))
        known.update((row["seq"], row["sha256"]) for row in rows)
    return next((seq for seq in sorted(shown) if known.get(seq, shown[seq]) != shown[seq]), None)


def _diverged(tx: Tx, site: Row, seq: int) -> Refused:
    trouble = (
        f"entry {seq} of the box's journal is not the one that was sent before: its state was copied, or set"
        " back to an earlier one. It begins anew with a snapshot; what that lacks is listed as missing"
    )
    if epochs.note_trouble(tx, site["id"], trouble):
        journal_site(tx, "site_diverged", site["id"])
    hint = "take a new epoch and send a snapshot; nothing of this batch was applied"
    return Refused(409, "diverged", trouble, hint, extra={"at": seq})


def _take(tx: Tx, epoch: Row, events: Sequence[SentEvent]) -> _Outcome:
    """All in few statements; when that fails, one event at a time to find the one that cannot be taken."""
    outcome = _Outcome(failures=epoch["failures"])
    if not events:
        return outcome
    try:
        with tx.savepoint():
            _apply(tx, epoch, events)
        outcome.failures = 0
    except Exception as error:  # noqa: BLE001  the border: found below, for one event
        _one_at_a_time(tx, epoch, events, outcome, error)
    internal = {rejected["id"] for rejected in outcome.rejected}
    for event in events:
        if event.bad and f"{epoch['epoch']}:{event.seq}" not in internal:
            outcome.rejected.append(parked.park(tx, epoch, event, "bad_event", event.bad))
    last = events[-1]
    epochs.move_epoch(tx, epoch, cursor=last.seq, sha256=last.sha256, failures=outcome.failures)
    tx.append(
        "site_events_taken",
        f"site:{epoch['site_id']}",
        {
            "site_id": epoch["site_id"],
            "epoch_number": epoch["number"],
            "from_seq": events[0].seq,
            "to_seq": last.seq,
            "session_ids": sorted({event.session_id for event in events if event.session_id is not None}),
        },
    )
    return outcome


def _apply(tx: Tx, epoch: Row, events: Sequence[SentEvent]) -> None:
    site_id, number = epoch["site_id"], epoch["number"]
    keep_events(tx, site_id, number, events)
    apply_changes(tx, site_id, number, newest_changes(events))
    apply_counters(tx, site_id, number, events)
    tell_domains(tx, site_id, events)


def _one_at_a_time(
    tx: Tx, epoch: Row, events: Sequence[SentEvent], outcome: _Outcome, error: Exception
) -> None:
    """Raises Unavailable after FAILURES_MAX errors in a row."""
    for event in events:
        try:
            with tx.savepoint():
                _apply(tx, epoch, [event])
            outcome.failures = 0
        except Exception as failure:  # the border: this event is parked, the others go on
            outcome.failures += 1
            if outcome.failures >= FAILURES_MAX:
                detail = f"{FAILURES_MAX} events in a row cannot be taken: {type(error).__name__}"
                raise Unavailable("intake_broken", detail, "an error of ours", retry_after_s=60) from failure
            reason = f"an error of ours, {_classes(failure)}: it can be replayed once that is corrected"
            outcome.rejected.append(parked.park(tx, epoch, event, "internal", reason))


def _classes(error: BaseException) -> str:
    """The classes in the chain of causes. Not their texts: a database's quotes the row."""
    names, cause = list[str](), error
    while len(names) < _CAUSES_MAX:
        names.append(type(cause).__name__)
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    return " of ".join(names)


def resolve_trouble(tx: Tx, site_id: str) -> dict[str, Any]:
    """An admin has seen what was wrong; returns the site's row."""
    load_site(tx, site_id)
    if epochs.note_trouble(tx, site_id, ""):
        journal_site(tx, "site_updated", site_id)
    return load_site(tx, site_id)
