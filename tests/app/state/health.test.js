import assert from "node:assert/strict";
import { test } from "node:test";
import { setZone } from "../../../appliance/app/state/zone.js";
import { camerasOf, channelsOf, groupsOf, verdictOf } from "../../../appliance/app/state/health.js";

const part = (status, detail = "fine", hint = null) => ({ status, detail, hint });
const camera = (id, more = {}) => ({
  id,
  name: id,
  status: "active",
  footage: "on",
  error_reason: null,
  resolution: null,
  framerate: null,
  latency_ms: 0,
  ...more,
});
const client = (device, more = {}) => ({
  device,
  connected_at: "t",
  heard_age_s: 1,
  lag_events: 0,
  rtt_ms: 12,
  role: "coach",
  edit_lists: "ok",
  ...more,
});
const well = () => ({
  ready: {
    status: "ok",
    parts: {
      store: part("ok", "answers in 0.5 ms"),
      recording_hours: part("ok", "31 h"),
      clients: part("ok"),
    },
  },
  channels: [camera("cam1"), camera("cam2")],
  clients: [client("ipad-1"), client("ipad-2")],
  link: {
    online: true,
    rtt: 9,
    offsetMs: 3,
    waiting: 0,
    device: "ipad-1",
    editLists: "ok",
    kept: true,
    away: false,
    heardAt: Date.parse("2026-11-21T14:23:10Z"),
  },
  session: { name: "Final", status: "active" },
});
const find = (known, id) =>
  groupsOf(known)
    .flatMap((group) => group.checks)
    .find((each) => each.id === id);

test("without problems everything is green, in words too", () => {
  const groups = groupsOf(well());
  assert.deepEqual(
    groups.map((group) => group.title),
    ["Pictures", "Room", "Box", "Devices"],
  );
  assert.deepEqual(verdictOf(groups), { status: "ok", words: "Ready for the game" });
  assert.equal(groups[3].checks.length, 5, "this device's four, and the other device");
});

test("the box's texts are shown unchanged, with their hints; unknown parts are shown too", () => {
  const known = well();
  known.ready.parts.disk_clips = part("warn", "3 GB free", "free space");
  known.ready.parts.cloud_link = part("bad", "no answer", "plug it in");
  assert.deepEqual(find(known, "disk_clips"), {
    id: "disk_clips",
    title: "Clips folder",
    status: "warn",
    words: "3 GB free",
    fix: "Free space",
  });
  assert.equal(find(known, "cloud_link").title, "cloud link");
  assert.deepEqual(verdictOf(groupsOf(known)), { status: "bad", words: "Not ready: cloud link" });
});

test("cameras of an unreachable box are not shown as ok", () => {
  const known = well();
  known.link.away = true;
  assert.deepEqual(
    [find(known, "camera-cam1").status, find(known, "camera-cam1").words],
    ["warn", "Not known: the box does not answer"],
  );
  assert.deepEqual(
    camerasOf(known.channels, [], true).map((each) => each.status),
    ["warn", "warn"],
  );
});

test("reports of a box that became unreachable are not shown as current; their age is shown", () => {
  setZone("UTC");
  const known = well();
  known.link = { ...known.link, online: false, away: true };
  assert.equal(find(known, "connection").words, "The box has not answered since 14:23:10");
  for (const status of ["active", "paused", "scheduled", "completed"]) {
    const part = find({ ...known, session: { name: "Final", status } }, "session");
    assert.deepEqual(
      [part.status, part.words],
      ["warn", `Final was ${status} when the box last answered, at 14:23:10`],
    );
  }
  assert.equal(find({ ...known, session: undefined }, "session").words, "Not known: the box does not answer");
  assert.equal(find({ ...known, channels: [] }, "cameras").words, "Not known: the box does not answer");
  const ids = groupsOf(known)
    .flatMap((group) => group.checks)
    .map((each) => each.id);
  assert.deepEqual(ids, [
    "camera-cam1",
    "camera-cam2",
    "session",
    "connection",
    "own-disk",
    "own-clock",
    "self-test",
  ]);
  assert.match(find(known, "own-clock").words, /^Agreed/);
  const verdict = verdictOf(groupsOf(known));
  assert.deepEqual([verdict.status, verdict.words], ["bad", "Not ready: This device"]);
});

test("a page without any message of the box shows no time", () => {
  const known = well();
  known.ready = null;
  known.link = { ...known.link, online: false, away: true, heardAt: 0 };
  assert.equal(find(known, "connection").words, "The box does not answer");
  assert.equal(find(known, "session").words, "Final was active when the box last answered an earlier page");
  assert.equal(find(known, "own-clock").words, "Is compared when the box answers");
});

test("a browser that keeps no marks over a reload is amber", () => {
  const known = well();
  known.link.kept = false;
  assert.equal(find(known, "own-disk").status, "warn");
  assert.deepEqual(verdictOf(groupsOf(known)), {
    status: "warn",
    words: "Ready, look at: Marks on this device",
  });
});

test("cameras: off is amber, silent or at fault is red, each with what to do", () => {
  for (const [more, status, words] of [
    [{ status: "inactive" }, "warn", "Switched off"],
    [{ footage: "stalled" }, "bad", "Footage has stopped coming"],
    [{ footage: "none" }, "bad", "No footage yet"],
    [{ status: "error", error_reason: "no heartbeat" }, "bad", "No heartbeat"],
  ]) {
    const part = find({ ...well(), channels: [camera("cam1", more)] }, "camera-cam1");
    assert.deepEqual([part.status, part.words], [status, words]);
    assert.ok(part.fix);
  }
  assert.equal(find({ ...well(), channels: [] }, "cameras").status, "bad");
});

test("a camera's connection figures are shown; the box's text about a faulty camera is unchanged", () => {
  const source = {
    channel_id: "cam1",
    status: "ok",
    detail: "records, 8.1 Mbit/s, 0.4 % lost, 3 ms, from 10.0.0.7:5000, connected again 2 times",
    hint: null,
  };
  const known = {
    ...well(),
    channels: [camera("cam1", { resolution: "1920x1080", latency_ms: 80 })],
    sources: [source],
  };
  assert.deepEqual(find(known, "camera-cam1"), {
    id: "camera-cam1",
    title: "cam1",
    status: "ok",
    words:
      "Records: 1920x1080, 8.1 Mbit/s, 0.4 % lost, 3 ms, from 10.0.0.7:5000, " +
      "connected again 2 times, delay 80 ms",
    fix: "",
  });
  known.sources = [{ ...source, detail: "records" }];
  assert.equal(find(known, "camera-cam1").words, "Records: 1920x1080, delay 80 ms");
  known.sources = [
    {
      ...source,
      status: "bad",
      detail: "its recording began anew 17 times within a minute",
      hint: "look for a second encoder",
    },
  ];
  assert.deepEqual(find(known, "camera-cam1"), {
    id: "camera-cam1",
    title: "cam1",
    status: "bad",
    words: "Its recording began anew 17 times within a minute",
    fix: "Look for a second encoder",
  });
  assert.equal(verdictOf(groupsOf(known)).words, "Not ready: cam1");
  known.ready.parts.cameras = part("bad", "cam1: its recording began anew", "look");
  assert.equal(find(known, "cameras"), undefined, "cameras are shown one by one");
  known.channels = [camera("cam1", { status: "inactive" })];
  known.sources = [{ ...source, detail: "switched off" }];
  assert.equal(find(known, "camera-cam1").words, "Switched off");
});

test("devices: silent, slow and untested ones are amber; this one offline is red", () => {
  for (const more of [{ heard_age_s: 11 }, { rtt_ms: 900 }, { lag_events: 40 }, { edit_lists: "unknown" }]) {
    assert.equal(find({ ...well(), clients: [client("ipad-2", more)] }, "client-ipad-2-t").status, "warn");
  }
  const away = { ...well(), ready: null };
  away.link = { ...away.link, online: false, waiting: 2 };
  assert.match(find(away, "connection").words, /2 marks wait/);
  away.link.waiting = 1;
  assert.match(find(away, "connection").words, /; 1 mark waits on this device/);
  assert.equal(verdictOf(groupsOf(away)).words, "Not ready: This device");
  const off = well();
  off.link = { ...off.link, offsetMs: -12_000 };
  assert.equal(find(off, "own-clock").words, "12.0 s ahead of the box");
});

test("a session that is not running is reported", () => {
  assert.equal(find({ ...well(), session: undefined }, "session").status, "bad");
  assert.equal(
    find({ ...well(), session: { name: "Final", status: "scheduled" } }, "session").fix,
    "Start it at Operator before the game",
  );
});

test("the status line shows the same states of cameras, for those of the session only", () => {
  const all = [
    camera("cam3"),
    camera("cam1", { status: "inactive" }),
    camera("cam2", { status: "error", error_reason: "lens cap" }),
  ];
  const shown = channelsOf(all, { channel_ids: ["cam1", "cam2"] });
  assert.deepEqual(
    shown.map((each) => each.id),
    ["cam1", "cam2"],
  );
  assert.deepEqual(camerasOf(shown), groupsOf({ ...well(), channels: shown })[0].checks.slice(0, 2));
  assert.deepEqual(
    camerasOf(shown).map((each) => each.status),
    ["warn", "bad"],
  );
  assert.equal(channelsOf(all, undefined).length, 3);
  assert.equal(channelsOf(all, { channel_ids: null }).length, 3);
});

test("the cloud has its own group, with what to do", () => {
  const known = well();
  known.ready.parts.cloud = part("warn", "not connected since 14:02", "check the box's way to the internet");
  const group = groupsOf(known).find((each) => each.title === "Cloud");
  assert.deepEqual(
    group.checks.map(({ id, status, words, fix }) => [id, status, words, fix]),
    [["cloud", "warn", "Not connected since 14:02", "Check the box's way to the internet"]],
  );
  assert.equal(
    groupsOf(well()).some((each) => each.title === "Cloud"),
    false,
  );
});
