"""Executions as rows: in_progress, then completed or failed. Each is run under a lease of its own.

Owns: that a run whose process died is closed as failed and run again by another, and that the result of a run
that has lost its lease does not count. Only this file writes these tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from appliance.cloud.scoring.executions.model import (
    ExecutionQuery,
    Operation,
    Order,
    execution_resource,
    round_resource,
)
from appliance.cloud.scoring.public.owners import own_tournaments
from appliance.kernel import json
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.leases import Lease, check_lease, release_lease, take_lease
from appliance.kernel.operation import Caller
from appliance.kernel.paging import decode_cursor, encode_cursor
from appliance.kernel.tx import ReadTx, Row, Tx

KIND: Final = "execution"
ATTEMPTS_MAX: Final = 3  # a run that ends its process each time is not run again without end
_DEAD: Final = "the process that ran it ended"


@dataclass(frozen=True, slots=True)
class Begun:
    """An execution of this process. `lease`: it must hold it until the end."""

    id: str
    order: Order
    lease: Lease
    started_us: int
    request_id: str


def begin(tx: Tx, order: Order, owner: str, *, request_id: str = "", created_by: str = "") -> Begun | Row:
    """The new execution; the row of one that runs now when it does the same already."""
    if (same := _same_running(tx, order)) is not None:
        return same
    execution_id = new_uuid()
    lease = take_lease(tx, KIND, execution_id, owner)
    assert lease is not None  # no other process knows the id
    row: dict[str, Any] = {
        "id": execution_id,
        "operation": order.operation,
        "tournament_id": order.tournament_id,
        "round": order.round,
        "status": "in_progress",
        "stage": "",
        "input": json.encode(order.input).decode(),
        "request_id": request_id,
        "created_by": created_by,
        "process": owner,
        "token": lease.token,
        "attempt": order.attempt,
        "repeats": order.repeats,
        "is_from_raw": int(order.is_from_raw),
        "started_us": tx.now_us,
        "failures": 0,
        "updated_us": tx.now_us,
    }
    tx.create("executions", row)
    _journal(tx, execution_id)
    return Begun(execution_id, order, lease, tx.now_us, request_id)


def _same_running(tx: ReadTx, order: Order) -> Row | None:
    """An import and a run again have an input of their own: none is the same."""
    if order.operation == "import" or order.repeats is not None:
        return None
    return tx.one(
        "SELECT e.* FROM executions e JOIN leases l ON l.kind = ? AND l.subject = e.id"
        " WHERE e.status = 'in_progress' AND l.until_us > ? AND e.repeats IS NULL AND e.operation = ?"
        " AND e.tournament_id = ? AND e.round = ? ORDER BY e.started_us, e.id LIMIT 1",
        (KIND, tx.now_us, order.operation, order.tournament_id, order.round),
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ended. `error`: of a failed one, with the `stage`; `crash`: it was an error of the
    program."""

    summary: dict[str, Any]
    failures: int = 0
    error: str | None = None
    stage: str = ""
    warnings: Sequence[str] = ()
    report_key: str | None = None
    crash: Exception | None = None

    def with_report(self, key: str | None, warnings: Sequence[str]) -> Ending:
        return replace(self, report_key=key, warnings=warnings)

    @property
    def status(self) -> str:
        return "completed" if self.error is None else "failed"


def finish(tx: Tx, begun: Begun, ending: Ending) -> Row:
    """Store the end and release the lease. Raises LeaseLost: another process has closed it."""
    check_lease(tx, begun.lease)
    release_lease(tx, begun.lease)
    row = get_row(tx, begun.id)
    if row["status"] != "in_progress":
        return row  # stored already by a COMMIT that was not answered
    _end(tx, begun.id, ending)
    return get_row(tx, begun.id)


def _end(tx: Tx, execution_id: str, ending: Ending) -> None:
    changes = {
        "status": ending.status,
        "stage": ending.stage,
        "ended_us": tx.now_us,
        "failures": ending.failures,
        "summary": json.encode(ending.summary).decode(),
        "error": ending.error,
        "warnings": json.encode(list(ending.warnings)).decode(),
        "report_key": ending.report_key,
    }
    tx.update("executions", execution_id, changes)
    _journal(tx, execution_id)


def take_over(tx: Tx, owner: str, limit: int) -> list[Begun]:
    """Close executions whose process has died as failed, and begin each again, up to ATTEMPTS_MAX times."""
    rows = tx.all(
        "SELECT e.* FROM executions e LEFT JOIN leases l ON l.kind = ? AND l.subject = e.id"
        " WHERE e.status = 'in_progress' AND coalesce(l.until_us, 0) <= ?"
        " ORDER BY e.started_us, e.id LIMIT ?",
        (KIND, tx.now_us, limit),
    )
    begun = []
    for row in rows:
        lease = take_lease(tx, KIND, row["id"], owner)
        assert lease is not None  # this transaction has just read that it is free
        is_last = row["attempt"] >= ATTEMPTS_MAX
        again = f"{_DEAD}; it was tried {row['attempt']} times" if is_last else f"{_DEAD}; it is run again"
        _end(tx, row["id"], Ending({}, error=again))
        release_lease(tx, lease)
        if is_last:
            continue
        order = replace(order_of(row), repeats=row["id"], attempt=row["attempt"] + 1)
        made = begin(tx, order, owner, request_id=row["request_id"], created_by=row["created_by"])
        assert isinstance(made, Begun)
        begun.append(made)
    return begun


def order_of(row: Row) -> Order:
    """What the execution was asked to do."""
    operation: Operation = row["operation"]
    return Order(
        operation,
        row["tournament_id"],
        row["round"],
        json.decode_stored(row["input"]),
        row["repeats"],
        bool(row["is_from_raw"]),
        row["attempt"],
    )


def order_again(tx: ReadTx, execution_id: str, caller: Caller, *, from_raw: bool) -> Order:
    """The order to run an execution again. Raises Refused: 404, 409 for one that has not ended or has kept
    no answers."""
    row = own_row(tx, execution_id, caller)
    if row["status"] == "in_progress":
        raise Refused(409, "in_progress", "this execution has not ended", "wait until it has")
    order = order_of(row)
    needs_raw = from_raw and order.operation in ("create", "matches", "round")
    if needs_raw and not any(each["raw_key"] for each in rounds_of(tx, execution_id)):
        hint = "run it again with source=provider"
        raise Refused(409, "no_raw_answers", "this execution has kept no answer of a provider", hint)
    return replace(order, repeats=execution_id, is_from_raw=needs_raw, attempt=1)


def keep_round(tx: Tx, begun: Begun, number: int, row: dict[str, Any]) -> None:
    """What was answered for a round. Raises LeaseLost."""
    check_lease(tx, begun.lease)
    sql = "DELETE FROM execution_rounds WHERE execution_id = ? AND number = ?"
    tx.run(sql, (begun.id, number))
    tx.insert("execution_rounds", {"execution_id": begun.id, "number": number, **row})


def rounds_of(tx: ReadTx, execution_id: str) -> list[Row]:
    sql = "SELECT * FROM execution_rounds WHERE execution_id = ? ORDER BY number"
    return tx.all(sql, (execution_id,))


def get_row(tx: ReadTx, execution_id: str) -> Row:
    """Raises Refused 404."""
    row = tx.one("SELECT * FROM executions WHERE id = ?", (execution_id,))
    if row is None:
        raise not_found("execution", execution_id)
    return row


def own_row(tx: ReadTx, execution_id: str, caller: Caller) -> Row:
    """Raises Refused 404 for one of another league, as for one that does not exist."""
    row = find_own(tx, execution_id, caller)
    if row is None:
        raise not_found("execution", execution_id)
    return row


def find_own(tx: ReadTx, execution_id: str, caller: Caller) -> Row | None:
    """None for one of another league, as for one that does not exist."""
    where, params = _where([("id = ?", (execution_id,)), *own_tournaments(caller, "tournament_id")])
    return tx.one(f"SELECT * FROM executions WHERE {where}", params)


def get_execution(tx: ReadTx, execution_id: str, caller: Caller, base_url: str) -> dict[str, Any]:
    """With its rounds. Raises Refused 404."""
    resource = execution_resource(own_row(tx, execution_id, caller), base_url)
    return {**resource, "rounds": [round_resource(row) for row in rounds_of(tx, execution_id)]}


def list_executions(tx: ReadTx, query: ExecutionQuery, caller: Caller, base_url: str) -> dict[str, Any]:
    """A page of those that the caller sees, in either order of their starts."""
    conditions = [("1 = 1", ()), *own_tournaments(caller, "tournament_id")]
    for column in ("tournament_id", "status"):
        if (value := getattr(query, column)) is not None:
            conditions.append((f"{column} = ?", (value,)))
    is_newest = query.order == "newest"
    if query.cursor is not None:
        after = f"(started_us, id) {'<' if is_newest else '>'} (?, ?)"
        conditions.append((after, decode_cursor(query.cursor)))
    way = "DESC" if is_newest else "ASC"
    where, params = _where(conditions)
    rows = tx.all(
        f"SELECT * FROM executions WHERE {where} ORDER BY started_us {way}, id {way} LIMIT ?",
        (*params, query.limit + 1),
    )
    shown = rows[: query.limit]
    has_more = len(rows) > query.limit
    return {
        "items": [execution_resource(row, base_url) for row in shown],
        "next_cursor": encode_cursor(shown[-1]["started_us"], shown[-1]["id"]) if has_more else None,
        "as_of_seq": tx.head(),
    }


def _where(conditions: Sequence[tuple[str, tuple[Any, ...]]]) -> tuple[str, tuple[Any, ...]]:
    """One condition that holds where all do, and its values."""
    values = tuple(value for _, given in conditions for value in given)
    return " AND ".join(condition for condition, _ in conditions), values


def _journal(tx: Tx, execution_id: str) -> None:
    """Append the execution, which wakes those that wait for its end in every process."""
    resource = execution_resource(get_row(tx, execution_id))
    tx.append("execution_changed", f"execution:{execution_id}", {"execution": resource})
