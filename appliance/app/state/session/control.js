// The transitions of a session in each state (the state machine of appliance/box/sessions/machine.py), with
// their button texts.

/** @typedef {{event: string, words: string, primary?: boolean, ask?: {words: string}}} Move */

const MOVES = /** @type {Record<string, Move[]>} */ ({
  scheduled: [{ event: "start", words: "Start", primary: true }],
  active: [
    { event: "pause", words: "Pause" },
    {
      event: "complete",
      words: "Complete",
      ask: { words: "Plays that are still open are ended, and the session is over. It can be reopened." },
    },
  ],
  paused: [
    { event: "resume", words: "Resume", primary: true },
    {
      event: "complete",
      words: "Complete",
      ask: { words: "Plays that are still open are ended, and the session is over. It can be reopened." },
    },
  ],
  completed: [
    {
      event: "reopen",
      words: "Reopen",
      ask: { words: "It runs again: marks go to it, and its footage is kept while it runs." },
    },
  ],
});

/** @param {string} status @returns {Move[]} */
export const movesOf = (status) => MOVES[status] ?? [];

/** The main transition: start, pause or resume. @param {string} status */
export const nextOf = (status) => movesOf(status).find((each) => !each.ask);

/** The transition that needs confirmation: complete or reopen. @param {string} status */
export const endOf = (status) => movesOf(status).find((each) => each.ask);

/** Can it be deleted? @param {string} status */
export const isAtRest = (status) => status === "scheduled" || status === "completed";

/**
 * Running sessions first, then scheduled ones by start time, then completed ones, the newest first.
 * @param {Iterable<import("../connection/store.js").Session>} sessions
 * @returns {import("../connection/store.js").Session[]}
 */
export function inOrder(sessions) {
  const rank = (/** @type {import("../connection/store.js").Session} */ each) =>
    ["active", "paused", "scheduled", "completed"].indexOf(each.status);
  const when = (/** @type {import("../connection/store.js").Session} */ each) =>
    (each.status === "completed" ? each.actual_end : each.scheduled_start) ?? each.created_at;
  return [...sessions].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.status === "completed" ? -1 : 1) * (Date.parse(when(a)) - Date.parse(when(b))) ||
      (a.id < b.id ? -1 : 1),
  );
}
