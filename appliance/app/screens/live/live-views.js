// The live pictures: each angle over the WebSocket, where the capture time of every picture is known, or over
// WebRTC, which has a lower delay, where the appliance offers it and the user of this device chose it.
//
// Owns: the live views and the "Lower delay" button. Must not know: the past, and which angles are visible.

import { button, h } from "../../parts/dom.js";
import "../../parts/footage/live-view.js";
import { watchShape } from "../../parts/player/shape.js";
import { LiveFeed } from "../../state/footage/livefeed.js";
import { WhepFeed, whepOf } from "../../state/footage/whep.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/api").Channel} Channel */
/** @typedef {import("../../parts/footage/live-view.js").LiveView} LiveView */

export class Views {
  /** @param {Ctx} ctx @param {HTMLElement} stage @param {() => void} draw redraws all views */
  constructor(ctx, stage, draw) {
    this.ctx = ctx;
    this.stage = stage;
    watchShape(stage);
    this.redraw = draw;
    /** @type {Map<string, LiveView>} */
    this.views = new Map();
    this.leader = "";
    this.offered = ""; // the channel for which the WebRTC offer was requested
    this.sooner = button(
      "Lower delay: the moment of a picture is then not known",
      "Lower delay",
      () => this.hurry(),
      { class: "plain sooner" },
    );
    this.sooner.hidden = true;
  }

  /** @returns {LiveView | undefined} */
  get leading() {
    return this.views.get(this.leader);
  }

  /** Capture time of the picture shown, ms; null where it is not known. */
  get capture() {
    return this.leading?.capture ?? null;
  }

  /** Is the leading picture delivered by WebRTC? */
  get soon() {
    return this.leading?.byPeer ?? false;
  }

  /** @param {readonly Channel[]} shown @param {string} leader */
  draw(shown, leader) {
    this.leader = leader;
    for (const [id, view] of this.views) {
      if (shown.some((each) => each.id === id)) continue;
      view.remove();
      this.views.delete(id);
    }
    for (const channel of shown) {
      const view = this.views.get(channel.id) ?? this.make(channel);
      view.label = channel.name || channel.id;
      view.latencyMs = channel.latency_ms;
      view.style.order = String(shown.indexOf(channel));
      view.classList.toggle("leader", channel.id === leader);
    }
    this.stage.dataset.up = String(Math.max(1, shown.length));
  }

  /** @param {Channel} channel */
  make(channel) {
    const view = /** @type {LiveView} */ (h("live-view", { class: "tile on", data: { key: channel.id } }));
    view.feed = (taker) => new LiveFeed(channel.id, taker);
    view.boxTime = (steady) => this.ctx.box.now() - (performance.now() - steady);
    if (!this.sooner.hidden && this.ctx.prefs.get("lowDelay"))
      view.peer = (taker) => new WhepFeed(channel.id, taker);
    view.addEventListener("peerless", (event) => {
      const { words } = /** @type {CustomEvent} */ (event).detail;
      this.ctx.say(`No lower delay from ${channel.name || channel.id}: ${words}. The usual way goes on.`, {
        key: "peerless",
      });
    });
    this.views.set(channel.id, view);
    this.stage.append(view);
    return view;
  }

  /** Requested once, for all angles: the answer for one channel holds for all. @param {string} channel */
  async ask(channel) {
    if (!channel || this.offered) return;
    this.offered = channel;
    this.sooner.hidden = !(await whepOf(channel));
    if (!this.sooner.hidden && this.ctx.prefs.get("lowDelay")) this.anew();
  }

  /** Switch between lower delay and the transport with capture times. */
  hurry() {
    this.ctx.prefs.set("lowDelay", !this.hurried);
    this.anew();
  }

  /** Is it on, or was it before the past was opened? */
  get hurried() {
    return this.views.size ? this.soon : this.ctx.prefs.get("lowDelay");
  }

  /** Recreate all views. */
  anew() {
    this.close();
    this.redraw();
  }

  close() {
    for (const view of this.views.values()) view.remove();
    this.views.clear();
  }
}
