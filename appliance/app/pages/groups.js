// Draws groups of figures and lines: what a page shows of states, as the health page of a box does.

import { h, keyed, say } from "../parts/dom.js";

/**
 * @typedef {"ok" | "warn" | "bad" | ""} LineStatus an empty one: the line is a fact, not a state
 * @typedef {{id: string, status: LineStatus, title: string, words: string, fix?: string}} Line
 * @typedef {{title: string, figures?: [string, string][], lines: Line[], empty?: string}} Group
 *   `figures`: [what, how much]; `empty`: the sentence in place of no lines
 */

const MARKS = /** @type {const} */ ({
  ok: ["✓", "good", "in order"],
  warn: ["!", "warn", "needs attention"],
  bad: ["✕", "bad", "does not work"],
  "": ["", "", ""],
});

/** @param {Element} list @param {readonly Group[]} groups */
export function drawGroups(list, groups) {
  keyed(list, groups, (group) => group.title, drawGroup);
}

/** @param {Group} group @param {HTMLElement | undefined} old */
function drawGroup(group, old) {
  const made =
    old ??
    h(
      "section",
      { class: "group", "aria-label": group.title },
      h("h2", {}, group.title),
      h("dl", { class: "figures" }),
      h("ul", {}),
      h("p", { class: "quiet empty" }),
    );
  const [, figures, lines, empty] = made.children;
  keyed(figures, group.figures ?? [], ([what]) => what, drawFigure);
  keyed(lines, group.lines, (line) => line.id, drawLine);
  say(empty, group.lines.length ? "" : (group.empty ?? ""));
  for (const part of [figures, lines, empty])
    part.toggleAttribute("hidden", !part.childElementCount && !part.textContent);
  return made;
}

/** @param {[string, string]} figure @param {HTMLElement | undefined} old */
function drawFigure([what, much], old) {
  const made = old ?? h("div", {}, h("dt", {}), h("dd", {}));
  say(made.children[0], what);
  say(made.children[1], much);
  return made;
}

/** @param {Line} line @param {HTMLElement | undefined} old */
function drawLine(line, old) {
  const made =
    old ??
    h(
      "li",
      { class: "line" },
      h("span", { class: "mark", role: "img" }),
      h("b", {}),
      h("span", { class: "words" }),
      h("span", { class: "fix" }),
    );
  const [mark, title, words, fix] = made.children;
  const [sign, colour, label] = MARKS[line.status];
  made.dataset.status = line.status;
  mark.toggleAttribute("hidden", !sign);
  mark.className = `mark ${colour}`;
  if (label) mark.setAttribute("aria-label", label);
  say(mark, sign);
  say(title, line.title);
  say(words, line.words);
  say(fix, line.fix ?? "");
  return made;
}

/** The worst status of these lines. @param {readonly Line[]} lines @returns {"ok" | "warn" | "bad"} */
export function worstOf(lines) {
  const all = lines.map((line) => line.status);
  return all.includes("bad") ? "bad" : all.includes("warn") ? "warn" : "ok";
}
