// Tables, results and ties in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as words from "../../../../appliance/app/pages/league/words.js";

const row = (team, points, more = {}) => ({ team, points, position: 1, tie_break: null, ...more });
const match = (more = {}) => ({
  detail: "",
  status: "ended",
  official: null,
  extra_time: null,
  half_time: null,
  home_score: 1,
  away_score: 1,
  home_penalty_score: null,
  away_penalty_score: null,
  provisional: false,
  ...more,
});

test("level teams are explained once for each level, by what separated them", () => {
  const own = "head_to_head.points";
  const rows = [
    row("A", 80),
    row("B", 70, { tie_break: "goal_difference" }),
    row("C", 70, { tie_break: "goal_difference" }),
    row("D", 56, { tie_break: own }),
    row("E", 56, { tie_break: own }),
    row("F", 56, { tie_break: "goals_for" }),
  ];
  assert.deepEqual(words.tieBreaksOf(rows), [
    "D, then E, then F, all with 56 points: decided by points in the matches between them and goals scored.",
  ]);
});

test("teams that nothing separates are named together", () => {
  const rows = [
    row("A", 3, { position: 1, tie_unresolved: true }),
    row("B", 3, { position: 1, tie_unresolved: true }),
    row("C", 0, { position: 3, tie_unresolved: false }),
  ];
  const sentence = "A and B are level in every criterion: only a draw or a decision can separate them.";
  assert.deepEqual(words.unresolvedOf(rows), [sentence]);
});

test("points given and taken, with their number", () => {
  assert.equal(words.adjustmentOf(-10, "Plymouth"), "10 points taken from Plymouth");
  assert.equal(words.adjustmentOf(1, "Bury"), "1 point given to Bury");
  assert.deepEqual([words.signed(3), words.signed(0), words.signed(-12)], ["+3", "0", "−12"]);
});

test("the goals that count: of an office, after extra time, of ninety minutes", () => {
  assert.deepEqual(words.goalsOf(match()), [1, 1]);
  assert.deepEqual(words.goalsOf(match({ extra_time: { home: 2, away: 1 } })), [2, 1]);
  assert.deepEqual(
    words.goalsOf(match({ extra_time: { home: 2, away: 1 }, official: { home: 0, away: 3 } })),
    [0, 3],
  );
  assert.equal(words.goalsOf(match({ home_score: null, away_score: null })), null);
});

test("what is added to a result", () => {
  const kicks = match({
    extra_time: { home: 1, away: 1 },
    home_penalty_score: 4,
    away_penalty_score: 2,
    detail: "AP",
  });
  assert.equal(words.remarksOf(kicks), "after extra time · 4–2 on penalties");
  const awarded = match({ detail: "awarded", official: { home: 0, away: 3, reason: "crowd trouble" } });
  assert.equal(words.remarksOf(awarded), "decided by an office: crowd trouble · on the pitch 1–1");
  assert.equal(
    words.remarksOf(match({ detail: "finished", half_time: { home: 1, away: 0 } })),
    "half-time 1–0",
  );
  const postponed = match({ status: "not-defined", detail: "postponed", home_score: null, away_score: null });
  assert.equal(words.remarksOf(postponed), "postponed");
});

test("who goes through, and why", () => {
  const tie = {
    home: { team_id: "a", name: "A" },
    away: { team_id: "b", name: "B" },
    aggregate: { home: 3, away: 3 },
  };
  const decided = (winner_team_id, decided_by) => ({ ...tie, winner_team_id, decided_by });
  assert.equal(words.throughOf(decided("b", "away_goals"), false), "Through on goals away from home");
  assert.equal(words.throughOf(decided("a", "score"), true), "Wins");
  assert.equal(words.throughOf(decided("a", "score"), false), "");
  assert.equal(words.throughOf(decided(null, null), false), "Not decided yet");
  assert.equal(words.throughOf({ ...decided(null, null), aggregate: null }, false), "");
});

test("placeholders in words, names as they are", () => {
  const slots = ["W49", "L61", "1A", "2h", "3A/B/C", null];
  assert.deepEqual(
    slots.map((slot) => words.nameOf({ team_id: null, name: null, slot })),
    [
      "Winner of match 49",
      "Loser of match 61",
      "Winner of group A",
      "Second of group h",
      "Third of group A/B/C",
      "Not known yet",
    ],
  );
  assert.equal(words.nameOf({ team_id: "1", name: "Ajax", slot: "W49" }), "Ajax");
});
