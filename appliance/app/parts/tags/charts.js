// Charts: inline SVG with a table below. Without rows no chart is created.
//
// Lengths are percentages and labels are real text, so nothing is blurred or distorted at any width. Kinds
// differ by pattern as well as by colour.

import { h } from "../dom.js";
import { playsWord } from "../../state/tags/stats.js";

/** @typedef {import("../../state/tags/stats.js").Bar} Bar */

const SPACE = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [given]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
function s(tag, given = {}, ...children) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(given)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * @param {string} title
 * @param {Node} picture
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 * @returns {HTMLElement}
 */
function figure(title, picture, heads, rows) {
  const cell = (/** @type {string} */ tag) => (/** @type {string | number} */ text) =>
    h(tag, tag === "th" ? { scope: "col" } : {}, String(text));
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title),
    picture,
    h(
      "details",
      {},
      h("summary", {}, "As a table"),
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, title),
        h("thead", {}, h("tr", {}, ...heads.map(cell("th")))),
        h(
          "tbody",
          {},
          ...rows.map(([first, ...rest]) =>
            h("tr", {}, h("th", { scope: "row" }, String(first)), ...rest.map(cell("td"))),
          ),
        ),
      ),
    ),
  );
}

/**
 * Horizontal bars; each links to its plays.
 * @param {string} title
 * @param {readonly Bar[]} bars
 * @param {boolean} lead
 */
export function barChart(title, bars, lead) {
  const most = Math.max(...bars.map((bar) => bar.value));
  const rows = bars.map((bar, at) => {
    const row = s(
      "g",
      { transform: `translate(0 ${at * 44})` },
      s("rect", { class: "touch", x: 0, y: 0, width: "100%", height: 44 }),
      s("text", { x: 0, y: 17 }, bar.label),
      s("text", { x: "100%", y: 17, "text-anchor": "end", class: "value" }, String(bar.value)),
      s("rect", { class: "track", x: 0, y: 24, width: "100%", height: 12, rx: 3 }),
      s("rect", { class: "bar", x: 0, y: 24, width: `${(bar.value / most) * 100}%`, height: 12, rx: 3 }),
    );
    if (!lead || !bar.filter) return row;
    return s(
      "a",
      {
        href: `#tagging/${encodeURIComponent(bar.filter)}`,
        "aria-label": `${bar.label}: ${playsWord(bar.value)}. Show them`,
      },
      row,
    );
  });
  const picture = s(
    "svg",
    {
      width: "100%",
      height: bars.length * 44,
      role: lead ? "group" : "img",
      "aria-label": `${title}: ${bars.map((bar) => `${bar.label} ${bar.value}`).join(", ")}`,
    },
    ...rows,
  );
  return figure(
    title,
    picture,
    ["", "Plays"],
    bars.map((bar) => [bar.label, bar.value]),
  );
}

/** One bar with two parts that add up to the whole. @param {string} title @param {[Bar, Bar]} parts */
export function shareChart(title, [first, second]) {
  const whole = first.value + second.value;
  const share = (first.value / whole) * 100;
  const shares = [
    `${first.label} ${Math.round(share)} percent`,
    `${second.label} ${Math.round(100 - share)} percent`,
  ];
  const picture = s(
    "svg",
    { width: "100%", height: 64, role: "img", "aria-label": `${title}: ${shares.join(", ")}` },
    hatching(),
    s("rect", { class: "bar", x: 0, y: 0, width: `${share}%`, height: 32 }),
    s("rect", { class: "bar second", x: `${share}%`, y: 0, width: `${100 - share}%`, height: 32 }),
    s("text", { x: 0, y: 56 }, `${first.label} ${first.value} · ${Math.round(share)} %`),
    s(
      "text",
      { x: "100%", y: 56, "text-anchor": "end" },
      `${second.label} ${second.value} · ${Math.round(100 - share)} %`,
    ),
  );
  return figure(
    title,
    picture,
    ["", "Plays", "Share"],
    [
      [first.label, first.value, `${Math.round(share)} %`],
      [second.label, second.value, `${Math.round(100 - share)} %`],
    ],
  );
}

/** How many of the attempts succeeded. @param {string} title @param {number} done @param {number} tried */
export function meterChart(title, done, tried) {
  const share = (done / tried) * 100;
  const picture = s(
    "svg",
    {
      width: "100%",
      height: 96,
      role: "img",
      "aria-label": `${title}: ${done} of ${tried}, ${Math.round(share)} percent`,
    },
    s("text", { x: 0, y: 34, class: "large" }, `${Math.round(share)} %`),
    s("text", { x: "100%", y: 34, "text-anchor": "end" }, `${done} of ${tried}`),
    s("rect", { class: "track", x: 0, y: 52, width: "100%", height: 24, rx: 4 }),
    s("rect", { class: "bar", x: 0, y: 52, width: `${share}%`, height: 24, rx: 4 }),
  );
  return figure(
    title,
    picture,
    ["", "Plays"],
    [
      ["Converted", done],
      ["Tried", tried],
    ],
  );
}

/**
 * Columns by quarter: run, pass, the rest.
 * @param {string} title
 * @param {readonly {label: string, run: number, pass: number, other: number, total: number}[]} quarters
 */
export function columnChart(title, quarters) {
  const [top, high, width] = [22, 130, 100 / quarters.length];
  const most = Math.max(...quarters.map((each) => each.total));
  const columns = quarters.flatMap((each, at) => {
    const x = at * width;
    let y = top + high;
    const piece = (/** @type {number} */ count, /** @type {string} */ kind) => {
      const tall = (count / most) * high;
      y -= tall;
      return s("rect", {
        class: kind,
        x: `${x + width * 0.18}%`,
        width: `${width * 0.64}%`,
        y,
        height: tall,
      });
    };
    const pieces = [piece(each.run, "bar"), piece(each.pass, "bar second"), piece(each.other, "bar third")];
    const middle = `${x + width / 2}%`;
    return [
      ...pieces,
      s("text", { x: middle, y: y - 6, "text-anchor": "middle" }, String(each.total)),
      s("text", { x: middle, y: top + high + 20, "text-anchor": "middle" }, each.label),
    ];
  });
  const words = quarters.map((each) => `${each.label} ${playsWord(each.total)}`).join(", ");
  const picture = h(
    "div",
    {},
    s(
      "svg",
      { width: "100%", height: top + high + 28, role: "img", "aria-label": `${title}: ${words}` },
      hatching(),
      ...columns,
    ),
    legend(),
  );
  return figure(
    title,
    picture,
    ["", "Run", "Pass", "Other", "Plays"],
    quarters.map((each) => [each.label, each.run, each.pass, each.other, each.total]),
  );
}

function legend() {
  const entry = (/** @type {string} */ kind, /** @type {string} */ words) =>
    h(
      "span",
      { class: "row" },
      s(
        "svg",
        { width: 18, height: 18, "aria-hidden": "true" },
        s("rect", { class: kind, width: 18, height: 18 }),
      ),
      words,
    );
  return h(
    "div",
    { class: "legend" },
    entry("bar", "Run"),
    entry("bar second", "Pass"),
    entry("bar third", "Other or untagged"),
  );
}

/** The stripe pattern of the second kind, for people who cannot see the colour. */
function hatching() {
  return s(
    "defs",
    {},
    s(
      "pattern",
      { id: "stripes", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("rect", { width: 8, height: 8, class: "stripe-ground" }),
      s("rect", { width: 4, height: 8, class: "stripe" }),
    ),
  );
}
