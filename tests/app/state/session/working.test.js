// The session of a device changes only by its user; other sessions are offered.

import assert from "node:assert/strict";
import { test } from "node:test";

import { empty, load, recall } from "../../../../appliance/app/state/connection/store.js";
import { badgeOf, choices, titleOf, Working } from "../../../../appliance/app/state/session/working.js";

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

test("the first known session is chosen and stays when another one begins or ends", () => {
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

test("a newly opened page chooses a running session, unless its own one is paused", () => {
  const both = stateOf(session("old", "completed", 1), session("now", "active", 2));
  assert.equal(new Working(kept("old")).current(both)?.id, "now");
  const two = stateOf(session("mine", "paused", 1), session("now", "active", 2));
  assert.equal(new Working(kept("mine")).current(two)?.id, "mine");
});

test("a declined session is not offered again; the user may choose any", () => {
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

test("a deleted session is left", () => {
  const working = new Working(kept());
  working.current(stateOf(session("a", "active", 1)));
  assert.equal(working.current(stateOf(session("b", "active", 2)))?.id, "b");
  assert.equal(working.current(stateOf()), undefined);
});

test("running sessions are listed first", () => {
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

test("an opponent that is in the name is not repeated", () => {
  assert.equal(
    titleOf(session("x", "active", 1, { name: "Atletico v Rival", opponent: "Rival" })),
    "Atletico v Rival",
  );
  assert.equal(titleOf(session("x", "active", 1, { name: "Week 3", opponent: "Rival" })), "Week 3 v Rival");
});

test("stored rows do not decide the session: the box answers late, and another game runs", () => {
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

test("stored rows do not replace the user's choice", () => {
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

test("while the box is unreachable a session is not shown as running", () => {
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
