// The recording of one camera as video: consecutive frozen replays, and still pictures while a finger moves
// on the timeline.
//
// Properties: `given` (once, before it is connected: see reel.js), `channel`, `framerate`, `spans` (its
// covered spans), `rate`. Methods: to(), glimpse(), toggle(), step(). Emits `moved` and `state`. `at` is the
// capture time of the picture shown, ms. Two reels alternate: one plays while the other loads the next part.

import { define, emit, h, say } from "../dom.js";
import { Reel } from "./reel.js";
import { pieceAt } from "../../state/footage/review.js";
import { clockOf } from "../../state/zone.js";

/** @typedef {import("../../state/footage/review.js").Span} Span */

const PIECE_MS = 60_000;
const LEAD_MS = 1000; // loaded before a paused picture, for steps backwards
const AHEAD_S = 8; // the next part is requested this long before the end of the current one

export class FootageView extends HTMLElement {
  constructor() {
    super();
    this.channel = "";
    /** @type {number | null} */
    this.framerate = null; // of the channel
    /** @type {readonly {start: string, end: string}[]} */
    this.spans = [];
    this.unknown = false; // the appliance has not reported the footage
    /** @type {import("./reel.js").Given | undefined} */
    this.given = undefined;
    /** @type {Reel[]} */
    this.reels = [];
    this.rate_ = 1;
    this.wanted = 0; // position of the finger
    this.place = 0; // last requested position
  }

  connectedCallback() {
    if (this.reels.length) return;
    this.reels = [this.reel(), this.reel()];
    this.still = h("img", { alt: "", hidden: true, class: "still" });
    this.note = h("p", { class: "message", role: "status", hidden: true });
    this.append(...this.reels.map((each) => each.video), this.still, this.note);
  }

  disconnectedCallback() {
    for (const each of this.reels) each.drop();
  }

  /** @returns {Reel} */
  reel() {
    const made = new Reel(/** @type {import("./reel.js").Given} */ (this.given), { hidden: true });
    const { video } = made;
    const front = () => made === this.front;
    video.addEventListener("ended", () => front() && this.next());
    video.addEventListener("timeupdate", () => {
      if (!front()) return;
      this.ahead();
      emit(this, "moved");
    });
    for (const name of ["seeked", "playing", "loadeddata"])
      video.addEventListener(name, () => front() && this.uncover());
    for (const name of ["play", "pause"]) video.addEventListener(name, () => front() && emit(this, "state"));
    video.addEventListener("error", () => front() && made.piece && this.lose(made.piece.from));
    return made;
  }

  get front() {
    return this.reels[0];
  }

  /** Capture time of the picture, ms. */
  get at() {
    return this.wanted || (this.front?.at ?? this.place);
  }

  get running() {
    return this.front?.running ?? false;
  }

  /** @param {number} rate */
  set rate(rate) {
    this.rate_ = rate;
    for (const { video } of this.reels) video.playbackRate = video.defaultPlaybackRate = rate;
  }

  // -- playing ----------------------------------------------------------------------------------------------

  /** Show an instant, or the next one with footage. @param {number} at ms @param {boolean} run */
  to(at, run) {
    this.wanted = 0;
    this.place = at;
    const { front } = this;
    if (front.covers(this.channel, at)) {
      front.seek(at);
      this.tell("");
      if (run) front.run();
      else front.pause();
      return emit(this, "moved");
    }
    const next = pieceAt(this.spans, at, PIECE_MS);
    if (!next) return this.nothing(at);
    const begin = Math.max(
      ...this.spans.map(({ start }) => Date.parse(start)).filter((start) => start <= next.from),
    );
    const from = run ? next.from : Math.max(begin, next.from - LEAD_MS);
    void this.load(front, { from, to: Math.min(next.to, from + PIECE_MS) }, next.from, run);
    front.video.hidden = false;
    this.tell(next.from - at > 1000 ? `No footage until ${clockOf(next.from)}: it goes on from there.` : "");
    emit(this, "moved");
  }

  /** @param {number} at */
  nothing(at) {
    this.front.drop();
    this.front.video.hidden = true;
    this.uncover();
    this.tell(
      this.spans.length
        ? `No footage at ${clockOf(at)}.`
        : this.unknown
          ? "The footage is shown when the box answers."
          : "No footage of this camera in this session.",
    );
    emit(this, "moved");
  }

  /** @param {Reel} reel @param {Span} span @param {number} at ms @param {boolean} run */
  async load(reel, span, at, run) {
    if (!this.isConnected) return; // removed from the page meanwhile: it would never be seen or stopped
    try {
      if (await reel.load(this.channel, span, { at, run, rate: this.rate_ })) emit(this, "state");
    } catch {
      if (reel === this.front) this.lose(at);
    }
  }

  /** @param {number} at ms */
  lose(at) {
    this.front.drop();
    this.uncover();
    this.tell(`The box has no picture at ${clockOf(at)}.`);
    emit(this, "state");
  }

  /** Near the end of a part, request the next one. */
  ahead() {
    const [{ video, piece }, other] = this.reels;
    if (!piece || video.paused || (piece.to - this.at) / 1000 > AHEAD_S) return;
    const next = pieceAt(this.spans, piece.to + 1, PIECE_MS);
    if (next && !this.has(other, next)) void this.load(other, next, next.from, false);
  }

  /** Is the part loaded, or requested? @param {Reel} reel @param {Span} span */
  has(reel, span) {
    return reel.of === this.channel && reel.span?.from === span.from;
  }

  next() {
    const [old, other] = this.reels;
    const after = old.piece?.to ?? this.place;
    const next = pieceAt(this.spans, after + 1, PIECE_MS);
    if (!next) return this.tell("The recording ends here.");
    this.reels = [other, old];
    this.place = next.from;
    if (this.has(other, next)) other.run();
    else void this.load(other, next, next.from, true);
    other.video.hidden = false;
    old.video.hidden = true;
    old.drop();
    this.tell(
      next.from - after > 1000 ? `No footage until ${clockOf(next.from)}: it goes on from there.` : "",
    );
  }

  toggle() {
    const { front } = this;
    if (!front.span) this.to(this.place, true);
    else if (front.running) front.pause();
    else if (front.video.ended) this.next();
    else front.run();
  }

  /** @param {number} by frames */
  step(by) {
    this.front.pause();
    this.to(this.front.stepped(this.at, by, this.framerate), false);
  }

  // -- dragging on the timeline -----------------------------------------------------------------------------

  /** Still pictures, one request at a time. @param {number} at ms */
  glimpse(at) {
    this.wanted = at;
    this.front.pause();
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
