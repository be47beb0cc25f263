// What the status page shows of GET /status and /readyz.

import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsOf, spanOf, verdictOf } from "../../../appliance/app/pages/status-groups.js";

const NOW = Date.parse("2026-11-20T19:00:00Z");
const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const PROCESS = { name: "a-1", version: "1", started_at: ago(90), seen_at: ago(1), is_alive: true, lag_s: 0 };
const READY = { parts: { store: { status: "ok", detail: "answers", hint: null } } };
const STATUS = {
  server_time: ago(0),
  environment: "demo",
  api_domain: "",
  version: "1",
  process: "a-1",
  database: { engine: "SQLite", place: "cloud.db", connections: 1 },
  processes: [PROCESS],
  journal: { head: 1200, oldest: 1, followers: [] },
  leases: { held: 0, items: [] },
  parts: { deliveries: { title: "Deliveries", figures: { pending: 0 }, lines: [] } },
};
const group = (title, change = {}, ready = READY) =>
  groupsOf({ ...STATUS, ...change }, ready).find((each) => each.title === title);

test("an empty service is in order, and every empty group says so", () => {
  const groups = groupsOf(STATUS, READY);
  assert.deepEqual(verdictOf(groups), { kind: "good", words: "All is in order" });
  for (const each of groups) assert.ok(each.lines.length || each.empty, each.title);
  assert.equal(group("Processes").lines[0].words, "version 1, for 90 s · answers this page");
  assert.deepEqual(group("Journal").figures[0], ["newest entry", "1,200"]);
});

test("a process that is late or gone needs attention", () => {
  const late = { ...PROCESS, name: "b-2", lag_s: 7 };
  const gone = { ...PROCESS, name: "c-3", is_alive: false, lag_s: null, seen_at: ago(300) };
  const { lines, figures } = group("Processes", { processes: [PROCESS, late, gone] });
  assert.deepEqual(
    lines.map((each) => each.status),
    ["ok", "warn", "warn"],
  );
  assert.match(lines[1].words, /7 s behind the journal/);
  assert.match(lines[2].words, /no sign for 5 min/);
  assert.deepEqual(figures, [["running", "2"]]);
});

test("a reader that lost entries does not work", () => {
  const follower = { name: "boxes", seq: 3, behind: 4000, moved_at: ago(7200), needs_resync: true };
  const { lines } = group("Journal", { journal: { head: 4003, oldest: 9, followers: [follower] } });
  assert.deepEqual([lines[0].status, lines[0].words], ["bad", "4,000 entries behind · moved 2 h ago"]);
});

test("leases, domains and health are told in words", () => {
  const items = [{ kind: "webhook", subject: "s1", owner: "a-1", token: 2, until: ago(-20) }];
  assert.equal(group("Leases", { leases: { held: 1, items } }).lines[0].words, "a-1 · for 20 s more");
  const lines = [{ status: "warn", name: "https://x", detail: "answers 500", since: ago(600) }];
  const parts = { deliveries: { title: "Deliveries", figures: { pending: 2 }, lines } };
  assert.equal(group("Deliveries", { parts }).lines[0].words, "answers 500 · for 10 min");
  const ready = { parts: { disk_state: { status: "bad", detail: "full", hint: "delete" } } };
  assert.deepEqual(group("Health", {}, ready).lines[0].fix, "delete");
  const words = "Something does not work: deliveries, health";
  assert.deepEqual(verdictOf(groupsOf({ ...STATUS, parts }, ready)), { kind: "bad", words });
});

test("spans in their largest unit", () => {
  const spans = [0, 119, 120, 7199, 7200, 172_799, 172_800].map((seconds) => spanOf(seconds * 1000));
  assert.deepEqual(spans, ["0 s", "119 s", "2 min", "120 min", "2 h", "48 h", "2 days"]);
});
