// Review, footage: the whole recording by timeline, and clips from any part of it.

import { button, h, icon, keyed, say, setIcon } from "../../parts/dom.js";
import "../../parts/footage/footage-view.js";
import "../../parts/footage/game-timeline.js";
import "../../parts/player/scrub-bar.js";
import { stripOf } from "../../state/footage/coverage.js";
import { uuid } from "../../state/marks/ids.js";
import { habitsOf } from "../../state/footage/replay.js";
import { cutOf, following, inside, spanOf, zoomed } from "../../state/footage/review.js";
import { lengthOf } from "../../state/words.js";
import { clockOf } from "../../state/zone.js";
import { madeClip } from "../play-actions.js";
import { shortcutsOf, speedsOf, transportOf } from "./review-footage-controls.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("./review.js").Rows} Rows */
/** @typedef {import("../../state/api").Timeline} Timeline */

const AGAIN_MS = 5000; // refresh interval: a running session grows
const WAIT_MS = 1000; // nothing is recorded yet, or the appliance was unreachable
const FIRST_LOOK_MS = 300_000;

export class Footage {
  /** @param {Ctx} ctx @param {import("./review.js").Review} review */
  constructor(ctx, review) {
    this.ctx = ctx;
    this.review = review;
    /** @type {Map<string, Timeline>} */
    this.known = new Map();
    this.leader = "";
    this.whole = { from: 0, to: 1 };
    this.shown = { from: 0, to: 1 };
    /** @type {{start: number | null, end: number | null}} */
    this.cut = { start: null, end: null };
    this.everyCamera = false;
    this.requestedAt = 0; // performance.now() of the last request for the timeline
    this.view = /** @type {import("../../parts/footage/footage-view.js").FootageView} */ (
      h("footage-view", { class: "stage" })
    );
    this.view.given = {
      ask: (path) => ctx.box.request("GET", path),
      habits: () => habitsOf(ctx.prefs),
      now: () => ctx.box.now(),
    };
    this.timeline = /** @type {import("../../parts/footage/game-timeline.js").GameTimeline} */ (
      h("game-timeline")
    );
    this.bar = /** @type {import("../../parts/player/scrub-bar.js").ScrubBar} */ (h("scrub-bar"));
    this.where = h("b", { class: "where" });
    this.hint = h("span", { class: "hint", hidden: true }, "Marks mean this picture");
    this.angles = h("div", { class: "angles segments", role: "group", "aria-label": "Cameras" });
    this.go = button("Play", icon("play", true), () => this.view.toggle(), { class: "go" });
    this.speeds = speedsOf(this);
    this.make = h(
      "button",
      { type: "button", class: "make", disabled: true, onclick: () => this.clip() },
      "Make clip",
    );
    this.every = h("button", { type: "button", class: "every", onclick: () => this.flip() }, "All cameras");
    this.clear = button("Forget IN and OUT", icon("close"), () => this.mark(null, null), {
      class: "plain",
      hidden: true,
    });
    this.root = h(
      "section",
      { class: "footage player", "aria-label": "Footage" },
      h("header", { class: "over" }, this.where, this.hint, this.angles),
      this.view,
      h(
        "footer",
        { class: "controls" },
        this.timeline,
        this.bar,
        transportOf(this),
        h(
          "div",
          { class: "cutting" },
          h(
            "div",
            { class: "segments ends" },
            button("IN: the clip begins here", "IN", () => this.mark(this.view.at, this.cut.end)),
            button("OUT: the clip ends here", "OUT", () => this.mark(this.cut.start, this.view.at)),
            this.clear,
          ),
          this.every,
          this.make,
        ),
      ),
    );
    this.wire();
  }

  wire() {
    const { ctx, view, timeline, bar } = this;
    const detailOf = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    timeline.addEventListener("scrub", (event) => this.scrub(detailOf(event)));
    timeline.addEventListener("edge", (event) => {
      const { name, at } = detailOf(event);
      this.mark(
        name === "start" ? Math.min(at, (this.cut.end ?? Infinity) - 200) : this.cut.start,
        name === "end" ? Math.max(at, (this.cut.start ?? 0) + 200) : this.cut.end,
      );
    });
    bar.addEventListener("scrub", (event) => {
      const { t, by, phase } = detailOf(event);
      this.scrub({ at: t === undefined ? undefined : this.whole.from + t * 1000, by: by && by * 4, phase });
    });
    view.addEventListener("moved", () => this.moved());
    view.addEventListener("state", () => this.drawState());
    this.timer = setInterval(() => {
      const due = this.view.spans.length ? this.live && AGAIN_MS : WAIT_MS;
      if (due && !document.hidden && !this.loading && performance.now() - this.requestedAt >= due)
        void this.load();
    }, WAIT_MS);
    this.unkey = ctx.keys.add(shortcutsOf(this));
  }

  leave() {
    this.left = true;
    clearInterval(this.timer);
    this.unkey?.();
    this.ctx.marks.lookingAt = null;
  }

  get channels() {
    const wanted = this.rows?.session.channel_ids;
    return [...this.ctx.box.state.channels.values()]
      .filter((each) => !wanted || wanted.includes(each.id))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get live() {
    return ["active", "paused"].includes(this.rows?.session.status ?? "");
  }

  // -- recorded footage -------------------------------------------------------------------------------------

  /** @param {Rows} rows */
  update(rows) {
    const first = !this.rows;
    this.rows = rows;
    // A mark made while this picture is shown means this picture; in another session marks are not possible.
    this.ctx.marks.lookingAt = rows.current ? () => this.view.at || null : null;
    this.hint.hidden = !rows.current;
    const { channels } = this;
    if (!channels.some((each) => each.id === this.leader))
      this.leader =
        (channels.find((each) => each.id === this.ctx.prefs.get("angle")) ?? channels[0])?.id ?? "";
    this.view.channel = this.leader;
    this.view.framerate = this.ctx.box.state.channels.get(this.leader)?.framerate ?? null;
    this.measure();
    if (first) void this.load();
    this.draw();
  }

  measure() {
    if (!this.rows) return;
    this.whole = spanOf(this.rows.session, [...this.rows.plays, ...this.rows.alone], this.ctx.box.now());
  }

  /** The first picture: the newest in a running session, otherwise the first play. */
  begin() {
    const [first] = this.view.spans;
    const play = this.rows?.plays.at(-1);
    const start = this.live ? this.whole.to - 15_000 : play ? Date.parse(play.start_time) : this.whole.from;
    this.shown = inside({ from: start - FIRST_LOOK_MS / 2, to: start + FIRST_LOOK_MS / 2 }, this.whole);
    this.view.to(Math.max(start, first ? Date.parse(first.start) : start), false);
  }

  /** Request the timeline of every camera. */
  async load() {
    this.loading = true;
    if (!this.view.spans.length) this.view.tell("Looking for footage");
    this.requestedAt = performance.now();
    this.measure();
    const [start, end] = [this.whole.from, this.whole.to].map((ms) => new Date(ms).toISOString());
    const query = `start=${start}&end=${end}`;
    await Promise.all(
      this.channels.map(async ({ id }) => {
        const known = await this.ctx.box
          .request("GET", `/channels/${id}/timeline?${query}`)
          .catch(() => null);
        if (known) this.known.set(id, known);
      }),
    );
    this.loading = false;
    if (this.left) return;
    const had = this.view.spans.length;
    this.showSpans();
    if (!had) this.begin();
    this.draw();
  }

  /** The leader's timeline; before the appliance has answered, its footage does not count as missing. */
  showSpans() {
    const known = this.known.get(this.leader);
    this.view.unknown = !known;
    this.view.spans = known?.spans ?? [];
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  draw() {
    const { rows, shown, known } = this;
    if (!rows) return;
    keyed(
      this.angles,
      this.channels,
      (each) => each.id,
      (each, old) => {
        const made = old ?? h("button", { type: "button", onclick: () => this.lead(each.id) });
        say(made, each.name || each.id);
        made.setAttribute("aria-pressed", String(each.id === this.leader));
        return made;
      },
    );
    this.cameras = this.channels.map(({ id, name }) => {
      const timeline = known.get(id);
      return {
        id,
        name: name || id,
        leads: id === this.leader,
        strip: timeline ? stripOf(timeline, shown.from, shown.to) : null,
      };
    });
    this.plays = rows.plays.map((play) => {
      const from = Date.parse(play.start_time);
      return {
        id: play.id,
        label: String(play.number || "…"),
        from,
        to: from + play.duration * 1000,
        starred: play.is_favorite,
      };
    });
    const first = known.get(this.leader)?.spans[0]?.start ?? ""; // time before the first footage is no gap
    const gaps = (known.get(this.leader)?.gaps ?? []).filter((gap) => !gap.end || gap.end > first);
    const second = (/** @type {string | null} */ at) =>
      ((at ? Date.parse(at) : this.whole.to) - this.whole.from) / 1000;
    this.bar.view = {
      from: 0,
      to: (this.whole.to - this.whole.from) / 1000,
      trim: null,
      cue: null,
      label: "Time in the whole session",
      missing: gaps.map((gap) => /** @type {[number, number]} */ ([second(gap.start), second(gap.end)])),
      words: () => tenthOf(this.view.at),
      end: clockOf(this.whole.to),
    };
    this.drawState();
    this.moved();
  }

  /** The picture shown has changed. */
  moved() {
    const { at } = this.view;
    if (!this.rows || !at) return;
    if (!this.touched) {
      const view = following(this.shown, at, this.whole);
      if (view !== this.shown) {
        this.shown = view;
        return this.draw();
      }
    }
    say(this.where, tenthOf(at));
    this.timeline.view = {
      shown: this.shown,
      cameras: this.cameras ?? [],
      plays: this.plays ?? [],
      at,
      cut: this.cut,
    };
    this.bar.time = (at - this.whole.from) / 1000;
    this.drawMake();
  }

  drawMake() {
    const { start, end } = this.cut;
    const span = cutOf(start, end, this.view.at);
    this.make.disabled = !span;
    const verb = start === null && end === null ? "Clip the last" : "Make clip";
    say(this.make, span ? `${verb} ${lengthOf((span.to - span.from) / 1000)}` : "OUT is before IN");
    this.clear.hidden = start === null && end === null;
    this.every.setAttribute("aria-pressed", String(this.everyCamera));
  }

  drawState() {
    const runs = this.view.running;
    if (this.go.dataset.runs === String(runs)) return;
    this.go.dataset.runs = String(runs);
    setIcon(this.go, runs ? "pause" : "play", !runs);
    this.go.setAttribute("aria-label", runs ? "Pause" : "Play");
  }

  tick() {
    if (this.view.running) this.moved();
  }

  // -- actions ----------------------------------------------------------------------------------------------

  /** @param {{at?: number, by?: number, phase: string}} given */
  scrub({ at, by, phase }) {
    if (at === undefined) return this.move(Math.max(-86_400, Math.min(86_400, by ?? 0)));
    if (phase === "begin") this.resume = this.view.running;
    this.touched = phase !== "end";
    if (phase !== "end") return this.view.glimpse(at);
    this.view.to(at, Boolean(this.resume));
  }

  /** @param {number} seconds */
  move(seconds) {
    this.view.to(
      Math.min(this.whole.to, Math.max(this.whole.from, this.view.at + seconds * 1000)),
      this.view.running,
    );
  }

  /** @param {number} by 1: the next one */
  toPlay(by) {
    const { at } = this.view;
    const starts = (this.plays ?? []).map((play) => play.from).sort((a, b) => a - b);
    const next =
      by > 0 ? starts.find((start) => start > at + 100) : starts.findLast((start) => start < at - 1500);
    if (next !== undefined) this.view.to(next, this.view.running);
    else this.ctx.say(by > 0 ? "No play after this." : "No play before this.", { key: "no play" });
  }

  /** The same instant on another camera. @param {string | undefined} id */
  lead(id) {
    if (!id || id === this.leader) return;
    const { at, running } = this.view;
    this.leader = this.view.channel = id;
    this.view.framerate = this.ctx.box.state.channels.get(id)?.framerate ?? null;
    this.ctx.prefs.set("angle", id);
    this.showSpans();
    this.view.to(at, running);
    this.draw();
  }

  /** @param {number} rate */
  speed(rate) {
    this.view.rate = rate;
    for (const each of this.speeds.children)
      each.setAttribute(
        "aria-pressed",
        String(Number(/** @type {HTMLElement} */ (each).dataset.rate) === rate),
      );
  }

  /** @param {number} factor */
  zoom(factor) {
    this.shown = zoomed(this.shown, factor, this.view.at || this.shown.from, this.whole);
    this.draw();
  }

  /** @param {number | null} start @param {number | null} end */
  mark(start, end) {
    this.cut = { start, end };
    this.moved();
  }

  flip() {
    this.everyCamera = !this.everyCamera;
    this.drawMake();
  }

  /** A clip from IN to OUT: of this camera, or a play of all cameras. */
  clip() {
    const span = cutOf(this.cut.start, this.cut.end, this.view.at);
    const { ctx, rows, everyCamera } = this;
    if (!span || !rows) return;
    const id = uuid();
    const body = {
      id,
      session_id: rows.session.id,
      start_time: new Date(span.from).toISOString(),
      duration_seconds: Math.round(span.to - span.from) / 1000,
    };
    const made = everyCamera
      ? ctx.marks.request("play_cut", id, "POST", "/plays", body)
      : ctx.marks.request("clip_cut", id, "POST", "/clips", { ...body, channel_id: this.leader });
    const words = `${everyCamera ? "Play" : "Clip"} of ${lengthOf(body.duration_seconds)} made`;
    madeClip(ctx, id, everyCamera, words, { action: "Watch", act: () => this.review.open("clips", id) });
    made.catch((/** @type {Error} */ error) =>
      ctx.say(`Not made: ${error.message}`, { kind: "bad", seconds: 0, key: "cut" }),
    );
    this.mark(null, null);
  }
}

/** @param {number} at ms */
const tenthOf = (at) => `${clockOf(at)}.${Math.floor((at % 1000) / 100)}`;
