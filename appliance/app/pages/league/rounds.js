// One round at a time: its matches by day, with results and kick-offs as the viewer's clock shows them.

import { h, keyed, say } from "../../parts/dom.js";
import { byDay, currentRound, timeWords, todayOf } from "./days.js";
import { doorOf } from "./model.js";
import { goalsOf, nameOf, remarksOf } from "./words.js";

/** @typedef {import("./model.js").Match} Match */
/** @typedef {import("./model.js").Round} Round */
const EVERY_S = 10;

/** @param {import("./league.js").Given} given `words`: the round; "": the one that is played now */
export function roundsPart({ ctx, tournament, root, words, write }) {
  let wanted = words;
  /** @type {Round[]} */
  let rounds = [];
  let asked = "";
  let stop = () => {};
  const select = h("select", { id: "round", onchange: () => go(select.value) });
  const step = (/** @type {string} */ label, /** @type {number} */ by) =>
    h("button", { type: "button", onclick: () => go(rounds[shown() + by]?.round ?? wanted) }, label);
  const [before, after] = [step("Earlier", -1), step("Later", 1)];
  const list = h("div", { class: "days" });
  const none = h("p", { class: "quiet", hidden: true }, "No matches yet.");
  const label = h("label", { for: "round", class: "unseen" }, "Round");
  root.append(h("div", { class: "row chooser" }, before, label, select, after), none, list);

  const shown = () => {
    const at = rounds.findIndex(({ round }) => round === wanted);
    return at < 0 ? Math.max(0, currentRound(rounds, todayOf())) : at;
  };
  const go = (/** @type {string} */ round) => {
    wanted = round;
    write(round);
    draw();
  };
  const draw = () => {
    const at = shown();
    keyed(select, rounds, ({ round }) => round, drawOption);
    before.disabled = at <= 0;
    after.disabled = at >= rounds.length - 1;
    none.hidden = rounds.length > 0;
    const round = rounds[at]?.round ?? "";
    select.value = round;
    if (!round || round === asked) return;
    asked = round;
    stop();
    const door = doorOf(tournament.id, "matches", { round, limit: "1000" });
    stop = ctx.poll(door, EVERY_S, (/** @type {{items: Match[]}} */ { items }) =>
      keyed(list, byDay(items), ([day]) => day, drawDay),
    );
  };
  ctx.poll(doorOf(tournament.id, "rounds"), EVERY_S * 6, (/** @type {{items: Round[]}} */ { items }) => {
    rounds = items;
    draw();
  });
}

/** @param {Round} round @param {HTMLElement | undefined} old */
function drawOption({ round, name, stage }, old) {
  const made = /** @type {HTMLOptionElement} */ (old ?? h("option", { value: round }));
  say(made, stage && !name.startsWith(stage) ? `${stage}: ${name}` : name);
  return made;
}

/** @param {[string, Match[]]} given @param {HTMLElement | undefined} old */
function drawDay([day, matches], old) {
  const made = old ?? h("section", { class: "day" }, h("h2", {}, day), h("ul", { class: "matches" }));
  keyed(made.children[1], matches, ({ id }) => id, drawMatch);
  return made;
}

/** @param {Match} match @param {HTMLElement | undefined} old */
function drawMatch(match, old) {
  const made =
    old ??
    h(
      "li",
      { class: "match" },
      h("span", { class: "when" }),
      h("span", { class: "side home" }),
      h("b", { class: "goals" }),
      h("span", { class: "side away" }),
      h("span", { class: "remarks" }),
    );
  const [when, home, goals, away, remarks] = made.children;
  const result = goalsOf(match);
  say(when, [match.group, timeWords(match)].filter(Boolean).join(" · "));
  say(home, nameOf(match.home));
  say(goals, result ? result.join("–") : match.status === "open" ? "v" : "–");
  say(away, nameOf(match.away));
  say(remarks, remarksOf(match));
  return made;
}
