// A piece of recording: capture time and media time, with edit lists honoured and ignored; which piece to ask
// for.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  beginOf,
  captureOf,
  covers,
  exact,
  findReplay,
  habitsOf,
  mediaOf,
  pieceOf,
  replayPath,
  stepOf,
} from "../../../../appliance/app/state/footage/replay.js";

const OK = { ignored: false, raw: false };
const IGNORED = { ignored: true, raw: false };
const START = Date.parse("2026-01-01T10:00:00Z");
const iso = (ms) => new Date(ms).toISOString();
/** [s, ms after the start] as the box reports it. */
const times = (...pairs) =>
  pairs.map(([at_s, ms]) => {
    const us = String(Math.round((ms % 1) * 1000)).padStart(3, "0");
    return { at_s, time: `${iso(START + Math.floor(ms)).slice(0, -1)}${us}Z` };
  });
/** 50 pictures of 25 a second, the first of them 0.72 s after a key. */
const facts = (more = {}) => ({
  url: "/channels/cam1/replay.mp4?v=1",
  start: "2026-01-01T10:00:00.000250Z",
  end: "2026-01-01T10:00:02.000250Z",
  duration_s: 2,
  preroll_s: 0.72,
  frames: 50,
  runs: 1,
  missing: [],
  times: times([0, 0.25], [2, 2000.25]),
  ...more,
});

test("before the self-test the media times that a browser reports are not used", () => {
  const habits = (given) => habitsOf({ get: (name) => given[name] });
  assert.deepEqual(habits({ editLists: "", rawTimes: false }), { ignored: false, raw: true });
  assert.deepEqual(habits({ editLists: "unknown", rawTimes: false }), { ignored: false, raw: true });
  assert.deepEqual(habits({ editLists: "ok", rawTimes: false }), OK);
  assert.deepEqual(habits({ editLists: "ok", rawTimes: true }), { ignored: false, raw: true });
  assert.deepEqual(habits({ editLists: "ignored", rawTimes: false }), IGNORED);
});

test("times are read with their microseconds", () => {
  assert.equal(exact("2026-01-01T10:00:00.123456Z"), START + 123.456);
  assert.equal(exact("2026-01-01T10:00:00Z"), START);
});

for (const [words, habits, first] of [
  ["honoured", OK, 0],
  ["ignored", IGNORED, 0.72],
]) {
  test(`edit lists ${words}: a seek is within the picture and reports its own capture time`, () => {
    const piece = pieceOf(facts(), habits);
    assert.equal(piece.hidden, first);
    for (let n = 0; n < 50; n++) {
      const at = piece.from + n * 40;
      const media = mediaOf(piece, at);
      const [begins, ends] = [first + n * 0.04, first + (n + 1) * 0.04]; // of picture n in this browser
      assert.ok(media > begins + 0.005 && media < ends - 0.005, `picture ${n} at ${media}`);
      assert.ok(Math.abs(captureOf(piece, beginOf(piece, media, null)) - at) < 1e-3, "by the grid");
      assert.ok(Math.abs(captureOf(piece, beginOf(piece, media, begins)) - at) < 1e-3, "as told");
    }
  });

  test(`edit lists ${words}: from picture to picture and back, to both ends`, () => {
    const piece = pieceOf(facts(), habits);
    let at = piece.from;
    for (const by of [1, 1, 1, -1, 5, -7, 48, 1, -1]) {
      const wanted = at + by * 40;
      at = captureOf(piece, beginOf(piece, mediaOf(piece, stepOf(piece, at, by, 1 / 30)), null));
      const last = piece.from + 49 * 40;
      assert.ok(Math.abs(at - Math.min(last, Math.max(piece.from, wanted))) < 1e-3);
    }
  });
}

test("while a hidden picture is shown, the position is that of the first shown one", () => {
  const piece = pieceOf(facts(), IGNORED);
  assert.equal(captureOf(piece, 0), piece.from);
  assert.equal(captureOf(piece, beginOf(piece, 0.3, 0.28)), piece.from);
  assert.equal(captureOf(pieceOf(facts(), OK), 0), piece.from);
});

test("a reported time of another picture is not used", () => {
  const piece = pieceOf(facts(), OK);
  assert.equal(beginOf(piece, 1.01, 0.2).toFixed(6), "1.000000", "told before the seek");
  assert.equal(beginOf(piece, 1.01, null).toFixed(6), "1.000000");
  assert.equal(beginOf(piece, 1.01, 0.9999).toFixed(6), "0.999900", "pictures need not lie on the grid");
});

test("at 29.97 pictures a second every step is one picture over half a minute", () => {
  const piece = pieceOf(
    facts({
      duration_s: 30.03,
      frames: 900,
      end: "2026-01-01T10:00:30.030250Z",
      times: times([0, 0.25], [30.03, 30_030.25]),
    }),
    OK,
  );
  const frame = 1001 / 30000;
  for (let n = 0; n < 900; n++) {
    const media = mediaOf(piece, piece.from + n * frame * 1000);
    assert.equal(Math.floor(media / frame), n);
  }
});

test("a camera's clock may be faster or slower than the box's", () => {
  // The first second of footage arrives in 0.6 s; after that its clock is 0.5 % slow.
  const piece = pieceOf(
    facts({ end: "2026-01-01T10:00:01.605250Z", times: times([0, 0.25], [1, 600.25], [2, 1605.25]) }),
    IGNORED,
  );
  const captured = (/** @type {number} */ n) => piece.from + (n < 25 ? n * 24 : 600 + (n - 25) * 40.2);
  for (let n = 0; n < 50; n++) {
    const media = mediaOf(piece, captured(n));
    assert.equal(Math.floor((media - 0.72) / 0.04), n);
    assert.ok(Math.abs(captureOf(piece, beginOf(piece, media, null)) - captured(n)) < 1e-3);
  }
  assert.ok(Math.abs(stepOf(piece, captured(20), 10, 1 / 30) - captured(30)) < 1e-3);
  assert.ok(
    Math.abs(stepOf(piece, captured(49), 2, 1 / 30) - captured(51)) < 1e-3,
    "beyond the end as it went there",
  );
});

test("with a gap inside, pictures are not counted by their length, and capture times are correct", () => {
  const gap = { start: "2026-01-01T10:00:01Z", end: "2026-01-01T10:00:01.500Z", reason: "gap" };
  const piece = pieceOf(facts({ frames: 38, missing: [gap] }), IGNORED);
  assert.equal(piece.frame, 0);
  const media = mediaOf(piece, piece.from + 1600);
  assert.ok(media > 0.72 + 1.6 && media < 0.72 + 1.61);
  assert.equal(captureOf(piece, beginOf(piece, media, 2.32)).toFixed(3), (piece.from + 1600).toFixed(3));
  assert.ok(
    Math.abs(stepOf(piece, piece.from + 1600, -2, 1 / 25) - piece.from - 1520) < 1e-3,
    "as the channel says",
  );
  assert.equal(stepOf(null, START, -2, 1 / 25), START - 80);
  const trimmed = pieceOf(
    facts({
      missing: [{ start: iso(START - 500), end: "2026-01-01T10:00:00.000250Z", reason: "no_footage" }],
    }),
    OK,
  );
  assert.ok(trimmed.frame > 0, "what is missing before the first picture makes no hole");
});

test("a replay contains its pictures and not what follows", () => {
  const piece = pieceOf(facts(), OK);
  assert.deepEqual(
    [null, piece, piece].map((each, n) => covers(each, START + n)),
    [false, true, true],
  );
  assert.equal(covers(piece, piece.to), false);
  assert.equal(covers(piece, START - 40), false);
});

// -- requesting ---------------------------------------------------------------------------------------------

const span = (path) => {
  const query = new URLSearchParams(path.split("?")[1]);
  const from = Date.parse(query.get("start")) - START;
  return [from, from + Number(query.get("duration")) * 1000, query.has("wait")];
};

/** A box with footage of [from, until), which grows up to `later` a second later. */
function boxWith(from, until, later = until) {
  const asked = [];
  const ask = async (path) => {
    const [start, end, wait] = span(path);
    asked.push([start, end, wait]);
    const known = wait ? later : until;
    const problem = { code: "not_yet_covered", covered_until: iso(START + known) };
    if (end > known || start >= known) throw Object.assign(new Error("no"), { problem });
    return facts({ start: iso(START + Math.max(from, start)), end: iso(START + end) });
  };
  return { ask, asked };
}

const want = (from, to, at = from, now = to + 1500) => ({
  from: START + from,
  to: START + to,
  at: START + at,
  now: START + now,
});

test("the path has milliseconds, and never a longer span than requested", () => {
  assert.deepEqual(span(replayPath("cam1", { from: START + 0.9, to: START + 60_000.5 })), [0, 60_000, false]);
  assert.match(
    replayPath("cam 1", { from: START, to: START + 5000 }, true),
    /^\/channels\/cam%201\/replay\?start=2026-01-01T10%3A00%3A00\.000Z&duration=5\.000&wait=1$/,
  );
});

test("one request where there is footage", async () => {
  const box = boxWith(-60_000, 60_000);
  await findReplay(box.ask, "cam1", want(0, 30_000));
  assert.deepEqual(box.asked, [[0, 30_000, false]]);
});

test("where footage ends early the replay is shorter; a camera that is off is not waited for", async () => {
  const box = boxWith(-60_000, 8000);
  await findReplay(box.ask, "cam1", want(0, 30_000, 0, 90_000));
  assert.deepEqual(box.asked, [
    [0, 30_000, false],
    [0, 8000, false],
  ]);
  const off = boxWith(-60_000, -1000);
  await assert.rejects(findReplay(off.ask, "cam1", want(0, 30_000, 0, 90_000)));
  assert.equal(off.asked.length, 1);
});

test("the request waits for a very recent picture", async () => {
  const box = boxWith(-60_000, -100, 400);
  const facts = await findReplay(box.ask, "cam1", want(-1000, 200, 0, 500));
  assert.deepEqual(box.asked, [
    [-1000, 200, false],
    [-1000, 200, true],
  ]);
  assert.equal(facts.end, iso(START + 200));
});

test("pictures before a gap are left out: the replay begins at the requested one", async () => {
  const asked = [];
  const ask = async (path) => {
    asked.push(span(path).slice(0, 2));
    return asked.length === 1 ? facts({ start: iso(START - 1000), end: iso(START - 400) }) : facts();
  };
  await findReplay(ask, "cam1", want(-1000, 20_000, 0));
  assert.deepEqual(asked, [
    [-1000, 20_000],
    [0, 20_000],
  ]);
});

test("a span without footage is refused at once", async () => {
  let asked = 0;
  const ask = async () => {
    asked++;
    throw Object.assign(new Error("no"), {
      problem: { code: "not_yet_covered", covered_until: iso(START + 90_000) },
    });
  };
  await assert.rejects(findReplay(ask, "cam1", want(0, 30_000)));
  await assert.rejects(
    findReplay(
      async () => {
        throw new Error("offline");
      },
      "cam1",
      want(0, 30_000),
    ),
    /offline/,
  );
  assert.equal(asked, 1);
});
