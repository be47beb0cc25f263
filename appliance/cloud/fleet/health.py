"""Which sites need a person, for /readyz.

Owns: the text, and reading the rows every ten seconds and at each change of a site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from appliance.cloud.fleet.intake.parked import count_parked
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.ops.health import Board, HealthPart

EVERY_S: Final = 10.0
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class FleetState:
    """`troubled`: sites whose trouble no admin has resolved."""

    sites: int = 0
    troubled: tuple[str, ...] = ()
    parked: int = 0


async def run_fleet_watch(
    store: Store, board: Board, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled."""
    state = FleetState()
    board.add("fleet", lambda: fleet_part(state))
    task_status.started()
    while True:
        try:
            state = await store.read(read_state)
        except Unavailable:
            pass  # the part of the database says so
        await trio.sleep(EVERY_S)


def read_state(tx: ReadTx) -> FleetState:
    rows = tx.all("SELECT id FROM sites WHERE trouble <> '' AND deleted_us IS NULL ORDER BY id")
    sites = tx.value("SELECT count(*) FROM sites WHERE deleted_us IS NULL")
    return FleetState(int(sites), tuple(row["id"] for row in rows), count_parked(tx))


def fleet_part(state: FleetState) -> HealthPart:
    figures = {"sites": float(state.sites), "parked": float(state.parked)}
    detail = f"{state.sites} sites, {state.parked} parked events"
    if state.troubled:
        shown = ", ".join(state.troubled[:_SHOWN])
        more = f" and {len(state.troubled) - _SHOWN} more" if len(state.troubled) > _SHOWN else ""
        hint = "GET /fleet/v1/sites/{id} says what happened; POST .../resolve once it was looked at"
        return HealthPart("bad", f"{detail}; a person must look at {shown}{more}", hint, figures)
    if state.parked:
        hint = "GET /fleet/v1/sites/{id}/parked lists them; POST .../parked/{id}/replay applies one"
        return HealthPart("warn", detail, hint, figures)
    return HealthPart("ok", detail, figures=figures)
