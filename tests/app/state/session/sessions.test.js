// A session's form: what it sends, and how it merges a change by another device.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bodyOf,
  changesOf,
  gamesOf,
  goesWith,
  rebase,
  valuesOf,
  valuesOfGame,
} from "../../../../appliance/app/state/session/sessions.js";
import { setZone } from "../../../../appliance/app/state/zone.js";

setZone("Europe/Madrid");
const KNOWN = ["cam1", "cam2"];
const session = (more = {}) => ({
  name: "Final",
  type: "game",
  opponent: null,
  location: "North",
  season: null,
  week: 9,
  scheduled_start: "2026-11-21T18:00:31.5Z",
  channel_ids: null,
  ...more,
});
const values = (more = {}) => ({ ...valuesOf(session(), KNOWN), ...more });

test("a form shows the values of a session as text", () => {
  assert.deepEqual(valuesOf(session(), KNOWN), {
    name: "Final",
    type: "game",
    opponent: "",
    location: "North",
    season: "",
    week: "9",
    scheduled_start: "2026-11-21T19:00",
    event_id: "",
    channel_ids: null,
  });
});

test("a session of a game of the cloud takes its teams, place and time, and keeps its cameras", () => {
  const resource = {
    home: { name: "Rovers" },
    away: { name: "United" },
    venue: null,
    season: "s".repeat(40),
    kickoff: "2026-11-21T18:00:00Z",
  };
  const game = { id: "e1", session_id: null, resource };
  const form = values({ ...valuesOfGame(game), channel_ids: ["cam2"] });
  assert.deepEqual(bodyOf(form), {
    name: "Rovers v United",
    type: "game",
    season: "s".repeat(32),
    week: 9,
    scheduled_start: "2026-11-21T18:00:00.000Z",
    event_id: "e1",
    channel_ids: ["cam2"],
  });
  assert.deepEqual(changesOf(values({ event_id: "e1" }), values()), { event_id: null });
});

test("the next game comes first, those that are over last, the newest first", () => {
  const game = (id, kickoff) => ({ kind: "event", id, resource: { kickoff } });
  const at = (/** @type {number} */ hours) => new Date(hours * 3_600_000).toISOString();
  const rows = [
    game("old", at(10)),
    game("late", at(90)),
    game("over", at(20)),
    game("runs", at(28)),
    game("x", null),
  ];
  const shown = gamesOf([...rows, { kind: "team", id: "t", resource: {} }], 30 * 3_600_000);
  assert.deepEqual(
    shown.map(({ id }) => id),
    ["runs", "late", "over", "old"],
  );
});

test("a new one is sent without what is empty", () => {
  assert.deepEqual(bodyOf(values({ name: " Final ", channel_ids: ["cam2"] })), {
    name: "Final",
    type: "game",
    location: "North",
    week: 9,
    scheduled_start: "2026-11-21T18:00:00.000Z",
    channel_ids: ["cam2"],
  });
});

test("only changed fields are sent; an emptied field becomes null", () => {
  assert.deepEqual(changesOf(values(), values()), {});
  assert.deepEqual(changesOf(values(), values({ location: " ", week: "0", opponent: "Rival" })), {
    location: null,
    week: 0,
    opponent: "Rival",
  });
  assert.deepEqual(changesOf(values(), values({ scheduled_start: "2026-11-21T19:05" })), {
    scheduled_start: "2026-11-21T18:05:00.000Z",
  });
  assert.deepEqual(
    changesOf(values(), values({ name: "  " })),
    { name: "" },
    "the box says what is wrong with it",
  );
  assert.deepEqual(changesOf(values(), values({ channel_ids: ["cam1"] })), { channel_ids: ["cam1"] });
});

test("a list of all cameras is the same as every camera: nothing has changed", () => {
  assert.equal(valuesOf(session({ channel_ids: ["cam2", "cam1", "gone"] }), KNOWN).channel_ids, null);
  assert.deepEqual(valuesOf(session({ channel_ids: ["gone", "cam2"] }), KNOWN).channel_ids, ["cam2"]);
});

test("merge with a change by another device: its values in fields not edited here, ours elsewhere", () => {
  const ours = values({ opponent: "Green", week: "10", season: "2026" });
  const theirs = values({ opponent: "Blue", location: "South", season: "2026" });
  const after = rebase(values(), ours, theirs);
  assert.deepEqual(after, {
    values: values({ opponent: "Green", location: "South", week: "10", season: "2026" }),
    clashes: ["opponent"],
  });
  assert.deepEqual(changesOf(theirs, after.values), { opponent: "Green", week: 10 });
});

test("a change of ours whose answer was lost is not sent again", () => {
  const ours = values({ opponent: "Green" });
  const { values: after, clashes } = rebase(values(), ours, ours);
  assert.deepEqual([changesOf(ours, after), clashes], [{}, []]);
});

test("what is deleted together with a session", () => {
  assert.equal(goesWith({ plays: 2, clips: 1, tags: 0 }), "Goes with it: 2 plays, 1 clip.");
  assert.equal(goesWith({ plays: null, clips: 4, tags: 3 }), "Goes with it: its plays, 4 clips, 3 tags.");
  assert.equal(goesWith({ plays: 0, clips: 0, tags: 0 }), "Nothing was marked in it.");
});
