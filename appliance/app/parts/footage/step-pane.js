// One camera, picture by picture: steps through a short frozen replay and shows when each picture was
// captured.
//
// Properties: channels, channel (id), active; show(piece, at). Emits `pick` (channel id), `moved` (nothing),
// `stepped` (by the user), `beyond` (requested capture time, outside of the replay).

import { button, define, emit, h, icon, say } from "../dom.js";
import { painted } from "../player/painted.js";
import { nearest } from "../../state/footage/lineup.js";
import { clockOf } from "../../state/zone.js";

// of a picture's length: the reported time is the picture's beginning, and must not match the neighbour
const NEAR = 0.45;

/**
 * `frames`: capture times, ms. `media`: where to seek for each, s (`mediaOf` of replay.js). `raw`: the
 * browser reports other times for pictures. `words`: why there is none.
 * @typedef {{channel: string, frames: number[], media: number[], url: string, raw?: boolean, words?: string}}
 *   PieceOfFootage
 */

export class StepPane extends HTMLElement {
  at = 0; // index of the picture shown
  turn = 0; // counts seeks, to ignore those that were overtaken
  /** Requested capture time beyond this replay, ms. @type {number | null} */
  wanted = null;
  look = "";
  /** @type {PieceOfFootage | undefined} */
  piece;

  connectedCallback() {
    if (this.video) return;
    this.select = h("select", {
      "aria-label": "Camera",
      onchange: () => emit(this, "pick", this.select?.value),
    });
    this.when = h("b", { class: "instant" });
    this.video = h("video", { muted: true, playsInline: true, preload: "auto" });
    this.video.setAttribute("playsinline", "");
    this.video.addEventListener(
      "error",
      () =>
        this.video?.hasAttribute("src") && this.tell("These pictures cannot be shown. Try newer pictures."),
    );
    this.note = h("p", { class: "message", role: "status" });
    const step = (
      /** @type {string} */ label,
      /** @type {Node | string} */ face,
      /** @type {() => void} */ act,
      data = {},
    ) => button(label, face, act, { data });
    this.append(
      h("header", { class: "row" }, this.select, this.when),
      h("div", { class: "picture" }, this.video, this.note),
      h(
        "div",
        { class: "segments steps" },
        step("Back 1 s", "−1 s", () => this.move(-1000)),
        step("Back 5 pictures", "−5", () => this.step(-5)),
        step("Back one picture", icon("frameBack"), () => this.step(-1), { step: "-1" }),
        step("On one picture", icon("frameNext"), () => this.step(1), { step: "1" }),
        step("On 5 pictures", "+5", () => this.step(5)),
        step("On 1 s", "+1 s", () => this.move(1000)),
      ),
    );
  }

  /** @param {readonly import("../../state/api").Channel[]} channels */
  set channels(channels) {
    const look = JSON.stringify(channels.map((each) => [each.id, each.name]));
    if (look === this.look || !this.select) return;
    this.look = look;
    this.select.replaceChildren(
      ...channels.map((each) => h("option", { value: each.id }, each.name || each.id)),
    );
  }

  /** @param {string} id */
  set channel(id) {
    if (this.select) this.select.value = id;
  }

  /** @param {boolean} active keyboard input goes to this pane */
  set active(active) {
    this.classList.toggle("active", active);
  }

  /** Show a replay at the picture nearest to `at`, ms. @param {PieceOfFootage} piece @param {number} at */
  show(piece, at) {
    const { video } = this;
    if (!video) return;
    this.piece = piece;
    this.wanted = null;
    this.ready = false;
    this.turn++;
    this.tell(piece.words ?? (piece.frames.length ? "" : "No footage then"));
    if (!piece.frames.length) {
      video.removeAttribute("src");
      video.load();
      say(/** @type {Element} */ (this.when), "");
      return emit(this, "moved");
    }
    if (video.dataset.of !== piece.url) {
      video.dataset.of = piece.url;
      video.src = piece.url;
    }
    this.go(nearest(piece.frames, at));
  }

  /** The same picture, with its capture time shifted. @param {number} by ms */
  shift(by) {
    if (!this.piece) return;
    this.piece = { ...this.piece, frames: this.piece.frames.map((each) => each + by) };
    this.go(this.at);
  }

  /** Capture time of the picture shown, ms; null while none is. */
  get capture() {
    return (this.ready && this.wanted === null && this.piece?.frames[this.at]) || null;
  }

  /** Interval between pictures, ms. */
  get interval() {
    const frames = this.piece?.frames ?? [];
    return frames.length > 1 ? (frames[frames.length - 1] - frames[0]) / (frames.length - 1) : 0;
  }

  /** @param {number} by pictures */
  step(by) {
    emit(this, "stepped");
    const to = this.at + by;
    if (this.wanted !== null || to < 0 || to >= (this.piece?.frames.length ?? 0))
      this.move(by * (this.interval || 40));
    else this.go(to);
  }

  /** Presses while the next replay is loading add up. @param {number} by ms */
  move(by) {
    emit(this, "stepped");
    const frames = this.piece?.frames ?? [];
    if (!frames.length) return;
    const to = (this.wanted ?? frames[this.at]) + by;
    if (to >= frames[0] && to <= frames[frames.length - 1]) {
      this.wanted = null;
      return this.go(nearest(frames, to));
    }
    this.wanted = to;
    emit(this, "beyond", to);
  }

  /** @param {number} at index of a picture */
  go(at) {
    const { piece, video } = this;
    if (!piece?.frames.length || !video) return;
    this.at = Math.max(0, Math.min(piece.frames.length - 1, at));
    const to = piece.media[this.at];
    if (this.ready && Math.abs(video.currentTime - to) < 1e-4) return this.draw();
    this.ready = false;
    const turn = ++this.turn;
    const sought = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
    const shown = painted(video, to, piece.raw ? Infinity : (NEAR * (this.interval || 40)) / 1000);
    video.currentTime = to;
    void Promise.all([sought, shown]).then(() => turn === this.turn && this.settle());
    this.draw();
  }

  /** The picture is painted: the time shown matches it. */
  settle() {
    this.ready = Boolean(this.piece?.frames.length);
    this.draw();
  }

  draw() {
    const at = this.piece?.frames[this.at];
    if (this.when)
      say(
        this.when,
        at === undefined ? "" : `${clockOf(at)}.${String(Math.floor(at % 1000)).padStart(3, "0")}`,
      );
    emit(this, "moved");
  }

  /** @param {string} words */
  tell(words) {
    if (!this.note) return;
    say(this.note, words);
    this.note.hidden = !words;
  }

  close() {
    this.piece = undefined;
    this.video?.removeAttribute("src");
    this.video?.load();
  }
}

define("step-pane", StepPane);
