// Schedules of the next day as a group of lines. No DOM.

import { dateOf } from "../../state/zone.js";
import { spanOf } from "../status-groups.js";

/** @typedef {import("../groups.js").Group} Group */
/**
 * @typedef {{id: string, cronExpression: string, group: string, fireAt: string, status: string,
 *   targetInput: {standingsUrl: string, roundUrl: string, targetEnv: string}}} Schedule
 */

const DAY_MS = 86_400_000;

/** @param {Schedule[]} schedules @param {number} now ms @returns {Group} */
export function schedulesGroup(schedules, now) {
  const next = schedules
    .filter(({ fireAt }) => Date.parse(fireAt) < now + DAY_MS)
    .sort((a, b) => a.fireAt.localeCompare(b.fireAt));
  return {
    title: "Schedules of the next 24 hours",
    lines: next.map(({ id, fireAt, status, cronExpression }) => ({
      id,
      status: "",
      title: `${dateOf(fireAt)} · ${id}`,
      words: `${status} · in ${spanOf(Date.parse(fireAt) - now)} · ${cronExpression}`,
    })),
    empty: "Nothing is due in the next 24 hours.",
  };
}
