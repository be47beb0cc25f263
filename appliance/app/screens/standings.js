// Tables and results of the tournaments in which this site's teams play, from the box's copy of the cloud's
// rows, each with the time of its last change.

import { h } from "../parts/dom.js";
import { dateOf } from "../state/zone.js";

const HEADS = ["", "Team", "P", "W", "D", "L", "+/−", "Pts"];
const NAMES = ["Position", "Team", "Played", "Won", "Drawn", "Lost", "Goal difference", "Points"];

/** @param {readonly any[]} replicas @returns {HTMLElement[]} a part for each tournament */
export const standingsOf = (replicas) => replicas.filter(({ kind }) => kind === "tournament").map(tournament);

/** @param {any} replica */
function tournament({ resource, changed_at }) {
  const { name, season, tables, matches } = resource;
  return h(
    "section",
    { class: "panel-box", "aria-label": name },
    h("h3", {}, [name, season].filter(Boolean).join(" ")),
    h("p", { class: "quiet" }, `Changed ${dateOf(changed_at)}`),
    ...tables.map(table),
    matches.length > 0 &&
      h("details", {}, h("summary", {}, "Results and next matches"), h("ul", {}, ...matches.map(match))),
  );
}

/** @param {any} given */
function table({ stage, group, rows }) {
  const title = [stage, group].filter(Boolean).join(" · ");
  return h(
    "table",
    { class: "standings" },
    h("caption", {}, title),
    h("thead", {}, h("tr", {}, ...HEADS.map(head))),
    h("tbody", {}, ...rows.map(line)),
  );
}

/** @param {string} text @param {number} at */
const head = (text, at) => h("th", { scope: "col", "aria-label": NAMES[at] }, text);

/** @param {any} row */
const line = (row) =>
  h(
    "tr",
    {},
    h("td", {}, String(row.position)),
    h("th", { scope: "row" }, row.team),
    ...[row.played, row.won, row.drawn, row.lost, row.goals_for - row.goals_against, row.points].map(
      (figure) => h("td", {}, String(figure)),
    ),
  );

/** @param {any} given */
function match({ home, away, home_score, away_score, kickoff, day }) {
  const when = kickoff ? dateOf(kickoff) : (day ?? "");
  const score = home_score === null || away_score === null ? "v" : `${home_score}–${away_score}`;
  return h("li", {}, `${home ?? "?"} ${score} ${away ?? "?"}`, h("span", { class: "quiet" }, ` ${when}`));
}
