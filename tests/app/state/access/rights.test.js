// What a role may do, and which screen it starts with.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aRole,
  firstScreenOf,
  may,
  mayView,
  RIGHTS,
  ROLE_WORDS,
  viewOf,
  whyNot,
} from "../../../../appliance/app/state/access/rights.js";

const me = (role) => ({ id: "1", name: "x", role });

test("an admin may do everything, an open page everything but managing devices", () => {
  for (const right of Object.keys(RIGHTS)) {
    assert.equal(may(me("admin"), right), true);
    assert.equal(may(null, right), right !== "devices");
  }
  assert.equal(may(me("capture"), undefined), true);
});

test("a coach may mark and not run sessions; a program may read", () => {
  const of = (role) => Object.keys(RIGHTS).filter((right) => may(me(role), right));
  assert.deepEqual(of("coach"), ["mark", "tag", "health"]);
  assert.deepEqual(of("operator"), ["mark", "tag", "run", "health"]);
  assert.deepEqual([of("integrator"), of("assistant"), of("capture")], [["health"], [], []]);
});

test("a refusal names the roles that may", () => {
  assert.equal(
    whyNot(me("integrator"), "mark"),
    "This device is paired as an integrator. Marking is for an operator, a coach, an analyst or an admin.",
  );
  assert.equal(whyNot(null, "devices"), "This device is not paired. Pairing devices is for an admin.");
});

test("every role starts with a screen it may use", () => {
  const needs = { operator: "run", devices: "devices", tagging: "tag", desk: undefined };
  for (const role of Object.keys(ROLE_WORDS)) {
    const first = firstScreenOf(role);
    assert.equal(first === "", role === "capture");
    if (first) assert.ok(may(me(role), needs[first]), role);
    assert.ok(mayView(me(role), viewOf(role)), role);
  }
  assert.equal(mayView(me("coach"), "operator"), false);
  assert.deepEqual([aRole("coach"), aRole("operator")], ["a coach", "an operator"]);
});
