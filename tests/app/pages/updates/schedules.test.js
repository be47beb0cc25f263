// Schedules in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { schedulesGroups } from "../../../../appliance/app/pages/updates/schedules.js";

const NOW = Date.parse("2026-08-10T12:00:00Z");
const run = (id, fireAt, more = {}) => ({
  id,
  fireAt,
  kind: "scores",
  tournamentId: "l1",
  roundSlug: "matchday-1",
  isScheduled: true,
  ...more,
});
const schedule = (more = {}) => ({
  id: "league_one_2026_08_10_16_30",
  cronExpression: "cron(30 16 10 8 ? 2026)",
  kind: "standings",
  tournamentId: "l1",
  roundSlug: "matchday-1",
  status: "scheduled",
  nextRun: "2026-08-10T16:30:00Z",
  lastRun: null,
  runs: 0,
  error: null,
  ...more,
});
const groups = (items, next24h = []) => schedulesGroups({ items, next24h }, () => "League One", NOW);

test("the next day in the order of time, also what is not scheduled yet", () => {
  const planned = [
    run("b", "2026-08-10T18:00:00Z", { isScheduled: false }),
    run("a", "2026-08-10T16:00:00Z"),
    run("daily", "2026-08-11T00:01:00Z", { kind: "daily", tournamentId: null, roundSlug: null }),
  ];
  const [{ lines }] = groups([], planned);
  assert.deepEqual(
    lines.map((line) => line.id),
    ["a", "b", "daily"],
  );
  assert.equal(lines[0].title, "Scores and tables · League One · matchday-1");
  assert.match(lines[0].words, /in 5 h · a$|in 4 h · a$|in 270 min · a$/);
  assert.match(lines[1].words, /the next daily run schedules it/);
  assert.equal(lines[2].title, "Daily: schedules of the day");
});

test("a schedule with its runs, and why one has failed", () => {
  const failed = schedule({
    status: "failed",
    nextRun: null,
    lastRun: "2026-08-10T11:00:00Z",
    runs: 3,
    error: "gone",
  });
  const [, { lines }] = groups([schedule(), failed, schedule({ error: "again" })]);
  assert.deepEqual(
    lines.map(({ status, fix }) => [status, fix]),
    [
      ["", ""],
      ["bad", "gone"],
      ["warn", "again"],
    ],
  );
  assert.match(lines[0].words, /^scheduled · next run .* · has not run yet · league_one/);
  assert.match(lines[1].words, /^failed · last run .*, 3 in all · /);
});
