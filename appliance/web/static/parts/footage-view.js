// The recording of one camera as a picture: pieces of replay.mp4 one after the other, a still while a finger moves.
//
// Properties: `channel`, `framerate`, `spans` (its covered spans), `rate`. Methods: to(), glimpse(), toggle(), step(). Emits `moved` and
// `state`. `at` is the capture time of the picture shown, ms. Two videos take turns, so one piece follows the other.

import { define, emit, h, say } from "./dom.js";
import { pieceAt } from "../state/review.js";
import { clockOf } from "../state/zone.js";

const PIECE_MS = 60_000;
const AHEAD_S = 8; // the next piece is asked for this long before the end of the one that plays
const FRAMERATE = 25; // until the channel has told its own

/** `asked`: capture time to go to when the video has loaded that far.
 * @typedef {{video: HTMLVideoElement, piece: import("../state/review.js").Span | null, asked: number}} Reel */

export class FootageView extends HTMLElement {
  constructor() {
    super();
    this.channel = "";
    /** @type {number | null} */
    this.framerate = null; // of the channel
    /** @type {readonly {start: string, end: string}[]} */
    this.spans = [];
    /** @type {Reel[]} */
    this.reels = [];
    this.rate_ = 1;
    this.wanted = 0; // where a finger is
    this.place = 0; // what was last asked for
  }

  connectedCallback() {
    if (this.reels.length) return;
    this.reels = [this.reel(), this.reel()];
    this.still = h("img", { alt: "", hidden: true, class: "still" });
    this.note = h("p", { class: "message", role: "status", hidden: true });
    this.append(...this.reels.map((each) => each.video), this.still, this.note);
  }

  disconnectedCallback() {
    for (const each of this.reels) this.unload(each);
  }

  /** @returns {Reel} */
  reel() {
    const video = h("video", { playsInline: true, muted: true, preload: "auto", hidden: true, disableRemotePlayback: true });
    video.setAttribute("playsinline", "");
    video.tabIndex = -1;
    /** @type {Reel} */
    const made = { video, piece: null, asked: 0 };
    const front = () => made === this.reels[0];
    video.addEventListener("ended", () => front() && this.next());
    video.addEventListener("timeupdate", () => front() && (this.ahead(), emit(this, "moved")));
    video.addEventListener("loadedmetadata", () => this.seek(made, made.asked));
    for (const name of ["seeked", "playing", "loadeddata"]) video.addEventListener(name, () => front() && this.uncover());
    for (const name of ["play", "pause"]) video.addEventListener(name, () => front() && emit(this, "state"));
    video.addEventListener("error", () => front() && made.piece && this.tell(`The box has no picture at ${clockOf(made.piece.from)}.`));
    return made;
  }

  get front() {
    return this.reels[0];
  }

  /** Capture time of the picture, ms. */
  get at() {
    const { piece, video, asked } = this.front ?? {};
    if (this.wanted || asked) return this.wanted || Number(asked);
    return piece && video ? piece.from + video.currentTime * 1000 : this.place;
  }

  get running() {
    return Boolean(this.front?.piece) && !this.front.video.paused;
  }

  /** @param {number} rate */
  set rate(rate) {
    this.rate_ = rate;
    for (const { video } of this.reels) video.playbackRate = video.defaultPlaybackRate = rate;
  }

  // -- playing --------------------------------------------------------------------------------------------------------

  /** Show an instant, or where the footage goes on after it. @param {number} at ms @param {boolean} run */
  to(at, run) {
    this.wanted = 0;
    this.place = at;
    const { piece, video } = this.front;
    if (piece && at >= piece.from && at < piece.to - 40) {
      this.seek(this.front, at);
      this.tell("");
      if (run) void video.play().catch(() => {});
      else video.pause();
      return emit(this, "moved");
    }
    const found = pieceAt(this.spans, at, PIECE_MS);
    if (!found) return this.nothing(at);
    this.load(this.front, found);
    this.front.video.hidden = false;
    this.tell(found.from - at > 1000 ? `No footage until ${clockOf(found.from)}: it goes on from there.` : "");
    if (run) void this.front.video.play().catch(() => {});
    emit(this, "moved");
  }

  /** @param {Reel} reel @param {number} at 0: nowhere */
  seek(reel, at) {
    const { video, piece } = reel;
    reel.asked = video.readyState ? 0 : at;
    if (piece && at && video.readyState) video.currentTime = Math.max(0, (at - piece.from) / 1000);
  }

  /** @param {number} at */
  nothing(at) {
    this.unload(this.front);
    this.front.video.hidden = true;
    this.uncover();
    this.tell(this.spans.length ? `No footage at ${clockOf(at)}.` : "No footage of this camera in this session.");
    emit(this, "moved");
  }

  /** @param {Reel} reel @param {import("../state/review.js").Span} piece */
  load(reel, piece) {
    reel.piece = piece;
    reel.asked = 0;
    const start = encodeURIComponent(new Date(piece.from).toISOString());
    reel.video.src = `/channels/${this.channel}/replay.mp4?start=${start}&duration=${Math.round(piece.to - piece.from) / 1000}&wait=1`;
    reel.video.playbackRate = reel.video.defaultPlaybackRate = this.rate_;
  }

  /** @param {Reel} reel */
  unload(reel) {
    reel.piece = null;
    reel.asked = 0;
    reel.video.removeAttribute("src");
    reel.video.load();
  }

  /** Near the end of a piece the next one is fetched. */
  ahead() {
    const [{ video, piece }, other] = this.reels;
    if (!piece || video.paused || video.duration - video.currentTime > AHEAD_S) return;
    const found = pieceAt(this.spans, piece.to + 1, PIECE_MS);
    if (found && other.piece?.from !== found.from) this.load(other, found);
  }

  next() {
    const [old, other] = this.reels;
    const after = old.piece?.to ?? this.place;
    const found = pieceAt(this.spans, after + 1, PIECE_MS);
    if (!found) return this.tell("The recording ends here.");
    if (other.piece?.from !== found.from) this.load(other, found);
    this.reels = [other, old];
    other.video.hidden = false;
    old.video.hidden = true;
    this.unload(old);
    this.place = found.from;
    this.tell(found.from - after > 1000 ? `No footage until ${clockOf(found.from)}: it goes on from there.` : "");
    void other.video.play().catch(() => {});
  }

  toggle() {
    const { video, piece } = this.front;
    if (!piece) this.to(this.place, true);
    else if (video.paused && video.ended) this.next();
    else if (video.paused) void video.play().catch(() => {});
    else video.pause();
  }

  /** @param {number} by frames */
  step(by) {
    this.front.video.pause();
    this.to(this.at + (by * 1000) / (this.framerate || FRAMERATE), false);
  }

  // -- a finger on the timeline ---------------------------------------------------------------------------------------

  /** Stills, one request at a time. @param {number} at ms */
  glimpse(at) {
    this.wanted = at;
    this.front.video.pause();
    emit(this, "moved");
    const { still } = this;
    if (this.looking || !still) return;
    this.looking = true;
    const next = () => {
      this.looking = false;
      if (this.wanted && this.wanted !== at) this.glimpse(this.wanted);
    };
    still.onload = () => {
      if (this.wanted) still.hidden = false;
      next();
    };
    still.onerror = next;
    still.src = `/channels/${this.channel}/frame.jpg?at=${encodeURIComponent(new Date(at).toISOString())}`;
  }

  uncover() {
    if (this.still && !this.wanted) this.still.hidden = true;
  }

  /** @param {string} text */
  tell(text) {
    if (!this.note) return;
    this.note.hidden = !text;
    say(this.note, text);
  }
}

define("footage-view", FootageView);
