// Viewing a recording: the span of a session, the visible part, what plays next, the span of a new clip;
// figures.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cutOf,
  everythingOf,
  following,
  inside,
  pieceAt,
  spanOf,
  ticksOf,
  zoomed,
} from "../../../../appliance/app/state/footage/review.js";
import { barsOf, percent, quartersOf } from "../../../../appliance/app/state/tags/stats.js";

const at = (clock) => Date.parse(`2026-01-01T${clock}Z`);
const iso = (clock) => `2026-01-01T${clock}Z`;

test("the span of a session is from its start or first play to its end or now", () => {
  const now = at("12:00:00");
  const play = { start_time: iso("09:59:00"), duration: 5 };
  assert.deepEqual(
    spanOf({ status: "completed", actual_start: iso("10:00:00"), actual_end: iso("11:00:00") }, [], now),
    { from: at("09:59:30"), to: at("11:00:30") },
  );
  assert.deepEqual(
    spanOf({ status: "active", actual_start: iso("10:00:00"), actual_end: null }, [play], now),
    { from: at("09:58:30"), to: now },
  );
  const never = spanOf({ status: "scheduled", actual_start: null, actual_end: null }, [], now);
  assert.ok(never.from < never.to && never.to <= now);
});

test("the visible part stays inside the whole; zooming keeps the position of the given instant", () => {
  const whole = { from: 0, to: 600_000 };
  assert.deepEqual(inside({ from: -50_000, to: 50_000 }, whole), { from: 0, to: 100_000 });
  assert.deepEqual(inside({ from: 0, to: 9e9 }, whole), whole);
  assert.deepEqual(zoomed({ from: 100_000, to: 200_000 }, 0.5, 120_000, whole), {
    from: 110_000,
    to: 160_000,
  });
  assert.equal(
    zoomed({ from: 0, to: 20_000 }, 0.01, 0, whole).to,
    10_000,
    "nobody looks closer than ten seconds",
  );
});

test("the visible part moves only when the picture leaves it", () => {
  const whole = { from: 0, to: 600_000 };
  const view = { from: 100_000, to: 200_000 };
  assert.equal(following(view, 150_000, whole), view);
  assert.deepEqual(following(view, 205_000, whole), { from: 195_000, to: 295_000 });
  assert.deepEqual(following(view, 95_000, whole), { from: 5_000, to: 105_000 });
});

test("times on the timeline are round and do not overlap", () => {
  assert.deepEqual(
    ticksOf({ from: at("10:00:10"), to: at("10:05:10") }, 6),
    ["10:01:00", "10:02:00", "10:03:00", "10:04:00", "10:05:00"].map(at),
  );
  assert.ok(ticksOf({ from: 0, to: 86_400_000 }, 5).length <= 5);
});

test("playback follows the footage and skips what was not recorded", () => {
  const spans = [
    { start: iso("10:00:00"), end: iso("10:01:00") },
    { start: iso("10:05:00"), end: iso("10:30:00") },
  ];
  assert.deepEqual(pieceAt(spans, at("10:00:30"), 60_000), { from: at("10:00:30"), to: at("10:01:00") });
  assert.deepEqual(pieceAt(spans, at("10:02:00"), 60_000), { from: at("10:05:00"), to: at("10:06:00") });
  assert.deepEqual(
    pieceAt(spans, at("10:00:59.950"), 60_000)?.from,
    at("10:05:00"),
    "no piece of a picture or two",
  );
  assert.equal(pieceAt(spans, at("10:30:00"), 60_000), null);
});

test("a clip is the span from IN to OUT, or the last ten seconds", () => {
  assert.deepEqual(cutOf(null, null, 60_000), { from: 50_000, to: 60_000 });
  assert.deepEqual(cutOf(10_000, 20_000, 60_000), { from: 10_000, to: 20_000 });
  assert.deepEqual(cutOf(10_000, null, 60_000), { from: 10_000, to: 60_000 });
  assert.equal(cutOf(70_000, null, 60_000), null);
  assert.deepEqual(cutOf(null, 20_000, 60_000), { from: 10_000, to: 20_000 });
});

test("an old session is fetched page by page", async () => {
  const asked = [];
  const ask = async (_method, path) => {
    asked.push(path);
    return path.includes("cursor=n%2B1")
      ? { items: [{ id: "2" }], next_cursor: null }
      : { items: [{ id: "1" }], next_cursor: path.includes("plays") ? "n+1" : null };
  };
  const all = await everythingOf(ask, "s");
  assert.deepEqual([[...all.plays.keys()], [...all.tags.keys()]], [["1", "2"], ["1"]]);
  assert.equal(asked.length, 4);
});

test("figures are rows of tagged values, linked to their plays", () => {
  assert.deepEqual(barsOf({ Run: 3, Pass: 1 }, "play_type"), [
    { label: "Run", value: 3, filter: "play_type=Run" },
    { label: "Pass", value: 1, filter: "play_type=Pass" },
  ]);
  assert.deepEqual(barsOf(null, "result"), []);
  const stats = {
    by_quarter: [
      { quarter: 5, total_plays: 4, run_pass: { run: 1, pass: 2 } },
      { quarter: 1, total_plays: 2, run_pass: { run: null, pass: null } },
    ],
  };
  assert.deepEqual(
    quartersOf(stats, (n) => `Q${n}`).map(({ label, run, pass, other }) => [label, run, pass, other]),
    [
      ["Q5", 1, 2, 1],
      ["Q1", 0, 0, 2],
    ],
  );
  assert.deepEqual([percent(null), percent(0.456)], ["–", "46 %"]);
});
