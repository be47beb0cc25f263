"""HTTP routes and /ws commands of plays and clips, which run the same operations."""

from __future__ import annotations

from typing import Any, Final

from appliance.box.clips.cutting.cutter import CutterHandle
from appliance.box.clips.model import (
    ClipIn,
    ClipPatch,
    ClipQuery,
    CueCommand,
    CueIn,
    EndCommand,
    EndIn,
    Include,
    OfSession,
    PlayIn,
    PlayPatch,
    PlayQuery,
)
from appliance.box.clips.records import marks, plays, queries, undo
from appliance.box.clips.records.marks import MarkRules
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer

_OF_A_SESSION: Final = {"sessions": {"session_id": "#/id"}}
_CLIPS: Final = Collection(
    "clips", "clip_id", commands=("end", "restore", "favorite", "retry"), made_from=_OF_A_SESSION
)
_PLAYS: Final = Collection(
    "plays",
    "play_id",
    commands=("end", "cue", "reopen", "restore", "favorite"),
    made_from=_OF_A_SESSION,
)


def clip_routes(*, rules: MarkRules, cutter: CutterHandle) -> Routes:
    """Routes of /clips, and the /ws commands clip_new and clip_end."""
    routes = Routes("clips", collection=_CLIPS)
    shown = rules.shown

    @routes.post("/clips", body=ClipIn, returns=shown.clip, status=201, hot=True, do="clip_new")
    @routes.command("clip_new", ClipIn)
    async def create(ctx: Ctx, body: ClipIn) -> Answer:
        """Mark IN on one channel; with a duration, the whole clip."""
        answer = await cutter.marked(ctx.write, lambda tx: marks.create_clip(tx, ctx.caller, rules, body))
        return await _settled_clip(ctx, cutter, answer)

    @routes.get("/clips", query=shown.clip_query, items=shown.clip)
    async def listing(ctx: Ctx, query: ClipQuery) -> Answer:
        """List clips by start time."""
        return Answer(
            200, await ctx.read(lambda tx: queries.list_clips(tx, query, rules.parts, rules.filters))
        )

    @routes.get("/sessions/{session_id}/clips", query=shown.of_session, items=shown.clip)
    async def of_session(ctx: Ctx, session_id: str, query: OfSession) -> Answer:
        """The clips of a session."""
        return Answer(
            200, await ctx.read(lambda tx: queries.clips_of_session(tx, session_id, query, rules.parts))
        )

    @routes.get("/clips/{clip_id}", query=shown.include, returns=shown.clip)
    async def one(ctx: Ctx, clip_id: str, query: Include) -> Answer:
        """One clip."""
        return Answer(200, await ctx.read(lambda tx: queries.get_clip(tx, clip_id, query, rules.parts)))

    @routes.patch("/clips/{clip_id}", body=ClipPatch, returns=shown.clip)
    async def change(ctx: Ctx, clip_id: str, body: ClipPatch) -> Answer:
        """Change the title, or trim; on a ghost duration_seconds is OUT."""
        answer = await ctx.write(lambda tx: marks.change_clip(tx, ctx.caller, rules, clip_id, body))
        return await _settled_clip(ctx, cutter, answer)

    @routes.post(
        "/clips/{clip_id}/end", body=EndIn, returns=shown.clip, body_optional=True, hot=True, do="clip_end"
    )
    async def end(ctx: Ctx, clip_id: str, body: EndIn | None) -> Answer:
        """Mark OUT. The first one counts."""
        answer = await cutter.marked(
            ctx.write, lambda tx: marks.end_clip(tx, ctx.caller, rules, clip_id, body or EndIn())
        )
        return await _settled_clip(ctx, cutter, answer)

    @routes.command("clip_end", EndCommand)
    async def end_command(ctx: Ctx, body: EndCommand) -> Answer:
        return await end(ctx, body.id, EndIn.model_construct(end_time=body.end_time))

    @routes.delete("/clips/{clip_id}")
    async def remove(ctx: Ctx, clip_id: str) -> Answer:
        """Delete a clip; its files stay for a day."""
        return await ctx.write(lambda tx: marks.delete_clip(tx, ctx.caller, rules, clip_id))

    @routes.post("/clips/{clip_id}/restore", returns=shown.clip)
    async def restore(ctx: Ctx, clip_id: str) -> Answer:
        """Undo a delete, within 24 h: the clip with all that went with it."""
        return await ctx.write(lambda tx: undo.restore_clip(tx, ctx.caller, rules, clip_id))

    @routes.post("/clips/{clip_id}/favorite", returns=shown.clip)
    async def star(ctx: Ctx, clip_id: str) -> Answer:
        """Star a clip."""
        return await ctx.write(lambda tx: marks.star_clip(tx, ctx.caller, clip_id, True))

    @routes.delete("/clips/{clip_id}/favorite", returns=shown.clip)
    async def unstar(ctx: Ctx, clip_id: str) -> Answer:
        """Remove the star."""
        return await ctx.write(lambda tx: marks.star_clip(tx, ctx.caller, clip_id, False))

    @routes.post("/clips/{clip_id}/retry", returns=shown.clip)
    async def retry(ctx: Ctx, clip_id: str) -> Answer:
        """Try a failed clip again."""
        return await ctx.write(lambda tx: marks.retry_clip(tx, ctx.caller, clip_id))

    @routes.post("/clips/{clip_id}/view")
    async def view(ctx: Ctx, clip_id: str) -> Answer:
        """Count one playback."""
        return await ctx.write(lambda tx: marks.view_clip(tx, clip_id))

    return routes


def play_routes(*, rules: MarkRules, cutter: CutterHandle) -> Routes:
    """Routes of /plays, and the /ws commands play_new, play_cue and play_end."""
    routes = Routes("plays", collection=_PLAYS)
    shown = rules.shown

    @routes.post("/plays", body=PlayIn, returns=shown.play, status=201, hot=True, do="play_new")
    @routes.command("play_new", PlayIn)
    async def create(ctx: Ctx, body: PlayIn) -> Answer:
        """NEW PLAY: one mark on every angle."""
        answer = await cutter.marked(ctx.write, lambda tx: plays.create_play(tx, ctx.caller, rules, body))
        return await _settled_play(ctx, cutter, answer)

    @routes.get("/plays", query=PlayQuery, items=shown.play)
    async def listing(ctx: Ctx, query: PlayQuery) -> Answer:
        """List plays by start time."""
        return Answer(200, await ctx.read(lambda tx: queries.list_plays(tx, query)))

    @routes.get("/sessions/{session_id}/plays", query=PlayQuery, items=shown.play)
    async def of_session(ctx: Ctx, session_id: str, query: PlayQuery) -> Answer:
        """The plays of a session."""
        return Answer(200, await ctx.read(lambda tx: queries.plays_of_session(tx, session_id, query)))

    @routes.get("/plays/{play_id}", query=shown.include, returns=shown.play)
    async def one(ctx: Ctx, play_id: str, query: Include) -> Answer:
        """One play."""
        return Answer(200, await ctx.read(lambda tx: queries.get_play(tx, play_id, query)))

    @routes.patch("/plays/{play_id}", body=PlayPatch, returns=shown.play)
    async def change(ctx: Ctx, play_id: str, body: PlayPatch) -> Answer:
        """Change the title, or trim every angle."""
        return await ctx.write(lambda tx: plays.change_play(tx, ctx.caller, rules, play_id, body))

    @routes.post(
        "/plays/{play_id}/end", body=EndIn, returns=shown.play, body_optional=True, hot=True, do="play_end"
    )
    async def end(ctx: Ctx, play_id: str, body: EndIn | None) -> Answer:
        """END PLAY: OUT on every angle. The first one counts."""
        answer = await cutter.marked(
            ctx.write, lambda tx: plays.end_play(tx, ctx.caller, rules, play_id, body or EndIn())
        )
        return await _settled_play(ctx, cutter, answer)

    @routes.command("play_end", EndCommand)
    async def end_command(ctx: Ctx, body: EndCommand) -> Answer:
        return await end(ctx, body.id, EndIn.model_construct(end_time=body.end_time))

    @routes.post(
        "/plays/{play_id}/cue", body=CueIn, returns=shown.play, body_optional=True, hot=True, do="play_cue"
    )
    async def cue(ctx: Ctx, play_id: str, body: CueIn | None) -> Answer:
        """CUE: the snap. The last press counts."""
        return await ctx.write(lambda tx: plays.cue_play(tx, ctx.caller, play_id, body or CueIn()))

    @routes.command("play_cue", CueCommand)
    async def cue_command(ctx: Ctx, body: CueCommand) -> Answer:
        return await cue(ctx, body.id, CueIn.model_construct(cue_time=body.cue_time))

    @routes.delete("/plays/{play_id}/cue", returns=shown.play)
    async def uncue(ctx: Ctx, play_id: str) -> Answer:
        """Remove the cue."""
        return await ctx.write(lambda tx: undo.uncue_play(tx, ctx.caller, play_id))

    @routes.post("/plays/{play_id}/reopen", returns=shown.play)
    async def reopen(ctx: Ctx, play_id: str) -> Answer:
        """Undo END: the play waits for OUT again."""
        return await ctx.write(lambda tx: undo.reopen_play(tx, ctx.caller, rules, play_id))

    @routes.post("/plays/{play_id}/restore", returns=shown.play)
    async def restore(ctx: Ctx, play_id: str) -> Answer:
        """Undo a delete, within 24 h: restore the play with everything that was deleted with it."""
        return await ctx.write(lambda tx: undo.restore_play(tx, ctx.caller, rules, play_id))

    @routes.post("/plays/{play_id}/favorite", returns=shown.play)
    async def star(ctx: Ctx, play_id: str) -> Answer:
        """Star a play."""
        return await ctx.write(lambda tx: plays.star_play(tx, ctx.caller, play_id, True))

    @routes.delete("/plays/{play_id}/favorite", returns=shown.play)
    async def unstar(ctx: Ctx, play_id: str) -> Answer:
        """Remove the star."""
        return await ctx.write(lambda tx: plays.star_play(tx, ctx.caller, play_id, False))

    @routes.delete("/plays/{play_id}")
    async def remove(ctx: Ctx, play_id: str) -> Answer:
        """Undo a play: delete it with its clips."""
        return await ctx.write(lambda tx: plays.delete_play(tx, ctx.caller, rules, play_id))

    return routes


async def _settled_clip(ctx: Ctx, cutter: CutterHandle, answer: Answer) -> Answer:
    """The clip; where its footage is indexed already, after the cut, so that it is playable."""
    if not answer.resource["duration"] or answer.resource["status"] not in ("pending", "processing"):
        return answer
    clip_id = answer.resource["id"]
    await cutter.settle([clip_id])
    now = await ctx.read(lambda tx: queries.get_clip(tx, clip_id, Include(include=None), {}))
    return Answer(answer.status, {**answer.resource, **now})


async def _settled_play(ctx: Ctx, cutter: CutterHandle, answer: Answer) -> Answer:
    """The play with its clips; where their footage is indexed already, after the cuts."""
    play_id = answer.resource["id"]
    if answer.resource["duration"]:
        await cutter.settle(list(answer.resource["clip_ids"]))
    clips: dict[str, Any] = await ctx.read(lambda tx: queries.get_play(tx, play_id, Include(include="clips")))
    return Answer(answer.status, {**answer.resource, **clips})
