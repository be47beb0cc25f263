// The videos of a play: one reused <video> per angle; one is the leader, the others follow its capture time.
//
// Owns: loading, the shared time axis (seconds since the play's start), switching, stepping, synchronisation.
// Must not know: buttons, and how a browser counts media time (tile.js).

import { AIM, Tile } from "./tile.js";

/** @typedef {import("../../state/connection/store.js").Clip} Clip */
/** @typedef {import("../../state/connection/store.js").Play} Play */

const AT_ONCE = 2; // parallel downloads
const SWAP_MS = 1200; // an angle whose picture is not ready by then is shown as it is

/** The angles of the watched play. Events: `state` (playing or paused), `frame` (time changed), `leader`. */
export class AngleVideos extends EventTarget {
  /** @param {HTMLElement} stage @param {Omit<import("./tile.js").Given, "runs">} given */
  constructor(stage, given) {
    super();
    this.stage = stage;
    this.given = given;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Play | null} */
    this.play = null;
    this.leader = "";
    /** @type {string[]} */
    this.visible = [];
    this.wants = false; // the user wants it to play
    this.rate = 1;
    this.loop = true;
    this.muted = true;
    /** @type {{lo: number, hi: number} | null} */
    this.range = null;
    /** @type {number | null} */
    this.target = null; // target of the seek in progress
    /** @type {number | null} */
    this.held = null; // while paused: the common instant at which every angle shows its picture
    this.switching = 0;
    this.leading = ""; // the angle that is to become the leader
    /** @type {number | null} */
    this.from = null; // where the loaded part begins; null: at the beginning
  }

  get lead() {
    return this.tiles.get(this.leader) ?? null;
  }

  get time() {
    return this.target ?? this.lead?.time ?? 0;
  }

  /**
   * Seek position that shows the same picture again: inside it, because its edge may round to the previous
   * picture.
   */
  get place() {
    return this.target ?? (this.lead?.url ? this.lead.time + this.lead.frame * AIM : 0);
  }

  get low() {
    return this.range?.lo ?? this.lead?.offset ?? 0;
  }

  get high() {
    return Math.min(this.range?.hi ?? Infinity, this.lead?.end ?? 0);
  }

  /**
   * Show a play. For the same play: apply the changes and keep the instant.
   * @param {Play | null} play
   * @param {readonly Clip[]} clips
   * @param {string} leader
   * @param {readonly string[]} visible
   */
  set(play, clips, leader, visible) {
    const other = play?.id !== this.play?.id;
    const t = other ? null : this.place;
    this.play = play;
    if (other) {
      this.range = null;
      this.target = null;
      this.held = null;
      this.switching++;
    }
    const shown = new Set(play ? visible : []);
    for (const [channel, tile] of this.tiles)
      if (!clips.some((clip) => clip.channel_id === channel)) this.drop(channel, tile);
    if (!play) return this.pauseAll();
    for (const clip of clips) {
      const tile = this.tile(clip.channel_id);
      tile.wanted = clip;
      if (other && (!shown.has(clip.channel_id) || clip.stream_url !== tile.url)) tile.unload();
      if (!tile.url) tile.clip = clip;
    }
    this.visible = [...visible];
    this.leading = leader;
    this.from = t;
    this.loadShown();
    const before = this.leader;
    if (other || !this.tiles.get(before)?.ready || !this.tiles.has(before)) this.lead_(leader);
    else if (leader !== before) this.switchTo(leader);
    this.arrange();
  }

  /**
   * Loads the visible angles and those loaded before, the leader first, at most two at a time: four parallel
   * downloads over a slow network would all stall, and delay the marks.
   */
  loadShown() {
    const { play } = this;
    if (!play) return;
    const first = (/** @type {string} */ channel) =>
      channel === this.leading ? 0 : this.visible.includes(channel) ? 1 : 2;
    for (const tile of [...this.tiles.values()].sort((a, b) => first(a.channel) - first(b.channel))) {
      const { wanted: clip } = tile;
      if (!clip || !(tile.url || this.visible.includes(tile.channel))) continue;
      const busy = [...this.tiles.values()].filter((each) => each !== tile && each.loading).length;
      // started when another download has ended
      if (clip.stream_url && clip.stream_url !== tile.url && busy >= AT_ONCE) continue;
      if (!tile.load(play, clip) || !tile.url) continue;
      const t = this.lead && this.lead !== tile && this.lead.url ? this.place : this.from;
      if (t !== null && t > 0) tile.seek(t);
      else if (tile.hidden) tile.seek(tile.offset);
      if (this.wants && this.visible.includes(tile.channel)) void this.start(tile);
    }
  }

  /**
   * A local copy has arrived: the tile that waited for it switches to it, at the same instant.
   * @param {string} url
   */
  arrived(url) {
    const waiting = [...this.tiles.values()].find(
      (tile) => tile.url && tile.url !== url && tile.wanted?.stream_url === url,
    );
    if (!waiting) return;
    waiting.brought = url;
    this.from = this.place;
    this.loadShown();
  }

  /** @param {string} channel */
  tile(channel) {
    let tile = this.tiles.get(channel);
    if (!tile) {
      tile = new Tile(channel, { ...this.given, runs: () => this.wants && this.visible.includes(channel) });
      this.tiles.set(channel, tile);
      this.stage.append(tile.root);
      this.listen(tile);
    }
    return tile;
  }

  /** @param {string} channel @param {Tile} tile */
  drop(channel, tile) {
    tile.unload();
    tile.root.remove();
    this.tiles.delete(channel);
  }

  /** @param {Tile} tile */
  listen(tile) {
    const { video } = tile;
    const isLead = () => tile.channel === this.leader;
    video.addEventListener("ended", () => isLead() && this.atEnd());
    video.addEventListener("seeked", () => isLead() && this.seekedLead());
    // Paused from outside: a headset, a call, the system. The user starts it again. (A browser also pauses
    // what it cannot load. And a busy one reports the pause at the end when the next turn has begun already.)
    video.addEventListener("pause", () => {
      if (isLead() && this.wants && video.paused && !video.ended && tile.url && !tile.failing)
        this.pauseAll();
    });
    for (const name of ["play", "pause", "waiting", "playing", "progress", "loadedmetadata", "error"]) {
      video.addEventListener(name, () => isLead() && this.dispatchEvent(new Event("state")));
    }
    for (const name of ["progress", "suspend", "canplaythrough", "error"])
      video.addEventListener(name, () => this.loadShown());
    const tell = () => {
      if (isLead()) this.moved();
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(tell);
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(tell);
    else video.addEventListener("timeupdate", tell);
  }

  /** The leader has shown a new picture. */
  moved() {
    const lead = this.lead;
    if (!lead) return;
    if (
      this.wants &&
      this.target === null &&
      lead.time >= this.high - lead.frame / 2 &&
      (this.range || lead.hidden)
    )
      this.atEnd();
    this.dispatchEvent(new Event("frame"));
  }

  atEnd() {
    if (!this.wants) return;
    if (this.loop) {
      this.seek(this.low);
      for (const tile of this.shownTiles()) void this.start(tile);
    } else this.pause();
  }

  // -- playing ----------------------------------------------------------------------------------------------

  shownTiles() {
    return this.visible.flatMap((channel) => this.tiles.get(channel) ?? []).filter((tile) => tile.url);
  }

  get running() {
    return this.wants;
  }

  run() {
    this.wants = true;
    this.held = null;
    const lead = this.lead;
    if (lead && (lead.video.ended || lead.time >= this.high - lead.frame)) this.seek(this.low);
    for (const tile of this.shownTiles()) void this.start(tile);
    this.keepInStep();
    this.dispatchEvent(new Event("state"));
  }

  pause() {
    this.pauseAll();
    const lead = this.lead;
    // Of the leader too: a busy browser shows a later picture after the pause than it has reported.
    if (lead && this.shownTiles().length > 1) this.seek(this.time + lead.frame * AIM);
    this.dispatchEvent(new Event("state"));
  }

  pauseAll() {
    this.wants = false;
    for (const tile of this.tiles.values()) tile.video.pause();
    this.dispatchEvent(new Event("state"));
  }

  /** @param {Tile} tile */
  start(tile) {
    return tile.start(this.rate, this.muted || tile.channel !== this.leader);
  }

  /** @param {number} rate */
  speed(rate) {
    this.rate = rate;
    for (const tile of this.tiles.values()) tile.video.playbackRate = rate;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {boolean} on */
  sound(on) {
    this.muted = !on;
    for (const tile of this.tiles.values()) tile.video.muted = !on || tile.channel !== this.leader;
  }

  /** While it plays: followers follow, and the other angles are loaded. */
  keepInStep() {
    clearInterval(this.stepper);
    this.stepper = setInterval(() => {
      if (!this.wants) return clearInterval(this.stepper);
      this.warm();
      const lead = this.lead;
      if (!lead || lead.seeking || lead.video.readyState < 3) return;
      for (const tile of this.shownTiles()) {
        if (tile === lead || tile.seeking) continue;
        tile.follow(lead, this.rate);
        if (tile.video.paused && !tile.video.ended) void this.start(tile);
      }
    }, 200);
  }

  /** When everything visible is loaded, load the other angles one at a time, so that switching is instant. */
  warm() {
    if (!this.shownTiles().every((tile) => tile.whole)) return;
    const cold = [...this.tiles.values()].filter((tile) => !this.visible.includes(tile.channel));
    if (cold.some((tile) => tile.url && !tile.whole)) return;
    const next = cold.find((tile) => !tile.url && tile.wanted?.stream_url);
    if (next && this.play) next.load(this.play, next.wanted);
  }

  // -- seeking ----------------------------------------------------------------------------------------------

  /** Seek to a play time. Seeks that arrive faster than pictures are merged. @param {number} t */
  seek(t) {
    const lead = this.lead;
    if (!lead) return;
    const to = Math.max(Math.min(lead.offset, this.low), Math.min(t, lead.end));
    const busy = this.target !== null && lead.seeking;
    this.target = to;
    this.held = null;
    if (!busy) this.apply();
    this.dispatchEvent(new Event("frame"));
  }

  apply() {
    const t = /** @type {number} */ (this.target);
    this.applied = t;
    const lead = this.lead;
    const before = lead?.video.currentTime;
    for (const tile of this.shownTiles()) tile.seek(t);
    if (lead && !lead.seeking && lead.video.currentTime === before) this.target = null;
  }

  seekedLead() {
    if (this.target === null) return;
    if (this.applied !== this.target) return this.apply();
    this.target = null;
    this.dispatchEvent(new Event("frame"));
  }

  /** @param {number} seconds */
  jump(seconds) {
    this.seek(this.place + seconds);
  }

  /** To the next or previous picture, exactly. @param {number} by frames */
  step(by) {
    const lead = this.lead;
    if (!lead) return;
    if (this.wants) this.pauseAll();
    // From the edge of the shown (or requested) frame to the middle of the target frame.
    const from = this.target !== null ? this.target - lead.frame * AIM : lead.time;
    this.seek(from + (by + AIM) * lead.frame);
  }

  // -- angles -----------------------------------------------------------------------------------------------

  /** @param {string} channel */
  lead_(channel) {
    this.leader = channel;
    this.dispatchEvent(new Event("leader"));
  }

  /**
   * Another angle at the same instant. The old picture stays until the new one is shown.
   * @param {string} channel
   */
  switchTo(channel) {
    const old = this.lead;
    const tile = this.tiles.get(channel);
    if (!tile || !this.play) return;
    const turn = ++this.switching;
    if (!tile.url && tile.wanted) tile.load(this.play, tile.wanted);
    if (!old || old === tile || this.visible.includes(old.channel) || !tile.url) return this.lead_(channel);
    // Cameras differ by a fraction of a frame: taking the instant from each new picture would accumulate an
    // error.
    this.held ??= this.wants ? null : this.place;
    this.stage.classList.add("switching");
    old.root.classList.add("leaving");
    tile.seek(this.held ?? this.time + 0.03);
    const swap = () => {
      if (turn !== this.switching) return;
      this.switching++;
      clearTimeout(timer);
      this.target = null;
      if (this.wants) tile.seek(Math.max(tile.time, old.time));
      this.lead_(channel);
      old.root.classList.remove("leaving");
      this.stage.classList.remove("switching");
      if (!this.visible.includes(old.channel)) old.video.pause();
      this.arrange();
    };
    const timer = setTimeout(swap, SWAP_MS);
    if (this.wants) {
      void this.start(tile);
      if (tile.video.requestVideoFrameCallback) tile.video.requestVideoFrameCallback(swap);
      else swap();
    } else tile.settled(swap);
  }

  /** Which tiles are visible, and in which order. */
  arrange() {
    const count = this.visible.length;
    this.stage.dataset.up = String(count);
    for (const [channel, tile] of this.tiles) {
      const at = this.visible.indexOf(channel);
      tile.root.classList.toggle("on", at >= 0);
      tile.root.classList.toggle("leader", channel === this.leader);
      tile.root.style.order = String(at);
      if (at < 0 && !tile.root.classList.contains("leaving")) tile.video.pause();
      else if (this.wants && tile.url && tile.video.paused) void this.start(tile);
    }
    if (this.wants) this.keepInStep();
  }

  close() {
    clearInterval(this.stepper);
    for (const [channel, tile] of [...this.tiles]) this.drop(channel, tile);
    this.play = null;
    this.wants = false;
  }
}
