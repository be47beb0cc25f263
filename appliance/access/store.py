"""Transactions on devices and codes. Only this file writes `devices` and `pairing_codes`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Literal

from appliance.access.core import CODE_TRIES, SELECTOR_CHARS, is_same, new_code, new_token, secret_hash
from appliance.access.model import CodeIn, DevicePatch
from appliance.http.caller import MAX_DEVICE_CHARS
from appliance.kernel.clock import DAY_US, S_US
from appliance.kernel.errors import FieldError, Refused, invalid
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller, check_rev
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row, Tx

Why = Literal["wrong", "used", "ended", "expired"]
"""A code is refused: none is like it; used before; ended by wrong ones like it; its time is over."""

HasChannel = Callable[[ReadTx, str], bool]
"""Whether there is a channel with this id: channels belong to another domain."""

_EPOCH = "(SELECT value FROM meta WHERE key = 'epoch')"
_LIVE = f"used_us IS NULL AND expires_us > ? AND tries < ? AND epoch = {_EPOCH}"
ONLY_CAPTURE = "only a capture device belongs to a channel"
KEEP_CODES_US = DAY_US  # ended codes are kept: a console file that was not removed must not add one again


def live_devices(tx: ReadTx) -> list[Row]:
    """Devices that are not revoked, oldest first."""
    return tx.all("SELECT * FROM devices WHERE revoked_us IS NULL ORDER BY created_us, id")


def all_devices(tx: ReadTx) -> list[Row]:
    """Every device, revoked ones too."""
    return tx.all("SELECT * FROM devices ORDER BY created_us, id")


def live_selectors(tx: ReadTx) -> set[str]:
    """The selectors (first five characters) of the codes that can still be used."""
    rows = tx.all(f"SELECT selector FROM pairing_codes WHERE {_LIVE}", (tx.now_us, CODE_TRIES))
    return {row["selector"] for row in rows}


def create_code(tx: Tx, caller: Caller, body: CodeIn) -> tuple[str, int]:
    """Make a code; returns (code, box time in us when it ends). Only its hash is stored."""
    code = new_code(live_selectors(tx))
    expires_us = tx.now_us + round(body.minutes * 60 * S_US)
    add_code(
        tx,
        new_uuid(),
        code_hash=secret_hash(code),
        selector=code[:SELECTOR_CHARS],
        role=body.role,
        name=body.name,
        channel_id=body.channel_id,
        created_by=caller.device,
        expires_us=expires_us,
    )
    return code, expires_us


def add_code(
    tx: Tx,
    code_id: str,
    *,
    code_hash: str,
    selector: str,
    role: str,
    name: str | None,
    channel_id: str | None,
    created_by: str,
    expires_us: int,
    parent_id: str | None = None,
) -> None:
    """Store a code unless its id is known: a used code does not become valid again. Deletes old codes."""
    tx.run("DELETE FROM pairing_codes WHERE expires_us < ?", (tx.now_us - KEEP_CODES_US,))
    tx.run(
        "INSERT INTO pairing_codes (id, selector, code_hash, role, name, channel_id, created_us,"
        f" created_by, expires_us, parent_id, epoch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {_EPOCH})"
        " ON CONFLICT DO NOTHING",
        (code_id, selector, code_hash, role, name, channel_id, tx.now_us, created_by, expires_us, parent_id),
    )


def pair(tx: Tx, code: str, wanted_name: str | None, plain_left: int | None = None) -> tuple[Row, str] | None:
    """Use a code: (the new device's row, its token). None: it is wrong, which counts against the codes that
    begin like it. `plain_left`: see own/store.py."""
    selector = code[:SELECTOR_CHARS]
    rows = tx.all(
        f"SELECT * FROM pairing_codes WHERE selector = ? AND {_LIVE}", (selector, tx.now_us, CODE_TRIES)
    )
    sent_hash = secret_hash(code)
    match = next((row for row in rows if is_same(row["code_hash"], sent_hash)), None)
    if match is None:
        tx.run("UPDATE pairing_codes SET tries = tries + 1 WHERE selector = ?", (selector,))
        return None
    tx.run("UPDATE pairing_codes SET used_us = ? WHERE id = ?", (tx.now_us, match["id"]))
    token = new_token()
    parent = tx.one("SELECT role FROM devices WHERE id = ?", (match["parent_id"],))
    row = _add_device(
        tx,
        new_uuid(),
        role=match["role"] if parent is None else parent["role"],
        name=match["name"] or wanted_name or match["role"],
        token_hash=secret_hash(token),
        channel_id=match["channel_id"],
        created_by=match["created_by"],
        plain_left=plain_left,
        parent_id=match["parent_id"],
    )
    return row, token


def add_known_device(
    tx: Tx,
    device_id: str,
    *,
    role: str,
    name: str | None,
    token_hash: str,
    channel_id: str | None,
    created_by: str,
) -> Row | None:
    """A device whose token was made on the console. None: this id or token was used before, revoked or not;
    it does not return."""
    if tx.value("SELECT 1 FROM devices WHERE id = ? OR token_hash = ?", (device_id, token_hash)) is not None:
        return None
    return _add_device(
        tx,
        device_id,
        role=role,
        name=name or role,
        token_hash=token_hash,
        channel_id=channel_id,
        created_by=created_by,
    )


def _add_device(
    tx: Tx,
    device_id: str,
    *,
    role: str,
    name: str,
    token_hash: str,
    channel_id: str | None,
    created_by: str,
    plain_left: int | None = None,
    parent_id: str | None = None,
) -> Row:
    tx.create(
        "devices",
        {
            "id": device_id,
            "name": _free_name(tx, name),
            "role": role,
            "token_hash": token_hash,
            "channel_id": channel_id,
            "plain_left": plain_left,
            "parent_id": parent_id,
            "created_us": tx.now_us,
            "created_by": created_by,
            "updated_us": tx.now_us,
        },
    )
    return load_device(tx, device_id)


def refused_codes(tx: ReadTx, selector: str) -> dict[str, Why]:
    """Why the codes with this selector can no longer be used, by the hash of the whole code."""
    rows = tx.all(
        f"SELECT code_hash, used_us, tries FROM pairing_codes WHERE selector = ? AND NOT ({_LIVE})",
        (selector, tx.now_us, CODE_TRIES),
    )
    return {row["code_hash"]: _why(row) for row in rows}


def _why(row: Row) -> Why:
    if row["used_us"] is not None:
        return "used"
    return "ended" if row["tries"] >= CODE_TRIES else "expired"


def load_device(tx: ReadTx, device_id: str) -> Row:
    """The row. Raises Refused 404, or 410 for one that was revoked."""
    return load_row(tx, "device", device_id, gone="revoked_us")


def change_device(
    tx: Tx, caller: Caller, device_id: str, body: DevicePatch, has_channel: HasChannel
) -> list[Row]:
    """Rename it or give it another role, which its installed apps get too; its row, then theirs."""
    row = load_device(tx, device_id)
    check_rev(caller, "device", row["rev"])
    sent = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name == "channel_id"}
    if changes.get("role", row["role"]) != "capture":
        if changes.get("channel_id") is not None:
            raise invalid("channel_id", ONLY_CAPTURE)
        changes["channel_id"] = None
    changes = {name: value for name, value in changes.items() if value != row[name]}
    channel_id = changes.get("channel_id")
    if channel_id is not None and not has_channel(tx, channel_id):
        raise Refused(
            422,
            "unknown_channel",
            f"there is no channel {channel_id}",
            "list them with GET /channels",
            (FieldError("channel_id", "names no channel"),),
        )
    if "name" in changes and _is_taken(tx, changes["name"]):
        raise Refused(
            409,
            "name_taken",
            f"another device is called {changes['name']!r}",
            "choose another name: it is shown beside every mark",
            (FieldError("name", "already used"),),
        )
    if changes:
        tx.update("devices", device_id, changes)
    apps: list[Row] = []
    if "role" in changes:
        _end_codes_of(tx, row)
        apps = [
            tx.updated("devices", each, {"role": changes["role"]})
            for each in apps_of(tx, device_id)
            if each["role"] != changes["role"]
        ]
    return [load_device(tx, device_id), *apps]


def revoke_device(tx: Tx, caller: Caller, device_id: str) -> list[Row]:
    """End its access, and that of its installed apps, which are on the same tablet; the rows as they are
    then."""
    row = load_device(tx, device_id)
    check_rev(caller, "device", row["rev"])
    _end_codes_of(tx, row)
    end_app_codes(tx, device_id)
    return [tx.updated("devices", each, {"revoked_us": tx.now_us}) for each in (row, *apps_of(tx, device_id))]


def apps_of(tx: ReadTx, device_id: str) -> list[Row]:
    """The devices that were paired with codes of this one's page."""
    return tx.all(
        "SELECT * FROM devices WHERE parent_id = ? AND revoked_us IS NULL ORDER BY id", (device_id,)
    )


def end_app_codes(tx: Tx, device_id: str) -> None:
    """No code that this device's page made can be used any more."""
    tx.run(
        "UPDATE pairing_codes SET expires_us = ? WHERE parent_id = ? AND used_us IS NULL AND expires_us > ?",
        (tx.now_us, device_id, tx.now_us),
    )


def _end_codes_of(tx: Tx, device: Row) -> None:
    """End all codes when an admin's access ends: a code made by that admin would give it back, and the row of
    a code does not contain the device that made it."""
    if device["role"] == "admin":
        tx.run(
            "UPDATE pairing_codes SET expires_us = ? WHERE used_us IS NULL AND expires_us > ?",
            (tx.now_us, tx.now_us),
        )


def note_channel(tx: Tx, device_id: str, channel_id: str) -> Row | None:
    """Give a capture device this channel; returns the row, or None if it has another channel already or is
    revoked."""
    row = tx.one("SELECT * FROM devices WHERE id = ? AND revoked_us IS NULL", (device_id,))
    if row is not None and row["channel_id"] == channel_id:
        return row
    if row is None or row["role"] != "capture" or row["channel_id"] is not None:
        return None
    return tx.updated("devices", row, {"channel_id": channel_id})


def note_seen(tx: Tx, seen: Iterable[tuple[str, int]]) -> bool:
    """Store when devices were last seen: (id, box time us). A clock that was set back makes none older.
    Returns whether the box was not used before on that day."""
    is_new_day = False
    for device_id, seen_us in seen:
        tx.run(
            "UPDATE devices SET seen_us = ? WHERE id = ? AND (seen_us IS NULL OR seen_us < ?)",
            (seen_us, device_id, seen_us),
        )
        sql = "INSERT INTO access_days (day) VALUES (?) ON CONFLICT DO NOTHING"
        is_new_day = tx.run(sql, (seen_us // DAY_US,)) > 0 or is_new_day
    return is_new_day


def end_unused(tx: Tx, days: int, in_use: Container[str]) -> list[Row]:
    """End the access of devices that were last used before the newest `days` days on which the box was used;
    returns the changed rows. `in_use`: ids of devices that keep their access.

    Days on which no device used the box do not count, so a break between seasons ends no access. A clock that
    is set forward adds one day at most.
    """
    sql = "SELECT day FROM access_days ORDER BY day DESC LIMIT 1 OFFSET ?"
    oldest = tx.value(sql, (days,))
    if oldest is None:
        return []
    tx.run("DELETE FROM access_days WHERE day < ?", (oldest,))
    rows = tx.all(
        "SELECT * FROM devices WHERE revoked_us IS NULL AND created_us < ?"
        " AND (seen_us IS NULL OR seen_us < ?) ORDER BY id",
        (oldest * DAY_US, oldest * DAY_US),
    )
    return [tx.updated("devices", row, {"revoked_us": tx.now_us}) for row in rows if row["id"] not in in_use]


def end_unused_again(tx: Tx, days: int, in_use: Container[str], held: Container[str]) -> list[Row]:
    """`end_unused` after one whose COMMIT was not answered: the rows of all devices of `held` that have no
    access."""
    end_unused(tx, days, in_use)
    return [row for row in all_devices(tx) if row["revoked_us"] is not None and row["id"] in held]


def _is_taken(tx: ReadTx, name: str) -> bool:
    return tx.value("SELECT 1 FROM devices WHERE name = ? AND revoked_us IS NULL", (name,)) is not None


def _free_name(tx: ReadTx, wanted: str) -> str:
    """`wanted`; if another device has that name, `wanted` with the next free number, as in "iPad 2"."""
    name, number = wanted, 1
    while _is_taken(tx, name):
        number += 1
        ending = f" {number}"
        name = wanted[: MAX_DEVICE_CHARS - len(ending)] + ending
    return name
