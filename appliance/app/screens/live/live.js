// Live: every angle with its delay, the last minutes by dragging, and marks that mean the picture on the
// screen. This file is the screen: bar, buttons, keys, choice of angle. live-views.js receives the pictures,
// live-past.js shows the past.

import { button, h, icon, keyed, say, setIcon } from "../../parts/dom.js";
import { repeatWhileHeld } from "../../parts/repeat-button.js";
import "../../parts/player/scrub-bar.js";
import { clockOf, lengthOf } from "../../state/words.js";
import { Past } from "./live-past.js";
import { Views } from "./live-views.js";

/** @typedef {import("../../app.js").Ctx} Ctx */

export const title = "Live";
const BACK_S = 300; // length of the bar
const GAPS_MS = 5000;
// without a picture, or with an unknown capture time, going back starts this long before now
const UNKNOWN_MS = 2000;

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Live(root, ctx);
}

class Live {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    this.leader = "";
    this.many = ctx.prefs.get("layout") > 1;
    /** @type {[number, number, string][]} */
    this.gaps = [];
    this.frozen = 0; // the bar's right end while it is dragged
    this.stage = h("div", { class: "stage", id: "live-stage" });
    this.views = new Views(ctx, this.stage, () => this.drawViews());
    this.past = new Past(ctx, {
      channel: () => ctx.box.state.channels.get(this.leader),
      live: () => this.views.leading?.video,
      gap: (at) => this.gaps.find(([start, end]) => at >= start && at < end)?.[2] ?? "",
      turned: () => this.drawViews(),
    });
    this.stage.append(...this.past.nodes);
    root.append(this.make());
    this.wire();
  }

  make() {
    this.behind = h("b", { class: "behind", id: "behind" }, "");
    this.where = h("span", { class: "where" });
    this.angles = h("div", { class: "angles segments", role: "group", "aria-label": "Angles" });
    this.all = button("All angles", icon("four"), () => this.layout(!this.many), { class: "plain" });
    this.now = h("button", { type: "button", class: "now", onclick: () => this.past.end() }, "● LIVE");
    this.go = button("Pause", icon("pause"), () => this.toggle(), { class: "go" });
    this.bar = /** @type {import("../../parts/player/scrub-bar.js").ScrubBar} */ (h("scrub-bar"));
    const jump = (/** @type {number} */ by) =>
      button(
        `${by < 0 ? "Back" : "On"} ${Math.abs(by)} s`,
        `${by < 0 ? "−" : "+"}${Math.abs(by)}`,
        () => this.move(by),
        { data: { jump: by } },
      );
    const frame = (/** @type {number} */ by) =>
      repeatWhileHeld(
        button(
          by < 0 ? "One frame back" : "One frame on",
          icon(by < 0 ? "frameBack" : "frameNext"),
          () => {},
          { data: { frame: by } },
        ),
        () => this.step(by),
      );
    return h(
      "section",
      { class: "live-desk player", "aria-label": "Live pictures" },
      h("header", { class: "over" }, this.behind, this.where, this.angles),
      h("div", { class: "side" }, this.views.sooner, this.all),
      this.stage,
      h(
        "footer",
        { class: "controls" },
        this.bar,
        h(
          "div",
          { class: "transport" },
          h(
            "div",
            { class: "segments moves", role: "group", "aria-label": "Move" },
            jump(-30),
            jump(-10),
            jump(-5),
            frame(-1),
            this.go,
            frame(1),
            jump(5),
            jump(10),
          ),
          h(
            "div",
            { class: "segments speeds" },
            ...[0.25, 0.5, 1].map((rate) =>
              button(`Speed ${rate}`, `${rate}×`.replace("0.", "."), () => this.speed(rate), {
                data: { rate },
              }),
            ),
          ),
          this.now,
        ),
      ),
    );
  }

  wire() {
    const { ctx } = this;
    this.bar?.addEventListener("scrub", (event) => this.scrub(/** @type {any} */ (event).detail));
    this.stage.addEventListener("click", (event) => {
      const view = /** @type {Element} */ (event.target).closest("live-view");
      const channel = /** @type {HTMLElement | null} */ (view)?.dataset.key;
      if (channel && this.many && !this.past.on) this.lead(channel, false);
    });
    ctx.marks.lookingAt = () => this.capture();
    this.hide = () => this.drawViews();
    document.addEventListener("visibilitychange", this.hide);
    this.gapTimer = setInterval(() => void this.readGaps(), GAPS_MS);
    const group = "Live";
    this.unkey = ctx.keys.add([
      { keys: [" "], words: "Pause, or play on", group, act: () => this.toggle() },
      {
        keys: ["ArrowLeft", "ArrowRight"],
        words: "5 s back, on",
        group,
        act: (event) => this.move(event.key === "ArrowLeft" ? -5 : 5),
      },
      {
        keys: [",", "."],
        words: "One frame back, on",
        group,
        act: (event) => this.step(event.key === "," ? -1 : 1),
      },
      { keys: ["Escape", "0"], words: "Live", group, act: () => this.past.end() },
      {
        keys: ["1", "2", "3", "4"],
        words: "Angle",
        group,
        act: (event) => this.lead(this.channels[Number(event.key) - 1]?.id, true),
      },
      { keys: ["v"], words: "One or all angles", group, act: () => this.layout(!this.many) },
    ]);
  }

  leave() {
    document.removeEventListener("visibilitychange", this.hide ?? (() => {}));
    clearInterval(this.gapTimer);
    this.unkey?.();
    this.past.reel.drop();
    this.views.close();
  }

  get channels() {
    const wanted = this.ctx.session()?.channel_ids;
    return [...this.ctx.box.state.channels.values()]
      .filter((each) => !wanted || wanted.includes(each.id))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  /** @param {import("../../state/connection/box.js").Change} change */
  update(change) {
    if (!change.all && !change.tables.has("channels") && !change.tables.has("sessions")) return;
    const { channels } = this;
    if (!channels.some((each) => each.id === this.leader)) {
      const kept = this.ctx.prefs.get("angle");
      this.leader = channels.find((each) => each.id === kept)?.id ?? channels[0]?.id ?? "";
    }
    this.drawViews();
    this.drawAngles();
    if (change.all) void this.readGaps();
    void this.views.ask(this.leader);
  }

  drawViews() {
    const shown =
      document.hidden || this.past.on
        ? []
        : this.channels.filter((each) => this.many || each.id === this.leader).slice(0, 4);
    this.views.draw(shown, this.leader);
    if (!this.channels.length) this.past.tell("No camera yet. An operator adds one.");
  }

  drawAngles() {
    const { angles, all } = this;
    if (!angles || !all) return;
    keyed(
      angles,
      this.channels,
      (each) => each.id,
      (each, old) => {
        const made = old ?? h("button", { type: "button", onclick: () => this.lead(each.id, true) });
        say(made, each.name || each.id);
        made.setAttribute("aria-pressed", String(each.id === this.leader));
        return made;
      },
    );
    all.setAttribute("aria-pressed", String(this.many));
    all.hidden = this.channels.length < 2;
  }

  tick() {
    const { bar, behind, where, now: live, past, views } = this;
    if (!bar || !behind || !where || !live) return;
    const at = this.capture();
    const now = this.frozen || this.ctx.box.now();
    const late = at === null ? null : (now - at) / 1000;
    say(
      behind,
      late === null
        ? views.soon
          ? "Delay not known"
          : "…"
        : late < 10
          ? `${late.toFixed(1)} s behind`
          : `${lengthOf(late)} behind`,
    );
    say(where, at === null ? "" : clockOf(at));
    live.setAttribute("aria-pressed", String(!past.on));
    views.sooner.setAttribute("aria-pressed", String(views.hurried));
    this.drawGo(!past.on || past.running);
    bar.view = {
      from: -BACK_S,
      to: 0,
      trim: null,
      cue: null,
      label: "Position, seconds before now",
      missing: this.gaps.map(([start, end]) => [(start - now) / 1000, Math.min(0, (end - now) / 1000)]),
      words: (t) => (t > -0.05 ? "now" : `−${lengthOf(-t)}`),
      end: "now",
    };
    if (!this.frozen && (late !== null || views.soon)) bar.time = -(late ?? 0.01);
    if (this.frozen && this.dragged !== undefined) bar.time = this.dragged;
  }

  /** @param {boolean} runs */
  drawGo(runs) {
    const { go } = this;
    if (!go || go.dataset.runs === String(runs)) return;
    go.dataset.runs = String(runs);
    setIcon(go, runs ? "pause" : "play", !runs);
    go.title = runs ? "Pause" : "Play";
    go.setAttribute("aria-label", go.title);
  }

  async readGaps() {
    const now = this.ctx.box.now();
    const span = `start=${new Date(now - BACK_S * 1000).toISOString()}&end=${new Date(now).toISOString()}`;
    try {
      const known = /** @type {import("../../state/api").Timeline} */ (
        await this.ctx.box.request("GET", `/channels/${this.leader}/timeline?${span}`)
      );
      this.gaps = known.gaps.map((gap) => [
        Date.parse(gap.start),
        gap.end ? Date.parse(gap.end) : now,
        gap.reason,
      ]);
    } catch {
      // the next refresh tries again
    }
  }

  // -- time -------------------------------------------------------------------------------------------------

  /** Capture time of the picture shown, ms, or null. */
  capture() {
    return this.past.on ? this.past.capture : this.views.capture;
  }

  /** Start of a jump or step, ms: the picture shown, or an estimate. */
  get from() {
    return this.capture() ?? this.ctx.box.now() - UNKNOWN_MS;
  }

  /** @param {{t?: number, by?: number, phase: string}} given seconds before now */
  scrub({ t, by, phase }) {
    if (t === undefined) return this.move(by ?? 0);
    if (phase === "begin") this.frozen = this.ctx.box.now();
    this.dragged = t;
    const at = this.frozen + t * 1000;
    if (phase !== "end") return this.past.glimpse(at);
    this.frozen = 0;
    void this.past.to(at);
  }

  /** @param {number} seconds */
  move(seconds) {
    this.past.move(this.from, seconds);
  }

  toggle() {
    this.past.toggle(this.from);
  }

  /** @param {number} by frames */
  step(by) {
    this.past.step(this.from, by);
  }

  /** @param {number} rate */
  speed(rate) {
    this.past.speed(rate);
    if (!this.past.on) this.move(-2);
  }

  // -- angles -----------------------------------------------------------------------------------------------

  /** @param {string | undefined} channel @param {boolean} alone */
  lead(channel, alone) {
    if (!channel) return;
    const at = this.past.on ? this.capture() : null;
    this.leader = channel;
    this.ctx.prefs.set("angle", channel);
    if (alone && this.many) this.many = false;
    this.drawAngles();
    if (at !== null)
      void this.past.to(at, this.past.running || this.past.lost); // the same instant on the new angle
    else this.drawViews();
    void this.readGaps();
  }

  /** @param {boolean} many */
  layout(many) {
    this.many = many;
    if (this.past.on && many) this.past.end();
    this.drawViews();
    this.drawAngles();
  }
}
