"""The public API of tournaments: reads for everybody, changes for leagues and the internal token."""

from __future__ import annotations

from typing import Any

from appliance.cloud.scoring.model import (
    AdjustmentIn,
    BracketQuery,
    DiscrepancyQuery,
    FactIn,
    MatchPatch,
    MatchQuery,
    OfficialIn,
    StandingsQuery,
    TieOrderIn,
    TournamentIn,
    TournamentPatch,
    WinnerIn,
)
from appliance.cloud.scoring.public import answers, reads
from appliance.cloud.scoring.public.owners import owned, require_league, require_own
from appliance.cloud.scoring.records import decisions, manage
from appliance.cloud.scoring.records.discrepancies import discrepancies_of
from appliance.cloud.scoring.records.tournaments import load_tournament
from appliance.http.api import Ctx, Routes
from appliance.kernel.errors import not_found
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page
from appliance.kernel.tx import ReadTx, Tx

V2 = "/api/v2"
_ONE = f"{V2}/tournaments/{{tournament_id}}"


def public_routes() -> list[Routes]:
    return [_tournaments(), _results(), _decisions()]


def _tournaments() -> Routes:
    routes = Routes("tournaments")

    @routes.post(f"{V2}/tournaments", body=TournamentIn, returns=answers.TournamentShown, status=201)
    async def create(ctx: Ctx, body: TournamentIn) -> Answer:
        """Make a tournament: its matches come by import or from a provider."""

        def made(tx: Tx) -> Answer:
            require_league(ctx.caller, body.league_id)
            tournament, is_new = manage.create_tournament(tx, ctx.caller, body)
            return Answer(201 if is_new else 200, reads.one_tournament(tx, tournament.id))

        return await ctx.write(made)

    @routes.get(f"{V2}/tournaments", query=Page, items=answers.TournamentShown)
    async def listing(ctx: Ctx, query: Page) -> Answer:
        """List tournaments, oldest first."""
        return Answer(200, await ctx.read(lambda tx: reads.list_tournaments(tx, query)))

    @routes.get(_ONE, returns=answers.TournamentShown)
    async def one(ctx: Ctx, tournament_id: str) -> Answer:
        """One tournament."""
        return Answer(200, await ctx.read(lambda tx: reads.one_tournament(tx, tournament_id)))

    @routes.patch(_ONE, body=TournamentPatch, returns=answers.TournamentShown)
    async def change(ctx: Ctx, tournament_id: str, body: TournamentPatch) -> Answer:
        """Change a tournament: only the fields sent. Tables and bracket follow."""

        def changed(tx: Tx) -> Answer:
            tournament = owned(tx, ctx.caller, tournament_id)
            if "league_id" in body.model_fields_set:
                require_league(ctx.caller, body.league_id)
            manage.change_tournament(tx, ctx.caller, tournament, body)
            return Answer(200, reads.one_tournament(tx, tournament_id))

        return await ctx.write(changed)

    return routes


def _results() -> Routes:
    routes = Routes("results")

    @routes.get(f"{_ONE}/rounds", returns=answers.Rounds)
    async def rounds(ctx: Ctx, tournament_id: str) -> Answer:
        """The rounds of a tournament, in the order of play."""
        return Answer(200, {"items": await ctx.read(lambda tx: reads.list_rounds(tx, tournament_id))})

    @routes.get(f"{_ONE}/matches", query=MatchQuery, items=answers.MatchShown)
    async def matches(ctx: Ctx, tournament_id: str, query: MatchQuery) -> Answer:
        """List matches, in the order of play."""
        return Answer(200, await ctx.read(lambda tx: reads.list_matches(tx, tournament_id, query)))

    @routes.get(f"{V2}/matches/{{match_id}}", returns=answers.MatchShown)
    async def match(ctx: Ctx, match_id: str) -> Answer:
        """One match."""
        return Answer(200, await ctx.read(lambda tx: reads.one_match(tx, match_id)))

    @routes.patch(f"{V2}/matches/{{match_id}}", body=MatchPatch, returns=answers.MatchShown)
    async def change(ctx: Ctx, match_id: str, body: MatchPatch) -> Answer:
        """Name the event that films a match, or a neutral ground."""

        def changed(tx: Tx) -> Answer:
            require_own(ctx.caller, decisions.tournament_of_match(tx, match_id))
            manage.change_match(tx, ctx.caller, match_id, body)
            return Answer(200, reads.one_match(tx, match_id))

        return await ctx.write(changed)

    @routes.get(f"{_ONE}/standings", query=StandingsQuery, returns=answers.Standings)
    async def standings(ctx: Ctx, tournament_id: str, query: StandingsQuery) -> Answer:
        """The tables of a tournament, whole, on any day."""
        return Answer(200, await ctx.read(lambda tx: reads.read_standings(tx, tournament_id, query)))

    @routes.get(f"{_ONE}/bracket", query=BracketQuery, returns=answers.BracketShown)
    async def bracket(ctx: Ctx, tournament_id: str, query: BracketQuery) -> Answer:
        """The bracket of a tournament, on any day."""
        return Answer(200, await ctx.read(lambda tx: reads.read_bracket(tx, tournament_id, query)))

    @routes.get(f"{_ONE}/discrepancies", query=DiscrepancyQuery, returns=answers.Discrepancies)
    async def discrepancies(ctx: Ctx, tournament_id: str, query: DiscrepancyQuery) -> Answer:
        """Matches on which two sources differ, with both values, newest first."""

        def read(tx: ReadTx) -> list[dict[str, Any]]:
            owned(tx, ctx.caller, tournament_id)
            return discrepancies_of(tx, tournament_id, is_open=query.open)

        return Answer(200, {"items": await ctx.read(read)})

    return routes


def _decisions() -> Routes:
    routes = Routes("decisions")

    @routes.get(f"{_ONE}/decisions", returns=answers.Decisions)
    async def listing(ctx: Ctx, tournament_id: str) -> Answer:
        """Every decision of people with its reason and author, oldest first."""

        def read(tx: ReadTx) -> list[dict[str, Any]]:
            load_tournament(tx, tournament_id)
            return decisions.decisions_of(tx, tournament_id)

        return Answer(200, {"items": await ctx.read(read)})

    @routes.post(f"{_ONE}/adjustments", body=AdjustmentIn, returns=answers.Decision, status=201)
    async def adjust(ctx: Ctx, tournament_id: str, body: AdjustmentIn) -> Answer:
        """Give a team points, or take some away."""
        return await ctx.write(
            lambda tx: Answer(
                201, decisions.adjust(tx, ctx.caller, owned(tx, ctx.caller, tournament_id), body)
            )
        )

    @routes.post(f"{_ONE}/facts", body=FactIn, returns=answers.Decision, status=201)
    async def fact(ctx: Ctx, tournament_id: str, body: FactIn) -> Answer:
        """State a team's value of a criterion that results do not tell, such as its fair-play points."""
        return await ctx.write(
            lambda tx: Answer(
                201, decisions.state_fact(tx, ctx.caller, owned(tx, ctx.caller, tournament_id), body)
            )
        )

    @routes.post(f"{_ONE}/ties", body=TieOrderIn, returns=answers.Decision, status=201)
    async def order(ctx: Ctx, tournament_id: str, body: TieOrderIn) -> Answer:
        """Record the order of teams that are level, as a person decided it or a draw."""
        return await ctx.write(
            lambda tx: Answer(
                201, decisions.order_level_teams(tx, ctx.caller, owned(tx, ctx.caller, tournament_id), body)
            )
        )

    @routes.post(f"{V2}/matches/{{match_id}}/official", body=OfficialIn, returns=answers.Decision, status=201)
    async def official(ctx: Ctx, match_id: str, body: OfficialIn) -> Answer:
        """Set the result that counts instead of what was played; without goals, withdraw it."""

        def decided(tx: Tx) -> Answer:
            tournament = decisions.tournament_of_match(tx, match_id)
            require_own(ctx.caller, tournament)
            return Answer(201, decisions.set_official(tx, ctx.caller, tournament, match_id, body))

        return await ctx.write(decided)

    @routes.post(f"{V2}/ties/{{tie_id}}/winner", body=WinnerIn, returns=answers.Decision, status=201)
    async def winner(ctx: Ctx, tie_id: str, body: WinnerIn) -> Answer:
        """Record who goes through in a tie of the bracket."""

        def decided(tx: Tx) -> Answer:
            tournament_id, _, own = tie_id.partition(".")
            if not own:
                raise not_found("tie", tie_id)
            tournament = owned(tx, ctx.caller, tournament_id)
            return Answer(201, decisions.set_winner(tx, ctx.caller, tournament, own, body))

        return await ctx.write(decided)

    return routes
