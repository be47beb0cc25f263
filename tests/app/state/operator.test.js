import assert from "node:assert/strict";
import { test } from "node:test";
import { spell, stripOf } from "../../../appliance/app/state/footage/coverage.js";
import { endOf, inOrder, nextOf } from "../../../appliance/app/state/session/control.js";
import { differenceOf, lineUp, nearest } from "../../../appliance/app/state/footage/lineup.js";
import { hoursOf } from "../../../appliance/app/state/words.js";
import { setZone } from "../../../appliance/app/state/zone.js";

const T = Date.parse("2026-11-21T14:00:00Z");
const at = (seconds) => new Date(T + seconds * 1000).toISOString();
const timeline = (spans, gaps) => ({
  spans: spans.map(([start, end]) => ({ start: at(start), end: at(end), run_id: "r" })),
  gaps: gaps.map(([start, end, reason]) => ({
    start: at(start),
    end: end === null ? null : at(end),
    reason,
  })),
});

test("a strip shows covered spans, and gaps with their reasons", () => {
  setZone("UTC");
  const strip = stripOf(
    timeline(
      [
        [-50, 40],
        [46, 90],
      ],
      [
        [40, 46, "source_lost"],
        [90, null, "no_footage"],
      ],
    ),
    T,
    T + 100_000,
  );
  assert.deepEqual(
    strip.spans.map(({ left, width }) => [left, width]),
    [
      [0, 40],
      [46, 44],
    ],
  );
  assert.deepEqual(
    strip.gaps.map(({ left, width }) => [left, width]),
    [
      [40, 6],
      [90, 10],
    ],
  );
  assert.deepEqual(
    strip.gaps.map((gap) => gap.words),
    ["14:00:40–14:00:46 the camera was lost (6\u00a0s)", "since 14:01:30 no footage (10\u00a0s)"],
  );
  assert.equal(strip.words, "84 % recorded, 2 gaps");
});

test("a very short gap is drawn with a minimum width, inside the strip", () => {
  const [gap] = stripOf(timeline([[0, 3599]], [[3599.9, 3600, "discontinuity"]]), T, T + 3_600_000).gaps;
  assert.deepEqual([gap.left, gap.width], [99.75, 0.25]);
  assert.equal(stripOf(timeline([], []), T, T + 1000).words, "No footage in this time");
  assert.equal(stripOf(timeline([[0, 100]], []), T, T + 100_000).words, "All recorded");
});

test("before the first footage there is no gap", () => {
  setZone("UTC");
  const strip = stripOf(
    timeline(
      [
        [60, 98],
        [99, 100],
      ],
      [
        [0, 60, "no_footage"],
        [98, 99, "no_footage"],
      ],
    ),
    T,
    T + 100_000,
  );
  assert.deepEqual([strip.before?.left, strip.before?.width, strip.gaps.length], [0, 60, 1]);
  assert.equal(strip.words, "98 % recorded since 14:01:00, 1 gap");
  assert.equal(stripOf(timeline([], [[0, null, "no_footage"]]), T, T + 100_000).gaps.length, 1);
});

test("durations and hours as text", () => {
  assert.deepEqual([0.4, 6, 240, 9000].map(spell), ["400\u00a0ms", "6\u00a0s", "4\u00a0min", "2.5\u00a0h"]);
  assert.deepEqual([null, 1.52, 31.2, 5000].map(hoursOf), ["", "1.5 h", "31 h", "over 1000 h"]);
});

const cameras = (...delays) => delays.map((latency_ms, index) => ({ id: `cam${index + 1}`, latency_ms }));

test("the second camera's delay is changed by the difference", () => {
  assert.deepEqual([...(lineUp(cameras(0, 100), "cam1", "cam2", T, T + 400.4) ?? [])], [["cam2", 500]]);
  assert.deepEqual([...(lineUp(cameras(0, 100), "cam1", "cam2", T, T - 60) ?? [])], [["cam2", 40]]);
});

test("instead of a negative delay all other delays grow, which keeps earlier line-ups valid", () => {
  const after = lineUp(cameras(20, 100, 70), "cam1", "cam2", T, T - 250);
  assert.deepEqual(Object.fromEntries(after ?? []), { cam1: 170, cam2: 0, cam3: 220 });
});

test("nothing to change, and too far apart", () => {
  assert.equal(lineUp(cameras(0, 0), "cam1", "cam2", T, T + 0.3)?.size, 0);
  assert.equal(lineUp(cameras(0, 0), "cam1", "cam1", T, T + 500)?.size, 0);
  assert.equal(
    lineUp(cameras(0, 0), "cam1", "cam2", T, T - 19, 20)?.size,
    0,
    "half a picture is no difference",
  );
  assert.equal(lineUp(cameras(0, 0), "cam1", "cam2", T, T + 60_001), null);
});

test("the nearest picture", () => {
  const frames = [0, 33, 67, 100];
  assert.deepEqual(
    [-5, 16, 17, 90, 500].map((when) => nearest(frames, when)),
    [0, 0, 1, 3, 3],
  );
  assert.equal(nearest([], 5), 0);
});

test("the difference as text", () => {
  assert.equal(differenceOf(400, "Camera 1", "Camera 2"), "Camera 2 is 400 ms behind Camera 1");
  assert.equal(differenceOf(-33.3, "Camera 1", "Camera 2"), "Camera 2 is 33 ms ahead of Camera 1");
  assert.equal(differenceOf(0.2, "Camera 1", "Camera 2"), "Camera 1 and Camera 2 agree");
});

test("sessions: running ones, then scheduled ones by start time, then the newest completed ones", () => {
  const session = (id, status, more) => ({
    id,
    status,
    created_at: at(0),
    scheduled_start: null,
    actual_end: null,
    ...more,
  });
  const all = [
    session("old", "completed", { actual_end: at(-500) }),
    session("next", "scheduled", { scheduled_start: at(200) }),
    session("runs", "active"),
    session("new", "completed", { actual_end: at(-50) }),
    session("soon", "scheduled", { scheduled_start: at(100) }),
    session("rests", "paused"),
  ];
  assert.deepEqual(
    inOrder(all).map((each) => each.id),
    ["runs", "rests", "soon", "next", "new", "old"],
  );
});

test("a session's transitions, and which of them need a confirmation", () => {
  const eventsOf = (status) => [nextOf(status)?.event, endOf(status)?.event];
  assert.deepEqual(["scheduled", "active", "paused", "completed", "unheard"].map(eventsOf), [
    ["start", undefined],
    ["pause", "complete"],
    ["resume", "complete"],
    [undefined, "reopen"],
    [undefined, undefined],
  ]);
});
