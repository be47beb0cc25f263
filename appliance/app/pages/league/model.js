// What the public doors of tournaments answer (cloud/scoring), as types; and an address of theirs.

/**
 * @typedef {{id: string, name: string, season: string | null, timezone: string, rules: string,
 *   mode: "league" | "groups" | "cup" | "mixed" | null}} Tournament
 * @typedef {{name: string, kind: string, first: number, last: number}} Zone negative: from the last place
 * @typedef {{kind: string, team_id: string, points: number, on: string, reason: string}} Decision of a
 *   person; an adjustment has a team and points
 * @typedef {{position: number, shared: boolean, stage: string, group: string, team_id: string, team: string,
 *   played: number, won: number, drawn: number, lost: number, goals_for: number, goals_against: number,
 *   goal_difference: number, points: number, adjustment: number, zone: string | null, clinched: boolean,
 *   eliminated: boolean, tie_break: string | null, tie_unresolved: boolean, form: string}} Row
 * @typedef {{items: Row[], as_of: string | null, provisional: boolean, rules: string,
 *   zones: Zone[]}} Standings
 * @typedef {{team_id: string | null, name: string | null, slot: string | null}} Side without a team its slot
 * @typedef {{home: number, away: number}} Score
 * @typedef {{round: string, name: string, stage: string, kind: string, matches: number, ended: number,
 *   first_date: string | null, last_date: string | null}} Round `round`: its name in addresses
 * @typedef {{id: string, stage: string, group: string, round: string,
 *   kickoff: string | null, date: string | null, home: Side, away: Side,
 *   status: "open" | "ended" | "not-defined", detail: string, home_score: number | null,
 *   away_score: number | null, home_penalty_score: number | null, away_penalty_score: number | null,
 *   half_time: Score | null, extra_time: Score | null,
 *   official: (Score & {reason: string | null}) | null, provisional: boolean}} Match
 * @typedef {{id: string, home: Side, away: Side, legs: string[], aggregate: Score | null,
 *   decided_by: string | null, winner_team_id: string | null, feeds: string | null}} Tie
 * @typedef {{round: string, name: string, stage: string, ties: Tie[]}} BracketRound
 * @typedef {{rounds: BracketRound[], notes: {tie: string, detail: string}[]}} Bracket
 * @typedef {"all" | "home" | "away"} Venue
 * @typedef {{as_of: string, venue: Venue, last: string}} View "": not limited
 */

const DOOR = "/api/v2/tournaments";

/** @param {string} id @param {string} what @param {Record<string, string>} [query] "" is left out */
export function doorOf(id, what, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const words = new URLSearchParams(given).toString();
  return `${DOOR}/${encodeURIComponent(id)}/${what}${words ? `?${words}` : ""}`;
}

/** The view that an address names, and what it leaves out. @param {string} words @returns {View} */
export function viewOf(words) {
  const given = new URLSearchParams(words);
  const venue = given.get("venue");
  return {
    as_of: /^\d{4}-\d\d-\d\d$/.test(given.get("as_of") ?? "") ? String(given.get("as_of")) : "",
    venue: venue === "home" || venue === "away" ? venue : "all",
    last: /^[1-9]\d?$/.test(given.get("last") ?? "") ? String(given.get("last")) : "",
  };
}

/** All matches of a tournament in one answer: a season has some hundreds. @param {string} id */
export const matchesDoor = (id) => doorOf(id, "matches", { limit: "1000" });

/** As a query of the door and as words of an address. @param {View} view @returns {Record<string, string>} */
export const queryOf = ({ as_of, venue, last }) => ({ as_of, venue: venue === "all" ? "" : venue, last });

/** All the matches count: places, zones and what is certain mean something. @param {View} view */
export const isWhole = ({ venue, last }) => venue === "all" && !last;
