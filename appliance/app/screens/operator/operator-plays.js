// The operator's list of deleted plays: each can be restored with its clips and tags for one day.

import { h, keyed } from "../../parts/dom.js";
import { titleOf } from "../../state/session/working.js";
import { lengthOf } from "../../state/words.js";
import { clockOf } from "../../state/zone.js";

/** @typedef {import("../../state/connection/store.js").Play} Play */

export class DeletedPlays {
  /** @param {import("../../app.js").Ctx} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.turn = 0; // to ignore an answer that was overtaken
    this.list = h("ul", { id: "deleted-plays" });
    this.none = h("p", { class: "quiet" }, "No play was deleted in the last 24 hours.");
    this.panel = h(
      "section",
      { class: "panel-box deleted", "aria-label": "Deleted plays" },
      h("h2", {}, "Deleted plays"),
      this.none,
      this.list,
    );
  }

  /** Events do not cover plays that were deleted before this page was opened: request the list. */
  async look() {
    const turn = ++this.turn;
    const { box } = this.ctx;
    const page = await box.request("GET", "/plays?deleted=1&limit=200").catch(() => null);
    if (!page || turn !== this.turn) return;
    // a play of a deleted session is restored with its session
    const gone = (/** @type {Play} */ each) =>
      !box.state.plays.has(each.id) && box.state.sessions.has(each.session_id);
    /** @type {Play[]} */
    const rows = page.items.filter(gone).reverse();
    this.none.hidden = rows.length > 0;
    keyed(
      this.list,
      rows,
      (each) => each.id,
      (each, old) => old ?? this.row(each),
    );
  }

  /** @param {Play} play */
  row(play) {
    const session = this.ctx.box.state.sessions.get(play.session_id);
    const facts = [
      session && titleOf(session),
      clockOf(play.start_time),
      play.duration ? lengthOf(play.duration) : "open",
      `by ${play.created_by}`,
    ];
    const back = h(
      "button",
      { type: "button", "aria-label": `Restore play ${play.number}`, onclick: () => void this.restore(play) },
      "Restore",
    );
    return h(
      "li",
      { class: "row" },
      h("b", {}, `Play ${play.number}`),
      h("span", { class: "quiet grow" }, facts.filter(Boolean).join(" · ")),
      back,
    );
  }

  /** @param {Play} play */
  async restore(play) {
    try {
      await this.ctx.marks.restore(play.id);
      this.ctx.say(`Play ${play.number} is back`, { kind: "good" });
    } catch (error) {
      this.ctx.say(`Not brought back: ${/** @type {Error} */ (error).message}`, { kind: "bad", seconds: 0 });
    }
    void this.look();
  }
}
