// Tables, results and ties in words. No DOM.

/** @typedef {import("./model.js").Row} Row */
/** @typedef {import("./model.js").Match} Match */
/** @typedef {import("./model.js").Side} Side */
/** @typedef {import("./model.js").Tie} Tie */

const CRITERIA = /** @type {Record<string, string>} */ ({
  points: "points",
  points_per_game: "points per game",
  win_percentage: "share of matches won",
  wins: "matches won",
  goal_difference: "goal difference",
  goal_average: "goals for divided by goals against",
  goals_for: "goals scored",
  away_goals: "goals away from home",
  away_wins: "matches won away from home",
  opponents_points: "points of their opponents",
  opponents_goal_difference: "goal difference of their opponents",
  opponents_goals_for: "goals of their opponents",
  discipline: "fewer points for cards",
  red_cards: "fewer red cards",
  yellow_cards: "fewer yellow cards",
  coefficient: "coefficient",
  ranking: "ranking",
  division_percentage: "share of matches won in the division",
  conference_percentage: "share of matches won in the conference",
  common_percentage: "share of matches won against the same opponents",
  strength_of_victory: "strength of the opponents beaten",
  strength_of_schedule: "strength of all opponents",
  playoff: "a play-off",
  decision: "a recorded decision",
});

/** "head_to_head.points" in words. @param {string} name */
export function criterionOf(name) {
  const [scope, own] = name.includes(".") ? name.split(".") : ["", name];
  const words = CRITERIA[own] ?? own.replaceAll("_", " ");
  return scope ? `${words} in the matches between them` : words;
}

/** @param {string[]} names "A", "A and B", "A, B and C" */
export const listOf = (names) =>
  names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** Teams with the same points, one after the other. @param {Row[]} rows */
function levels(rows) {
  /** @type {Row[][]} */
  const found = [];
  for (const row of rows) {
    const level = found.at(-1);
    if (level && level[0].points === row.points) level.push(row);
    else found.push([row]);
  }
  return found.filter((level) => level.length > 1);
}

/**
 * Why level teams are in this order, a sentence for each level. Goal difference needs none: it is a column.
 * @param {Row[]} rows of one table
 */
export function tieBreaksOf(rows) {
  return levels(rows).flatMap((level) => {
    const broken = level.filter((row) => row.tie_break && !PLAIN.has(row.tie_break));
    const names = [...new Set(broken.map((row) => criterionOf(row.tie_break ?? "")))];
    if (!names.length) return [];
    const order = level.map((row) => row.team).join(", then ");
    return [`${order}, all with ${pointsOf(level[0].points)}: decided by ${listOf(names)}.`];
  });
}
const PLAIN = new Set(["points", "goal_difference"]);

/** Teams that nothing separates. @param {Row[]} rows of one table */
export function unresolvedOf(rows) {
  /** @type {Map<number, string[]>} */
  const places = new Map();
  for (const { position, team, tie_unresolved } of rows)
    if (tie_unresolved) places.set(position, [...(places.get(position) ?? []), team]);
  return [...places.values()].map(
    (teams) => `${listOf(teams)} are level in every criterion: only a draw or a decision can separate them.`,
  );
}

/** @param {number} points */
const pointsOf = (points) => `${points} ${points === 1 ? "point" : "points"}`;

/** "10 points taken from Plymouth Argyle" @param {number} points @param {string} team */
export const adjustmentOf = (points, team) =>
  points < 0 ? `${pointsOf(-points)} taken from ${team}` : `${pointsOf(points)} given to ${team}`;

/** +7, 0, −3: with a true minus. @param {number} value */
export const signed = (value) => (value > 0 ? `+${value}` : value < 0 ? `−${-value}` : "0");

const OUTCOMES = /** @type {Record<string, string>} */ ({ W: "won", D: "drawn", L: "lost" });

/** "WDL" as "won, drawn, lost", for a screen reader. @param {string} form the latest last */
export const formOf = (form) => [...form].map((each) => OUTCOMES[each] ?? each).join(", ");

/** The goals that count, of home and away. @param {Match} match @returns {[number, number] | null} */
export function goalsOf({ official, extra_time, home_score, away_score }) {
  const later = official ?? extra_time;
  if (later) return [later.home, later.away];
  return home_score === null || away_score === null ? null : [home_score, away_score];
}

const DETAILS = /** @type {Record<string, string>} */ ({
  inprogress: "being played",
  live: "being played",
  halftime: "half-time",
  aet: "after extra time",
  ap: "after penalties",
});

/** What has to be added to a match's goals. @param {Match} match */
export function remarksOf(match) {
  const {
    detail,
    official,
    extra_time,
    half_time,
    home_penalty_score: home,
    away_penalty_score: away,
  } = match;
  const played = goalsOf({ ...match, official: null });
  const onPitch = official && played && String(played) !== String(goalsOf(match));
  const state = DETAILS[detail.toLowerCase()] ?? detail.toLowerCase();
  const isPlain = ["", "finished", "ended", "notstarted", "scheduled", "after extra time"].includes(state);
  return [
    match.provisional && "provisional",
    official && `decided by an office${official.reason ? `: ${official.reason}` : ""}`,
    onPitch && `on the pitch ${played.join("–")}`,
    extra_time && !official && "after extra time",
    home !== null && away !== null && `${home}–${away} on penalties`,
    half_time && `half-time ${half_time.home}–${half_time.away}`,
    !isPlain && !official && state !== "after penalties" && state,
  ]
    .filter(Boolean)
    .join(" · ");
}

const DECIDED = /** @type {Record<string, string>} */ ({
  extra_time: "after extra time",
  penalties: "on penalties",
  aggregate: "on aggregate",
  away_goals: "on goals away from home",
  replay: "after a replay",
  walkover: "by walkover",
  bye: "without a match",
  awarded: "by a decision on the match",
  decision: "by a recorded decision",
});

/**
 * Why a tie is decided, "" while it is open; which team goes through is marked beside its name.
 * @param {Tie} tie @param {boolean} isLast no tie follows
 */
export function throughOf(tie, isLast) {
  if (!tie.winner_team_id) return tie.aggregate ? "Not decided yet" : "";
  const why = DECIDED[tie.decided_by ?? ""];
  if (isLast) return why ? `Wins ${why}` : "Wins";
  return why ? `Through ${why}` : "";
}

const SLOTS = /** @type {[RegExp, string][]} */ ([
  [/^w(\d+)$/i, "Winner of match $1"],
  [/^l(\d+)$/i, "Loser of match $1"],
  [/^1([a-z])$/i, "Winner of group $1"],
  [/^2([a-z])$/i, "Second of group $1"],
  [/^3([a-z](?:\/?[a-z])*)$/i, "Third of group $1"],
]);

/** A team's name; before it is known, where it comes from. @param {Side} side */
export function nameOf({ name, slot }) {
  if (name) return name;
  const known = SLOTS.find(([form]) => form.test(slot ?? ""));
  return known ? String(slot).replace(known[0], known[1]) : slot || "Not known yet";
}
