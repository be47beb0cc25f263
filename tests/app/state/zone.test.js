import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { clockOf, dateOf, fieldOf, instantOf, setZone, zoneName } from "../../../appliance/app/state/zone.js";

afterEach(() => setZone("UTC"));

test("times are the site's, not the device's", () => {
  setZone("Europe/Madrid");
  assert.equal(clockOf("2026-11-21T18:30:05.900Z"), "19:30:05");
  assert.equal(dateOf("2026-11-21T23:30:00Z"), "Sun 22.11. 00:30");
  setZone("Asia/Kolkata");
  assert.equal(clockOf(Date.parse("2026-11-21T18:30:05Z")), "00:00:05");
});

test("a zone this device does not know changes nothing", () => {
  setZone("Europe/Madrid");
  setZone("Mars/Olympus");
  assert.equal(zoneName(), "Europe/Madrid");
});

test("a field is in the site's local time, in both directions", () => {
  setZone("America/New_York");
  for (const field of ["2026-07-01T19:30", "2026-11-01T00:30", "2026-03-08T03:00", "2026-12-31T23:59"])
    assert.equal(fieldOf(instantOf(field)), field);
  assert.equal(instantOf("2026-07-01T19:30"), "2026-07-01T23:30:00.000Z");
  assert.equal(instantOf(""), "");
});

test("a repeated hour is its first occurrence, a skipped hour the next one", () => {
  setZone("Europe/Madrid");
  assert.equal(instantOf("2026-10-25T02:30"), "2026-10-25T00:30:00.000Z");
  assert.equal(instantOf("2026-03-29T02:30"), "2026-03-29T01:30:00.000Z"); // 03:30
});
