"""Transactions on dataset runs. Only this file writes `dataset_runs` and `dataset_games`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.box.datasets.on_box.model import DatasetRunIn, DatasetRunPage
from appliance.box.datasets.runs.manifest import Manifest
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.paging import list_page
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row, Tx

FAILURES_SHOWN: Final = 100
WAITING: Final[Mapping[str, Any]] = {
    "message": "Waiting for its turn",
    "total_plays": 0,
    "successful_clips": 0,
    "failed_clips": 0,
    "jsonl_files": None,
}


def start_run(tx: Tx, caller: Caller, body: DatasetRunIn) -> Answer:
    """A new run, which waits for its turn."""
    run_id = new_uuid()
    game_ids = list(dict.fromkeys(body.game_ids))
    tx.insert(
        "dataset_runs",
        {
            "id": run_id,
            "status": "processing",
            "request": json.encode({**body.model_dump(), "game_ids": game_ids}).decode(),
            "created_by": caller.device,
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )
    for position, game_id in enumerate(game_ids):
        answer = {"game_id": game_id, "status": "waiting", **WAITING}
        _put_game(tx, run_id, game_id, position, answer)
    return Answer(202, journal(tx, "dataset_run_created", run_id))


def trigger(tx: Tx, caller: Caller, body: DatasetRunIn) -> Answer:
    """A run of one game. One that is under way already is joined."""
    (game_id,) = body.game_ids
    row = tx.one(
        "SELECT run_id FROM dataset_games WHERE game_id = ? AND status IN ('waiting', 'processing')"
        " AND run_id IN (SELECT id FROM dataset_runs WHERE status = 'processing')",
        (game_id,),
    )
    return start_run(tx, caller, body) if row is None else Answer(202, run_resource(tx, row["run_id"]))


def get_run(tx: ReadTx, run_id: str) -> dict[str, Any]:
    """Raises Refused 404."""
    return _shown(tx, load_row(tx, "dataset_run", run_id))


def list_runs(tx: ReadTx, page: DatasetRunPage) -> dict[str, Any]:
    return list_page(tx, page, table="dataset_runs", key="created_us", where=[], resource=_shown)


def cancel_run(tx: Tx, run_id: str) -> Answer:
    """Ask the run to end. Raises Refused 404; 409 when it has ended."""
    row = load_row(tx, "dataset_run", run_id)
    if row["status"] != "processing":
        raise Refused(
            409, "illegal_transition", f"the run is {row['status']}: only one that is under way is canceled"
        )
    tx.run("UPDATE dataset_runs SET is_cancel_asked = 1, updated_us = ? WHERE id = ?", (tx.now_us, run_id))
    return Answer(202, journal(tx, "dataset_run_updated", run_id))


def next_run(tx: ReadTx) -> Row | None:
    """The oldest run that has not ended: also one that a restart has interrupted."""
    return tx.one("SELECT * FROM dataset_runs WHERE status = 'processing' ORDER BY created_us, id LIMIT 1")


def row_of(tx: ReadTx, run_id: str) -> Row:
    """Raises Refused 404."""
    return load_row(tx, "dataset_run", run_id)


def note_progress(
    tx: Tx, run_id: str, counts: Mapping[str, int], games: Mapping[str, dict[str, Any]]
) -> None:
    """`counts`: columns of the run. `games`: answers of games that have changed."""
    sets = "".join(f"{column} = ?, " for column in counts)
    tx.run(
        f"UPDATE dataset_runs SET {sets} updated_us = ? WHERE id = ?", (*counts.values(), tx.now_us, run_id)
    )
    for game_id, answer in games.items():
        tx.run(
            "UPDATE dataset_games SET status = ?, answer = ? WHERE run_id = ? AND game_id = ?",
            (answer["status"], json.encode(answer).decode(), run_id, game_id),
        )
    journal(tx, "dataset_run_updated", run_id)


def end_run(tx: Tx, run_id: str, status: str, problem: str | None) -> None:
    tx.run(
        "UPDATE dataset_runs SET status = ?, problem = ?, updated_us = ? WHERE id = ?",
        (status, problem, tx.now_us, run_id),
    )
    journal(tx, "dataset_run_ended", run_id)


def answer_of(manifest: Manifest) -> dict[str, Any]:
    """What is kept of a game's manifest."""
    split = manifest.split
    return {
        **manifest.answer(),
        "training_plays": split.training_plays if split else 0,
        "validation_plays": split.validation_plays if split else 0,
        "failures": [failure.model_dump() for failure in manifest.failures[:FAILURES_SHOWN]],
    }


def journal(tx: Tx, type_: str, run_id: str) -> dict[str, Any]:
    """The run as it is now, in the journal without the single failures; returns all of it."""
    shown = run_resource(tx, run_id)
    brief = [{name: value for name, value in game.items() if name != "failures"} for game in shown["games"]]
    tx.append(type_, f"dataset_run:{run_id}", {"run_id": run_id, "dataset_run": {**shown, "games": brief}})
    return shown


def run_resource(tx: ReadTx, run_id: str) -> dict[str, Any]:
    return _shown(tx, load_row(tx, "dataset_run", run_id))


def _shown(tx: ReadTx, row: Row) -> dict[str, Any]:
    rows = tx.all("SELECT answer FROM dataset_games WHERE run_id = ? ORDER BY position", (row["id"],))
    games = [json.decode_stored(each["answer"]) for each in rows]
    only = games[0] if len(games) == 1 else None
    return {
        "id": row["id"],
        "run_id": row["id"],
        "status": row["status"],
        "message": _message(row, only),
        "game_id": only["game_id"] if only else None,
        "total_plays": sum(game["total_plays"] for game in games),
        "successful_clips": row["clips"],
        "failed_clips": row["failed_clips"],
        "jsonl_files": only["jsonl_files"] if only else None,
        "clips": row["clips"],
        "clips_wanted": row["clips_wanted"],
        "games": games,
        "problem": row["problem"],
        "request": json.decode_stored(row["request"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "created_by": row["created_by"],
    }


def _message(row: Row, only: Mapping[str, Any] | None) -> str:
    if row["status"] == "processing":
        return "Processing started" if not row["is_cancel_asked"] else "Ending"
    if row["problem"]:
        return str(row["problem"])
    return str(only["message"]) if only else f"{row['clips']} clips, {row['failed_clips']} failed"


def _put_game(tx: Tx, run_id: str, game_id: str, position: int, answer: Mapping[str, Any]) -> None:
    columns = {"run_id": run_id, "game_id": game_id, "position": position, "status": answer["status"]}
    tx.insert("dataset_games", {**columns, "answer": json.encode(answer).decode()})
