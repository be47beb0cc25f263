// A piece of a recording in a <video>: which picture is shown and when it was captured, and the way to another one.
//
// Owns: asking for the piece, what it does once it is here, seeking. Must not know: what comes before and after it, and who
// looks. What browsers do differently with time is in state/replay.js.

import { h } from "./dom.js";
import { beginOf, captureOf, covers, findReplay, mediaOf, pieceOf, stepOf } from "../state/replay.js";

/** @typedef {import("../state/replay.js").Span} Span */
/** @typedef {{ask: (path: string) => Promise<import("../state/api").Replay>, habits: () => import("../state/replay.js").Habits,
 *   now: () => number}} Given `now`: box time, ms */

const FRAMERATE = 25; // until the channel or the piece has told its own

export class Reel {
  /** @param {Given} given @param {Record<string, any>} [look] of the video */
  constructor(given, look = {}) {
    this.given = given;
    this.video = h("video", { playsInline: true, muted: true, preload: "auto", disableRemotePlayback: true, ...look });
    this.video.setAttribute("playsinline", "");
    this.video.tabIndex = -1;
    /** @type {import("../state/replay.js").Piece | null} */
    this.piece = null;
    /** What was asked for, while it is on its way and after. @type {Span | null} */
    this.span = null;
    /** Capture time it is on its way to, ms. @type {number | null} */
    this.wanted = null;
    /** Time told with the picture shown. @type {number | null} */
    this.told = null;
    this.of = ""; // the channel it is of
    this.wants = false; // to run, once it is here
    this.turn = 0;
    this.video.addEventListener("loadedmetadata", () => this.arrive());
    this.video.addEventListener("seeking", () => (this.told = null));
    this.watch();
  }

  watch() {
    const { video } = this;
    if (!video.requestVideoFrameCallback) return;
    const look = (/** @type {number} */ _now, /** @type {{mediaTime: number}} */ facts) => {
      this.told = video.seeking || this.given.habits().raw ? null : facts.mediaTime;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }

  /** Another piece, and in it the picture of `at`. False: overtaken by another one. Throws what the box refused with.
   * @param {string} channel @param {Span} span @param {{at?: number, run?: boolean, rate?: number}} [how] */
  async load(channel, span, { at = span.from, run = false, rate = 1 } = {}) {
    const { video } = this;
    const turn = ++this.turn;
    this.of = channel;
    this.span = span;
    this.piece = null;
    this.wanted = at;
    this.wants = run;
    video.pause(); // the old picture stays until the new one is here
    const facts = await findReplay(this.given.ask, channel, { ...span, at, now: this.given.now() }).catch((error) => {
      if (turn !== this.turn) return null;
      this.drop();
      throw error;
    });
    if (!facts || turn !== this.turn) return false;
    this.piece = pieceOf(facts, this.given.habits());
    this.told = null;
    video.src = this.piece.url;
    video.playbackRate = video.defaultPlaybackRate = rate;
    if (this.wants) this.run();
    return true;
  }

  /** Nothing is shown any more. */
  drop() {
    this.turn++;
    this.span = this.piece = this.wanted = null;
    this.wants = false;
    if (!this.video.hasAttribute("src")) return;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** The length is known: WebKit stands still when it is told to play and seek before. */
  arrive() {
    const at = this.wanted;
    this.wanted = null;
    if (at !== null && this.piece && (this.piece.hidden || at > this.piece.from + 1)) this.seek(at);
  }

  get loading() {
    return this.span !== null && this.piece === null;
  }

  get running() {
    return this.loading ? this.wants : this.piece !== null && !this.video.paused;
  }

  /** Capture time of the picture shown, ms, or of the one on its way; null: neither. */
  get at() {
    const { piece, video, wanted } = this;
    if (wanted !== null) return piece ? Math.max(piece.from, wanted) : wanted;
    return piece && captureOf(piece, beginOf(piece, video.currentTime, this.told));
  }

  /** Is the instant in the piece that is here? @param {string} channel @param {number} at ms */
  covers(channel, at) {
    return this.of === channel && covers(this.piece, at);
  }

  /** To the picture of an instant of this piece. @param {number} at ms */
  seek(at) {
    const { piece, video } = this;
    this.told = null; // of where it stood: its event comes after the next press
    if (!piece || video.readyState < 1) this.wanted = at;
    else video.currentTime = mediaOf(piece, at);
  }

  /** Capture time so many pictures on, ms. @param {number} at ms @param {number} by @param {number | null} [rate] of the
   * channel, where the piece does not know */
  stepped(at, by, rate) {
    return stepOf(this.piece, at, by, 1 / (rate || FRAMERATE));
  }

  run() {
    this.wants = true;
    if (this.piece) void this.video.play().catch(() => {});
  }

  pause() {
    this.wants = false;
    this.video.pause();
  }
}
