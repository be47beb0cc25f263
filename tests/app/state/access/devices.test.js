// The paired devices as an admin sees them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  camerasFor,
  joined,
  ordered,
  pairedWords,
  removeWords,
  seenWords,
} from "../../../../appliance/app/state/access/devices.js";
import { setZone } from "../../../../appliance/app/state/zone.js";

const NOW = Date.parse("2026-11-20T19:00:00Z");
const seen = (ago_s) => (ago_s === null ? null : new Date(NOW - ago_s * 1000).toISOString());
const device = (id, ago_s = null, more = {}) => ({
  id,
  name: `Tablet ${id}`,
  role: "coach",
  created_at: "2026-11-20T18:00:00Z",
  created_by: "console",
  last_seen_at: seen(ago_s),
  channel_id: null,
  rev: 1,
  ...more,
});

test("a device with an open socket is connected, however old its last request is", () => {
  setZone("UTC");
  const words = (ago_s, open = []) => seenWords(device("a", ago_s), new Set(open), NOW);
  assert.equal(words(7200, ["Tablet a"]), "Connected");
  assert.deepEqual(
    [null, -3, 59, 60, 3599, 3600, 86_399].map((ago_s) => words(ago_s)),
    [
      "Not seen yet",
      "Seen a moment ago",
      "Seen a moment ago",
      "Seen 1 min ago",
      "Seen 59 min ago",
      "Seen 1 h ago",
      "Seen 23 h ago",
    ],
  );
  assert.equal(words(86_400), "Seen Thu 19.11. 19:00");
});

test("it is shown who paired a device", () => {
  setZone("UTC");
  assert.equal(pairedWords(device("a")), "paired Fri 20.11. 18:00 on the box's console");
  assert.match(pairedWords(device("a", 1, { created_by: "Office" })), /by Office$/);
  const camera = (channel_id) => pairedWords(device("a", 1, { role: "capture", channel_id }));
  assert.match(camera("cam2"), / · reports for cam2$/);
  assert.match(camera(null), / · for the camera that it reports for first$/);
});

test("a device keeps its camera that is in the list no more", () => {
  const channels = [{ id: "cam1", name: "Side" }];
  const ids = (own) => camerasFor(channels, own).map(({ id }) => id);
  assert.deepEqual([ids(""), ids("cam1"), ids("cam9")], [["cam1"], ["cam1"], ["cam1", "cam9"]]);
  assert.match(camerasFor(channels, "cam9")[1].name, /^cam9 \(not in the list/);
});

test("connected ones come first, then the one seen last", () => {
  const rows = [device("never"), device("old", 900), device("open", 9000), device("new", 5)];
  const order = ordered(rows, new Set(["Tablet open"])).map((each) => each.id);
  assert.deepEqual(order, ["open", "new", "old", "never"]);
});

test("the device of a code is the new one with its role", () => {
  const before = new Set(["a"]);
  const rows = [device("a"), device("b", 1, { role: "analyst" }), device("c")];
  assert.equal(joined(rows, before, "coach")?.id, "c");
  assert.equal(joined(rows.slice(0, 2), before, "coach"), undefined);
});

test("removing the last admin says how another one is made", () => {
  const admin = device("a", 1, { role: "admin" });
  assert.match(removeWords(admin, true, 1), /the device you hold.*appliance pair --role admin/);
  assert.doesNotMatch(removeWords(admin, false, 2), /appliance pair/);
  assert.match(removeWords(device("b"), false, 1), /Marks it has not sent stay on it/);
});
