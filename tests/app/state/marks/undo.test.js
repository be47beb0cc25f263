// One stack of actions that can be undone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Marks } from "../../../../appliance/app/state/marks/marks.js";
import { Undo } from "../../../../appliance/app/state/marks/undo.js";

test("the last action is undone first, each once", () => {
  /** @type {string[]} */
  const done = [];
  const undo = new Undo();
  const first = undo.did("new", () => done.push("new"));
  undo.did("end", () => done.push("end"));
  assert.equal(undo.back()?.words, "end");
  assert.equal(undo.back(first)?.words, "new");
  assert.equal(undo.back(first), undefined);
  assert.equal(undo.back(), undefined);
  assert.deepEqual(done, ["end", "new"]);
});

test("only the last twenty are kept", () => {
  const undo = new Undo();
  for (let n = 0; n < 30; n++) undo.did(String(n), () => {});
  assert.equal(undo.actions.length, 20);
  assert.equal(undo.actions[0].words, "10");
});

/** A mark bar whose marks are not sent. */
const bar = () => new Marks(/** @type {any} */ ({ outbox: { add: async () => ({}) } }), () => undefined);

test("a second press of the same button at once is the same press", () => {
  const marks = bar();
  assert.deepEqual(
    [0, 120, 399, 401, 500, 900].map((at) => marks.isBounce("new", 1000 + at)),
    [false, true, true, false, true, false],
  );
});

test("another button, and the same one after Undo, is another press however soon it comes", async () => {
  const marks = bar();
  assert.deepEqual(
    ["last", "new", "new"].map((what) => marks.isBounce(what, 1000)),
    [false, false, true],
  );
  await marks.undo("1");
  assert.equal(marks.isBounce("new", 1001), false);
});
