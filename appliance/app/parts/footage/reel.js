// A frozen replay of a recording in a <video>: which picture is shown, when it was captured, and how to reach
// another one.
//
// Owns: requesting the replay, playing or seeking once it is loaded. Must not know: the parts before and
// after it, and the user interface. Differences between browsers are handled in state/footage/replay.js.

import { h } from "../dom.js";
import {
  beginOf,
  captureOf,
  covers,
  findReplay,
  mediaOf,
  pieceOf,
  stepOf,
} from "../../state/footage/replay.js";

/** @typedef {import("../../state/footage/replay.js").Span} Span */
/**
 * @typedef {{ask: (path: string) => Promise<import("../../state/api").Replay>, habits: () =>
 *   import("../../state/footage/replay.js").Habits, now: () => number}} Given `now`: box time, ms
 */

const FRAMERATE = 25; // until the channel or the replay reports its own

export class Reel {
  /** @param {Given} given @param {Record<string, any>} [look] of the video */
  constructor(given, look = {}) {
    this.given = given;
    this.video = h("video", {
      playsInline: true,
      muted: true,
      preload: "auto",
      disableRemotePlayback: true,
      ...look,
    });
    this.video.setAttribute("playsinline", "");
    this.video.tabIndex = -1;
    /** @type {import("../../state/footage/replay.js").Piece | null} */
    this.piece = null;
    /** The requested span, while loading and after. @type {Span | null} */
    this.span = null;
    /** Capture time of the seek in progress, ms. @type {number | null} */
    this.wanted = null;
    /** Media time reported with the picture shown. @type {number | null} */
    this.reported = null;
    this.of = ""; // its channel
    this.wants = false; // play once it is loaded
    this.turn = 0;
    this.video.addEventListener("loadedmetadata", () => this.arrive());
    this.video.addEventListener("seeking", () => (this.reported = null));
    this.watch();
  }

  watch() {
    const { video } = this;
    if (!video.requestVideoFrameCallback) return;
    const look = (/** @type {number} */ _now, /** @type {{mediaTime: number}} */ facts) => {
      this.reported = video.seeking || this.given.habits().raw ? null : facts.mediaTime;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }

  /**
   * Load another part and show its picture at `at`. False: overtaken by a later call. Throws the appliance's
   * refusal.
   * @param {string} channel
   * @param {Span} span
   * @param {{at?: number, run?: boolean, rate?: number}} [how]
   */
  async load(channel, span, { at = span.from, run = false, rate = 1 } = {}) {
    const { video } = this;
    const turn = ++this.turn;
    this.of = channel;
    this.span = span;
    this.piece = null;
    this.wanted = at;
    this.wants = run;
    video.pause(); // the old picture stays until the new one is loaded
    const facts = await findReplay(this.given.ask, channel, { ...span, at, now: this.given.now() }).catch(
      (error) => {
        if (turn !== this.turn) return null;
        this.drop();
        throw error;
      },
    );
    if (!facts || turn !== this.turn) return false;
    this.piece = pieceOf(facts, this.given.habits());
    this.reported = null;
    video.src = this.piece.url;
    video.playbackRate = video.defaultPlaybackRate = rate;
    if (this.wants) this.run();
    return true;
  }

  /** Clear the picture. */
  drop() {
    this.turn++;
    this.span = this.piece = this.wanted = null;
    this.wants = false;
    if (!this.video.hasAttribute("src")) return;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Once the length is known: WebKit stalls if it is asked to play and seek earlier. */
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

  /** Capture time of the picture shown, ms, or of the seek in progress; null: neither. */
  get at() {
    const { piece, video, wanted } = this;
    if (wanted !== null) return piece ? Math.max(piece.from, wanted) : wanted;
    return piece && captureOf(piece, beginOf(piece, video.currentTime, this.reported));
  }

  /** Does the loaded part contain the instant? @param {string} channel @param {number} at ms */
  covers(channel, at) {
    return this.of === channel && covers(this.piece, at);
  }

  /** To the picture of an instant of this part. @param {number} at ms */
  seek(at) {
    const { piece, video } = this;
    this.reported = null; // of the old position: the event of the new one arrives after the next press
    if (!piece || video.readyState < 1) this.wanted = at;
    else video.currentTime = mediaOf(piece, at);
  }

  /**
   * Capture time of the picture `by` pictures further, ms.
   * @param {number} at ms
   * @param {number} by
   * @param {number | null} [rate] of the channel, where the piece does not know
   */
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
