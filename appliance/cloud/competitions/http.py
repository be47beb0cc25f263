"""Routes of reference data: the same for every kind, and the aliases of a team."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model

from appliance.cloud.competitions import store
from appliance.cloud.competitions.kinds import KEPT, KINDS, Kind
from appliance.cloud.competitions.model import Alias, Aliases, AliasIn, ListQuery
from appliance.domain import resource_parts
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer

PREFIX = "/logging/v1"


def competition_routes() -> list[Routes]:
    """One group for each kind, and one for the aliases."""
    return [*(_kind_routes(kind) for kind in KINDS.values()), _alias_routes()]


def _shown_by(kind: Kind) -> type[BaseModel]:
    """The model of a resource, with the fields that other domains add to it."""
    parts = {part.name: (part.model() | None, ...) for part in resource_parts(kind.name)}
    if not parts:
        return kind.shows
    fields: Any = parts
    name, doc = kind.shows.__name__, kind.shows.__doc__
    return create_model(name, __base__=kind.shows, __doc__=doc, **fields)


def _kind_routes(kind: Kind) -> Routes:
    name, path, shows = f"{kind.name}_id", f"{PREFIX}/{kind.table}", _shown_by(kind)
    routes = Routes(kind.table, collection=Collection(f"logging/v1/{kind.table}", name))

    async def create(ctx: Ctx, body: BaseModel) -> Answer:
        return await ctx.write(lambda tx: store.create(tx, ctx.caller, kind, body))

    async def listing(ctx: Ctx, query: ListQuery) -> Answer:
        return Answer(200, await ctx.read(lambda tx: store.listing(tx, ctx.caller, kind, query)))

    async def one(ctx: Ctx, **given: str) -> Answer:
        return Answer(200, await ctx.read(lambda tx: store.get(tx, ctx.caller, kind, given[name])))

    async def change(ctx: Ctx, body: BaseModel, **given: str) -> Answer:
        return await ctx.write(lambda tx: store.change(tx, ctx.caller, kind, given[name], body))

    async def remove(ctx: Ctx, **given: str) -> Answer:
        return await ctx.write(lambda tx: store.remove(tx, ctx.caller, kind, given[name]))

    article = "an" if kind.name[0] in "aeiou" else "a"
    create.__doc__ = f"Make {article} {kind.name}."
    listing.__doc__ = f"List {kind.table}, oldest first: those of the token's scope."
    one.__doc__ = f"One {kind.name}."
    change.__doc__ = f"Change {article} {kind.name}: only the fields sent."
    remove.__doc__ = f"Delete {article} {kind.name} that nothing refers to."
    routes.post(path, body=kind.takes, returns=shows, status=201)(create)
    routes.get(path, query=ListQuery, items=shows)(listing)
    routes.get(f"{path}/{{{name}}}", returns=shows)(one)
    routes.patch(f"{path}/{{{name}}}", body=kind.patch, returns=shows)(change)
    if kind.name not in KEPT:
        routes.delete(f"{path}/{{{name}}}")(remove)
    return routes


def _alias_routes() -> Routes:
    routes = Routes("aliases")

    @routes.get("/api/v2/teams/{team_id}/aliases", returns=Aliases)
    async def listing(ctx: Ctx, team_id: str) -> Answer:
        """The names that providers of football data use for a team."""
        return Answer(200, {"items": await ctx.read(lambda tx: store.aliases(tx, ctx.caller, team_id))})

    @routes.post("/api/v2/teams/{team_id}/aliases", body=AliasIn, returns=Alias, status=201)
    async def add(ctx: Ctx, team_id: str, body: AliasIn) -> Answer:
        """Map a provider's name to a team."""
        return await ctx.write(lambda tx: store.add_alias(tx, ctx.caller, team_id, body))

    @routes.delete("/api/v2/teams/{team_id}/aliases/{alias_id}")
    async def remove(ctx: Ctx, team_id: str, alias_id: str) -> Answer:
        """Delete a provider's name of a team."""
        return await ctx.write(lambda tx: store.remove_alias(tx, ctx.caller, team_id, alias_id))

    return routes
