// The seek bar of a play: loaded ranges, missing spans, the cue, and the trim handles.
//
// Properties: `view` (all in seconds of the play), `time`. Emits `scrub` {t, phase: begin | move | end} and
// `handle` {lo, hi, t, phase}.

import { define, emit, h, say } from "../dom.js";
import { follow } from "./gestures.js";
import { lengthOf } from "../../state/words.js";

/**
 * @typedef {object} BarView
 * @property {number} from left end
 * @property {number} to right end
 * @property {readonly [number, number][]} missing spans without footage
 * @property {number | null} cue
 * @property {{lo: number, hi: number} | null} trim
 * @property {string} label
 * @property {(t: number) => string} [words] text of a position; default: seconds from the left end
 * @property {string} [end] text at the right end; default: the length
 */

export class ScrubBar extends HTMLElement {
  connectedCallback() {
    if (this.track) return;
    this.loaded = h("span", { class: "loaded" });
    this.gone = h("span", { class: "spans" });
    this.snap = h("span", { class: "snap", title: "Cue", hidden: true });
    this.keep = h("span", { class: "keep", hidden: true });
    this.knob = h("span", { class: "knob" });
    this.track = h(
      "div",
      { class: "track", role: "slider", tabIndex: 0, "aria-label": "Position", "aria-valuenow": "0.0" },
      this.loaded,
      this.gone,
      this.keep,
      this.snap,
      this.knob,
    );
    this.handles = [this.handle("lo", "Begin of the trim"), this.handle("hi", "End of the trim")];
    this.at = h("span", { class: "at" }, "0:00.0");
    this.total = h("span", { class: "total" }, "0:00.0");
    const rail = h("div", { class: "rail" }, this.track, ...this.handles);
    this.append(this.at, rail, this.total);
    rail.addEventListener("pointerdown", (event) => this.grab(event));
    this.track.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {"lo" | "hi"} end @param {string} label */
  handle(end, label) {
    const made = h("span", {
      class: `handle ${end}`,
      role: "slider",
      tabIndex: 0,
      "aria-label": label,
      hidden: true,
      data: { end },
    });
    made.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
      if (!step || !this.seen?.trim) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(end, this.seen.trim[end] + step * (event.shiftKey ? 10 : 1), "end");
    });
    return made;
  }

  /** @param {BarView} view */
  set view(view) {
    this.seen = view;
    if (!this.track) return;
    const { missing, cue, trim, from, to, label } = view;
    this.gone?.replaceChildren(
      ...missing.map(([start, end]) => {
        const span = h("i", { title: "No footage" });
        span.style.left = `${this.share(start)}%`;
        span.style.width = `${this.share(end) - this.share(start)}%`;
        return span;
      }),
    );
    if (this.snap) {
      this.snap.hidden = cue === null;
      if (cue !== null) this.snap.style.left = `${this.share(cue)}%`;
    }
    this.track.setAttribute("aria-valuemin", from.toFixed(1));
    this.track.setAttribute("aria-valuemax", to.toFixed(1));
    this.track.setAttribute("aria-label", label);
    if (this.total) say(this.total, view.end ?? lengthOf(trim ? trim.hi - trim.lo : to - from));
    this.drawTrim(trim);
  }

  /** @param {BarView["trim"]} trim */
  drawTrim(trim) {
    for (const handle of this.handles ?? []) {
      handle.hidden = !trim;
      if (!trim) continue;
      const value = trim[/** @type {"lo" | "hi"} */ (handle.dataset.end)];
      handle.style.left = `${this.share(value)}%`;
      handle.setAttribute("aria-valuenow", value.toFixed(1));
      handle.setAttribute("aria-valuetext", `${value.toFixed(1)} seconds`);
    }
    if (!this.keep) return;
    this.keep.hidden = !trim;
    if (trim) {
      this.keep.style.left = `${this.share(trim.lo)}%`;
      this.keep.style.width = `${this.share(trim.hi) - this.share(trim.lo)}%`;
    }
  }

  /** @param {number} t */
  set time(t) {
    if (!this.knob || !this.track || !this.at) return;
    this.knob.style.left = `${this.share(t)}%`;
    const words =
      this.seen?.words?.(t) ?? lengthOf(Math.max(0, t - (this.seen?.trim?.lo ?? this.seen?.from ?? 0)));
    if (this.at.textContent === words) return;
    this.at.textContent = words;
    this.track.setAttribute("aria-valuenow", t.toFixed(1));
    this.track.setAttribute("aria-valuetext", words);
  }

  /** @param {readonly [number, number][]} ranges */
  set buffered(ranges) {
    this.loaded?.replaceChildren(
      ...ranges.map(([start, end]) => {
        const span = h("i");
        span.style.left = `${this.share(start)}%`;
        span.style.width = `${this.share(end) - this.share(start)}%`;
        return span;
      }),
    );
  }

  /** Per cent of the bar. @param {number} t */
  share(t) {
    const { from = 0, to = 1 } = this.seen ?? {};
    return Math.min(100, Math.max(0, ((t - from) / Math.max(0.001, to - from)) * 100));
  }

  /** @param {PointerEvent} event */
  grab(event) {
    const { track } = this;
    if (!track || !this.seen || event.button > 0) return;
    event.preventDefault();
    const end = /** @type {"lo" | "hi" | undefined} */ (
      /** @type {HTMLElement} */ (event.target).dataset.end
    );
    (end ? /** @type {HTMLElement} */ (event.target) : track).focus({ preventScroll: true });
    // A handle keeps its distance to the finger: it does not jump to it.
    const held = end && this.seen.trim ? track.getBoundingClientRect() : null;
    const grip =
      held && end && this.seen.trim
        ? event.clientX - held.left - (this.share(this.seen.trim[end]) / 100) * held.width
        : 0;
    /** @param {PointerEvent} now */
    const where = (now) => {
      const box = track.getBoundingClientRect();
      const { from, to } = /** @type {BarView} */ (this.seen);
      return from + Math.min(1, Math.max(0, (now.clientX - grip - box.left) / box.width)) * (to - from);
    };
    follow(track, event, (now, phase) =>
      end ? this.move(end, where(now), phase) : emit(this, "scrub", { t: where(now), phase }),
    );
  }

  /** @param {"lo" | "hi"} end @param {number} t @param {string} phase */
  move(end, t, phase) {
    const { trim, from, to } = /** @type {BarView} */ (this.seen);
    if (!trim) return;
    const shortest = 0.2;
    const lo = end === "lo" ? Math.max(from, Math.min(t, trim.hi - shortest)) : trim.lo;
    const hi = end === "hi" ? Math.min(to, Math.max(t, trim.lo + shortest)) : trim.hi;
    emit(this, "handle", { lo, hi, t: end === "lo" ? lo : hi, phase });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.track) return;
    const step = /** @type {Record<string, number>} */ ({
      ArrowLeft: -0.25,
      ArrowRight: 0.25,
      PageDown: -5,
      PageUp: 5,
      Home: -1e6,
      End: 1e6,
    })[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    emit(this, "scrub", { by: step, phase: "end" });
  }
}

define("scrub-bar", ScrubBar);
