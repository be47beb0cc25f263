// Schedules in words: what runs within a day, and each schedule with its last and next run. No DOM.

import { dateOf } from "../../state/zone.js";
import { spanOf } from "../status-groups.js";

/** @typedef {import("../groups.js").Group} Group */
/** @typedef {import("../groups.js").Line} Line */
/**
 * What GET schedules answers (cloud/scoring/schedules/model.py).
 * @typedef {{id: string, fireAt: string, kind: string, tournamentId: string | null, roundSlug: string | null,
 *   isScheduled: boolean}} PlannedRun `isScheduled`: else the next daily run makes it
 * @typedef {{id: string, cronExpression: string, kind: string, tournamentId: string | null,
 *   roundSlug: string | null, status: string, nextRun: string | null, lastRun: string | null, runs: number,
 *   error: string | null}} Schedule
 * @typedef {{items: Schedule[], next24h: PlannedRun[]}} Schedules
 */

const KINDS = /** @type {Record<string, string>} */ ({
  daily: "Daily: schedules of the day",
  scores: "Scores and tables",
  standings: "Scores and tables",
  knockouts: "Bracket",
});

/**
 * @param {Schedules} schedules @param {(id: string) => string} nameOf a tournament's name
 * @param {number} now ms
 * @returns {Group[]}
 */
export function schedulesGroups({ items, next24h }, nameOf, now) {
  const planned = [...next24h].sort((a, b) => a.fireAt.localeCompare(b.fireAt));
  return [
    {
      title: "The next 24 hours",
      lines: planned.map((run) => plannedLine(run, nameOf, now)),
      empty: "Nothing is due in the next 24 hours.",
    },
    {
      title: "Schedules",
      lines: items.map((schedule) => scheduleLine(schedule, nameOf)),
      empty: "There is no schedule.",
    },
  ];
}

/**
 * @param {Pick<PlannedRun, "kind" | "tournamentId" | "roundSlug">} what
 * @param {(id: string) => string} nameOf
 */
function titleOf({ kind, tournamentId, roundSlug }, nameOf) {
  return [KINDS[kind] ?? kind, tournamentId && nameOf(tournamentId), roundSlug].filter(Boolean).join(" · ");
}

/** @param {PlannedRun} run @param {(id: string) => string} nameOf @param {number} now @returns {Line} */
function plannedLine(run, nameOf, now) {
  const when = `${dateOf(run.fireAt)}, in ${spanOf(Date.parse(run.fireAt) - now)}`;
  const made = run.isScheduled ? run.id : "the next daily run schedules it";
  return { id: run.id, status: "", title: titleOf(run, nameOf), words: `${when} · ${made}` };
}

/** @param {Schedule} schedule @param {(id: string) => string} nameOf @returns {Line} */
function scheduleLine(schedule, nameOf) {
  const { id, status, nextRun, lastRun, runs, error, cronExpression } = schedule;
  return {
    id,
    status: error || status === "failed" ? (status === "failed" ? "bad" : "warn") : "",
    title: titleOf(schedule, nameOf),
    words: [
      status,
      nextRun && `next run ${dateOf(nextRun)}`,
      lastRun ? `last run ${dateOf(lastRun)}, ${runs} in all` : "has not run yet",
      `${id}, ${cronExpression}`,
    ]
      .filter(Boolean)
      .join(" · "),
    fix: error ?? "",
  };
}
