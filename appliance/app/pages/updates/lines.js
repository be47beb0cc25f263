// Executions and schedules as lines of words. No DOM.

import { dateOf } from "../../state/zone.js";
import { spanOf } from "../status-groups.js";

/** @typedef {import("../groups.js").Line} Line */
/**
 * What the doors of the data provider answer (cloud/scoring/executions/model.py and schedules).
 * @typedef {{id: string, operation: string, tournament_id: string, round: string | null,
 *   status: "in_progress" | "completed" | "failed", stage: string | null, started_at: string,
 *   ended_at: string | null, duration_ms: number | null, failures: number, summary: Summary | null,
 *   error: string | null, warnings: string[], report: {json: string, markdown: string} | null,
 *   repeats: string | null, attempt: number, created_by: string}} Execution
 * @typedef {{operations?: number, failures?: number, matches?: number, created?: number, changed?: number,
 *   defects?: unknown[], table?: {rows: number, changed: number},
 *   bracket?: {ties: number, decided: number, changed: number}}} Summary
 * @typedef {{round: string, provider: string | null, address: string | null, raw: string | null,
 *   error: string | null}} RoundResult
 */

const OPERATIONS = /** @type {Record<string, string>} */ ({
  create: "Make the matches",
  matches: "Matches of all rounds",
  round: "Matches of",
  standings: "Tables",
  knockouts: "Bracket",
  import: "Import of a file",
});

/** What an execution does. @param {Pick<Execution, "operation" | "round">} execution */
export function operationOf({ operation, round }) {
  const words = OPERATIONS[operation] ?? operation;
  return operation === "round" ? `${words} ${round}` : words;
}

/** Its end, or how far it is. @param {Execution} execution @param {number} now ms */
export function stateOf({ status, stage, started_at, duration_ms, failures, summary }, now) {
  const parts = (summary?.operations ?? 0) > 1 ? `${failures} of ${summary?.operations} rounds` : "a part";
  if (status === "in_progress")
    return `In progress for ${spanOf(now - Date.parse(started_at))}: ${stage ?? "begins"}`;
  const took = duration_ms === null ? "" : ` after ${secondsOf(duration_ms)}`;
  if (status === "failed") return `Failed${took}${stage ? `, at ${stage}` : ""}`;
  return failures ? `Completed${took}, but ${parts} failed` : `Completed${took}`;
}

/** "0.42 s", "12 s" @param {number} ms */
const secondsOf = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;

/** What it changed, in words. @param {Summary | null} summary */
export function changesOf(summary) {
  if (!summary) return "";
  const { matches, created, changed, defects = [], table, bracket } = summary;
  return [
    matches !== undefined &&
      `${countOf(matches, "match", "es")}, ${created ?? 0} new, ${changed ?? 0} changed`,
    table && table.rows > 0 && `${countOf(table.changed, "row")} of tables changed`,
    bracket && bracket.ties > 0 && `${bracket.decided} of ${bracket.ties} ties decided`,
    defects.length > 0 && countOf(defects.length, "defect"),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {number} count @param {string} what @param {string} [more] its plural */
const countOf = (count, what, more = "s") => `${count} ${what}${count === 1 ? "" : more}`;

/**
 * @param {Execution} execution @param {string} tournament its name @param {number} now ms
 * @returns {Line}
 */
export function executionLine(execution, tournament, now) {
  const { id, status, failures, summary, error, started_at, repeats } = execution;
  const isWeak = failures > 0 || (summary?.defects?.length ?? 0) > 0;
  return {
    id,
    status: status === "failed" ? "bad" : status === "in_progress" ? "" : isWeak ? "warn" : "ok",
    title: `${operationOf(execution)} · ${tournament}`,
    words: [dateOf(started_at), stateOf(execution, now), changesOf(summary), repeats && "run again"]
      .filter(Boolean)
      .join(" · "),
    fix: error ?? "",
  };
}
