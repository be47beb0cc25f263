// Chooses the day of a table: a slider over the days with matches, whose right end is now.

import { h, say } from "../../parts/dom.js";
import { dayWords } from "./days.js";

/**
 * @param {(day: string) => void} choose "" for now
 * @returns {{element: HTMLElement, draw: (days: readonly string[], day: string) => void}} `draw`: the days,
 *   and the one that is shown
 */
export function asOfSlider(choose) {
  /** @type {readonly string[]} */
  let days = [];
  const slider = h("input", {
    id: "as-of",
    type: "range",
    min: "0",
    step: "1",
    "aria-describedby": "as-of-day",
  });
  const words = h("output", { id: "as-of-day", for: "as-of" });
  const now = h("button", { type: "button", onclick: () => go(days.length) }, "Back to now");
  const go = (/** @type {number} */ at) => {
    slider.value = String(at);
    tell();
    choose(days[at] ?? "");
  };
  const tell = () => {
    const day = days[Number(slider.value)];
    say(words, day ? dayWords(day) : "Now");
    slider.setAttribute("aria-valuetext", day ? `End of ${dayWords(day)}` : "Now");
    now.hidden = !day;
  };
  slider.addEventListener("input", () => go(Number(slider.value)));
  const label = h("label", { for: "as-of" }, "Table as of");
  const element = h("div", { class: "as-of" }, label, slider, words, now);
  return {
    element,
    draw: (given, day) => {
      days = given;
      const at = day ? days.findLastIndex((each) => each <= day) : days.length;
      slider.max = String(days.length);
      slider.value = String(Math.max(0, at));
      element.hidden = days.length < 2;
      tell();
    },
  };
}
