// The footage of one camera as a strip: covered spans, with the gaps and their reasons listed below.
//
// Property: `view` {strip, from, to} (state/footage/coverage.js); strip undefined: requested; null: the
// request failed.

import { define, h, say } from "../dom.js";
import { clockOf } from "../../state/zone.js";

const SHOWN = 4; // newest gaps listed; the others are counted

export class CoverageStrip extends HTMLElement {
  look = "";

  connectedCallback() {
    if (this.track) return;
    this.track = h("div", { class: "track", role: "img" });
    this.from = h("span", {});
    this.words = h("b", {});
    this.to = h("span", {});
    this.gaps = h("ul", { class: "gaps" });
    this.append(this.track, h("div", { class: "ends" }, this.from, this.words, this.to), this.gaps);
    this.draw();
  }

  /**
   * @param {{strip: import("../../state/footage/coverage.js").Strip | null | undefined, from: number, to:
   *   number, name: string}} view
   */
  set view(view) {
    this.seen = view;
    this.draw();
  }

  draw() {
    const { track, from, words, to, gaps, seen } = this;
    if (!track || !from || !words || !to || !gaps || !seen) return;
    const look = JSON.stringify(seen);
    if (look === this.look) return;
    this.look = look;
    const { strip, name } = seen;
    say(from, strip === undefined ? "" : clockOf(seen.from));
    say(to, strip === undefined ? "" : clockOf(seen.to));
    say(words, strip === undefined ? "Looking" : (strip?.words ?? "Not known: the box did not answer"));
    track.setAttribute("aria-label", `${name}: ${words.textContent}`);
    const piece =
      (/** @type {string} */ kind) =>
      (/** @type {import("../../state/footage/coverage.js").Piece} */ { left, width, title }) => {
        const made = h("i", { class: kind, title });
        made.style.left = `${left}%`;
        made.style.width = `${width}%`;
        return made;
      };
    track.replaceChildren(
      ...(strip
        ? [
            ...(strip.before ? [piece("before")(strip.before)] : []),
            ...strip.spans.map(piece("covered")),
            ...strip.gaps.map(piece("gap")),
          ]
        : []),
    );
    const newest = (strip?.gaps ?? []).slice(-SHOWN).reverse();
    const more = (strip?.gaps.length ?? 0) - newest.length;
    gaps.replaceChildren(
      ...newest.map((gap) => h("li", {}, gap.words)),
      ...(more > 0 ? [h("li", { class: "quiet" }, `and ${more} earlier`)] : []),
    );
  }
}

define("coverage-strip", CoverageStrip);
