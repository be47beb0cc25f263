// The operator's cameras: connection, recording, and the gaps of the last minutes.

import { ask } from "../../parts/dialogs/ask.js";
import "../../parts/footage/coverage-strip.js";
import { h, keyed, say } from "../../parts/dom.js";
import { stripOf } from "../../state/footage/coverage.js";

/** @typedef {import("../../state/connection/store.js").Channel} Channel */
const RANGES = /** @type {[string, number][]} */ ([
  ["10 min", 600],
  ["1 h", 3600],
  ["Session", 0],
]);

export class Cameras {
  /**
   * `look`: refresh from the appliance.
   * @param {{ctx: import("../../app.js").Ctx, send: import("./operator.js").Send, look: () => void}} given
   */
  constructor(given) {
    this.given = given;
    this.ctx = given.ctx;
    this.range = RANGES[0][1];
    /** @type {Map<string, import("../../state/footage/coverage.js").Strip | null>} */
    this.strips = new Map();
    this.from = this.to = 0;
    this.cameras = h("ul", { id: "cameras" });
    this.noCameras = h(
      "p",
      { class: "quiet", hidden: true },
      "No camera yet. Name one in the settings file, [[channels]].",
    );
    this.ranges = RANGES.map(([words, seconds]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(seconds === this.range),
          onclick: () => this.choose(seconds),
        },
        words,
      ),
    );
    this.panel = h(
      "section",
      { class: "panel-box cameras", "aria-label": "Cameras" },
      h(
        "header",
        { class: "row" },
        h("h2", { class: "grow" }, "Cameras"),
        h("div", { class: "segments", role: "group", "aria-label": "Footage of the last" }, ...this.ranges),
        h("a", { class: "button", href: "#lineup" }, "Line up"),
      ),
      this.cameras,
      this.noCameras,
    );
  }

  /** @returns {Channel[]} */
  all() {
    return [...this.ctx.box.state.channels.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The cameras of the session. */
  ours() {
    const wanted = this.ctx.session()?.channel_ids;
    return this.all().filter((each) => !wanted || wanted.includes(each.id));
  }

  draw() {
    const channels = this.ours();
    keyed(
      this.cameras,
      channels,
      (each) => each.id,
      (each, old) => {
        const made =
          old ??
          h(
            "li",
            { class: "camera" },
            h(
              "div",
              { class: "row" },
              h("h3", {}),
              h("span", { class: "badge" }),
              h("span", { class: "grow facts" }),
              h("button", { type: "button", class: "switch" }),
            ),
            h("coverage-strip"),
          );
        const [head, strip] = /** @type {any[]} */ ([...made.children]);
        const [name, badge, facts, toggle] = head.children;
        const { away } = this.ctx.box;
        const [words, kind] = away ? ["not known", "warn"] : stateOfCamera(each);
        say(name, each.name || each.id);
        say(badge, words);
        badge.className = `badge ${kind}`;
        say(facts, away ? "The box does not answer" : factsOfCamera(each));
        const off = each.status === "inactive";
        say(toggle, off ? "Switch on" : each.status === "error" ? "Try again" : "Switch off");
        toggle.setAttribute("aria-label", `${toggle.textContent}: ${each.name || each.id}`);
        toggle.onclick = () => void this.switch(each);
        strip.view = {
          strip: this.strips.get(each.id),
          from: this.from,
          to: this.to,
          name: each.name || each.id,
        };
        return made;
      },
    );
    this.noCameras.hidden = channels.length > 0;
  }

  /** @param {Channel} channel */
  async switch(channel) {
    const off = channel.status === "active";
    const name = channel.name || channel.id;
    if (
      off &&
      !(await ask({
        title: `Switch ${name} off?`,
        words: "It counts as off until it is switched on again; what was recorded stays.",
        yes: "Switch off",
      }))
    )
      return;
    await this.given.send(
      "Not switched",
      "POST",
      `/channels/${channel.id}/${off ? "deactivate" : "activate"}`,
    );
  }

  /** @param {number} seconds 0: the whole session */
  choose(seconds) {
    this.range = seconds;
    for (const [at, each] of this.ranges.entries())
      each.setAttribute("aria-pressed", String(RANGES[at][1] === seconds));
    this.given.look();
  }

  /** The span the strips show, ms. */
  span() {
    const now = this.ctx.box.now();
    const session = this.ctx.session();
    if (this.range || !session?.actual_start) return [now - (this.range || 3600) * 1000, now];
    return [Date.parse(session.actual_start), session.actual_end ? Date.parse(session.actual_end) : now];
  }

  /** Forget the footage: it is not known any longer. */
  forget() {
    for (const id of this.strips.keys()) this.strips.set(id, null);
    this.draw();
  }

  /**
   * @param {Channel[]} channels
   * @param {any[]} timelines of them, null where there is none
   * @param {number} from ms
   * @param {number} to ms
   */
  show(channels, timelines, from, to) {
    [this.from, this.to] = [from, to];
    for (const [at, each] of channels.entries())
      this.strips.set(each.id, timelines[at] && stripOf(timelines[at], from, to));
    this.draw();
  }
}

/** @param {Channel} channel @returns {[string, string]} words and colour */
function stateOfCamera(channel) {
  if (channel.status === "error") return ["fault", "bad"];
  if (channel.status === "inactive") return ["off", "dim"];
  return /** @type {Record<string, [string, string]>} */ ({
    on: ["records", "good"],
    stalled: ["stopped", "bad"],
    none: ["no footage", "warn"],
  })[channel.footage];
}

/** @param {Channel} channel */
function factsOfCamera(channel) {
  const rate = channel.bitrate ? `${(channel.bitrate / 1e6).toFixed(1)} Mbit/s` : "";
  const fps = channel.framerate ? `${Math.round(channel.framerate)} fps` : "";
  return [
    channel.status === "error" ? channel.error_reason : "",
    channel.resolution,
    fps,
    rate,
    `delay ${channel.latency_ms} ms`,
  ]
    .filter(Boolean)
    .join(", ");
}
