// Tables, rounds and bracket of a tournament; everybody may read them. In the address: the tournament, what
// is shown of it, and its view.

import { h, keyed, say } from "../../parts/dom.js";
import { asOfSlider } from "./as-of.js";
import { drawBracket } from "./bracket.js";
import { dayWords, daysOf, todayOf } from "./days.js";
import { doorOf, isWhole, matchesDoor, queryOf, viewOf } from "./model.js";
import { roundsPart } from "./rounds.js";
import { drawTables } from "./tables.js";

export const title = "League";
const EVERY_S = 10;
/** While a slider moves. */
const REST_MS = 150;

/** @typedef {import("./model.js").Tournament} Tournament */
/** @typedef {import("./model.js").Match} Match */
/** @typedef {import("./model.js").Round} Round */
/** @typedef {import("./model.js").Decision} Decision */
/** @typedef {import("./model.js").Standings} Standings */
/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {"table" | "rounds" | "bracket"} Part */
/**
 * @typedef {{ctx: Ctx, tournament: Tournament, root: HTMLElement, words: string,
 *   write: (words: string) => void}} Given `words`: the view in the address; `write` changes it there
 */

const PARTS = /** @type {Record<Part, {label: string, draw: (given: Given) => void, of: string[]}>} */ ({
  table: { label: "Table", draw: tablePart, of: ["league", "groups", "mixed"] },
  rounds: { label: "Rounds", draw: roundsPart, of: ["league", "groups", "cup", "mixed"] },
  bracket: { label: "Bracket", draw: bracketPart, of: ["cup", "mixed", "groups"] },
});

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
export function enter(root, ctx, words) {
  const heading = h("h1", {}, "Leagues and cups");
  const quiet = h("p", { class: "quiet" }, "Asking for the tournaments.");
  const select = h("select", { id: "tournament" });
  const chooser = h(
    "div",
    { class: "row chooser", hidden: true },
    h("label", { for: "tournament" }, "Tournament"),
    select,
  );
  const nav = h("nav", { class: "links", "aria-label": "Parts of the tournament" });
  root.append(h("header", {}, heading, quiet, chooser, nav));

  const known = { drawn: "" };
  select.addEventListener("change", () => ctx.go("league", select.value));
  ctx.poll("/api/v2/tournaments?limit=200", EVERY_S * 6, (/** @type {{items: Tournament[]}} */ { items }) => {
    chooser.hidden = items.length < 2;
    keyed(select, items, ({ id }) => id, drawTournament);
    const tournament = items.find(({ id }) => id === words[0]) ?? items[0];
    if (!tournament) {
      say(
        quiet,
        "There is no tournament yet. The command appliance cloud import loads one from a season file.",
      );
      return;
    }
    select.value = tournament.id;
    say(heading, nameOf(tournament));
    say(quiet, "");
    if (known.drawn === `${tournament.id} ${tournament.mode}`) return;
    known.drawn = `${tournament.id} ${tournament.mode}`;
    const part = partOf(tournament, words[1]);
    drawNav(nav, tournament, part);
    const view = h("div", { class: `part ${part}` });
    root.querySelector(":scope > .part")?.remove();
    root.append(view);
    const write = (/** @type {string} */ more) =>
      history.replaceState(null, "", addressOf(tournament.id, part, more));
    PARTS[part].draw({ ctx, tournament, root: view, words: words[2] ?? "", write });
  });
}

/** @param {Tournament} tournament */
const nameOf = ({ name, season }) => (season && !name.includes(season) ? `${name} ${season}` : name);

/** @param {Tournament} tournament @param {HTMLElement | undefined} old */
function drawTournament(tournament, old) {
  const made = /** @type {HTMLOptionElement} */ (old ?? h("option", { value: tournament.id }));
  say(made, nameOf(tournament));
  return made;
}

/** The parts that a tournament has. @param {Tournament} tournament */
const partsOf = ({ mode }) =>
  /** @type {Part[]} */ (
    Object.keys(PARTS).filter((name) => PARTS[/** @type {Part} */ (name)].of.includes(mode ?? "league"))
  );

/** @param {Tournament} tournament @param {string | undefined} wanted @returns {Part} */
function partOf(tournament, wanted) {
  const parts = partsOf(tournament);
  return parts.find((part) => part === wanted) ?? (tournament.mode === "cup" ? "bracket" : parts[0]);
}

/** @param {string} id @param {string} part @param {string} words */
const addressOf = (id, part, words) =>
  `#league/${encodeURIComponent(id)}/${part}${words ? `/${encodeURIComponent(words)}` : ""}`;

/** @param {HTMLElement} nav @param {Tournament} tournament @param {Part} current */
function drawNav(nav, tournament, current) {
  const links = partsOf(tournament).map((part) =>
    h(
      "a",
      { href: addressOf(tournament.id, part, ""), "aria-current": part === current && "page" },
      PARTS[part].label,
    ),
  );
  nav.replaceChildren(...links);
}

/** @param {Given} given */
function tablePart({ ctx, tournament, root, words, write }) {
  let view = viewOf(words);
  /** @type {() => void} */
  let stop = () => {};
  /** @type {Standings | null} of the view */
  let newest = null;
  /** @type {Decision[]} */
  let decisions = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const state = h("p", { class: "quiet", role: "status" });
  const tables = h("div", { class: "tables" });
  const none = h("p", { class: "quiet", hidden: true }, "No table yet.");
  const slider = asOfSlider((as_of) => change({ as_of }));
  const venue = selectOf(
    "venue",
    "Matches",
    { all: "All", home: "At home", away: "Away" },
    view.venue,
    (chosen) => change({ venue: /** @type {import("./model.js").Venue} */ (chosen) }),
  );
  const last = selectOf("last", "Of these", { "": "All", 5: "Last 5", 10: "Last 10" }, view.last, (chosen) =>
    change({ last: chosen }),
  );
  root.append(h("div", { class: "filters" }, slider.element, venue, last), state, none, tables);

  const change = (/** @type {Partial<import("./model.js").View>} */ news) => {
    view = { ...view, ...news };
    write(new URLSearchParams(Object.entries(queryOf(view)).filter(([, value]) => value)).toString());
    root.classList.add("changing");
    clearTimeout(timer);
    timer = setTimeout(ask, REST_MS);
  };
  const draw = () => {
    if (!newest) return;
    drawTables(tables, newest, decisions, view);
    none.hidden = newest.items.length > 0;
    say(state, stateOf(newest, view));
  };
  const ask = () => {
    stop();
    const asked = view;
    stop = ctx.poll(
      doorOf(tournament.id, "standings", { ...queryOf(asked), live: asked.as_of ? "" : "true" }),
      EVERY_S,
      (/** @type {Standings} */ standings) => {
        root.classList.remove("changing");
        newest = standings;
        draw();
      },
    );
  };
  ask();
  ctx.poll(doorOf(tournament.id, "rounds"), EVERY_S * 6, (/** @type {{items: Round[]}} */ { items }) =>
    slider.draw(daysOf(items, todayOf()), view.as_of),
  );
  ctx.poll(
    doorOf(tournament.id, "decisions"),
    EVERY_S * 6,
    (/** @type {{items: Decision[]}} */ { items }) => {
      decisions = items;
      draw();
    },
  );
}

/** @param {Standings} standings @param {import("./model.js").View} view */
const stateOf = ({ provisional }, view) =>
  [
    view.as_of && `As of the end of ${dayWords(view.as_of)}.`,
    provisional &&
      "Provisional: matches that are being played, or not confirmed, count with their present score.",
    !isWhole(view) && "Only some of the matches count here: there are no zones.",
  ]
    .filter(Boolean)
    .join(" ");

/**
 * @param {string} id @param {string} label @param {Record<string, string>} options @param {string} value
 * @param {(value: string) => void} choose
 */
function selectOf(id, label, options, value, choose) {
  const select = h(
    "select",
    { id, onchange: () => choose(select.value) },
    ...Object.entries(options).map(([key, words]) => h("option", { value: key }, words)),
  );
  select.value = value;
  return h("div", { class: "field" }, h("label", { for: id }, label), select);
}

/** @param {Given} given */
function bracketPart({ ctx, tournament, root }) {
  const none = h("p", { class: "quiet", hidden: true }, "No knockout matches yet.");
  const notes = h("ul", { class: "notes" });
  const trees = h("div", {});
  root.append(none, trees, notes);
  /** @type {import("./model.js").Bracket | null} */
  let bracket = null;
  /** @type {Match[]} */
  let matches = [];
  const draw = () => {
    if (!bracket) return;
    none.hidden = bracket.rounds.length > 0;
    drawBracket(trees, bracket, matches);
    keyed(
      notes,
      bracket.notes,
      (note) => note.tie + note.detail,
      (note, old) => old ?? h("li", {}, note.detail),
    );
  };
  ctx.poll(
    doorOf(tournament.id, "bracket"),
    EVERY_S,
    (/** @type {import("./model.js").Bracket} */ newest) => {
      bracket = newest;
      draw();
    },
  );
  ctx.poll(matchesDoor(tournament.id), EVERY_S, (/** @type {{items: Match[]}} */ { items }) => {
    matches = items;
    draw();
  });
}
