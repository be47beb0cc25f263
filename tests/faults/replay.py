"""The journal read from its first entry, like a tablet, must give the rows of the API.

Values that are not journaled by design are left out: view_count, and the paths of files made later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from appliance.box.domains import resources
from appliance.kernel.journal import Entry
from appliance.kernel.tx import ReadTx

State = dict[str, dict[str, dict[str, Any]]]
KINDS = tuple(each.kind for each in resources() if each.kind != "channel")
UNTOLD = ("view_count", "file_path", "thumbnail_path")


def replayed(entries: Iterable[Entry]) -> State:
    """Every resource as a client that received all events has it."""
    state: State = {kind: {} for kind in KINDS}
    for entry in entries:
        event = json.loads(entry.event)
        kind = entry.subject.partition(":")[0]
        if kind not in state:
            continue
        if entry.type == f"{kind}_deleted":
            state[kind].pop(event[f"{kind}_id"])
        else:
            state[kind][event[f"{kind}_id"]] = event[kind]
        if kind != "session" and "session" in event and event["session_id"] in state["session"]:
            state["session"][event["session_id"]] |= event["session"]
    return _comparable(state)


def in_rows(tx: ReadTx) -> State:
    """The same from the tables."""
    return _comparable(
        {
            each.kind: {
                row["id"]: each.resource(tx, row)
                for row in tx.all(f"SELECT * FROM {each.table} WHERE {each.present}")
            }
            for each in resources()
            if each.kind in KINDS
        }
    )


def _comparable(state: State) -> State:
    for clip in state["clip"].values():
        for name in UNTOLD:
            clip.pop(name, None)
    for play in state["play"].values():  # a client adds clips to their play by play_id
        play.pop("clip_ids", None)
    return state


def rev_faults(entries: Iterable[Entry]) -> list[str]:
    """Subjects whose revision does not match the number of their changes.

    A delete is a change that shows at most the state before it. A session published again with other counters
    keeps its revision.
    """
    newest: dict[str, int] = {}
    faults = []
    for entry in entries:
        kind = entry.subject.partition(":")[0]
        if kind not in KINDS:
            continue
        if entry.type == f"{kind}_deleted":
            newest[entry.subject] += 1
            continue
        rev = int(json.loads(entry.event)[kind]["rev"])
        before = newest.get(entry.subject)
        if rev not in ((1,) if before is None else (before, before + 1)):
            faults.append(f"{entry.subject}: {entry.type} has rev {rev} after {before}")
        newest[entry.subject] = rev
    return faults
