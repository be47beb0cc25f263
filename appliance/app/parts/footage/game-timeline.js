// The recording as a timeline: a row per camera with its gaps, the plays above, the current position, IN and
// OUT.
//
// Property: `view` (TimelineView). Emits `scrub` {at, phase: begin | move | end} or {by}, and `edge` {name:
// start | end, at}.

import { define, emit, h, keyed, say } from "../dom.js";
import { follow } from "../player/gestures.js";
import { ticksOf } from "../../state/footage/review.js";
import { clockOf } from "../../state/zone.js";

/** @typedef {import("../../state/footage/review.js").Span} Span */
/**
 * @typedef {object} TimelineView
 * @property {Span} shown
 * @property {readonly {id: string, name: string, leads: boolean, strip:
 *   import("../../state/footage/coverage.js").Strip | null}[]} cameras
 * @property {readonly {id: string, label: string, from: number, to: number, starred: boolean}[]} plays
 * @property {number} at
 * @property {{start: number | null, end: number | null}} cut
 */

const LABEL_PX = 84; // width of a clock time
const GRIP_PX = 44; // width of the IN and OUT handles

export class GameTimeline extends HTMLElement {
  look = "";

  connectedCallback() {
    if (this.field) return;
    this.plays = h("div", { class: "lane", "aria-hidden": "true" });
    this.rows = h("div", { class: "rows" });
    this.ticks = h("div", { class: "ticks", "aria-hidden": "true" });
    this.keep = h("span", { class: "keep", hidden: true });
    this.head = h("span", { class: "head" });
    this.edges = { start: this.edge("start", "IN"), end: this.edge("end", "OUT") };
    this.field = h(
      "div",
      { class: "ground", role: "slider", tabIndex: 0, "aria-label": "Time of the recording" },
      this.plays,
      this.rows,
      this.ticks,
      this.keep,
      this.head,
      this.edges.start,
      this.edges.end,
    );
    this.append(this.field);
    this.field.addEventListener("pointerdown", (event) => this.grab(event));
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.resized = new ResizeObserver(() => this.draw(true));
    this.resized.observe(this.field);
  }

  disconnectedCallback() {
    this.resized?.disconnect();
  }

  /** @param {"start" | "end"} name @param {string} label */
  edge(name, label) {
    const made = h(
      "span",
      {
        class: `edge ${name}`,
        role: "slider",
        tabIndex: 0,
        "aria-label": label,
        hidden: true,
        data: { edge: name },
      },
      label,
    );
    made.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -100, ArrowRight: 100 }[event.key];
      const now = this.seen?.cut[name];
      if (!step || now === null || now === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      emit(this, "edge", { name, at: now + step * (event.shiftKey ? 10 : 1) });
    });
    return made;
  }

  /** @param {TimelineView} view */
  set view(view) {
    this.seen = view;
    this.draw(false);
  }

  /** Per cent of the timeline. @param {number} at ms */
  share(at) {
    const { from, to } = /** @type {TimelineView} */ (this.seen).shown;
    return ((at - from) / (to - from)) * 100;
  }

  /** @param {boolean} anew */
  draw(anew) {
    const { seen, field, head } = this;
    if (!seen || !field || !head) return;
    const { shown, cameras, plays, at, cut } = seen;
    const look = JSON.stringify([shown, cameras, plays]);
    if (anew || look !== this.look) {
      this.look = look;
      this.drawCameras();
      this.drawPlays();
      this.drawTicks();
    }
    const where = this.share(at);
    head.hidden = where < 0 || where > 100;
    head.style.left = `${where}%`;
    field.setAttribute("aria-valuemin", String(Math.round(shown.from / 1000)));
    field.setAttribute("aria-valuemax", String(Math.round(shown.to / 1000)));
    field.setAttribute("aria-valuenow", String(Math.round(at / 1000)));
    field.setAttribute("aria-valuetext", clockOf(at));
    this.drawCut(cut);
  }

  drawCameras() {
    const { rows, seen } = this;
    if (!rows || !seen) return;
    keyed(
      rows,
      seen.cameras,
      (each) => each.id,
      (camera, old) => {
        const made =
          old ??
          h(
            "div",
            { class: "camera-row" },
            h("div", { class: "track", role: "img" }),
            h("span", { class: "name", "aria-hidden": "true" }),
          );
        made.classList.toggle("leads", camera.leads);
        const [track, name] = made.children;
        say(name, camera.name);
        const { strip } = camera;
        const known = strip
          ? [strip.words, ...strip.gaps.slice(-4).map((gap) => gap.words)]
          : ["not known yet"];
        track.setAttribute("aria-label", `${camera.name}: ${known.join(". ")}`);
        const piece =
          (/** @type {string} */ kind) =>
          (/** @type {{left: number, width: number, title: string}} */ { left, width, title }) => {
            const bar = h("i", { class: kind, title });
            bar.style.left = `${left}%`;
            bar.style.width = `${width}%`;
            return bar;
          };
        track.replaceChildren(
          ...(strip ? [...strip.spans.map(piece("covered")), ...strip.gaps.map(piece("gap"))] : []),
        );
        return made;
      },
    );
  }

  drawPlays() {
    const { plays, seen } = this;
    if (!plays || !seen) return;
    const { from, to } = seen.shown;
    const px = (this.field?.clientWidth ?? 1000) / (to - from);
    let free = -Infinity; // labels must not overlap
    const inView = seen.plays
      .filter((play) => play.to >= from && play.from <= to)
      .sort((a, b) => a.from - b.from);
    keyed(
      plays,
      inView,
      (play) => play.id,
      (play, old) => {
        const made = old ?? h("i", {});
        const left = (play.from - from) * px;
        const room = left > free;
        if (room) free = left + 8 + play.label.length * 9;
        made.className = play.starred ? "starred" : "";
        made.title = `Play ${play.label}`;
        made.style.left = `${this.share(play.from)}%`;
        made.style.width = `${Math.max(0.2, this.share(play.to) - this.share(play.from))}%`;
        say(made, room ? play.label : "");
        return made;
      },
    );
  }

  drawTicks() {
    const { ticks, seen, field } = this;
    if (!ticks || !seen || !field) return;
    const marks = ticksOf(seen.shown, Math.max(2, Math.floor(field.clientWidth / LABEL_PX)));
    keyed(ticks, marks, String, (at, old) => {
      const made = old ?? h("span", {}, clockOf(at));
      made.style.left = `${this.share(at)}%`;
      return made;
    });
  }

  /** @param {TimelineView["cut"]} cut */
  drawCut({ start, end }) {
    const { keep, edges } = this;
    if (!keep || !edges) return;
    for (const [name, at] of /** @type {["start" | "end", number | null][]} */ ([
      ["start", start],
      ["end", end],
    ])) {
      edges[name].hidden = at === null || this.share(at) < 0 || this.share(at) > 100;
      if (at === null) continue;
      edges[name].style.left = `${this.share(at)}%`;
      edges[name].setAttribute("aria-valuenow", String(Math.round(at / 100) / 10));
      edges[name].setAttribute("aria-valuetext", clockOf(at));
    }
    // At the end of the timeline a handle is drawn inside the selection, unless the other one is there.
    const px = (/** @type {number | null} */ at) =>
      (this.share(at ?? 0) / 100) * (this.field?.clientWidth ?? 0);
    const near = start !== null && end !== null && px(end) - px(start) < 2 * GRIP_PX;
    edges.start.classList.toggle("turned", !near && px(start) < GRIP_PX);
    edges.end.classList.toggle("turned", !near && px(end) > (this.field?.clientWidth ?? 0) - GRIP_PX);
    keep.hidden = start === null || end === null;
    if (start === null || end === null) return;
    const left = Math.max(0, this.share(start));
    keep.style.left = `${left}%`;
    keep.style.width = `${Math.max(0, Math.min(100, this.share(end)) - left)}%`;
  }

  /** @param {PointerEvent} event */
  grab(event) {
    const { field, seen } = this;
    if (!field || !seen || event.button > 0) return;
    event.preventDefault();
    field.focus({ preventScroll: true });
    const name = /** @type {HTMLElement} */ (event.target).dataset.edge;
    const { from, to } = seen.shown; // fixed for the whole drag: nothing moves under the finger
    follow(field, event, (now, phase) => {
      const box = field.getBoundingClientRect();
      const at = from + Math.min(1, Math.max(0, (now.clientX - box.left) / box.width)) * (to - from);
      if (name) emit(this, "edge", { name, at, phase });
      else emit(this, "scrub", { at, phase });
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.field) return;
    const by = /** @type {Record<string, number>} */ ({
      ArrowLeft: -1,
      ArrowRight: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -1e9,
      End: 1e9,
    })[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    emit(this, "scrub", { by, phase: "end" });
  }
}

define("game-timeline", GameTimeline);
