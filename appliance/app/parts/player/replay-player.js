// The player: a play on one, two or four angles at the same instant, with all controls for analysis.
//
// Properties: setup() once, then show(play, clips, tags), channels, autoplay, `idle` (text while no play is
// chosen), `reach` (is the appliance reachable). Emits `playing`, `resting`, `step-play` (±1), `viewed` (clip
// id), `retry` (clip id), `trim` {id, start_time, duration_seconds}, `panel`, `star` (play), `back`.

import { AngleVideos } from "./angle-videos.js";
import { define, emit, h, say, setIcon } from "../dom.js";
import { Gestures } from "./gestures.js";
import { drawAngles } from "./player-angles.js";
import { controlsOf, headerOf } from "./player-controls.js";
import { shortcutsOf } from "./player-keys.js";
import { waitingOf } from "./player-waiting.js";
import { watchShape } from "./shape.js";
import { Trim } from "./trim.js";
import { channelsOf } from "../../state/health.js";
import { habitsOf } from "../../state/footage/replay.js";
import { missingOf, missingOfAll, tagsOf } from "../../state/words.js";

/** @typedef {import("../../state/connection/store.js").Clip} Clip */
/** @typedef {import("../../state/connection/store.js").Play} Play */
/** @typedef {import("../../state/connection/store.js").Tag} Tag */

export const ASKING = "Waiting for the box.";
export const TAP = "Tap a play to watch it.";
export const NO_SESSION = "No session yet. An operator starts one.";
const MARGIN_S = 10; // a trim may extend this far beyond the play, and not further than the play is long

export class ReplayPlayer extends HTMLElement {
  constructor() {
    super();
    /** @type {Play | null} */
    this.play = null;
    this.idle = TAP;
    /** @type {readonly Clip[]} */
    this.clips = [];
    /** @type {readonly Tag[]} */
    this.tags = [];
    /** @type {Map<string, import("../../state/connection/store.js").Channel>} */
    this.channels = new Map();
    /** The keys 1, 2, ... select the session's cameras, in their order. @type {readonly string[]} */
    this.order = [];
    this.autoplay = false;
    this.began = ""; // the play that was started automatically
    this.waitingSince = 0;
    this.needs = false; // the watched clip still needs the network
    this.reached = true;
  }

  /**
   * Is the appliance reachable? Requests that failed meanwhile are repeated at once.
   * @param {boolean} reached
   */
  set reach(reached) {
    if (reached && !this.reached) for (const tile of this.videos?.tiles.values() ?? []) tile.recover();
    this.reached = reached;
  }

  /**
   * @param {{prefs: import("../../state/device/prefs.js").Prefs, prefetch:
   *   import("../../state/device/prefetch.js").Prefetch, hasPanel: () => boolean, endsHere:
   *   (play: Play) => boolean}} given `endsHere`: END PLAY of the mark bar applies to this play
   */
  setup({ prefs, prefetch, hasPanel, endsHere }) {
    this.endsHere = endsHere;
    this.prefs = prefs;
    this.hasPanel = hasPanel;
    this.stage = h("div", { class: "stage", id: "stage", tabIndex: -1 });
    this.message = h("div", { class: "message", role: "status" });
    this.stage.append(this.message);
    watchShape(this.stage);
    this.videos = new AngleVideos(this.stage, {
      source: (url) => prefetch.source(url),
      bring: (url) => prefetch.want(url, true),
      retry: (url, source) => prefetch.retry(url, source),
      habits: () => habitsOf(prefs),
    });
    this.life = new AbortController();
    prefetch.addEventListener(
      "held",
      (event) => this.videos?.arrived(/** @type {CustomEvent} */ (event).detail),
      { signal: this.life.signal },
    );
    this.videos.muted = !prefs.get("sound");
    this.videos.loop = prefs.get("loop");
    this.videos.addEventListener("state", () => this.drawState());
    this.videos.addEventListener("frame", () => this.drawTime());
    this.videos.addEventListener("leader", () => this.drawAngles());
    this.trim = new Trim({
      videos: this.videos,
      draw: () => this.drawAll(),
      save: (change) => emit(this, "trim", change),
    });
    this.gestures = new Gestures(this.stage, {
      tap: (target) => this.tapped(target),
      double: (target) => this.doubled(target),
      swipe: (by) => emit(this, "step-play", by),
      zoomed: () => this.videos?.lead?.video ?? null,
    });
    this.head = headerOf(this);
    this.foot = controlsOf(this);
    this.append(this.head.over, this.head.side, this.stage, this.foot.root);
    this.timer = setInterval(() => {
      this.drawWaiting();
      this.drawAir();
    }, 200);
    this.drawAll();
  }

  /**
   * The appliance's cameras, and those of the session, in their order.
   * @param {Map<string, import("../../state/connection/store.js").Channel>} all
   * @param {import("../../state/connection/store.js").Session | undefined} session
   */
  know(all, session) {
    this.channels = all;
    this.order = channelsOf(all.values(), session).map((each) => each.id);
  }

  /** By number: a camera keeps its number while another one is missing. @param {number} at from 0 */
  camera(at) {
    const others = this.clips.map((clip) => clip.channel_id).filter((each) => !this.order.includes(each));
    const channel = [...this.order, ...others][at];
    if (this.clips.some((clip) => clip.channel_id === channel && clip.stream_url)) this.angle(channel);
  }

  shortcuts() {
    return shortcutsOf(this);
  }

  // -- showing ----------------------------------------------------------------------------------------------

  /** @param {Play | null} play @param {readonly Clip[]} clips @param {readonly Tag[]} tags */
  show(play, clips, tags) {
    if (play?.id !== this.play?.id) {
      this.trim?.drop();
      this.gestures?.reset();
      this.waitingSince = performance.now();
      this.began = "";
    }
    this.play = play;
    this.clips = clips;
    this.tags = tags;
    this.place();
    this.drawAll();
  }

  /** Choose the leader and the visible angles, and pass them to `videos`. @param {string} [wanted] */
  place(wanted) {
    const { videos, prefs, clips, play } = this;
    if (!videos || !prefs) return;
    const playable = clips.filter((clip) => clip.stream_url);
    const same = videos.play?.id === play?.id && playable.some((clip) => clip.channel_id === videos.leader);
    const leader =
      [wanted, same ? videos.leader : undefined, prefs.get("angle")].find(
        (each) => each && playable.some((clip) => clip.channel_id === each),
      ) ??
      playable[0]?.channel_id ??
      "";
    const others = clips.map((clip) => clip.channel_id).filter((each) => each !== leader);
    const up = Math.min(prefs.get("layout"), Math.max(1, clips.length));
    const seen =
      up === 1
        ? [leader]
        : clips
            .map((clip) => clip.channel_id)
            .filter((each) => each === leader || others.indexOf(each) < up - 1);
    videos.set(play, clips, leader, leader ? seen : []);
    if (play && leader && this.autoplay && this.began !== play.id) {
      this.began = play.id;
      this.autoplay = false;
      videos.run();
      const clip = playable.find((each) => each.channel_id === leader);
      if (clip) emit(this, "viewed", clip.id);
    }
  }

  drawAll() {
    if (!this.videos || !this.head || !this.foot) return;
    const { play, clips } = this;
    const { tools, missing } = this.foot;
    const number = play && h("b", {}, play.number ? String(play.number) : "…");
    this.head.heading.replaceChildren(
      ...(number ? [number, h("span", {}, play.title || tagsOf(this.tags))] : []),
    );
    this.classList.toggle("nothing", !play);
    setIcon(tools.star, "star", play?.is_favorite);
    tools.star.setAttribute("aria-pressed", String(Boolean(play?.is_favorite)));
    tools.panel.hidden = !this.hasPanel?.();
    tools.trim.setAttribute("aria-pressed", String(Boolean(this.trim?.range)));
    this.drawAngles();
    this.drawBar();
    this.drawState();
    this.drawWaiting();
    const words = missingOfAll(clips);
    missing.hidden = !words;
    missing.title = clips.flatMap(missingOf).join("\n");
    say(missing, words);
  }

  drawAngles() {
    if (this.videos && this.head) drawAngles(this, this.videos, this.head);
  }

  drawState() {
    const { videos, head, foot } = this;
    if (!videos || !head || !foot) return;
    const { go } = foot;
    const runs = videos.running;
    if (go.dataset.runs !== String(runs)) {
      go.dataset.runs = String(runs);
      setIcon(go, runs ? "pause" : "play", !runs);
      go.setAttribute("aria-label", runs ? "Pause" : "Play");
      go.title = runs ? "Pause" : "Play";
    }
    this.drawAir();
    for (const each of foot.speeds.children)
      each.setAttribute(
        "aria-pressed",
        String(Number(/** @type {HTMLElement} */ (each).dataset.rate) === videos.rate),
      );
    head.modes.loop.setAttribute("aria-pressed", String(videos.loop));
    head.modes.sound.setAttribute("aria-pressed", String(!videos.muted));
    setIcon(head.modes.sound, videos.muted ? "mute" : "sound");
    this.drawLoaded();
    this.drawWaiting();
  }

  /**
   * The network is reserved for the playing clip until it is completely loaded: a loop from memory needs
   * none.
   */
  drawAir() {
    const { videos } = this;
    const needs = Boolean(videos?.running && !videos.shownTiles().every((tile) => tile.whole));
    if (needs === this.needs) return;
    this.needs = needs;
    this.dispatchEvent(new Event(needs ? "playing" : "resting"));
  }

  drawBar() {
    const { play, foot, videos } = this;
    const trim = this.trim?.range ?? null;
    if (!foot || !videos) return;
    const length = play?.duration || 1;
    const margin = Math.min(MARGIN_S, Math.max(2, length));
    const start = play ? Date.parse(play.start_time) : 0;
    const clip = this.clips.find((each) => each.channel_id === videos.leader);
    /** @param {string} at */
    const second = (at) => (Date.parse(at) - start) / 1000;
    foot.bar.view = {
      from: trim ? -margin : 0,
      to: trim ? length + margin : length,
      trim,
      missing: (clip?.coverage?.missing ?? []).map((gap) => [second(gap.start), second(gap.end)]),
      cue: play?.cue_time ? second(play.cue_time) : null,
      label: play ? `Position in play ${play.number}` : "Position",
    };
    this.drawTime();
    this.drawLoaded();
  }

  drawTime() {
    if (this.foot && this.videos) this.foot.bar.time = this.videos.time;
  }

  drawLoaded() {
    const lead = this.videos?.lead;
    if (lead && this.foot) this.foot.bar.buffered = lead.loaded;
  }

  drawWaiting() {
    if (this.videos) this.tell(waitingOf(this, this.videos));
  }

  /** @param {import("./player-waiting.js").Waiting} waiting */
  tell({ text, action, act }) {
    const { message } = this;
    if (!message || message.dataset.text === text) return;
    message.dataset.text = text;
    message.hidden = !text;
    message.replaceChildren(text, ...(action ? [h("button", { type: "button", onclick: act }, action)] : []));
  }

  // -- actions ----------------------------------------------------------------------------------------------

  toggle() {
    if (!this.play || !this.videos) return;
    if (this.videos.running) this.videos.pause();
    else this.videos.run();
  }

  /** @param {EventTarget | null} target */
  tapped(target) {
    const channel = tileOf(target);
    if (this.videos && channel && channel !== this.videos.leader) this.angle(channel);
    else this.toggle();
  }

  /** @param {EventTarget | null} target */
  doubled(target) {
    this.toggle(); // undo the pause of the first tap
    if ((this.prefs?.get("layout") ?? 1) > 1 && tileOf(target)) this.layout(1);
    else if (this.gestures?.scale === 1) {
      const { x, y } = /** @type {{x: number, y: number}} */ (this.gestures.start);
      this.gestures.zoomBy(2.5, x, y);
    } else this.gestures?.reset();
  }

  /** @param {string | undefined} channel */
  angle(channel) {
    if (!channel || !this.videos) return;
    this.gestures?.reset();
    this.prefs?.set("angle", channel);
    this.place(channel);
    this.drawAll();
  }

  /** @param {1 | 2 | 4} n */
  layout(n) {
    this.gestures?.reset();
    this.prefs?.set("layout", n);
    this.place();
    this.drawAll();
  }

  /** @param {number} rate */
  speed(rate) {
    this.videos?.speed(rate);
    if (rate < 1 && this.play && !this.videos?.running) this.videos?.run();
  }

  setLoop() {
    if (!this.videos) return;
    this.videos.loop = !this.videos.loop;
    this.prefs?.set("loop", this.videos.loop);
    this.drawState();
  }

  setSound() {
    if (!this.videos) return;
    this.videos.sound(this.videos.muted);
    this.prefs?.set("sound", !this.videos.muted);
    this.drawState();
  }

  /** @param {{t?: number, by?: number, phase: string}} given */
  scrub({ t, by, phase }) {
    const { videos } = this;
    if (!videos) return;
    if (phase === "begin") {
      this.resume = videos.running;
      videos.pauseAll();
    }
    videos.seek(t ?? videos.time + (by ?? 0));
    if (phase === "end" && this.resume && t !== undefined) videos.run();
    if (phase === "end") this.resume = false;
  }

  wide() {
    const on = document.body.classList.toggle("wide");
    if (this.foot) setIcon(this.foot.tools.wide, on ? "shrink" : "expand");
    this.foot?.tools.wide.setAttribute("aria-pressed", String(on));
  }

  escape() {
    if (this.trim?.range) this.trim.end();
    else if ((this.gestures?.scale ?? 1) > 1) this.gestures?.reset();
    else if (document.body.classList.contains("wide")) this.wide();
    else emit(this, "back");
  }

  /** There is no further play: the picture moves briefly to show it. @param {number} by */
  edge(by) {
    this.stage?.animate?.(
      [{ transform: "none" }, { transform: `translateX(${-by * 12}px)` }, { transform: "none" }],
      { duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 110 },
    );
  }

  close() {
    clearInterval(this.timer);
    this.life?.abort();
    this.videos?.close();
    document.body.classList.remove("wide");
  }
}

/** @param {EventTarget | null} target */
const tileOf = (target) =>
  /** @type {HTMLElement | null} */ (/** @type {Element | null} */ (target)?.closest?.(".tile"))?.dataset
    .channel;

define("replay-player", ReplayPlayer);
