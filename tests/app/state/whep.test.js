import assert from "node:assert/strict";
import { test } from "node:test";

import { leftAt } from "../../../appliance/app/state/whep.js";

test("the sender's reports tell when a picture left the recorder", () => {
  assert.equal(leftAt({ captureTime: 900, receiveTime: 940 }, 1200), 900);
  assert.equal(leftAt({ captureTime: 900 }, 1200), 900);
});

test("without them it is when the picture had come", () => {
  assert.equal(leftAt({ receiveTime: 940 }, 1200), 940);
});

test("a report of a clock that is not understood is not believed", () => {
  assert.equal(leftAt({ captureTime: 941, receiveTime: 940 }, 1200), 940);
  assert.equal(leftAt({ captureTime: -9000, receiveTime: 940 }, 1200), 940);
  assert.equal(leftAt({ captureTime: 1201 }, 1200), null);
});

test("a browser that says nothing", () => {
  assert.equal(leftAt({}, 1200), null);
});
