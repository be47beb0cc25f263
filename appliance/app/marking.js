// What a press of the mark bar does: new play, last seconds, cue, end; each with its Undo.

import { playName } from "./state/words.js";

/** @typedef {import("./app.js").Ctx} Ctx */

/**
 * A press of the mark bar or its key.
 * @param {Ctx} ctx
 * @param {string} what
 * @param {number} late ms since the press
 */
export function mark(ctx, what, late) {
  const { marks, prefs } = ctx;
  const open = ctx.open();
  const at = marks.instant(late);
  const refused = (/** @type {Error} */ error) =>
    ctx.say(`Not taken: ${error.message}`, { kind: "bad", seconds: 0 });
  if (what === "new" || what === "last") {
    if (marks.isBounce(what, performance.now() - late)) return;
    // This device's next play ends its own open play. Open plays of other devices stay open.
    if (what === "new" && open) marks.end(open.id, at).catch(refused);
    const made = marks.newPlay({ seconds: what === "last" ? prefs.get("lastSeconds") : 0, at });
    made?.answer.catch(refused);
    const ended = what === "new" ? open : undefined; // ended by the same press: both are undone together
    const back = () =>
      Promise.all([marks.undo(/** @type {any} */ (made).id), ended && marks.reopen(ended.id)]);
    if (made) ctx.did(what === "last" ? `Last ${prefs.get("lastSeconds")} s marked` : "Play marked", back);
  } else if (open && what === "cue") {
    marks.cue(open.id, at).catch(refused);
    ctx.did(`${playName(open)}: cue set`, () => marks.uncue(open.id, open.cue_time));
  } else if (open && what === "end") endPlay(ctx, open, at);
}

/**
 * END, by the mark bar or on a play's card.
 * @param {Ctx} ctx
 * @param {import("./state/connection/store.js").Play} play
 * @param {number} [at]
 */
export function endPlay(ctx, play, at = ctx.marks.instant()) {
  const { marks } = ctx;
  marks
    .end(play.id, at)
    .catch((error) => ctx.say(`Not taken: ${error.message}`, { kind: "bad", seconds: 0 }));
  ctx.did(`${playName(play)} ended`, () => marks.reopen(play.id));
}
