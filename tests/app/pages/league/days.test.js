// Rounds and days of a season; what an address names.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as days from "../../../../appliance/app/pages/league/days.js";
import { doorOf, isWhole, queryOf, viewOf } from "../../../../appliance/app/pages/league/model.js";

const match = (id, date, more = {}) => ({ id, date, kickoff: null, ...more });
const round = (name, first_date, last_date, ended, matches = 10) => ({
  round: name,
  first_date,
  last_date,
  ended,
  matches,
});

test("the round that is played now: not one with a match that was put off long ago", () => {
  const rounds = [
    round("1", "2026-08-10", "2026-08-12", 9),
    round("2", "2026-08-17", "2026-08-19", 4),
    round("3", null, null, 0),
  ];
  assert.equal(days.currentRound(rounds, "2026-08-18"), 1);
  assert.equal(days.currentRound(rounds, "2026-09-01"), 2);
  assert.equal(days.currentRound(rounds.slice(0, 2), "2027-01-01"), 1);
  assert.equal(days.currentRound([], "2027-01-01"), -1);
});

test("the days of a table, until today", () => {
  const rounds = [round("1", "2026-02-27", "2026-03-01", 1), round("2", "2026-03-02", "2026-03-09", 0)];
  const until = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"];
  assert.deepEqual(days.daysOf(rounds, "2026-03-02"), until);
  assert.equal(days.daysOf(rounds, "2027-01-01").at(-1), "2026-03-09");
  assert.deepEqual(days.daysOf([round("1", null, null, 0)], "2026-01-01"), []);
  assert.equal(days.todayOf(new Date(2026, 0, 5)), "2026-01-05");
});

test("matches without a time are of their day, without a date of none", () => {
  const shown = days.byDay([match("1", "2026-08-10"), match("2", null)]);
  assert.equal(shown.length, 2);
  assert.equal(shown[1][0], "Day not known");
  assert.equal(days.timeWords(match("1", "2026-08-10")), "");
  assert.match(days.timeWords(match("1", null, { kickoff: "2026-08-10T19:00:00Z" })), /\d\d.\d\d/);
});

test("a view in an address, and what is no view", () => {
  const view = viewOf("as_of=2026-05-01&venue=home&last=5");
  assert.deepEqual(view, { as_of: "2026-05-01", venue: "home", last: "5" });
  assert.deepEqual(viewOf("as_of=yesterday&venue=moon&last=-1"), { as_of: "", venue: "all", last: "" });
  assert.deepEqual([isWhole(view), isWhole(viewOf("as_of=2026-05-01"))], [false, true]);
  assert.equal(doorOf("a b", "standings", queryOf(viewOf(""))), "/api/v2/tournaments/a%20b/standings");
  assert.equal(doorOf("a", "standings", queryOf(view)).split("?")[1], "as_of=2026-05-01&venue=home&last=5");
});
