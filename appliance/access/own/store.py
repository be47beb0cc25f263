"""Transactions on a device's own access: its next token, exposed tokens, codes for its installed app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from appliance.access import store
from appliance.access.core import SELECTOR_CHARS, new_code, secret_hash
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx, Row, Tx

NEVER = -1  # `plain_left` of an exposed token that does not end
APP_MINUTES = 5  # a code for an installed app lives
APPS_MAX = 3  # of one device
CODES_MAX = 10  # of one device in an hour
_HOUR_US = 3600 * S_US

IsBusy = Callable[[ReadTx], bool]
"""Whether a session is running: sessions belong to another domain."""


def plain_left(days: int) -> int:
    """Of a token that was exposed now; `days`: [access] plain_days, 0: it never ends."""
    return days or NEVER


def begin(tx: Tx, days: int, *, is_encrypted: bool) -> None:
    """At start: without TLS the time of exposed tokens begins anew, and a changed setting counts."""
    changed = "" if not is_encrypted or not days else " AND (plain_left < 0 OR plain_left > :left)"
    tx.run(
        f"UPDATE devices SET plain_left = :left WHERE plain_left IS NOT NULL{changed}",
        {"left": plain_left(days)},
    )


def note_exposed(tx: Tx, devices: Iterable[str], days: int) -> None:
    """The tokens of these devices were sent unencrypted."""
    for device_id in devices:
        tx.run("UPDATE devices SET plain_left = ? WHERE id = ?", (plain_left(days), device_id))


def count_day(tx: Tx) -> None:
    """A day on which the box was used with TLS on."""
    tx.run("UPDATE devices SET plain_left = plain_left - 1 WHERE plain_left > 0")


def exposed(tx: ReadTx) -> Mapping[str, int]:
    """`plain_left` of every device that has one."""
    rows = tx.all("SELECT id, plain_left FROM devices WHERE plain_left IS NOT NULL AND revoked_us IS NULL")
    return {row["id"]: row["plain_left"] for row in rows}


def give_next(tx: Tx, device_id: str, next_hash: str) -> bool:
    """Store a device's next token. False: the device's access has ended."""
    sql = "UPDATE devices SET next_hash = ? WHERE id = ? AND revoked_us IS NULL"
    return tx.run(sql, (next_hash, device_id)) > 0


def end_replaced(tx: Tx, in_next_use: Iterable[str], is_busy: IsBusy) -> list[Row]:
    """End the tokens in whose place a device uses the next one; the devices' rows. None during a session."""
    if is_busy(tx):
        return []
    rows = [
        tx.one("SELECT * FROM devices WHERE id = ? AND revoked_us IS NULL", (each,)) for each in in_next_use
    ]
    return [
        tx.updated("devices", row, {"token_hash": row["next_hash"], "next_hash": None, "plain_left": None})
        for row in rows
        if row is not None and row["next_hash"] is not None
    ]


def end_exposed(tx: Tx, is_busy: IsBusy) -> list[Row]:
    """End the access of devices whose token's time is over; their rows. None during a session."""
    rows = tx.all("SELECT * FROM devices WHERE plain_left = 0 AND revoked_us IS NULL ORDER BY id")
    if not rows or is_busy(tx):
        return []
    return [tx.updated("devices", row, {"revoked_us": tx.now_us}) for row in rows]


def create_app_code(tx: Tx, caller: Caller) -> tuple[str, Row]:
    """(a code for the page of this device as an installed app, its row). The one before it ends."""
    device = store.load_device(tx, caller.identity)
    if device["parent_id"] is not None:
        raise Refused(
            409,
            "is_app",
            "this page is an installed app",
            "make the code on the page from which it was installed",
        )
    if len(store.apps_of(tx, device["id"])) >= APPS_MAX:
        hint = "an admin removes those that are not used any more: Devices, Remove"
        raise Refused(409, "too_many_apps", f"this device has {APPS_MAX} installed apps", hint)
    made = "SELECT count(*) FROM pairing_codes WHERE parent_id = ? AND created_us > ?"
    if tx.value(made, (device["id"], tx.now_us - _HOUR_US)) >= CODES_MAX:
        detail = f"this device has made {CODES_MAX} codes in an hour"
        raise Unavailable("too_many_codes", detail, "wait, or let an admin make a code", retry_after_s=600)
    store.end_app_codes(tx, device["id"])
    code, code_id = new_code(store.live_selectors(tx)), new_uuid()
    store.add_code(
        tx,
        code_id,
        code_hash=secret_hash(code),
        selector=code[:SELECTOR_CHARS],
        role=device["role"],
        name=f"{device['name'][:60]} app",
        channel_id=None,
        created_by=caller.device,
        expires_us=tx.now_us + APP_MINUTES * 60 * S_US,
        parent_id=device["id"],
    )
    row = tx.one("SELECT * FROM pairing_codes WHERE id = ?", (code_id,))
    assert row is not None
    return code, row
