// Line-up: the user steps two cameras to the same instant, and "Same" sets a channel's delay on the appliance
// accordingly.

import { h, say } from "../parts/dom.js";
import "../parts/footage/step-pane.js";
import { differenceOf, lineUp } from "../state/footage/lineup.js";
import { exact, habitsOf, mediaOf, pieceOf } from "../state/footage/replay.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../parts/footage/step-pane.js").StepPane} StepPane */

export const title = "Line up cameras";
const AGO_MS = 8000; // initial position: certainly recorded
const HALF_MS = 5000; // of a replay, in each direction
const EDGE_MS = 1500; // the newest pictures are not on the disk yet

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words two channels */
export function enter(root, ctx, words) {
  return new LineUp(root, ctx, words);
}

class LineUp {
  /** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
  constructor(root, ctx, words) {
    this.ctx = ctx;
    this.chosen = [words[0] ?? "", words[1] ?? ""];
    this.active = 1;
    this.turns = [0, 0];
    // the user has stepped: before that, the difference of the two pictures means nothing
    this.compared = false;
    /** Delays before the last "Same". @type {Map<string, number> | null} */
    this.before = null;
    this.panes = [0, 1].map((at) => {
      const pane = /** @type {StepPane} */ (
        h("step-pane", {
          class: "step-pane",
          "aria-label": at ? "Camera to set" : "Camera to compare with",
          role: "group",
        })
      );
      pane.addEventListener("pick", (event) => this.pick(at, /** @type {any} */ (event).detail));
      pane.addEventListener("moved", () => this.draw());
      pane.addEventListener("stepped", () => (this.compared = true));
      pane.addEventListener("beyond", (event) => void this.load(at, /** @type {any} */ (event).detail));
      pane.addEventListener("pointerdown", () => this.focus(at));
      pane.addEventListener("focusin", () => this.focus(at));
      return pane;
    });
    this.difference = h("b", { class: "difference", id: "difference", role: "status" }, "");
    this.plan = h("span", { class: "quiet", id: "lineup-plan" });
    this.same = h(
      "button",
      { type: "button", id: "same", class: "primary", disabled: true, onclick: () => void this.agree() },
      "Same",
    );
    this.undo = h(
      "button",
      { type: "button", id: "lineup-undo", hidden: true, onclick: () => void this.revert() },
      "Undo",
    );
    root.append(
      h(
        "header",
        { class: "row heading" },
        h("a", { class: "button", href: "#operator" }, "Back"),
        h("h2", { class: "grow" }, "Line up cameras"),
        h("button", { type: "button", onclick: () => this.newest() }, "Newer pictures"),
      ),
      h(
        "p",
        { class: "quiet" },
        "Step both to the same instant (the snap, a foot on the ball), then press Same. " +
          "The delay of the second camera is set.",
      ),
      h("div", { class: "panes" }, ...this.panes),
      h(
        "footer",
        { class: "row agree" },
        h("div", { class: "grow" }, this.difference, this.plan),
        this.undo,
        this.same,
      ),
    );
    this.wire();
  }

  wire() {
    const pane = () => this.panes[this.active];
    this.unkey = this.ctx.keys.add([
      {
        keys: ["1", "2"],
        words: "Left camera, right camera",
        group: "Line up",
        act: (event) => this.focus(Number(event.key) - 1),
      },
      {
        keys: [",", "."],
        words: "One picture back, on",
        group: "Line up",
        act: (event) => pane().step(event.key === "," ? -1 : 1),
      },
      {
        keys: ["ArrowLeft", "ArrowRight"],
        words: "Five pictures back, on",
        group: "Line up",
        act: (event) => pane().step(event.key === "ArrowLeft" ? -5 : 5),
      },
      {
        keys: ["Shift+ArrowLeft", "Shift+ArrowRight"],
        words: "1 s back, on",
        group: "Line up",
        act: (event) => pane().move(event.key === "ArrowLeft" ? -1000 : 1000),
      },
      { keys: ["Enter"], words: "Same", group: "Line up", act: () => void this.agree() },
      { keys: ["Escape"], words: "Back to Operator", group: "Line up", act: () => this.ctx.go("operator") },
    ]);
  }

  leave() {
    this.left = true;
    this.unkey?.();
    for (const pane of this.panes) pane.close();
  }

  /** Every channel: an earlier line-up stays valid. */
  get channels() {
    return [...this.ctx.box.state.channels.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @param {import("../state/connection/box.js").Change} change */
  update({ tables, all }) {
    if (!all && !tables.has("channels")) return;
    const { channels } = this;
    if (!channels.length && !this.ctx.known()) return; // the snapshot has not arrived yet
    const known = (/** @type {string} */ id) => channels.some((each) => each.id === id);
    if (!known(this.chosen[0])) this.chosen[0] = channels[0]?.id ?? "";
    if (!known(this.chosen[1]))
      this.chosen[1] = channels.find((each) => each.id !== this.chosen[0])?.id ?? "";
    this.panes.forEach((pane, at) => {
      pane.channels = channels;
      pane.channel = this.chosen[at];
    });
    if (all) {
      this.focus(this.active);
      this.newest();
    }
    this.draw();
  }

  /** @param {number} at */
  focus(at) {
    this.active = at;
    for (const [each, pane] of this.panes.entries()) pane.active = each === at;
  }

  /** @param {number} at @param {string} id */
  pick(at, id) {
    const when = this.panes[at].capture ?? this.ctx.box.now() - AGO_MS;
    if (id === this.chosen[1 - at]) this.chosen[1 - at] = this.chosen[at]; // swap the two
    this.chosen[at] = id;
    this.compared = false;
    for (const [each, pane] of this.panes.entries()) pane.channel = this.chosen[each];
    void this.load(0, when);
    void this.load(1, when);
  }

  newest() {
    this.compared = false;
    const when = this.ctx.box.now() - AGO_MS;
    this.panes.forEach((_, at) => void this.load(at, when));
  }

  /**
   * A part of a camera's recording around an instant.
   * @param {number} at which pane
   * @param {number} when ms
   */
  async load(at, when) {
    const id = this.chosen[at];
    const pane = this.panes[at];
    const turn = ++this.turns[at]; // to ignore an answer that was overtaken
    const empty = { channel: id, frames: [], media: [], url: "" };
    if (!id)
      return pane.show(
        { ...empty, words: "This needs two cameras. Name another one in the settings file." },
        when,
      );
    const { box } = this.ctx;
    const to = Math.min(when + HALF_MS, box.now() - EDGE_MS);
    const from = Math.min(when, to) - HALF_MS;
    const span = (/** @type {number} */ ms) => new Date(ms).toISOString();
    try {
      const known = await box.request(
        "GET",
        `/channels/${id}/timeline?start=${span(from)}&end=${span(to)}&frames=1`,
      );
      if (this.left || turn !== this.turns[at]) return;
      /** @type {string[]} */
      const times = known.frames ?? [];
      if (!times.length) return pane.show(empty, when);
      const all = times.map((each) => exact(each));
      const duration = ((all[all.length - 1] - all[0]) / 1000 + 0.001).toFixed(3);
      const query = `start=${encodeURIComponent(times[0])}&duration=${duration}&wait=1`;
      const facts = await box.request("GET", `/channels/${id}/replay?${query}`);
      if (this.left || turn !== this.turns[at]) return;
      const habits = habitsOf(this.ctx.prefs);
      const piece = pieceOf(facts, habits);
      // a replay has pictures of one size only
      const frames = all.filter((each) => each >= piece.from && each < piece.to);
      const media = frames.map((each) => mediaOf(piece, each));
      pane.show(
        frames.length === facts.frames
          ? { channel: id, frames, media, url: piece.url, raw: habits.raw }
          : { ...empty, words: "Not shown: these pictures cannot be counted. Try newer ones." },
        when,
      );
    } catch (error) {
      if (!this.left && turn === this.turns[at])
        pane.show({ ...empty, words: `Not shown: ${/** @type {Error} */ (error).message}` }, when);
    }
  }

  // -- what "Same" does -------------------------------------------------------------------------------------

  draw() {
    const [ours, theirs] = this.panes.map((pane) => pane.capture);
    const names = this.chosen.map((id) => this.name(id));
    if (ours === null || theirs === null || !this.compared) {
      say(this.difference, "");
      say(this.plan, ours === null || theirs === null ? "" : "Nothing compared yet");
      this.same.disabled = true;
      return;
    }
    const after = lineUp(this.channels, this.chosen[0], this.chosen[1], ours, theirs, this.slack);
    say(this.difference, differenceOf(theirs - ours, names[0], names[1], this.slack));
    const changes = [...(after ?? [])].map(
      ([id, delay]) => `${this.name(id)}: delay ${this.delayOf(id)} → ${delay} ms`,
    );
    say(
      this.plan,
      after === null
        ? "More than a minute: is it the same play?"
        : changes.length
          ? `Same sets ${changes.join(", ")}`
          : "To less than half a picture",
    );
    this.same.disabled = !after?.size || Boolean(this.busy);
  }

  /** Half a picture: steps cannot bring them closer. */
  get slack() {
    return Math.max(0.5, ...this.panes.map((pane) => pane.interval / 2));
  }

  async agree() {
    const [ours, theirs] = this.panes.map((pane) => pane.capture);
    if (ours === null || theirs === null || this.same.disabled) return;
    const after = lineUp(this.channels, this.chosen[0], this.chosen[1], ours, theirs, this.slack);
    if (!after?.size) return;
    const before = new Map([...after.keys()].map((id) => [id, this.delayOf(id)]));
    if (!(await this.apply(after))) return;
    this.before = before;
    this.undo.hidden = false;
    const words = [...after].map(([id, delay]) => `${this.name(id)} ${delay} ms`).join(", ");
    this.ctx.say(`Delay set: ${words}. New plays use it.`, {
      kind: "good",
      action: "Undo",
      act: () => void this.revert(),
      key: "lineup",
      seconds: 10,
    });
  }

  async revert() {
    const { before } = this;
    if (!before) return;
    this.before = null;
    this.undo.hidden = true;
    this.ctx.unsay("lineup");
    if (await this.apply(before)) this.ctx.say("Delays are as before", { key: "lineup" });
  }

  /** Set delays; the pictures stay, their times change. @param {Map<string, number>} delays */
  async apply(delays) {
    this.busy = true;
    this.draw();
    try {
      for (const [id, latency_ms] of delays) {
        const was = this.delayOf(id);
        this.ctx.box.keep("channels", await this.ctx.box.request("PATCH", `/channels/${id}`, { latency_ms }));
        for (const [at, pane] of this.panes.entries())
          if (this.chosen[at] === id) pane.shift(was - latency_ms);
      }
      return true;
    } catch (error) {
      this.ctx.say(`Delay not set: ${/** @type {Error} */ (error).message}`, { kind: "bad", seconds: 0 });
      return false;
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  /** @param {string} id */
  delayOf(id) {
    return this.ctx.box.state.channels.get(id)?.latency_ms ?? 0;
  }

  /** @param {string} id */
  name(id) {
    return this.ctx.box.state.channels.get(id)?.name || id;
  }
}
