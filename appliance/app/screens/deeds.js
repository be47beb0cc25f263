// What a person does to a play, the same on every screen that shows plays: each is said, and taken back by Undo.
//
// What takes it back is kept for twenty actions. Made here, it keeps no screen that was left meanwhile.

import { playName } from "../state/words.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/store.js").Play} Play */

/** @param {Ctx} ctx @param {Play} play */
export function starPlay(ctx, play) {
  starPlays(ctx, [play], `${playName(play)}: ${play.is_favorite ? "star taken away" : "starred"}`);
}

/** Star, or take the star away, where it is not so yet. @param {Ctx} ctx @param {readonly Play[]} plays @param {string} words */
export function starPlays(ctx, plays, words) {
  for (const play of plays) void ctx.marks.star(play);
  ctx.did(words, () => Promise.all(plays.map((play) => ctx.marks.star({ ...play, is_favorite: !play.is_favorite }))));
}

/** One whose NEW PLAY the box refused is only here: it goes without a word. @param {Ctx} ctx @param {Play} play */
export function deletePlay(ctx, play) {
  const refused = ctx.box.outbox.refused().filter((mark) => mark.subject === play.id);
  if (refused.some((mark) => mark.doing === "play_new")) return refused.forEach((mark) => ctx.box.outbox.forget(mark));
  ctx.marks.undo(play.id).catch((error) => ctx.say(`Not deleted: ${error.message}`, { kind: "bad" }));
  ctx.did(`${playName(play)} deleted`, () => ctx.marks.restore(play.id));
}

/** Made from the footage: a clip, or a play of every camera. @param {Ctx} ctx @param {string} id @param {boolean} isPlay
 * @param {string} words @param {import("../parts/notice-stack.js").How} how */
export function madeClip(ctx, id, isPlay, words, how) {
  ctx.did(words, () => (isPlay ? ctx.marks.undo(id) : ctx.marks.request("clip_drop", id, "DELETE", `/clips/${id}`)), how);
}

/** A clip made by itself. @param {Ctx} ctx @param {import("../state/store.js").Clip} clip @param {string} name */
export function starClip(ctx, clip, name) {
  const set = (/** @type {boolean} */ on) => ctx.marks.request("clip_star", clip.id, on ? "POST" : "DELETE", `/clips/${clip.id}/favorite`);
  set(!clip.is_favorite).catch((/** @type {Error} */ error) => ctx.say(`Not done: ${error.message}`, { kind: "bad", seconds: 0 }));
  ctx.did(`${name}: ${clip.is_favorite ? "star taken away" : "starred"}`, () => set(clip.is_favorite));
}

/** @param {Ctx} ctx @param {string} id of a clip made by itself @param {string} name */
export function deleteClip(ctx, id, name) {
  ctx.marks.request("clip_drop", id, "DELETE", `/clips/${id}`).catch((/** @type {Error} */ error) => ctx.say(`Not deleted: ${error.message}`, { kind: "bad", seconds: 0 }));
  ctx.did(`${name} deleted`, () => ctx.marks.request("clip_restore", id, "POST", `/clips/${id}/restore`));
}

/** @param {Ctx} ctx @param {import("../state/store.js").Clip} clip made by itself @param {string} name
 * @param {{start_time: string, duration_seconds: number}} body */
export function trimClip(ctx, clip, name, body) {
  const trims = ctx.box.outbox.waiting().filter((mark) => mark.doing === "clip_trim" && mark.subject === clip.id);
  const before = trims.at(-1)?.request?.body ?? { start_time: clip.start_time, duration_seconds: clip.duration };
  const trim = (/** @type {object} */ to) => ctx.marks.request("clip_trim", clip.id, "PATCH", `/clips/${clip.id}`, to);
  trim(body).catch((/** @type {Error} */ error) => ctx.say(`Not trimmed: ${error.message}`, { kind: "bad", seconds: 0 }));
  ctx.did(`${name} trimmed`, () => trim(before));
}

/** Undo goes back to what was shown: an earlier trim may be on its way yet.
 * @param {Ctx} ctx @param {{id: string, start_time: string, duration_seconds: number}} given */
export function trimPlay(ctx, { id, ...body }) {
  const before = ctx.plays().find((play) => play.id === id);
  const trim = (/** @type {object} */ to) => ctx.marks.request("play_trim", id, "PATCH", `/plays/${id}`, to);
  trim(body).catch((error) => ctx.say(`Not trimmed: ${error.message}`, { kind: "bad", seconds: 0 }));
  if (before) ctx.did(`${playName(before)} trimmed`, () => trim({ start_time: before.start_time, duration_seconds: before.duration }));
}
