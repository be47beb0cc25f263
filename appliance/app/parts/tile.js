// One angle of a play: its <video>, and how this browser counts time in it.
//
// Owns: loading a clip, play time <-> media time, which picture is shown. What browsers do differently
// ends here. Must not know: other angles, and whether anybody wants it to run.

import { h } from "./dom.js";
import { beginOf } from "../state/replay.js";

/** @typedef {import("../state/store.js").Clip} Clip */
/** @typedef {import("../state/store.js").Play} Play */

/** @typedef {object} Given
 * @property {(url: string) => string} source what to play: the copy that is held here, if there is one
 * @property {(url: string) => void} bring have a copy here; whoever made the tile hears of it
 * @property {(url: string, source: string) => Promise<string>} retry the copy cannot be shown: what to show instead
 * @property {() => boolean} runs is it to run
 * @property {() => import("../state/replay.js").Habits} habits */

const STUCK_MS = 2000;
const AGAIN_MS = 1000; // what the box did not give is asked for again, twice as late each time
const AGAIN_MAX_MS = 30_000;
const FRAME_S = 1 / 30; // where the box did not count them
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
    this.clip = null; // what is shown
    /** @type {Clip | null} */
    this.wanted = null; // what is to be shown: the same, or cut anew
    this.brought = ""; // the new cut that is here
    this.url = "";
    this.offset = 0; // play time of the clip's first frame
    this.hidden = 0; // media time before it, for players that ignore edit lists
    this.frame = FRAME_S;
    /** @type {number | null} */
    this.told = null; // the time told with the picture that is shown
    /** @type {number | null} */
    this.asked = null; // a place to seek to once the length is known
    this.failing = false; // since an error, until a picture is here
    this.misses = 0; // times in a row that the box did not give it
    this.video.addEventListener("loadedmetadata", () => this.arrive());
    this.video.addEventListener("loadeddata", () => {
      this.failing = false;
      this.misses = 0;
    });
    this.video.addEventListener("error", () => void this.failed());
    this.watch();
  }

  /** Know which picture is shown. */
  watch() {
    const { video } = this;
    if (!video.requestVideoFrameCallback) return;
    const look = (/** @type {number} */ _now, /** @type {any} */ facts) => {
      this.told = facts.mediaTime;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    video.addEventListener("seeking", () => (this.told = null)); // what is told next is of another picture
  }

  /** Media time of the picture shown. */
  get media() {
    const { video, frame, hidden } = this;
    if (this.seeking) return video.currentTime;
    return beginOf({ frame, hidden }, video.currentTime, this.given.habits().raw ? null : this.told);
  }

  /** Play time of the picture shown, or of the one that is waited for. */
  get time() {
    return this.asked ?? this.media - this.hidden + this.offset;
  }

  /** End of the clip, play time. */
  get end() {
    const { video, clip } = this;
    const length = covered(clip) ?? (Number.isFinite(video.duration) ? video.duration - this.hidden : 0);
    return this.offset + length;
  }

  get seeking() {
    return this.asked !== null || this.video.seeking;
  }

  /** @param {number} t play time */
  to(t) {
    const last = Math.max(this.offset, this.end - this.frame * (1 - AIM));
    return Math.min(last, Math.max(this.offset, t)) - this.offset + this.hidden;
  }

  /** Asked before the length is known it waits for it: WebKit stands still when it is told to play and seek by then.
   * @param {number} t play time */
  seek(t) {
    const { video } = this;
    this.asked = this.url && video.readyState < 1 ? t : null;
    if (this.asked !== null) return;
    const media = this.to(t);
    if (Math.abs(video.currentTime - media) <= 0.0005) return;
    video.currentTime = media;
    clearTimeout(this.stuck);
    this.stuck = setTimeout(() => this.unstick(t, media), STUCK_MS);
  }

  /** A seek into what is here takes no time; one that does, never ends (WebKitGTK, paused in a clip's last moment): the
   * clip is loaded again. @param {number} t play time @param {number} media */
  unstick(t, media) {
    const { video } = this;
    const here = (/** @type {number} */ at) => video.buffered.start(at) <= media && media <= video.buffered.end(at);
    if (!this.url || !video.seeking || ![...Array(video.buffered.length).keys()].some(here)) return;
    const ran = !video.paused;
    this.video.load();
    this.asked = t;
    if (ran) void video.play().catch(() => {});
  }

  /** A copy that cannot be shown: once more, or what the box gives takes its place. What the box does not give is asked for
   * again, ever more seldom: it may be away. */
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

  /** What could not be loaded, from the same picture on. */
  recover() {
    if (this.url && this.video.error) this.restart(this.given.source(this.url));
  }

  /** @param {string} source of the same clip */
  restart(source) {
    const { video } = this;
    const t = this.time;
    video.src = source;
    this.asked = t;
    if (this.given.runs()) void video.play().catch(() => {});
  }

  arrive() {
    if (this.asked === null) return;
    this.seek(this.asked);
    if (!this.video.seeking) this.video.dispatchEvent(new Event("seeked")); // it stands there already: who waits is told
  }

  /** Once, when the picture of the place asked for stands; at once when it does. @param {() => void} act */
  settled(act) {
    const { video } = this;
    const names = ["seeked", "loadeddata"]; // to where it stands already it does not seek
    const look = () => {
      if (this.seeking || video.readyState < 2) return;
      for (const name of names) video.removeEventListener(name, look);
      act();
    };
    for (const name of names) video.addEventListener(name, look);
    look();
  }

  /** @param {Play} play @param {Clip | null} clip @returns {boolean} is it another file */
  load(play, clip) {
    if (clip && this.keeps(clip)) {
      this.given.bring(clip.stream_url ?? "");
      return false;
    }
    this.clip = clip;
    const start = Date.parse(clip?.coverage?.start ?? clip?.start_time ?? play.start_time);
    this.offset = (start - Date.parse(play.start_time)) / 1000;
    this.hidden = this.given.habits().ignored ? clip?.preroll_s ?? 0 : 0;
    this.frame = frameOf(clip);
    const url = clip?.stream_url ?? "";
    if (url === this.url) return false;
    this.url = url;
    this.asked = null;
    this.told = null;
    this.misses = 0;
    this.failing = false;
    clearTimeout(this.later);
    if (url) {
      this.video.poster = clip?.thumbnail_url ?? "";
      this.video.src = this.given.source(url);
    } else this.unload();
    return true;
  }

  /** The same span cut again (late footage, an export): what is whole here is watched until the new bytes are here too.
   * They may never be: the box may go away in that moment. @param {Clip} clip */
  keeps({ id, start_time, duration, stream_url: url }) {
    const { clip } = this;
    if (!clip || !this.url || !url || url === this.url || url === this.brought || !this.whole) return false;
    const same = clip.id === id && clip.start_time === start_time && clip.duration === duration;
    return same && this.given.source(url) === url;
  }

  unload() {
    clearTimeout(this.stuck);
    clearTimeout(this.later);
    this.url = "";
    this.asked = null;
    this.video.removeAttribute("poster");
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  get ready() {
    return this.url !== "" && this.video.readyState >= 2;
  }

  /** Bytes are on their way, or asked for in a moment. A browser that has enough for now rests. */
  get loading() {
    const { video } = this;
    return this.url !== "" && video.networkState !== 1 && !video.error && !this.whole;
  }

  /** Everything is here. */
  get whole() {
    const { video } = this;
    return video.buffered.length > 0 && video.buffered.end(video.buffered.length - 1) >= video.duration - 0.15;
  }
}

/** Seconds of footage in the clip. @param {Clip | null} clip */
function covered(clip) {
  if (!clip?.coverage) return null;
  return (Date.parse(clip.coverage.end) - Date.parse(clip.coverage.start)) / 1000;
}

/** How long a picture of the clip lasts, s: a browser short of breath leaves some out, so they are not measured here.
 * @param {Clip | null} clip */
function frameOf(clip) {
  const coverage = clip?.coverage;
  if (!coverage?.frames || !coverage.duration_s) return FRAME_S;
  const [start, end] = [Date.parse(coverage.start), Date.parse(coverage.end)];
  const holes = coverage.missing.map((gap) => [Date.parse(gap.start), Date.parse(gap.end)]).filter(([from, to]) => from > start && to < end);
  return (coverage.duration_s - holes.reduce((sum, [from, to]) => sum + to - from, 0) / 1000) / coverage.frames;
}
