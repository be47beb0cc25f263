// The bracket, drawn as one: a column for each round, lines from each tie to the one that its winner goes to.

import { h, keyed, say } from "../../parts/dom.js";
import { treeOf } from "./tree.js";
import { goalsOf, nameOf, throughOf } from "./words.js";

/** @typedef {import("./model.js").Bracket} Bracket */
/** @typedef {import("./model.js").BracketRound} BracketRound */
/** @typedef {import("./model.js").Match} Match */
/** @typedef {import("./model.js").Tie} Tie */
/** @typedef {import("./tree.js").Placed} Placed */

const SPACE = "http://www.w3.org/2000/svg";
/** Of a tie, px; with the space around it. */
const [WIDE, HIGH, GAP, HEAD] = [248, 112, 36, 44];

/** @param {HTMLElement} root @param {Bracket} bracket @param {readonly Match[]} matches */
export function drawBracket(root, bracket, matches) {
  const legs = new Map(matches.map((match) => [match.id, match]));
  keyed(
    root,
    stagesOf(bracket),
    ([stage]) => stage,
    ([stage, rounds], old) => {
      const made = old ?? frame(stage);
      drawTree(made, treeOf(rounds), legs);
      return made;
    },
  );
}

/** @param {Bracket} bracket @returns {[string, BracketRound[]][]} */
function stagesOf({ rounds }) {
  /** @type {Map<string, BracketRound[]>} */
  const stages = new Map();
  for (const round of rounds) stages.set(round.stage, [...(stages.get(round.stage) ?? []), round]);
  return [...stages];
}

/** @param {string} stage */
function frame(stage) {
  const title = stage || "Bracket";
  const tree = h(
    "div",
    { class: "tree" },
    document.createElementNS(SPACE, "svg"),
    h("ol", { class: "columns" }),
  );
  tree.firstElementChild?.setAttribute("aria-hidden", "true");
  const scroll = h("div", { class: "scroll", role: "region", tabIndex: 0, "aria-label": title }, tree);
  return h("section", { class: "bracket" }, h("h2", {}, title), scroll);
}

/** @param {HTMLElement} made @param {import("./tree.js").Tree} tree @param {Map<string, Match>} legs */
function drawTree(made, { columns, lines, rows }, legs) {
  const canvas = /** @type {HTMLElement} */ (made.querySelector(".tree"));
  canvas.style.width = `${columns.length * (WIDE + GAP) - GAP}px`;
  canvas.style.height = `${HEAD + rows * HIGH}px`;
  const svg = /** @type {SVGElement} */ (canvas.querySelector("svg"));
  const path = svg.firstElementChild ?? svg.appendChild(document.createElementNS(SPACE, "path"));
  path.setAttribute("d", lines.map(lineOf).join(""));
  const list = /** @type {HTMLElement} */ (canvas.querySelector(".columns"));
  keyed(
    list,
    columns,
    ({ round }) => round,
    ({ name, ties }, old) => {
      const column = old ?? h("li", { class: "column" }, h("h3", {}, name), h("ul", {}));
      column.style.width = `${WIDE}px`;
      keyed(
        column.children[1],
        ties,
        ({ tie }) => tie.id,
        (placed, drawn) => drawTie(placed, drawn, legs),
      );
      return column;
    },
  );
}

/** @param {import("./tree.js").Line} line from the right side of a tie to the left side of the next */
function lineOf({ from, to }) {
  const [left, top] = [from.column * (WIDE + GAP) + WIDE, middle(from.row)];
  const [right, bottom] = [to.column * (WIDE + GAP), middle(to.row)];
  return `M${left} ${top}H${right - GAP / 2}V${bottom}H${right}`;
}

/** @param {number} row */
const middle = (row) => HEAD + (row + 0.5) * HIGH;

/** @param {Placed} placed @param {HTMLElement | undefined} old @param {Map<string, Match>} legs */
function drawTie({ tie, row, isLast, label }, old, legs) {
  const made =
    old ??
    h(
      "li",
      { class: "tie" },
      h("small", { class: "label" }),
      h("div", { class: "team" }),
      h("div", { class: "team" }),
      h("p", { class: "through" }),
    );
  const [name, home, away, through] = /** @type {HTMLElement[]} */ ([...made.children]);
  made.style.top = `${row * HIGH}px`;
  say(name, label);
  const played = tie.legs.flatMap((id) => legs.get(id) ?? []);
  drawSide(home, tie, 0, played);
  drawSide(away, tie, 1, played);
  say(through, throughOf(tie, isLast));
  return made;
}

/**
 * A team: its goals in each leg, then on aggregate.
 * @param {HTMLElement} where @param {Tie} tie @param {0 | 1} at @param {Match[]} legs
 */
function drawSide(where, tie, at, legs) {
  const side = at ? tie.away : tie.home;
  const isThrough = side.team_id !== null && side.team_id === tie.winner_team_id;
  const sides = legs.map((match, leg) => sideIn(match, side.team_id, leg % 2 ? 1 - at : at));
  const goals = legs.map((match, leg) => String(goalsOf(match)?.[sides[leg]] ?? "·"));
  const kicks = legs.flatMap((match, leg) => kicksOf(match)?.[sides[leg]] ?? []);
  const aggregate =
    legs.length > 1 && tie.aggregate ? String(at ? tie.aggregate.away : tie.aggregate.home) : "";
  const shown = JSON.stringify([side, isThrough, goals, aggregate, kicks]);
  if (where.dataset.shown === shown) return;
  where.dataset.shown = shown;
  where.classList.toggle("through", isThrough);
  where.replaceChildren(
    h("span", { class: "name" }, nameOf(side)),
    h("span", { class: "sign", "aria-hidden": "true" }, isThrough ? "✓" : ""),
    h("span", { class: "unseen" }, isThrough ? "goes through" : ""),
    ...goals.map((each, leg) => h("span", { class: "leg" }, hidden(legs[1] ? `leg ${leg + 1}: ` : ""), each)),
    ...kicks.map((each) => h("span", { class: "kicks" }, hidden("penalties: "), `(${each})`)),
    h("b", { class: "sum" }, aggregate && hidden("aggregate: "), aggregate),
  );
}

/** For a screen reader. @param {string} words */
const hidden = (words) => h("span", { class: "unseen" }, words);

/**
 * 0: the team is at home in this match, 1: away. `drawn`: where it is if the match names slots.
 * @param {Match} match @param {string | null} team @param {number} drawn
 */
function sideIn({ home, away }, team, drawn) {
  if (team && home.team_id === team) return 0;
  return team && away.team_id === team ? 1 : drawn;
}

/** @param {Match} match */
const kicksOf = ({ home_penalty_score: home, away_penalty_score: away }) =>
  home === null || away === null ? null : [home, away];
