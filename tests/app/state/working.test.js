// The session a device works in stays its person's; others are offered.

import assert from "node:assert/strict";
import { test } from "node:test";

import { empty, load, recall } from "../../../appliance/app/state/store.js";
import { badgeOf, choices, titleOf, Working } from "../../../appliance/app/state/working.js";

/** @param {any[]} sessions */
function stateOf(...sessions) {
  const state = empty();
  for (const each of sessions) state.sessions.set(each.id, each);
  return state;
}

/** @param {string} id @param {string} status @param {number} hour @param {object} [more] */
const session = (id, status, hour, more) =>
  /** @type {any} */ ({
    id,
    status,
    name: id,
    opponent: null,
    created_at: `2026-11-28T0${hour}:00:00Z`,
    actual_start: status === "scheduled" ? null : `2026-11-28T0${hour}:00:00Z`,
    scheduled_start: null,
    ...more,
  });

function kept(id = "") {
  const box = { id };
  const set = (/** @type {string} */ to) => {
    box.id = to;
  };
  return { box, get: () => box.id, set };
}

test("the first session known is taken and kept when another begins or ends", () => {
  const held = kept();
  const working = new Working(held);
  assert.equal(working.current(stateOf(session("a", "active", 1)))?.id, "a");
  const both = stateOf(session("a", "active", 1), session("b", "active", 2));
  assert.equal(working.current(both)?.id, "a");
  assert.equal(working.offered(both)?.id, "b");
  const over = stateOf(session("a", "completed", 1), session("b", "completed", 2));
  assert.equal(working.current(over)?.id, "a");
  assert.equal(working.offered(over), undefined);
});

test("a page opened anew goes where a game runs, and back where one still does", () => {
  const both = stateOf(session("old", "completed", 1), session("now", "active", 2));
  assert.equal(new Working(kept("old")).current(both)?.id, "now");
  const two = stateOf(session("mine", "paused", 1), session("now", "active", 2));
  assert.equal(new Working(kept("mine")).current(two)?.id, "mine");
});

test("one that was declined is not offered again, and a person may choose any", () => {
  const held = kept();
  const working = new Working(held);
  working.current(stateOf(session("a", "active", 1)));
  const both = stateOf(session("a", "active", 1), session("b", "active", 2));
  working.decline("b");
  assert.equal(working.offered(both), undefined);
  working.choose("b");
  assert.equal(working.current(both)?.id, "b");
  assert.equal(working.offered(both), undefined, "the older one is no news");
});

test("a session that is gone is left", () => {
  const working = new Working(kept());
  working.current(stateOf(session("a", "active", 1)));
  assert.equal(working.current(stateOf(session("b", "active", 2)))?.id, "b");
  assert.equal(working.current(stateOf()), undefined);
});

test("those that run are to be chosen first", () => {
  const state = stateOf(
    session("old", "completed", 1),
    session("run", "active", 2),
    session("new", "completed", 3),
  );
  assert.deepEqual(
    choices(state).map((each) => each.id),
    ["run", "new", "old"],
  );
});

test("an opponent in the name is not said twice", () => {
  assert.equal(
    titleOf(session("x", "active", 1, { name: "Atletico v Rival", opponent: "Rival" })),
    "Atletico v Rival",
  );
  assert.equal(titleOf(session("x", "active", 1, { name: "Week 3", opponent: "Rival" })), "Week 3 v Rival");
});

test("rows that are only recalled decide nothing: the box answers late, and another game runs", () => {
  for (const status of ["completed", "active"]) {
    const held = kept("last week");
    const working = new Working(held);
    const state = empty();
    const old = session("last week", status, 1);
    recall(state, { site: "s", epoch: "e", offsetMs: 0, snapshot: { sessions: [old] } });
    assert.equal(working.current(state)?.id, "last week");
    load(state, {
      as_of_seq: 9,
      epoch: "e",
      sessions: [session("last week", "completed", 1), session("today", "active", 2)],
    });
    assert.equal(state.recalled, false);
    assert.equal(working.current(state)?.id, "today");
    assert.equal(held.box.id, "today");
  }
});

test("what is recalled while nothing else is known does not take the place of the choice", () => {
  const held = kept("chosen");
  const state = empty();
  recall(state, {
    site: "s",
    epoch: "e",
    offsetMs: 0,
    snapshot: { sessions: [session("other", "completed", 1)] },
  });
  assert.equal(new Working(held).current(state)?.id, "other");
  assert.equal(held.box.id, "chosen");
});

test("a session that runs is not said to run while the box is away", () => {
  const badges = (away) =>
    ["active", "paused", "scheduled", "completed"].map((status) => badgeOf(session("a", status, 1), away));
  assert.deepEqual(badges(false), [
    ["LIVE", "live"],
    ["paused", "warn"],
    ["scheduled", "dim"],
    ["completed", "dim"],
  ]);
  assert.deepEqual(badges(true), [
    ["LIVE?", "warn"],
    ["paused?", "warn"],
    ["scheduled", "dim"],
    ["completed", "dim"],
  ]);
});
