import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../../appliance/app/state/device/selftest.js";
import { HIDDEN, greyOf, pictureOf, testClip } from "../../../appliance/app/state/device/testclip.js";
import {
  figureOf,
  lengthOf,
  missingOf,
  missingOfAll,
  stateOfPlay,
  tagsOf,
} from "../../../appliance/app/state/words.js";

test("durations and figures", () => {
  assert.deepEqual([8.4, 0, 65.25, 59.96].map(lengthOf), ["0:08.4", "0:00.0", "1:05.3", "1:00.0"]);
  assert.deepEqual([0.214, 12.34].map(figureOf), ["0.21 s", "12.3 s"]);
});

test("the team's words", () => {
  assert.equal(
    tagsOf([{ down: 3, distance: 7, play_type: "Pass", formation: null, result: null, labels: [] }]),
    "3&7 Pass",
  );
});

test("a play's state in words", () => {
  const play = { duration: 5 };
  const clip = (more) => ({
    status: "pending",
    waiting_for: "footage",
    stream_url: null,
    coverage: null,
    ...more,
  });
  assert.equal(stateOfPlay({ duration: 0 }, []), "Open");
  assert.equal(stateOfPlay(play, []), "No camera");
  assert.equal(stateOfPlay(play, [clip({})]), "Waiting for footage");
  assert.equal(stateOfPlay({ duration: 0 }, [clip({ waiting_for: "out" })]), "Open");
  assert.equal(
    stateOfPlay(play, [clip({ waiting_for: "out" })]),
    "Ended, not on the box yet",
    "END is pressed, the box is away",
  );
  const ready = { status: "ready", waiting_for: null, stream_url: "/x" };
  assert.equal(stateOfPlay(play, [clip(ready), clip({})]), "1 of 2 angles");
  assert.equal(stateOfPlay(play, [clip(ready), clip({ status: "failed" })]), "1 of 2 angles failed");
  const gap = { start: "2026-01-01T10:00:00Z", end: "2026-01-01T10:00:05Z", reason: "no_footage" };
  const part = clip({ ...ready, coverage: { missing: [gap] } });
  assert.equal(stateOfPlay(play, [part]), "Part missing");
  assert.match(missingOf(part).join(), /^No footage \d\d:00:00–\d\d:00:05: no footage$/);
  const gaps = [0, 1, 2, 3].map((at) => ({ ...gap, start: `2026-11-20T00:00:0${at}Z` }));
  assert.match(
    missingOfAll([clip({ coverage: { missing: gaps } }), part]),
    /:00:00–.* · No footage .*:00:01–.* · and 3 more$/,
  );
  assert.equal(missingOfAll([clip(ready)]), "");
});

test("the test clip's pictures are distinguished by their grey level", () => {
  for (let n = 0; n < 35; n++) assert.equal(pictureOf(greyOf(n) + 2), n);
  const text = Buffer.from(testClip()).toString("latin1");
  for (const name of ["ftyp", "moov", "elst", "avcC", "mdat"]) assert.ok(text.includes(name));
});

test("the verdict on edit lists", () => {
  assert.equal(judge([HIDDEN, HIDDEN + 1]).verdict, "ok");
  assert.equal(judge([0, 0.4]).verdict, "ignored");
  // the reported time is ahead of the picture
  assert.deepEqual([judge([0], [HIDDEN - 3]).verdict, judge([0], [HIDDEN - 3]).raw], ["ok", true]);
  assert.equal(judge([0], [-2]).verdict, "ignored");
  assert.equal(judge([]).verdict, "unknown");
  assert.equal(judge([30]).verdict, "unknown");
});
