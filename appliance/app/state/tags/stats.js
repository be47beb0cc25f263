// The session's statistics (V19) as rows for charts. Plain functions: untagged values are left out, never
// drawn as 0.

/** @typedef {import("../api").Stats} Stats */
/** @typedef {{label: string, value: number, filter?: string}} Bar */

/** @param {Record<string, number> | null} counted @param {string} field @returns {Bar[]} */
export const barsOf = (counted, field) =>
  Object.entries(counted ?? {}).map(([label, value]) => ({ label, value, filter: `${field}=${label}` }));

/** @param {Stats} stats @param {(quarter: number) => string} name */
export function quartersOf(stats, name) {
  return stats.by_quarter.map(({ quarter, total_plays, run_pass }) => {
    const run = run_pass.run ?? 0;
    const pass = run_pass.pass ?? 0;
    return {
      label: name(quarter),
      run,
      pass,
      other: total_plays - run - pass,
      total: total_plays,
      filter: `quarter=${quarter}`,
    };
  });
}

/** @param {number | null} share 0 to 1 */
export const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

/** "1 play" or "5 plays". @param {number} count */
export const playsWord = (count) => `${count} ${count === 1 ? "play" : "plays"}`;
