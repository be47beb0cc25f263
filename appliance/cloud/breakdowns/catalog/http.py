"""Routes of break-down types, rules, offices and loggers: the same for every kind."""

from __future__ import annotations

from pydantic import BaseModel

from appliance.cloud.breakdowns.catalog import store
from appliance.cloud.breakdowns.catalog.kinds import KINDS, Kind
from appliance.cloud.breakdowns.catalog.model import CatalogQuery
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer

PREFIX = "/logging/v1"


def catalog_routes() -> list[Routes]:
    """One group for each kind."""
    return [_kind_routes(kind) for kind in KINDS.values()]


def _kind_routes(kind: Kind) -> Routes:
    name, path = kind.parameter, f"{PREFIX}/{kind.path}"
    routes = Routes(kind.path, collection=Collection(f"logging/v1/{kind.path}", name))

    async def create(ctx: Ctx, body: BaseModel) -> Answer:
        return await ctx.write(lambda tx: store.create(tx, ctx.caller, kind, body))

    async def listing(ctx: Ctx, query: CatalogQuery) -> Answer:
        return Answer(200, await ctx.read(lambda tx: store.listing(tx, ctx.caller, kind, query)))

    async def one(ctx: Ctx, **given: str) -> Answer:
        return Answer(200, await ctx.read(lambda tx: store.get(tx, ctx.caller, kind, given[name])))

    async def change(ctx: Ctx, body: BaseModel, **given: str) -> Answer:
        return await ctx.write(lambda tx: store.change(tx, ctx.caller, kind, given[name], body))

    words = kind.name.replace("_", " ")
    article = "an" if words[0] in "aeiou" else "a"
    create.__doc__ = f"Make {article} {words}."
    listing.__doc__ = f"List {kind.path}, oldest first: those of the token's scope."
    one.__doc__ = f"One {words}."
    change.__doc__ = f"Change {article} {words}: only the fields sent."
    routes.post(path, body=kind.takes, returns=kind.shows, status=201)(create)
    routes.get(path, query=CatalogQuery, items=kind.shows)(listing)
    routes.get(f"{path}/{{{name}}}", returns=kind.shows)(one)
    routes.patch(f"{path}/{{{name}}}", body=kind.patch, returns=kind.shows)(change)
    return routes
