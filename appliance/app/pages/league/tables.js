// The tables of a tournament: one for each group or stage, with zones, form, and in words what decided.

import { h, keyed, say } from "../../parts/dom.js";
import { dayWords } from "./days.js";
import { isWhole } from "./model.js";
import { adjustmentOf, formOf, signed, tieBreaksOf, unresolvedOf } from "./words.js";

/** @typedef {import("./model.js").Row} Row */
/** @typedef {import("./model.js").Standings} Standings */
/** @typedef {import("./model.js").Decision} Decision */
/** @typedef {import("./model.js").View} View */
/** @typedef {{id: string, title: string, rows: Row[]}} Shown */

/** Heading of each column: short, whole. */
const COLUMNS = /** @type {const} */ ([
  ["#", "Position", "position"],
  ["Team", "Team", "team"],
  ["P", "Played", "figure"],
  ["W", "Won", "figure"],
  ["D", "Drawn", "figure"],
  ["L", "Lost", "figure"],
  ["Goals", "Goals for and against", "figure goals"],
  ["+/−", "Goal difference", "figure"],
  ["Pts", "Points", "figure points"],
  ["Form", "Form, the latest last", "form"],
]);

/**
 * @param {HTMLElement} root @param {Standings} standings @param {readonly Decision[]} decisions of people
 * @param {View} view
 */
export function drawTables(root, standings, decisions, view) {
  keyed(
    root,
    tablesOf(standings.items),
    (table) => table.id,
    (table, old) => {
      const made = old ?? frame(table);
      keyed(
        /** @type {Element} */ (made.querySelector("tbody")),
        table.rows,
        (row) => row.team_id,
        (row, drawn) => drawRow(row, drawn, standings, isWhole(view)),
      );
      drawNotes(made, table.rows, standings, decisions, isWhole(view));
      return made;
    },
  );
}

/** @param {readonly Row[]} rows @returns {Shown[]} */
function tablesOf(rows) {
  /** @type {Map<string, Shown>} */
  const tables = new Map();
  for (const row of rows) {
    const id = `${row.stage} / ${row.group}`;
    const title = [row.stage, row.group].filter(Boolean).join(" · ") || "Table";
    const table = tables.get(id) ?? { id, title, rows: [] };
    table.rows.push(row);
    tables.set(id, table);
  }
  return [...tables.values()];
}

/** @param {Shown} table */
function frame({ title }) {
  const heads = COLUMNS.map(([short, whole, kind]) =>
    h("th", { scope: "col", class: kind }, h("abbr", { title: whole, "aria-label": whole }, short)),
  );
  return h(
    "section",
    { class: "standings", "aria-label": title },
    h("h2", {}, title),
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, title),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody"),
    ),
    h("ul", { class: "zones", "aria-label": "Zones" }),
    h("ul", { class: "notes" }),
  );
}

/**
 * @param {Row} row @param {HTMLElement | undefined} old @param {Standings} standings @param {boolean} whole
 */
function drawRow(row, old, standings, whole) {
  const made = old ?? h("tr", {}, ...COLUMNS.map(([, , kind], at) => cell(kind, at)));
  const cells = /** @type {HTMLElement[]} */ ([...made.children]);
  const [position, team, played, won, drawn, lost, goals, difference, points, form] = cells;
  made.dataset.zone = whole && row.zone ? kindOf(row.zone, standings) : "";
  say(position, `${row.position}${row.shared ? "=" : ""}`);
  drawTeam(team, row, whole);
  for (const [where, value] of /** @type {[Element, string | number][]} */ ([
    [played, row.played],
    [won, row.won],
    [drawn, row.drawn],
    [lost, row.lost],
    [goals, `${row.goals_for}:${row.goals_against}`],
    [difference, signed(row.goal_difference)],
    [points, `${row.points}${row.adjustment ? "*" : ""}`],
  ]))
    say(where, String(value));
  drawForm(form, row.form);
  return made;
}

/** @param {string} kind @param {number} at */
const cell = (kind, at) => (at === 1 ? h("th", { scope: "row", class: kind }) : h("td", { class: kind }));

/**
 * Name, what is certain, and on narrow screens goals and form below.
 * @param {HTMLElement} where @param {Row} row @param {boolean} whole
 */
function drawTeam(where, row, whole) {
  const mark = !whole ? "" : row.clinched && row.zone ? "certain" : row.eliminated ? "out" : "";
  const [sign, words] = {
    certain: ["✓", `${row.zone} is certain`],
    out: ["✕", "out of reach of every zone"],
    "": ["", ""],
  }[mark];
  const hidden = words || (whole && row.zone) || "";
  const goals = `${row.goals_for}:${row.goals_against}`;
  const shown = [row.team, mark, hidden, row.form, goals].join("|");
  if (where.dataset.shown === shown) return;
  where.dataset.shown = shown;
  where.replaceChildren(
    h("span", { class: "name" }, row.team),
    h("span", { class: `mark ${mark}`, title: words, "aria-hidden": "true" }, sign),
    h("span", { class: "unseen" }, hidden),
    h("span", { class: "below", "aria-hidden": "true" }, goals, formBoxes(row.form)),
  );
}

/** @param {HTMLElement} where @param {string} form */
function drawForm(where, form) {
  if (where.dataset.form === form) return;
  where.dataset.form = form;
  where.replaceChildren(h("span", { class: "unseen" }, formOf(form) || "no match yet"), formBoxes(form));
}

/** @param {string} form */
const formBoxes = (form) =>
  h(
    "span",
    { class: "boxes", "aria-hidden": "true" },
    ...[...form].map((each) => h("i", { data: { won: each } }, each)),
  );

/**
 * What a zone means to a team. @param {string} name @param {Standings} standings
 * @returns {"first" | "wanted" | "maybe" | "avoided"}
 */
function kindOf(name, { zones }) {
  const kind = zones.find((zone) => zone.name === name)?.kind ?? "";
  if (kind.startsWith("relegation")) return "avoided";
  if (kind === "title") return "first";
  return kind === "playoff" ? "maybe" : "wanted";
}

/**
 * Below a table: its zones, and in words what the figures do not say.
 * @param {HTMLElement} made @param {Row[]} rows @param {Standings} standings
 * @param {readonly Decision[]} decisions @param {boolean} whole
 */
function drawNotes(made, rows, standings, decisions, whole) {
  const [zones, notes] = made.querySelectorAll("ul");
  const names = whole ? [...new Set(rows.flatMap((row) => row.zone ?? []))] : [];
  keyed(
    zones,
    names,
    (name) => name,
    (name, old) => old ?? h("li", { data: { zone: kindOf(name, standings) } }, name),
  );
  zones.hidden = !names.length;
  const ofWhole = whole ? [...tieBreaksOf(rows), ...unresolvedOf(rows)] : [];
  const lines = [
    ...ofWhole,
    ...adjustmentsOf(rows, decisions, standings.as_of),
    ...(whole ? legendOf(rows) : []),
  ];
  keyed(
    notes,
    lines,
    (line) => line,
    (line, old) => old ?? h("li", {}, line),
  );
  notes.hidden = !lines.length;
}

/** @param {Row[]} rows @param {readonly Decision[]} decisions @param {string | null} as_of */
function adjustmentsOf(rows, decisions, as_of) {
  const adjusted = rows.filter((row) => row.adjustment);
  return adjusted.flatMap(({ team_id, team, adjustment }) => {
    const own = decisions.filter(
      (each) => each.kind === "adjustment" && each.team_id === team_id && (!as_of || each.on <= as_of),
    );
    if (own.reduce((sum, { points }) => sum + points, 0) !== adjustment)
      return [`* ${adjustmentOf(adjustment, team)}.`]; // not asked for yet, or decisions of two tables
    return own.map(
      ({ points, on, reason }) => `* ${adjustmentOf(points, team)} on ${dayWords(on)}: ${reason}.`,
    );
  });
}

/** @param {Row[]} rows */
function legendOf(rows) {
  const isCertain = (/** @type {Row} */ row) => row.clinched && row.zone;
  const lines = [];
  if (rows.some(isCertain)) lines.push("✓ The zone, or a better one, is certain.");
  if (rows.some((row) => row.eliminated && !isCertain(row)))
    lines.push("✕ No zone that a team wants is within reach any more.");
  if (rows.some((row) => row.shared)) lines.push("= The place is shared.");
  return lines;
}
