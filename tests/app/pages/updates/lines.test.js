// Executions as lines of words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, executionLine, operationOf } from "../../../../appliance/app/pages/updates/lines.js";

const NOW = Date.parse("2026-08-10T20:00:00Z");
const execution = (more = {}) => ({
  id: "e1",
  operation: "round",
  round: "matchday-1",
  status: "completed",
  stage: null,
  started_at: "2026-08-10T19:59:30Z",
  duration_ms: 420,
  failures: 0,
  summary: { operations: 1, matches: 10, created: 0, changed: 1, defects: [] },
  error: null,
  repeats: null,
  ...more,
});
const line = (more) => executionLine(execution(more), "League One", NOW);

test("a completed one says what it changed", () => {
  const { status, title, words, fix } = line();
  assert.deepEqual([status, title, fix], ["ok", "Matches of matchday-1 · League One", ""]);
  assert.match(words, /Completed after 0\.42 s · 10 matches, 0 new, 1 changed$/);
});

test("one that goes on, one that failed, and one of which a part failed", () => {
  const running = line({ status: "in_progress", stage: "fetch", duration_ms: null, summary: null });
  assert.deepEqual([running.status, running.words.split(" · ")[1]], ["", "In progress for 30 s: fetch"]);
  const failed = line({ status: "failed", stage: "validate", error: "no such round", duration_ms: 12_400 });
  assert.deepEqual([failed.status, failed.fix], ["bad", "no such round"]);
  assert.match(failed.words, /Failed after 12 s, at validate/);
  const weak = line({ failures: 2, summary: { operations: 38 } });
  assert.deepEqual(
    [weak.status, weak.words.split(" · ")[1]],
    ["warn", "Completed after 0.42 s, but 2 of 38 rounds failed"],
  );
  assert.equal(line({ summary: { defects: [{}] } }).status, "warn");
});

test("tables and brackets in words, and operations of a later version as they are", () => {
  const words = changesOf({ table: { rows: 20, changed: 1 }, bracket: { ties: 15, decided: 8, changed: 1 } });
  assert.equal(words, "1 row of tables changed · 8 of 15 ties decided");
  assert.equal(changesOf({ bracket: { ties: 0, decided: 0, changed: 0 } }), "");
  assert.equal(operationOf({ operation: "standings", round: null }), "Tables");
  assert.equal(operationOf({ operation: "later", round: null }), "later");
});
