// Review: a session after the game: its footage by timeline, its clips, its statistics; any session of the
// appliance.
//
// #review, #review/clips, #review/figures. Each pane is a module of its own; this one holds the session and
// its rows.

import { titleOf } from "../../state/session/working.js";
import { h, say } from "../../parts/dom.js";
import { Clips } from "./review-clips.js";
import { Figures } from "./review-figures.js";
import { Footage } from "./review-footage.js";
import { everythingOf } from "../../state/footage/review.js";
import { playsOf } from "../../state/connection/store.js";
import { tagsByPlay } from "../../state/tags/tagging.js";
import { ASKING } from "../../parts/player/replay-player.js";
import { dateOf } from "../../state/zone.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/connection/store.js").Session} Session */
/** @typedef {import("../../state/connection/store.js").Play} Play */
/** @typedef {import("../../state/connection/store.js").Clip} Clip */
/**
 * What a pane receives. `current`: it is the current session; `alone`: clips without a play.
 * @typedef {{session: Session, current: boolean, plays: Play[], clips: Map<string, Clip[]>, alone: Clip[],
 *   tags: Map<string, import("../../state/connection/store.js").Tag[]>}} Rows
 */
/**
 * @typedef {{root: HTMLElement, update: (rows: Rows, tables: ReadonlySet<string>) => void, tick?: () => void,
 *   leave: () => void}} Pane
 */

export const title = "Review";
/** @type {Record<string, {label: string, make: (ctx: Ctx, review: Review) => Pane}>} */
const PANES = {
  footage: { label: "Footage", make: (ctx, review) => new Footage(ctx, review) },
  clips: { label: "Clips", make: (ctx, review) => new Clips(ctx, review) },
  figures: { label: "Figures", make: (ctx) => new Figures(ctx) },
};
const ALL = new Set(["all"]);
const NONE = "No session yet. What is recorded in one is found here.";

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
export function enter(root, ctx, words) {
  return new Review(root, ctx, words);
}

export class Review {
  /** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
  constructor(root, ctx, words) {
    this.ctx = ctx;
    this.sessionId = ""; // chosen here; "" is the current session
    /** Sessions not in the snapshot. @type {Map<string, import("../../state/footage/review.js").Rows>} */
    this.fetched = new Map();
    this.chosen = words[1] ?? ""; // a play or clip to watch
    this.name = words[0] in PANES ? words[0] : "footage";
    this.select = h("select", { "aria-label": "Session", onchange: () => this.choose(this.select.value) });
    this.tabs = h(
      "div",
      { class: "segments", role: "group", "aria-label": "What to look at" },
      ...Object.entries(PANES).map(([name, { label }]) =>
        h("button", { type: "button", data: { pane: name }, onclick: () => this.open(name) }, label),
      ),
    );
    this.words = h("p", { class: "quiet", role: "status" });
    this.place = h("div", { class: "pane" });
    root.append(h("header", { class: "review-head" }, this.tabs, this.select, this.words), this.place);
    /** @type {Pane | null} */
    this.pane = null;
    const names = Object.keys(PANES);
    this.unkey = ctx.keys.add([
      {
        keys: ["y"],
        words: "Footage, clips, figures",
        group: "Review",
        act: () => this.open(names[(names.indexOf(this.name) + 1) % names.length]),
      },
    ]);
  }

  leave() {
    this.left = true;
    this.unkey();
    this.pane?.leave();
  }

  get session() {
    return this.ctx.box.state.sessions.get(this.sessionId) ?? this.ctx.session();
  }

  /** @param {string} name @param {string} [chosen] */
  open(name, chosen = "") {
    this.name = name;
    this.chosen = chosen;
    history.replaceState(null, "", `#review/${name}${chosen && `/${chosen}`}`);
    this.pane?.leave();
    this.pane = null;
    this.ctx.marks.lookingAt = null;
    this.update({ tables: ALL });
  }

  /** @param {string} id */
  choose(id) {
    this.sessionId = id;
    this.select.blur(); // return keyboard input to the page
    this.open(this.name);
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  /** @param {{tables: ReadonlySet<string>}} change */
  update({ tables }) {
    const { session, select, tabs } = this;
    const sessions = [...this.ctx.box.state.sessions.values()].sort((a, b) =>
      whenOf(a) < whenOf(b) ? 1 : -1,
    );
    const look = JSON.stringify([
      sessions.map((each) => [each.id, each.name, each.opponent, whenOf(each)]),
      session?.id,
    ]);
    if (look !== select.dataset.look) {
      select.dataset.look = look;
      select.replaceChildren(
        ...sessions.map((each) =>
          h(
            "option",
            { value: each.id, selected: each.id === session?.id },
            `${dateOf(whenOf(each))} ${titleOf(each)}`,
          ),
        ),
      );
    }
    select.hidden = !sessions.length;
    for (const each of tabs.children)
      each.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (each).dataset.pane === this.name));
    if (!session) return say(this.words, this.ctx.known() ? NONE : ASKING);
    if ([NONE, ASKING].includes(this.words.textContent ?? "")) say(this.words, "");
    const rows = this.rowsOf(session);
    if (!this.pane) {
      this.pane = PANES[this.name].make(this.ctx, this);
      this.place.replaceChildren(this.pane.root);
      this.pane.update(rows, ALL);
    } else this.pane.update(rows, tables);
  }

  /** @param {Session} session @returns {Rows} */
  rowsOf(session) {
    const { ctx } = this;
    const { state } = ctx.box;
    const own = [...state.clips.values()].filter((clip) => clip.session_id === session.id);
    if (own.length < session.clip_count && !this.fetched.has(session.id)) void this.fetch(session.id);
    const old = this.fetched.get(session.id);
    const current = session.id === ctx.session()?.id;
    const clips = [
      ...new Map([
        ...(old?.clips ?? []),
        ...own.map((clip) => /** @type {[string, Clip]} */ ([clip.id, clip])),
      ]).values(),
    ];
    const known = current
      ? ctx.plays()
      : [...state.plays.values()].filter((play) => play.session_id === session.id);
    const plays = new Map([
      ...(old?.plays ?? []),
      ...known.map((play) => /** @type {[string, Play]} */ ([play.id, play])),
    ]);
    const tags = old ? tagsByPlay([...old.tags.values()]) : new Map();
    for (const [id, list] of ctx.tags()) tags.set(id, list);
    /** @type {Map<string, Clip[]>} */
    const byPlay = new Map();
    for (const clip of clips)
      if (clip.play_id) byPlay.set(clip.play_id, [...(byPlay.get(clip.play_id) ?? []), clip]);
    for (const list of byPlay.values()) list.sort((a, b) => (a.channel_id < b.channel_id ? -1 : 1));
    return {
      session,
      current,
      plays: playsOf(plays.values(), session.id),
      clips: byPlay,
      alone: clips.filter((clip) => !clip.play_id),
      tags,
    };
  }

  /** @param {string} id */
  async fetch(id) {
    this.fetched.set(id, { plays: new Map(), clips: new Map(), tags: new Map() }); // requested once
    say(this.words, "Loading the session");
    try {
      this.fetched.set(id, await everythingOf((method, path) => this.ctx.box.request(method, path), id));
      say(this.words, "");
    } catch (error) {
      this.fetched.delete(id);
      say(this.words, `Not loaded: ${/** @type {Error} */ (error).message}`);
      return;
    }
    if (!this.left && id === this.session?.id) this.update({ tables: ALL });
  }

  tick() {
    this.pane?.tick?.();
  }
}

/** @param {Session} session */
const whenOf = (session) => session.actual_start ?? session.scheduled_start ?? session.created_at;
