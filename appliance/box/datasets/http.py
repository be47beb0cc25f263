"""Routes of dataset runs. POST / is the trigger of the first pipeline, with its own answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.box.datasets.on_box import store
from appliance.box.datasets.on_box.game_view import GameView, game_view
from appliance.box.datasets.on_box.model import DatasetRun, DatasetRunIn, DatasetRunPage, TriggerIn
from appliance.box.datasets.plays.postgrest import PlaysUnavailable
from appliance.box.datasets.plays.prompts import BadTemplate, Template
from appliance.box.datasets.plays.rows import BadInput
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.errors import FieldError, Refused, invalid, not_found
from appliance.kernel.operation import Answer

if TYPE_CHECKING:
    from appliance.box.datasets.runs.sources import PlaySource
    from appliance.box.datasets.storage.model import Storage


GAME_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}


def dataset_routes(plays: Callable[[], PlaySource] | None, outputs: Callable[[], Storage]) -> Routes:
    """`plays`: asked at the trigger where a query may fail; None: it cannot. `outputs`: opens their root."""
    collection = Collection("dataset-runs", "run_id", commands=("cancel",))
    routes = Routes("datasets", collection=collection, path_schemas={"game_id": GAME_ID})

    @routes.post("/", body=TriggerIn, returns=DatasetRun, status=202)
    async def trigger(ctx: Ctx, body: TriggerIn) -> Answer:
        """Cut the clips of one game: answered at once, the work goes on. A game under way is joined."""
        if body.game_id is None:
            raise Refused(
                400,
                "bad_request",
                "game_id is missing",
                'send {"game_id": "..."}',
                (FieldError("game_id", "is required"),),
                extra={"error": "missing game_id"},
            )
        if plays is not None:
            try:
                await plays().plays(body.game_id)
            except (PlaysUnavailable, BadInput) as error:
                hint = "check SUPABASE_URL and SUPABASE_SERVICE_KEY of the box"
                raise Refused(
                    500, "supabase_error", str(error), hint, extra={"error": "supabase_error"}
                ) from error
        game = DatasetRunIn(game_ids=[body.game_id])
        return await ctx.write(lambda tx: store.trigger(tx, ctx.caller, game))

    @routes.post("/dataset-runs", body=DatasetRunIn, returns=DatasetRun, status=202)
    async def start(ctx: Ctx, body: DatasetRunIn) -> Answer:
        """Cut the clips of games, one run after the other; what stands from earlier runs is not cut again."""
        try:
            Template(body.template)
        except BadTemplate as error:
            raise invalid("template", str(error)) from None
        return await ctx.write(lambda tx: store.start_run(tx, ctx.caller, body))

    @routes.get("/dataset-runs", query=DatasetRunPage, items=DatasetRun)
    async def listing(ctx: Ctx, query: DatasetRunPage) -> Answer:
        """List dataset runs, oldest first."""
        return Answer(200, await ctx.read(lambda tx: store.list_runs(tx, query)))

    @routes.get("/dataset-runs/{run_id}", returns=DatasetRun)
    async def one(ctx: Ctx, run_id: str) -> Answer:
        """One dataset run, with each of its games."""
        return Answer(200, await ctx.read(lambda tx: store.get_run(tx, run_id)))

    @routes.get("/dataset-runs/{run_id}/games/{game_id}", returns=GameView)
    async def game(ctx: Ctx, run_id: str, game_id: str) -> Answer:
        """A game's clips with their pictures, what failed and why, and the split: its newest outputs."""
        run = await ctx.read(lambda tx: store.get_run(tx, run_id))
        if not any(each["game_id"] == game_id for each in run["games"]):
            raise not_found("game of this run", game_id)
        return Answer(200, await game_view(ctx.store, outputs, game_id))

    @routes.post("/dataset-runs/{run_id}/cancel", returns=DatasetRun, status=202)
    async def cancel(ctx: Ctx, run_id: str) -> Answer:
        """End a run; what is finished stays."""
        return await ctx.write(lambda tx: store.cancel_run(tx, run_id))

    return routes
