// One angle of a play: its <video>, and how this browser counts media time in it.
//
// Owns: loading a clip, conversion between play time and media time, which picture is shown, how it follows
// another angle. Differences between browsers are handled here. Must not know: which angles there are, and
// whether the user wants it to play.

import { h } from "../dom.js";
import { beginOf } from "../../state/footage/replay.js";

/** @typedef {import("../../state/connection/store.js").Clip} Clip */
/** @typedef {import("../../state/connection/store.js").Play} Play */

/**
 * @typedef {object} Given
 * @property {(url: string) => string} source URL to play: the local copy if there is one
 * @property {(url: string) => void} bring fetch a local copy; the creator of the tile is notified
 * @property {(url: string, source: string) => Promise<string>} retry the copy cannot be shown: the URL to
 *   show instead
 * @property {() => boolean} runs should it play
 * @property {() => import("../../state/footage/replay.js").Habits} habits
 */

const FAR_S = 0.3; // a follower that differs by more seeks; others adjust their playback rate
const NEAR_S = 0.02;
const STUCK_MS = 2000;
const SILENT_COPY_MS = 5000; // a copy on this device
const SILENT_MS = 15_000; // a connection that was cut without a word: a tablet that changed its access point
const AGAIN_MS = 1000; // a failed request is repeated after this delay, doubled each time
const AGAIN_MAX_MS = 30_000;
const FRAME_S = 1 / 30; // when the appliance gives no frame count
export const AIM = 0.3; // of a frame: seeks aim into a frame, not at its edge

export class Tile {
  /** @param {string} channel @param {Given} given */
  constructor(channel, given) {
    this.channel = channel;
    this.given = given;
    this.video = h("video", { playsInline: true, muted: true, preload: "auto", disableRemotePlayback: true });
    this.video.setAttribute("playsinline", "");
    this.video.tabIndex = -1;
    this.label = h("span", { class: "tile-label" });
    this.words = h("p", { class: "tile-words" });
    this.root = h("div", { class: "tile", data: { channel } }, this.video, this.words, this.label);
    /** @type {Clip | null} */
    this.clip = null; // the clip shown
    /** @type {Clip | null} */
    this.wanted = null; // the clip to be shown: the same one, or its new cut
    this.brought = ""; // URL of the new cut, when its local copy is complete
    this.url = "";
    this.offset = 0; // play time of the clip's first frame
    this.hidden = 0; // length of the pre-roll, for players that ignore edit lists
    this.frame = FRAME_S;
    /** @type {number | null} */
    this.reported = null; // media time reported with the picture shown
    /** @type {number | null} */
    this.target = null; // seek target, until the length is known
    this.failing = false; // from an error until a picture is shown
    this.misses = 0; // consecutive failed requests
    this.video.addEventListener("loadedmetadata", () => this.arrive());
    this.video.addEventListener("loadeddata", () => {
      this.failing = false;
      this.misses = 0;
    });
    this.video.addEventListener("progress", () => this.video.readyState === 0 && this.reloadIfSilent());
    this.video.addEventListener("error", () => void this.failed());
    this.watch();
  }

  /** Track which picture is shown. */
  watch() {
    const { video } = this;
    if (!video.requestVideoFrameCallback) return;
    const look = (/** @type {number} */ _now, /** @type {any} */ facts) => {
      this.reported = facts.mediaTime;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    video.addEventListener("seeking", () => (this.reported = null)); // it is of the picture before
  }

  /** Media time of the picture shown. */
  get media() {
    const { video, frame, hidden } = this;
    if (this.seeking) return video.currentTime;
    return beginOf({ frame, hidden }, video.currentTime, this.given.habits().raw ? null : this.reported);
  }

  /** Play time of the picture shown, or of the one being loaded. */
  get time() {
    return this.target ?? this.media - this.hidden + this.offset;
  }

  /** End of the clip, play time. */
  get end() {
    const { video, clip } = this;
    const length = covered(clip) ?? (Number.isFinite(video.duration) ? video.duration - this.hidden : 0);
    return this.offset + length;
  }

  get seeking() {
    return this.target !== null || this.video.seeking;
  }

  /** @param {number} t play time */
  to(t) {
    const last = Math.max(this.offset, this.end - this.frame * (1 - AIM));
    return Math.min(last, Math.max(this.offset, t)) - this.offset + this.hidden;
  }

  /**
   * Before the length is known the seek is postponed: WebKit stalls if it is asked to play and seek earlier.
   * @param {number} t play time
   */
  seek(t) {
    const { video } = this;
    this.target = this.url && video.readyState < 1 ? t : null;
    if (this.target !== null) return;
    const media = this.to(t);
    if (Math.abs(video.currentTime - media) <= 0.0005) return;
    video.currentTime = media;
    clearTimeout(this.stuck);
    this.stuck = setTimeout(() => this.unstick(t, media), STUCK_MS);
  }

  /**
   * A seek within loaded data takes no time; if it does, it never ends (WebKitGTK, paused in a clip's last
   * moment): load the clip again.
   * @param {number} t play time
   * @param {number} media
   */
  unstick(t, media) {
    const { video } = this;
    const here = (/** @type {number} */ at) =>
      video.buffered.start(at) <= media && media <= video.buffered.end(at);
    if (!this.url || !video.seeking || ![...Array(video.buffered.length).keys()].some(here)) return;
    const ran = !video.paused;
    this.video.load();
    this.target = t;
    if (ran) void video.play().catch(() => {});
  }

  /**
   * A copy that cannot be shown: use it once more, or request the clip from the appliance. A failed request
   * is repeated at growing intervals: the appliance may be unreachable.
   */
  async failed() {
    const { video, url } = this;
    const { src } = video;
    if (!url) return;
    this.failing = true;
    if (!src.startsWith("blob:")) return this.tryLater();
    const next = await this.given.retry(url, src);
    if (this.url === url && video.src === src) this.restart(next);
  }

  tryLater() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.recover(), Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** this.misses++));
  }

  /** Load again what failed, from the same picture on. */
  recover() {
    if (this.url && this.video.error) this.restart(this.given.source(this.url));
  }

  /** @param {string} source of the same clip */
  restart(source) {
    const { video } = this;
    const t = this.time;
    video.src = source;
    this.reloadIfSilent();
    this.target = t;
    if (this.given.runs()) void video.play().catch(() => {});
  }

  /** Play, without sound where the browser allows none yet. @param {number} rate @param {boolean} muted */
  async start(rate, muted) {
    const { video } = this;
    video.playbackRate = rate;
    video.muted = muted;
    try {
      await video.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError" && !video.muted) {
        video.muted = true; // no sound before the first touch (autoplay rule): pictures have priority
        await video.play().catch(() => {});
      }
    }
  }

  /**
   * Keep in step with the leader: adjust the playback rate, or seek when the difference is large.
   * @param {Tile} lead
   * @param {number} rate of the leader
   */
  follow(lead, rate) {
    const now = (/** @type {Tile} */ tile) => tile.video.currentTime - tile.hidden + tile.offset;
    const off = now(this) - now(lead);
    if (Math.abs(off) > FAR_S) this.seek(lead.time + 0.05 * rate);
    else {
      const more = Math.max(-0.15, Math.min(0.15, off * 1.5));
      this.video.playbackRate = rate * (Math.abs(off) > NEAR_S ? 1 - more : 1);
    }
  }

  arrive() {
    if (this.target === null) return;
    this.seek(this.target);
    // already at the position: notify the waiting code
    if (!this.video.seeking) this.video.dispatchEvent(new Event("seeked"));
  }

  /**
   * Call once when the picture of the requested position is shown; at once if it already is.
   * @param {() => void} act
   */
  settled(act) {
    const { video } = this;
    const names = ["seeked", "loadeddata"]; // a seek to the current position fires no "seeked"
    const look = () => {
      if (this.seeking || video.readyState < 2) return;
      for (const name of names) video.removeEventListener(name, look);
      act();
    };
    for (const name of names) video.addEventListener(name, look);
    look();
  }

  /** @param {Play} play @param {Clip | null} clip @returns {boolean} is it a different file */
  load(play, clip) {
    if (clip && this.keeps(clip)) {
      this.given.bring(clip.stream_url ?? "");
      return false;
    }
    this.clip = clip;
    const start = Date.parse(clip?.coverage?.start ?? clip?.start_time ?? play.start_time);
    this.offset = (start - Date.parse(play.start_time)) / 1000;
    this.hidden = this.given.habits().ignored ? (clip?.preroll_s ?? 0) : 0;
    this.frame = frameOf(clip);
    const url = clip?.stream_url ?? "";
    if (url === this.url) return false;
    this.url = url;
    this.target = null;
    this.reported = null;
    this.misses = 0;
    this.failing = false;
    clearTimeout(this.later);
    if (url) {
      this.video.poster = clip?.thumbnail_url ?? "";
      this.video.src = this.given.source(url);
      this.reloadIfSilent();
    } else this.unload();
    return true;
  }

  /**
   * The same span was cut again (late footage, an export): a completely loaded old cut stays until the new
   * one is complete. The new one may never arrive: the appliance may become unreachable.
   * @param {Clip} clip
   */
  keeps({ id, start_time, duration, stream_url: url }) {
    const { clip } = this;
    if (!clip || !this.url || !url || url === this.url || url === this.brought || !this.whole) return false;
    const same = clip.id === id && clip.start_time === start_time && clip.duration === duration;
    return same && this.given.source(url) === url;
  }

  /**
   * Load a clip again of which nothing arrives at all. A copy on this device is loaded at once, or never
   * (WebKitGTK, rarely).
   */
  reloadIfSilent() {
    const { video } = this;
    const { src } = video;
    clearTimeout(this.silent);
    const look = () => {
      if (this.url && video.src === src && video.readyState === 0 && !video.error) this.restart(src);
    };
    this.silent = setTimeout(look, src.startsWith("blob:") ? SILENT_COPY_MS : SILENT_MS);
  }

  unload() {
    clearTimeout(this.silent);
    clearTimeout(this.stuck);
    clearTimeout(this.later);
    this.url = "";
    this.target = null;
    this.video.removeAttribute("poster");
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  get ready() {
    return this.url !== "" && this.video.readyState >= 2;
  }

  /** What is loaded, play time. @returns {[number, number][]} */
  get loaded() {
    const { buffered } = this.video;
    const play = (/** @type {number} */ media) => media - this.hidden + this.offset;
    return Array.from({ length: buffered.length }, (_, at) => [
      play(buffered.start(at)),
      play(buffered.end(at)),
    ]);
  }

  /** Is it loading, or about to request again? A browser that has buffered enough pauses. */
  get loading() {
    const { video } = this;
    return this.url !== "" && video.networkState !== 1 && !video.error && !this.whole;
  }

  /** Is everything loaded? */
  get whole() {
    const { video } = this;
    return (
      video.buffered.length > 0 && video.buffered.end(video.buffered.length - 1) >= video.duration - 0.15
    );
  }
}

/** Seconds of footage in the clip. @param {Clip | null} clip */
function covered(clip) {
  if (!clip?.coverage) return null;
  return (Date.parse(clip.coverage.end) - Date.parse(clip.coverage.start)) / 1000;
}

/**
 * Duration of one picture of the clip, s, from the metadata: a slow browser drops pictures, so it is not
 * measured here.
 * @param {Clip | null} clip
 */
function frameOf(clip) {
  const coverage = clip?.coverage;
  if (!coverage?.frames || !coverage.duration_s) return FRAME_S;
  const [start, end] = [Date.parse(coverage.start), Date.parse(coverage.end)];
  const holes = coverage.missing
    .map((gap) => [Date.parse(gap.start), Date.parse(gap.end)])
    .filter(([from, to]) => from > start && to < end);
  return (
    (coverage.duration_s - holes.reduce((sum, [from, to]) => sum + to - from, 0) / 1000) / coverage.frames
  );
}
