// One camera live: fragments are appended to a <video> by Media Source Extensions (ManagedMediaSource on
// iPhones) and playback stays close to the newest.
//
// Properties: `feed` ((taker) => LiveFeed, started when connected), `label`, `latencyMs`. `capture` is the
// capture time of the picture shown, ms of appliance time. The buffer keeps the last seconds, so a short jump
// back needs no request. `peer` ((taker) => Feed): use WebRTC as long as it delivers pictures; then `boxTime`
// (ms of performance.now() => ms of appliance time) computes `capture` from the times the browser reports for
// a picture. When it delivers none, the event "peerless" {words} is emitted and `feed` is used.

import { define, emit, h, say } from "../dom.js";
import { leftAt } from "../../state/footage/whep.js";

const EDGE_S = 0.35; // behind the newest fragment: less would stutter
const FAST_S = 1.2; // when further behind, play a little faster
const JUMP_S = 4; // when much further behind, seek
const KEEP_S = 20;
const DRIFT = 1.08;
const STALLED_MS = 2500;
const PEERLESS_MS = 5000; // WebRTC without a picture for this long is given up

/** @typedef {import("../../state/footage/livefeed.js").Begin} Begin */
/** @typedef {{close(): void}} Feed */
/**
 * @typedef {{begin(facts: Begin): void, data(bytes: ArrayBuffer): void, lost(): void, waiting?(words:
 *   string): void}} Taker
 */

/** @returns {typeof MediaSource | null} */
export function mediaSource() {
  const scope = /** @type {any} */ (window);
  return scope.ManagedMediaSource ?? scope.MediaSource ?? null;
}

export class LiveView extends HTMLElement {
  constructor() {
    super();
    this.video = h("video", { muted: true, playsInline: true, disableRemotePlayback: true });
    this.video.setAttribute("playsinline", "");
    this.video.tabIndex = -1;
    this.name = h("span", { class: "tile-label" });
    this.words = h("p", { class: "tile-words" });
    this.latencyMs = 0;
    /** @type {ArrayBuffer[]} */
    this.queue = [];
    /** @type {SourceBuffer | null} */
    this.buffer = null;
    /** @type {Begin | null} */
    this.facts = null;
    this.shown = 0;
    this.lastData = 0;
    /** @type {((taker: Taker) => Feed) | null} */
    this.feed = null;
    /** @type {((taker: {stream(media: MediaStream): void, refused(words: string): void}) => Feed) | null} */
    this.peer = null;
    this.byPeer = false;
    /** @type {number | null} of the picture shown, when received by WebRTC: ms of performance.now() */
    this.left = null;
    /** @type {((steady: number) => number) | null} */
    this.boxTime = null;
    this.patienceMs = PEERLESS_MS;
    this.url = "";
  }

  connectedCallback() {
    if (!this.video.isConnected) this.append(this.video, this.words, this.name);
    this.open();
    this.timer = setInterval(() => this.keepUp(), 250);
    const look = (
      /** @type {number} */ now,
      /** @type {{mediaTime: number, captureTime?: number, receiveTime?: number}} */ facts,
    ) => {
      this.shown = facts.mediaTime;
      if (this.byPeer) {
        this.lastData = performance.now();
        this.left = leftAt(facts, now);
      }
      if (this.isConnected) this.video.requestVideoFrameCallback(look);
    };
    this.video.requestVideoFrameCallback?.(look);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    this.close();
  }

  /** @param {string} text */
  set label(text) {
    say(this.name, text);
  }

  open() {
    if (this.source || !this.feed) return;
    this.byPeer = this.peer !== null;
    this.lastData = performance.now();
    if (this.peer) {
      say(this.words, "Waiting for pictures");
      this.source = this.peer(this);
      return;
    }
    if (!mediaSource()) return say(this.words, "This browser has no live pictures. Scrub back to look.");
    say(this.words, "Waiting for pictures");
    this.source = this.feed(this);
  }

  close() {
    this.source?.close();
    this.source = undefined;
    this.byPeer = false;
    this.left = null;
    this.reset();
  }

  // -- by WebRTC --------------------------------------------------------------------------------------------

  /** @param {MediaStream} media */
  stream(media) {
    this.video.srcObject = media;
    void this.video.play().catch(() => {});
  }

  /** @param {string} words why there are no pictures by WebRTC; MSE is used then */
  refused(words) {
    this.close();
    this.peer = null;
    this.open();
    emit(this, "peerless", { words });
  }

  keepPeer() {
    const quiet = performance.now() - this.lastData;
    if (quiet > this.patienceMs) return this.refused(`no picture came for ${Math.round(quiet / 1000)} s`);
    say(this.words, this.video.readyState < 2 || quiet > STALLED_MS ? "Waiting for pictures" : "");
    this.classList.toggle("stalled", quiet > STALLED_MS);
  }

  reset() {
    this.queue = [];
    this.buffer = null;
    this.facts = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
    if (this.video.srcObject) this.video.srcObject = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  // -- data from the feed -----------------------------------------------------------------------------------

  /** @param {Begin} facts */
  begin(facts) {
    const Source = mediaSource();
    if (!Source) return;
    this.reset();
    this.facts = facts;
    if (!Source.isTypeSupported(facts.mime)) return say(this.words, `This browser cannot show ${facts.mime}`);
    const media = new Source();
    this.url = URL.createObjectURL(media);
    media.addEventListener("sourceopen", () => {
      if (this.facts !== facts || this.buffer) return;
      media.duration = Infinity;
      this.buffer = media.addSourceBuffer(facts.mime);
      this.buffer.addEventListener("updateend", () => this.pump());
      this.pump();
    });
    this.video.src = this.url;
    void this.video.play().catch(() => {});
  }

  /** @param {ArrayBuffer} bytes */
  data(bytes) {
    this.lastData = performance.now();
    this.queue.push(bytes);
    this.pump();
  }

  lost() {
    say(this.words, "Waiting for pictures");
  }

  /** @param {string} words why nothing can be shown yet */
  waiting(words) {
    say(this.words, words);
  }

  pump() {
    const { buffer, queue, video } = this;
    if (!buffer || buffer.updating) return;
    try {
      const next = queue.shift();
      if (next) buffer.appendBuffer(next);
      else if (buffer.buffered.length && video.currentTime - buffer.buffered.start(0) > 2 * KEEP_S)
        buffer.remove(0, video.currentTime - KEEP_S);
    } catch (error) {
      if (error instanceof DOMException && error.name === "QuotaExceededError")
        buffer.remove(0, Math.max(0.1, video.currentTime - 2));
    }
  }

  // -- staying close to the newest --------------------------------------------------------------------------

  keepUp() {
    if (this.byPeer) return this.keepPeer();
    const { video } = this;
    const { buffered } = video;
    if (buffered.length) {
      const edge = buffered.end(buffered.length - 1);
      const behind = edge - video.currentTime;
      if (behind > JUMP_S || video.currentTime < buffered.start(0))
        video.currentTime = Math.max(buffered.start(buffered.length - 1), edge - EDGE_S);
      else video.playbackRate = behind > FAST_S ? DRIFT : 1;
      if (video.paused) void video.play().catch(() => {});
    }
    const stalled = performance.now() - this.lastData > STALLED_MS;
    say(this.words, buffered.length && !stalled ? "" : this.words.textContent || "Waiting for pictures");
    this.classList.toggle("stalled", stalled);
  }

  /**
   * Capture time of the picture shown, ms; null before the first, and where the browser does not report it.
   */
  get capture() {
    if (this.byPeer)
      return this.left === null || !this.boxTime ? null : this.boxTime(this.left) - this.latencyMs;
    if (!this.facts || this.video.readyState < 2) return null;
    const exact = Math.abs(this.shown - this.video.currentTime) < 1 ? this.shown : this.video.currentTime;
    return Date.parse(this.facts.arrived_at) + (exact - this.facts.media_s) * 1000 - this.latencyMs;
  }
}

define("live-view", LiveView);
