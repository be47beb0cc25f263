// Actions on a play, the same on every screen: each is announced and can be undone.
//
// The undo functions are kept for twenty actions. They are created here, so that they hold no reference to a
// screen that was left.

import { playName } from "../state/words.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/connection/store.js").Play} Play */

/** @param {Ctx} ctx @param {Play} play */
export function starPlay(ctx, play) {
  starPlays(ctx, [play], `${playName(play)}: ${play.is_favorite ? "star taken away" : "starred"}`);
}

/**
 * Set or clear the star of the plays that do not have that state yet.
 * @param {Ctx} ctx
 * @param {readonly Play[]} plays
 * @param {string} words
 */
export function starPlays(ctx, plays, words) {
  for (const play of plays) void ctx.marks.star(play);
  ctx.did(words, () =>
    Promise.all(plays.map((play) => ctx.marks.star({ ...play, is_favorite: !play.is_favorite }))),
  );
}

/**
 * A play whose NEW PLAY was refused exists only on this device: remove it silently.
 * @param {Ctx} ctx
 * @param {Play} play
 */
export function deletePlay(ctx, play) {
  const refused = ctx.box.outbox.refused().filter((mark) => mark.subject === play.id);
  if (refused.some((mark) => mark.doing === "play_new")) {
    for (const mark of refused) ctx.box.outbox.forget(mark);
    return;
  }
  ctx.marks.undo(play.id).catch((error) => ctx.say(`Not deleted: ${error.message}`, { kind: "bad" }));
  ctx.did(`${playName(play)} deleted`, () => ctx.marks.restore(play.id));
}

/**
 * A clip or a play of all cameras was made from the footage.
 * @param {Ctx} ctx
 * @param {string} id
 * @param {boolean} isPlay
 * @param {string} words
 * @param {import("../parts/frame/notice-stack.js").How} how
 */
export function madeClip(ctx, id, isPlay, words, how) {
  ctx.did(
    words,
    () => (isPlay ? ctx.marks.undo(id) : ctx.marks.request("clip_drop", id, "DELETE", `/clips/${id}`)),
    how,
  );
}

/**
 * A clip without a play.
 * @param {Ctx} ctx
 * @param {import("../state/connection/store.js").Clip} clip
 * @param {string} name
 */
export function starClip(ctx, clip, name) {
  const set = (/** @type {boolean} */ on) =>
    ctx.marks.request("clip_star", clip.id, on ? "POST" : "DELETE", `/clips/${clip.id}/favorite`);
  set(!clip.is_favorite).catch((/** @type {Error} */ error) =>
    ctx.say(`Not done: ${error.message}`, { kind: "bad", seconds: 0 }),
  );
  ctx.did(`${name}: ${clip.is_favorite ? "star taken away" : "starred"}`, () => set(clip.is_favorite));
}

/** @param {Ctx} ctx @param {string} id of a clip without a play @param {string} name */
export function deleteClip(ctx, id, name) {
  ctx.marks
    .request("clip_drop", id, "DELETE", `/clips/${id}`)
    .catch((/** @type {Error} */ error) =>
      ctx.say(`Not deleted: ${error.message}`, { kind: "bad", seconds: 0 }),
    );
  ctx.did(`${name} deleted`, () => ctx.marks.request("clip_restore", id, "POST", `/clips/${id}/restore`));
}

/**
 * @param {Ctx} ctx
 * @param {import("../state/connection/store.js").Clip} clip without a play
 * @param {string} name
 * @param {{start_time: string, duration_seconds: number}} body
 */
export function trimClip(ctx, clip, name, body) {
  const trims = ctx.box.outbox
    .waiting()
    .filter((mark) => mark.doing === "clip_trim" && mark.subject === clip.id);
  const before = trims.at(-1)?.request?.body ?? {
    start_time: clip.start_time,
    duration_seconds: clip.duration,
  };
  const trim = (/** @type {object} */ to) =>
    ctx.marks.request("clip_trim", clip.id, "PATCH", `/clips/${clip.id}`, to);
  trim(body).catch((/** @type {Error} */ error) =>
    ctx.say(`Not trimmed: ${error.message}`, { kind: "bad", seconds: 0 }),
  );
  ctx.did(`${name} trimmed`, () => trim(before));
}

/**
 * Undo returns to the range that was shown: an earlier trim may still be under way.
 * @param {Ctx} ctx
 * @param {{id: string, start_time: string, duration_seconds: number}} given
 */
export function trimPlay(ctx, { id, ...body }) {
  const before = ctx.plays().find((play) => play.id === id);
  const trim = (/** @type {object} */ to) => ctx.marks.request("play_trim", id, "PATCH", `/plays/${id}`, to);
  trim(body).catch((error) => ctx.say(`Not trimmed: ${error.message}`, { kind: "bad", seconds: 0 }));
  if (before)
    ctx.did(`${playName(before)} trimmed`, () =>
      trim({ start_time: before.start_time, duration_seconds: before.duration }),
    );
}
