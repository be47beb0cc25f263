// What a person does to a play, the same on every screen that shows plays: each is said, and taken back by Undo.
//
// What takes it back is kept for twenty actions. Made here, it keeps no screen that was left meanwhile.

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/store.js").Play} Play */

/** @param {Ctx} ctx @param {Play} play */
export function starPlay(ctx, play) {
  starPlays(ctx, [play], `Play ${play.number}: ${play.is_favorite ? "star taken away" : "starred"}`);
}

/** Star, or take the star away, where it is not so yet. @param {Ctx} ctx @param {readonly Play[]} plays @param {string} words */
export function starPlays(ctx, plays, words) {
  for (const play of plays) void ctx.marks.star(play);
  ctx.did(words, () => Promise.all(plays.map((play) => ctx.marks.star({ ...play, is_favorite: !play.is_favorite }))));
}

/** One that the box refused is only here: it goes without a word. @param {Ctx} ctx @param {Play} play */
export function deletePlay(ctx, play) {
  const refused = ctx.box.outbox.refused().filter((mark) => mark.subject === play.id);
  if (refused.length) return refused.forEach((mark) => ctx.box.outbox.forget(mark));
  ctx.marks.undo(play.id).catch((error) => ctx.say(`Not deleted: ${error.message}`, { kind: "bad" }));
  ctx.did(play.number ? `Play ${play.number} deleted` : "Play deleted", () => ctx.marks.restore(play.id));
}

/** @param {Ctx} ctx @param {{id: string, start_time: string, duration_seconds: number}} given */
export function trimPlay(ctx, { id, ...body }) {
  const before = ctx.box.state.plays.get(id);
  const trim = (/** @type {object} */ to) => ctx.marks.request("play_trim", id, "PATCH", `/plays/${id}`, to);
  trim(body).catch((error) => ctx.say(`Not trimmed: ${error.message}`, { kind: "bad", seconds: 0 }));
  if (before) ctx.did(`Play ${before.number} trimmed`, () => trim({ start_time: before.start_time, duration_seconds: before.duration }));
}
