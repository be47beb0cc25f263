// Trimming a play: its new start and end, by two handles on the bar; saving cuts every angle again.
//
// Owns: the selected range and the line that describes it. Must not know: requests; `save` receives the
// change.

import { h, say } from "../dom.js";
import { lengthOf } from "../../state/words.js";

/** @typedef {import("../../state/connection/store.js").Play} Play */
/** @typedef {{id: string, start_time: string, duration_seconds: number}} Change */

export class Trim {
  /**
   * @param {{videos: import("./angle-videos.js").AngleVideos, draw: () => void,
   *   save: (change: Change) => void}} given `draw`: the range changed
   */
  constructor(given) {
    this.given = given;
    /** @type {{lo: number, hi: number} | null} seconds of the play */
    this.range = null;
    this.words = h("span", { class: "grow" });
    this.bar = h(
      "div",
      { class: "trim-bar", hidden: true },
      this.words,
      h("button", { type: "button", class: "plain", onclick: () => this.end() }, "Cancel"),
      h("button", { type: "button", class: "primary", onclick: () => this.save() }, "Save"),
    );
  }

  get length() {
    return this.given.videos.play?.duration ?? 0;
  }

  /** Start with the whole play, or cancel. */
  toggle() {
    if (this.range) return this.end();
    if (!this.length || !this.given.videos.lead) return;
    this.range = { lo: 0, hi: this.length };
    this.given.videos.pause();
    this.show();
  }

  /** A handle is dragged: show the picture at it. @param {{lo: number, hi: number, t: number}} given */
  handle({ lo, hi, t }) {
    const { videos } = this.given;
    this.range = { lo, hi };
    videos.range = { lo: Math.max(lo, 0), hi: Math.min(hi, this.length || hi) };
    videos.pauseAll();
    videos.seek(t);
    this.show();
  }

  show() {
    const { lo = 0, hi = 0 } = this.range ?? {};
    this.bar.hidden = !this.range;
    say(
      this.words,
      `Drag the handles. ${lengthOf(hi - lo)} of ${lengthOf(this.length)}; every angle is cut anew.`,
    );
    this.given.draw();
  }

  end() {
    this.drop();
    this.given.videos.range = null;
    this.show();
  }

  /** Another play: reset. */
  drop() {
    this.range = null;
    this.bar.hidden = true;
  }

  save() {
    const { play } = this.given.videos;
    const { range } = this;
    if (play && range && (range.lo !== 0 || range.hi !== play.duration)) {
      this.given.save({
        id: play.id,
        duration_seconds: Math.round((range.hi - range.lo) * 1e6) / 1e6,
        start_time: new Date(Date.parse(play.start_time) + range.lo * 1000).toISOString(),
      });
    }
    this.end();
  }
}
