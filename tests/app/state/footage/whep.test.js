import assert from "node:assert/strict";
import { test } from "node:test";

import { leftAt } from "../../../../appliance/app/state/footage/whep.js";

test("the time at which a picture left the recorder comes from the sender reports", () => {
  assert.equal(leftAt({ captureTime: 900, receiveTime: 940 }, 1200), 900);
  assert.equal(leftAt({ captureTime: 900 }, 1200), 900);
});

test("without sender reports it is the time of arrival", () => {
  assert.equal(leftAt({ receiveTime: 940 }, 1200), 940);
});

test("an implausible time is not used", () => {
  assert.equal(leftAt({ captureTime: 941, receiveTime: 940 }, 1200), 940);
  assert.equal(leftAt({ captureTime: -9000, receiveTime: 940 }, 1200), 940);
  assert.equal(leftAt({ captureTime: 1201 }, 1200), null);
});

test("a browser that reports nothing", () => {
  assert.equal(leftAt({}, 1200), null);
});
