// Live: every angle, how far behind it is, the last minutes by a finger, and marks that mean the picture looked at.

import { button, h, icon, keyed, say } from "../parts/dom.js";
import "../parts/live-view.js";
import "../parts/scrub-bar.js";
import { LiveFeed } from "../state/livefeed.js";
import { WhepFeed, whepOf } from "../state/whep.js";
import { clockOf, lengthOf, reasonOf } from "../state/words.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../parts/live-view.js").LiveView} LiveView */

export const title = "Live";
const BACK_S = 300; // the bar
const PIECE_S = 30; // of replay, asked for at a time
const EDGE_S = 1.5; // nearer to now than this is live
const GAPS_MS = 5000;
const UNKNOWN_MS = 2000; // by WebRTC nobody knows which picture is shown: going back begins here before now

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Live(root, ctx);
}

class Live {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    /** @type {Map<string, LiveView>} */
    this.views = new Map();
    this.leader = "";
    /** @type {{from: number} | null} capture time of the replay's first picture */
    this.past = null;
    /** @type {[number, number, string][]} */
    this.gaps = [];
    this.frozen = 0; // the bar's right end while a finger is on it
    this.stage = h("div", { class: "stage", id: "live-stage" });
    this.replay = h("video", { class: "past", playsInline: true, muted: true, hidden: true });
    this.replay.setAttribute("playsinline", "");
    this.preview = h("img", { class: "past preview", alt: "", hidden: true });
    this.note = h("p", { class: "message", role: "status", hidden: true });
    this.behind = h("b", { class: "behind", id: "behind" }, "");
    this.where = h("span", { class: "where" });
    this.angles = h("div", { class: "angles segments", role: "group", "aria-label": "Angles" });
    this.all = button("All angles", icon("four"), () => this.layout(!this.many), { class: "plain" });
    this.now = h("button", { type: "button", class: "now", onclick: () => this.goLive() }, "● LIVE");
    this.go = button("Pause", icon("pause"), () => this.toggle(), { class: "go" });
    this.bar = /** @type {import("../parts/scrub-bar.js").ScrubBar} */ (h("scrub-bar"));
    this.sooner = button("Lower delay: the moment of a picture is then not known", "Lower delay", () => this.hurry(), { class: "plain sooner" });
    this.sooner.hidden = true;
    this.offered = ""; // the channel for which it was asked whether WebRTC is offered
    this.many = ctx.prefs.get("layout") > 1;
    root.append(h("section", { class: "live-desk player", "aria-label": "Live pictures" },
      h("header", { class: "over" }, this.behind, this.where, this.sooner, this.angles, this.all),
      this.stage,
      h("footer", { class: "controls" }, this.bar,
        h("div", { class: "transport" },
          h("div", { class: "segments moves" }, this.jump(-30), this.jump(-10), this.jump(-5), this.go, this.jump(5), this.jump(10)),
          h("div", { class: "segments speeds" }, ...[0.25, 0.5, 1].map((rate) => button(`Speed ${rate}`, `${rate}×`.replace("0.", "."), () => this.speed(rate), { data: { rate } }))),
          this.now))));
    this.stage.append(this.replay, this.preview, this.note);
    this.wire();
  }

  wire() {
    const { ctx, bar, replay } = this;
    bar.addEventListener("scrub", (event) => this.scrub(/** @type {any} */ (event).detail));
    replay.addEventListener("ended", () => this.pieceEnded());
    replay.addEventListener("error", () => replay.hasAttribute("src") && this.lost());
    replay.addEventListener("playing", () => this.uncover());
    replay.addEventListener("seeked", () => this.uncover());
    this.stage.addEventListener("click", (event) => {
      const view = /** @type {Element} */ (event.target).closest("live-view");
      const channel = /** @type {HTMLElement | null} */ (view)?.dataset.key;
      if (channel && this.many && !this.past) this.lead(channel, false);
    });
    ctx.marks.lookingAt = () => this.capture();
    this.hide = () => this.drawViews();
    document.addEventListener("visibilitychange", this.hide);
    this.gapTimer = setInterval(() => void this.readGaps(), GAPS_MS);
    this.unkey = ctx.keys.add([
      { keys: [" "], words: "Pause, or live again", group: "Live", act: () => this.toggle() },
      { keys: ["ArrowLeft", "ArrowRight"], words: "5 s back, on", group: "Live", act: (event) => this.move(event.key === "ArrowLeft" ? -5 : 5) },
      { keys: [",", "."], words: "One frame back, on", group: "Live", act: (event) => this.step(event.key === "," ? -1 : 1) },
      { keys: ["Escape", "0"], words: "Live", group: "Live", act: () => this.goLive() },
      { keys: ["1", "2", "3", "4"], words: "Angle", group: "Live", act: (event) => this.lead(this.channels[Number(event.key) - 1]?.id, true) },
      { keys: ["v"], words: "One or all angles", group: "Live", act: () => this.layout(!this.many) },
    ]);
  }

  leave() {
    document.removeEventListener("visibilitychange", this.hide ?? (() => {}));
    clearInterval(this.gapTimer);
    this.unkey?.();
    this.replay.removeAttribute("src");
    this.replay.load();
    for (const view of this.views.values()) view.remove();
  }

  get channels() {
    const wanted = this.ctx.session()?.channel_ids;
    return [...this.ctx.box.state.channels.values()].filter((each) => !wanted || wanted.includes(each.id)).sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  /** @param {import("../state/box.js").Change} change */
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
    if (this.leader && !this.offered) void this.askOffered();
  }

  /** All angles or none: what the box says of one. */
  async askOffered() {
    this.offered = this.leader;
    this.sooner.hidden = !(await whepOf(this.leader));
    if (!this.sooner.hidden && this.ctx.prefs.get("lowDelay")) this.anew();
  }

  /** Lower delay, or the way on which every picture says when it was captured. */
  hurry() {
    this.ctx.prefs.set("lowDelay", !this.hurried);
    this.anew();
  }

  /** Is the picture looked at one by WebRTC? */
  get soon() {
    return this.views.get(this.leader)?.byPeer ?? false;
  }

  get hurried() {
    return this.past ? this.ctx.prefs.get("lowDelay") : this.soon;
  }

  /** All views from the beginning. */
  anew() {
    for (const view of this.views.values()) view.remove();
    this.views.clear();
    this.drawViews();
  }

  drawViews() {
    const shown = document.hidden || this.past ? [] : this.channels.filter((each) => this.many ? true : each.id === this.leader).slice(0, 4);
    for (const [id, view] of this.views) {
      if (shown.some((each) => each.id === id)) continue;
      view.remove();
      this.views.delete(id);
    }
    for (const channel of shown) {
      let view = this.views.get(channel.id);
      if (!view) {
        view = /** @type {LiveView} */ (h("live-view", { class: "tile on", data: { key: channel.id } }));
        view.feed = (taker) => new LiveFeed(channel.id, taker);
        view.boxTime = (steady) => this.ctx.box.now() - (performance.now() - steady);
        if (!this.sooner.hidden && this.ctx.prefs.get("lowDelay")) view.peer = (taker) => new WhepFeed(channel.id, taker);
        view.addEventListener("peerless", (event) => {
          const { words } = /** @type {CustomEvent} */ (event).detail;
          this.ctx.say(`No lower delay from ${channel.name || channel.id}: ${words}. The usual way goes on.`, { key: "peerless" });
        });
        this.views.set(channel.id, view);
        this.stage.append(view);
      }
      view.label = channel.name || channel.id;
      view.latencyMs = channel.latency_ms;
      view.style.order = String(shown.indexOf(channel));
      view.classList.toggle("leader", channel.id === this.leader);
    }
    this.stage.dataset.up = String(Math.max(1, shown.length));
    const none = !this.channels.length;
    if (none) this.tell("No camera yet. An operator adds one.");
  }

  drawAngles() {
    keyed(this.angles, this.channels, (each) => each.id, (each, old) => {
      const made = old ?? h("button", { type: "button", onclick: () => this.lead(each.id, true) });
      say(made, each.name || each.id);
      made.setAttribute("aria-pressed", String(each.id === this.leader));
      return made;
    });
    this.all.setAttribute("aria-pressed", String(this.many));
    this.all.hidden = this.channels.length < 2;
  }

  tick() {
    const at = this.capture();
    const now = this.frozen || this.ctx.box.now();
    const behind = at === null ? null : (now - at) / 1000;
    say(this.behind, behind === null ? (this.soon ? "Delay not known" : "…") : behind < 10 ? `${behind.toFixed(1)} s behind` : `${lengthOf(behind)} behind`);
    say(this.where, at === null ? "" : clockOf(at));
    this.now.setAttribute("aria-pressed", String(!this.past));
    this.sooner.setAttribute("aria-pressed", String(this.hurried));
    const runs = !this.past || !this.replay.paused;
    if (this.go.dataset.runs !== String(runs)) {
      this.go.dataset.runs = String(runs);
      this.go.replaceChildren(icon(runs ? "pause" : "play", !runs));
      this.go.setAttribute("aria-label", runs ? "Pause" : "Play");
    }
    this.bar.view = {
      from: -BACK_S, to: 0, trim: null, cue: null, label: "Position, seconds before now",
      missing: this.gaps.map(([start, end]) => [(start - now) / 1000, Math.min(0, (end - now) / 1000)]),
      words: (t) => (t > -0.05 ? "now" : `−${lengthOf(-t)}`), end: "now",
    };
    if (!this.frozen && (behind !== null || this.soon)) this.bar.time = -(behind ?? 0.01);
    if (this.frozen && this.dragged !== undefined) this.bar.time = this.dragged;
  }

  /** @param {string} text */
  tell(text) {
    this.note.hidden = !text;
    say(this.note, text);
  }

  async readGaps() {
    const now = this.ctx.box.now();
    const span = `start=${new Date(now - BACK_S * 1000).toISOString()}&end=${new Date(now).toISOString()}`;
    try {
      const known = /** @type {import("../state/api").Timeline} */ (await this.ctx.box.request("GET", `/channels/${this.leader}/timeline?${span}`));
      this.gaps = known.gaps.map((gap) => [Date.parse(gap.start), gap.end ? Date.parse(gap.end) : now, gap.reason]);
    } catch {
      // the next time tells
    }
  }

  // -- time -----------------------------------------------------------------------------------------------------------

  /** Capture time of the picture looked at, ms, or null. */
  capture() {
    if (this.past) return this.past.from + this.replay.currentTime * 1000;
    return this.views.get(this.leader)?.capture ?? null;
  }

  /** Where moves begin, ms: what is looked at, or about that. */
  get from() {
    return this.capture() ?? (this.soon ? this.ctx.box.now() - UNKNOWN_MS : null);
  }

  /** @param {{t?: number, by?: number, phase: string}} given seconds before now */
  scrub({ t, by, phase }) {
    if (t === undefined) return this.move(by ?? 0);
    if (phase === "begin") this.frozen = this.ctx.box.now();
    this.dragged = t;
    const at = this.frozen + t * 1000;
    if (phase !== "end") return this.glimpse(at);
    this.frozen = 0;
    void this.to(at);
  }

  /** While the finger moves: key pictures, one request at a time. @param {number} at ms */
  glimpse(at) {
    this.wanted = at;
    if (this.glimpsing) return;
    this.glimpsing = true;
    const asked = at;
    const next = () => {
      this.glimpsing = false;
      if (this.frozen && this.wanted !== asked) this.glimpse(/** @type {number} */ (this.wanted));
    };
    this.preview.onload = () => {
      if (this.frozen) this.preview.hidden = false;
      next();
    };
    this.preview.onerror = next;
    this.preview.src = `/channels/${this.leader}/frame.jpg?at=${encodeURIComponent(new Date(at).toISOString())}`;
  }

  uncover() {
    this.preview.hidden = true;
  }

  /** @param {number} seconds */
  move(seconds) {
    const at = this.from;
    if (at === null) return;
    const to = at + seconds * 1000;
    const inside = this.past && to >= this.past.from && to < this.past.from + this.replay.duration * 1000;
    if (this.past && inside) this.replay.currentTime = (to - this.past.from) / 1000;
    else void this.to(to);
  }

  /** Look at an instant: live when it is now, else the recording. @param {number} at ms @param {boolean} [run] */
  async to(at, run = true) {
    const now = this.ctx.box.now();
    if (at > now - EDGE_S * 1000) return this.goLive();
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const until = Math.min(at + PIECE_S * 1000, now - EDGE_S * 1000);
    const from = await this.begins(at, until);
    if (turn !== this.turn) return;
    this.past = { from };
    this.drawViews();
    if (from >= until) return this.lost();
    this.tell("");
    this.replay.hidden = false;
    const seconds = Math.max(0.2, Math.round(until - from) / 1000);
    this.replay.src = `/channels/${this.leader}/replay.mp4?start=${encodeURIComponent(new Date(from).toISOString())}&duration=${seconds}&wait=1`;
    this.replay.playbackRate = this.replay.defaultPlaybackRate = this.rate ?? 1;
    if (run) void this.replay.play().catch(() => {});
  }

  /** Where the footage of a span begins: a clip starts with its first picture, and the clock must know which that is.
   * @param {number} at ms @param {number} until ms @returns {Promise<number>} */
  async begins(at, until) {
    try {
      const span = `start=${new Date(at).toISOString()}&end=${new Date(until).toISOString()}`;
      const known = /** @type {import("../state/api").Timeline} */ (await this.ctx.box.request("GET", `/channels/${this.leader}/timeline?${span}`));
      const first = known.spans[0];
      return first ? Math.max(at, Date.parse(first.start)) : until;
    } catch {
      return at;
    }
  }

  /** The piece is over: the next one, or live. */
  pieceEnded() {
    if (this.past) void this.to(this.past.from + this.replay.duration * 1000);
  }

  lost() {
    const at = this.past?.from ?? 0;
    const gap = this.gaps.find(([start, end]) => at >= start && at < end);
    this.uncover();
    this.replay.hidden = true;
    this.tell(`No footage at ${clockOf(at)}${gap ? `: ${reasonOf(gap[2])}` : ""}`);
  }

  goLive() {
    this.turn = (this.turn ?? 0) + 1;
    this.past = null;
    this.tell("");
    this.uncover();
    this.replay.hidden = true;
    this.replay.removeAttribute("src");
    this.replay.load();
    this.drawViews();
  }

  toggle() {
    if (!this.past) {
      const at = this.from;
      if (at !== null) void this.to(at, false); // paused at the picture that was shown
    } else if (this.replay.paused) void this.replay.play().catch(() => {});
    else this.replay.pause();
  }

  /** @param {number} by frames */
  step(by) {
    if (!this.past) return this.toggle();
    this.replay.pause();
    this.replay.currentTime = Math.max(0, this.replay.currentTime + by / (this.ctx.box.state.channels.get(this.leader)?.framerate || 25));
  }

  /** @param {number} rate */
  speed(rate) {
    this.rate = rate;
    if (!this.past) this.move(-2);
    this.replay.playbackRate = rate;
  }

  // -- angles ---------------------------------------------------------------------------------------------------------

  /** @param {string | undefined} channel @param {boolean} alone */
  lead(channel, alone) {
    if (!channel) return;
    const at = this.past ? this.capture() : null;
    this.leader = channel;
    this.ctx.prefs.set("angle", channel);
    if (alone && this.many) this.many = false;
    this.drawAngles();
    if (at !== null) void this.to(at, !this.replay.paused); // the same instant, from there
    else this.drawViews();
    void this.readGaps();
  }

  /** @param {boolean} many */
  layout(many) {
    this.many = many;
    if (this.past && many) this.goLive();
    this.drawViews();
    this.drawAngles();
  }

  /** @param {number} by */
  jump(by) {
    return button(`${by < 0 ? "Back" : "On"} ${Math.abs(by)} s`, `${by < 0 ? "−" : "+"}${Math.abs(by)}`, () => this.move(by));
  }
}
