import assert from "node:assert/strict";
import { test } from "node:test";
import * as clock from "../../../../appliance/app/state/connection/clock.js";

test("an offset is measured at the middle of the round trip", () => {
  assert.deepEqual(clock.sample(1000, 1040, 6020), { at: 1040, rtt: 40, offset: 5000 });
});

test("the shortest round trip decides, until it is old", () => {
  const samples = [
    { at: 0, rtt: 5, offset: 1 },
    { at: 1000, rtt: 80, offset: 2 },
  ];
  assert.equal(clock.best(samples, 1000)?.offset, 1);
  assert.equal(clock.best(samples, 40 * clock.AGES_MS)?.offset, 1);
  const fresh = clock.withSample(samples, { at: 10 * clock.AGES_MS, rtt: 12, offset: 3 });
  assert.equal(clock.best(fresh, 10 * clock.AGES_MS)?.offset, 3);
});

test("a device clock set back is noticed; sleep is not a step", () => {
  const before = { wall: 0, steady: 0 };
  assert.equal(clock.stepped(before, { wall: -5000, steady: 2000 }), true);
  assert.equal(clock.stepped(before, { wall: 60_000, steady: 2000 }), false);
  assert.equal(clock.stepped(before, { wall: 2001, steady: 2000 }), false);
});
