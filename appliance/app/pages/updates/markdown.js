// The Markdown of a report as elements: headings, lists, tables, paragraphs and code. Text stays text.

import { h } from "../../parts/dom.js";

/**
 * @typedef {{kind: "heading", level: number, text: string} | {kind: "list", items: string[]}
 *   | {kind: "table", head: string[], rows: string[][]} | {kind: "text", text: string}} Block
 */

/** @param {string} text @returns {Block[]} */
export function blocksOf(text) {
  /** @type {Block[]} */
  const blocks = [];
  for (const line of text.split("\n").map((each) => each.trimEnd())) {
    const last = blocks.at(-1);
    const heading = /^(#{1,3}) (.*)$/.exec(line);
    if (!line) blocks.push({ kind: "text", text: "" });
    else if (heading) blocks.push({ kind: "heading", level: heading[1].length, text: heading[2] });
    else if (line.startsWith("- ")) {
      if (last?.kind === "list") last.items.push(line.slice(2));
      else blocks.push({ kind: "list", items: [line.slice(2)] });
    } else if (line.startsWith("|")) {
      const cells = cellsOf(line);
      if (last?.kind !== "table") blocks.push({ kind: "table", head: cells, rows: [] });
      else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) last.rows.push(cells);
    } else blocks.push({ kind: "text", text: line });
  }
  return blocks.filter((block) => block.kind !== "text" || block.text);
}

/** The cells of a row; an escaped bar is part of a cell. @param {string} line */
const cellsOf = (line) => {
  const cells = line.replace(/^\||\|$/g, "").split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim());
};

/** @typedef {{text: string, isCode: boolean}} Span */
/** Text and code of a line, without the signs that escape others. @param {string} text @returns {Span[]} */
export function spansOf(text) {
  return text
    .split(/((?<!\\)`[^`]*`)/)
    .filter(Boolean)
    .map((part) => {
      const isCode = part.length > 1 && part.startsWith("`") && part.endsWith("`");
      return { isCode, text: isCode ? part.slice(1, -1) : part.replace(/\\([\\`*_[\]<>|#])/g, "$1") };
    });
}

/** @param {string} text @returns {(Node | string)[]} */
const inline = (text) =>
  spansOf(text).map(({ text: words, isCode }) => (isCode ? h("code", {}, words) : words));

/** @param {string} text @returns {HTMLElement[]} its first heading is of level 2: the page has one above */
export function elementsOf(text) {
  let name = "";
  return blocksOf(text).map((block) => {
    if (block.kind === "heading") name = block.text;
    if (block.kind === "heading") return h(block.level === 1 ? "h2" : "h3", {}, ...inline(block.text));
    if (block.kind === "list") return h("ul", {}, ...block.items.map((item) => h("li", {}, ...inline(item))));
    if (block.kind === "text") return h("p", {}, ...inline(block.text));
    const head = block.head.map((cell) => h("th", { scope: "col" }, ...inline(cell)));
    const rows = block.rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, ...inline(cell)))));
    const table = h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
    return h("div", { class: "scroll", role: "region", tabIndex: 0, "aria-label": name }, table);
  });
}
