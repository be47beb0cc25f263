// Tags: merging, the changes one press causes, the values predicted for the next play, search.

import { webcrypto } from "node:crypto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { everything, facet, matching } from "../../../../appliance/app/state/tags/find.js";
import { tag as say, templateOf } from "../../../../appliance/app/state/tags/tagger.js";
import {
  Beginnings,
  PAGES,
  carried,
  merged,
  nextDown,
  nextUntagged,
  overlayTags,
  pageOf,
  pressed,
  tagsByPlay,
  writes,
} from "../../../../appliance/app/state/tags/tagging.js";

globalThis.crypto ??= webcrypto; // not global in Node 18

const EMPTY = {
  quarter: null,
  down: null,
  distance: null,
  yard_line: null,
  play_type: null,
  formation: null,
  result: null,
  yards_gained: null,
  notes: null,
  coach_notes: null,
  players: [],
  labels: [],
  is_important: false,
  is_reviewed: false,
};
const tag = (id, fields = {}) => ({
  ...EMPTY,
  id,
  play_id: "p",
  clip_id: "c",
  created_at: `2026-01-01T10:00:0${id}Z`,
  rev: 1,
  ...fields,
});
const GROUPS = [
  { field: "quarter", kind: "choice", carry: "keep" },
  { field: "down", kind: "choice", carry: "downs" },
  { field: "distance", kind: "number", carry: "downs" },
  { field: "yard_line", kind: "number", carry: "downs" },
  { field: "play_type", kind: "word", carry: null },
  { field: "players", kind: "words", carry: null },
];

test("each field comes from the newest tag that has it; lists are joined", () => {
  const fields = merged([
    tag("1", { down: 3, result: "Sack", players: ["7"] }),
    tag("2", { down: 4, players: ["88", "7"], is_important: true }),
  ]);
  assert.deepEqual(
    [fields.down, fields.result, fields.players, fields.is_important],
    [4, "Sack", ["7", "88"], true],
  );
});

test("tags are grouped by play, oldest first", () => {
  assert.deepEqual(
    tagsByPlay([tag("2"), tag("1"), tag("3", { play_id: null })])
      .get("p")
      ?.map((each) => each.id),
    ["1", "2"],
  );
});

test("a value goes into the newest tag, a new one where there is none", () => {
  assert.deepEqual(writes([], { down: 2 }), [{ id: null, fields: { down: 2 }, before: {} }]);
  assert.deepEqual(writes([tag("1", { down: 1 }), tag("2", { down: 4 })], { down: 2, result: "Sack" }), [
    { id: "2", fields: { down: 2, result: "Sack" }, before: { down: 4, result: null } },
  ]);
  assert.deepEqual(
    writes([tag("1", { down: 2 })], { down: 2 }),
    [],
    "what is said already is not said again",
  );
});

test("clearing a field clears it in every tag", () => {
  const tags = [tag("1", { down: 1, labels: ["a", "b"] }), tag("2", { down: 2, labels: ["a"] })];
  assert.deepEqual(
    writes(tags, { down: null }).map(({ id, fields }) => [id, fields]),
    [
      ["1", { down: null }],
      ["2", { down: null }],
    ],
  );
  assert.deepEqual(
    writes(tags, { labels: ["b"] }).map(({ id, fields }) => [id, fields]),
    [
      ["1", { labels: ["b"] }],
      ["2", { labels: ["b"] }],
    ],
  );
  assert.deepEqual(writes([tag("1", { is_important: true })], { is_important: false }), [
    { id: "1", fields: { is_important: false }, before: { is_important: true } },
  ]);
  assert.deepEqual(writes([], { down: null }), []);
});

test("a second press of a button clears its value", () => {
  assert.equal(pressed({ down: 2 }, { field: "down", kind: "choice" }, 2), null);
  assert.equal(pressed({ down: 2 }, { field: "down", kind: "choice" }, 3), 3);
  assert.deepEqual(pressed({ players: ["7"] }, { field: "players", kind: "words" }, "88"), ["7", "88"]);
  assert.deepEqual(pressed({ players: ["7"] }, { field: "players", kind: "words" }, "7"), []);
});

const mark = (doing, subject, body, state = "waiting") => ({
  key: doing,
  at: 0,
  site: "",
  epoch: "",
  doing,
  subject,
  body: { play_id: "p", session_id: "s" },
  request: { method: "", path: "", body },
  state,
});

test("this device's changes are applied until the box answers", () => {
  const box = new Map([["1", tag("1", { down: 1 })]]);
  const shown = overlayTags(box, [
    mark("tag_set", "1", { down: 3 }),
    mark("tag_new", "2", { id: "2", clip_id: "c", result: "Sack" }),
    mark("play_star", "p", {}),
  ]);
  assert.equal(shown.get("1")?.down, 3);
  assert.notEqual(shown.get("1")?.rev, 1, "who compares by rev must see it");
  assert.deepEqual(
    [shown.get("2")?.play_id, shown.get("2")?.result, shown.get("2")?.players],
    ["p", "Sack", []],
  );
  assert.equal(overlayTags(box, [mark("tag_drop", "1")]).size, 0);
  assert.equal(overlayTags(box, [mark("tag_set", "1", { down: 3 }, "refused")]).get("1")?.down, 1);
});

test("several plays are tagged at once, and undone at once", async () => {
  const made = [];
  const marks = {
    mark: async (doing, _subject, _body, request) => {
      made.push([doing, request.method, request.body]);
    },
  };
  const clip = { id: "c", play_id: "p", session_id: "s" };
  const fresh = { play: {}, clips: [clip], tags: [] };
  const known = { play: {}, clips: [clip], tags: [tag("1", { result: "Sack" })] };
  const { undo, count } = say(marks, [fresh, known, { ...fresh, clips: [] }], () => ({ result: "Gain" }));
  assert.equal(count, 2);
  assert.deepEqual(
    made.map((each) => each[0]),
    ["tag_new", "tag_set"],
  );
  assert.equal(made[0][2].clip_id, "c");
  undo();
  assert.deepEqual(
    made.slice(2).map(([doing, method, body]) => [doing, method, body]),
    [
      ["tag_set", "PATCH", { result: "Sack" }],
      ["tag_drop", "DELETE", undefined],
    ],
  );
});

const after = (fields) => nextDown({ ...EMPTY, ...fields });

test("the next down is computed from the yards gained", () => {
  assert.deepEqual(after({ down: 1, distance: 10, yards_gained: 3 }), { down: 2, distance: 7 });
  assert.deepEqual(after({ down: 2, distance: 7, yards_gained: -4 }), { down: 3, distance: 11 });
  assert.deepEqual(after({ down: 3, distance: 7, yards_gained: 7 }), { down: 1, distance: 10 });
  assert.deepEqual(after({ down: 2, distance: 7, result: "Incomplete" }), { down: 3, distance: 7 });
  assert.deepEqual(after({ down: 2, distance: 7, result: "First down" }), { down: 1, distance: 10 });
  assert.deepEqual(after({ down: 2, distance: 7, result: "Complete" }), { down: 3 });
});

test("the yard line moves, and near the goal line the distance is what remains", () => {
  assert.deepEqual(after({ down: 1, distance: 10, yards_gained: 12, yard_line: -45 }), {
    down: 1,
    distance: 10,
    yard_line: 43,
  });
  assert.deepEqual(after({ down: 2, distance: 8, yards_gained: 9, yard_line: 15 }), {
    down: 1,
    distance: 6,
    yard_line: 6,
  });
});

test("unknown values are not predicted", () => {
  for (const last of [
    {},
    { down: 2, distance: 7 },
    { down: 4, distance: 2, yards_gained: 1 },
    { down: 1, distance: 10, result: "Touchdown", yards_gained: 40 },
    { down: 3, distance: 1, result: "Penalty" },
  ])
    assert.deepEqual(after(last), {});
});

test("the quarter is carried over untagged plays, the down is not", () => {
  const tagged = { ...EMPTY, quarter: 2, down: 1, distance: 10, yards_gained: 4, play_type: "Run" };
  assert.deepEqual(carried([tagged], GROUPS), { quarter: 2, down: 2, distance: 6 });
  assert.deepEqual(carried([EMPTY, tagged], GROUPS), { quarter: 2 });
  assert.deepEqual(carried([], GROUPS), {});
});

const row = (number, fields = {}, play = {}) => ({
  play: { number, title: null, is_favorite: false, created_by: "ipad-1", ...play },
  fields: { ...EMPTY, ...fields },
  tagged: Object.keys(fields).length > 0,
});
const ROWS = [
  row(12, {
    quarter: 2,
    down: 3,
    distance: 7,
    play_type: "Pass",
    result: "First down",
    players: ["7 Smíth"],
  }),
  row(7, { quarter: 1, play_type: "Run", labels: ["Blitz"], notes: "great block" }, { is_favorite: true }),
  row(3),
];
const numbersOf = (more) => matching(ROWS, { ...everything(), ...more }).map((each) => each.play.number);

test("a search finds by number, player, words, quarter, down and distance", () => {
  assert.deepEqual(
    [
      numbersOf({ text: "7" }),
      numbersOf({ text: "smith" }),
      numbersOf({ text: "q2 pass" }),
      numbersOf({ text: "3&7" }),
      numbersOf({ text: "BLOCK" }),
      numbersOf({ text: "pass blitz" }),
    ],
    [[12, 7], [12], [12], [12], [7], []],
  );
  assert.deepEqual(numbersOf({}), [12, 7, 3]);
});

test("filters are joined, words compared as the box does", () => {
  assert.deepEqual(
    [
      numbersOf({ starred: true }),
      numbersOf({ untagged: true }),
      numbersOf({ fields: { result: "first_down" } }),
      numbersOf({ fields: { quarter: "1", play_type: "Run" } }),
      numbersOf({ fields: { labels: "blitz" } }),
    ],
    [[7], [3], [12], [7], [7]],
  );
  assert.deepEqual(facet(ROWS, "quarter"), [
    ["1", 1],
    ["2", 1],
  ]);
  assert.deepEqual(facet(ROWS, "labels"), [["Blitz", 1]]);
});

test("the board switches to a play that begins, not to an existing or restored one", () => {
  const plays = (...ids) => ids.map((id) => ({ id }));
  const beginnings = new Beginnings();
  assert.equal(beginnings.look(plays("b", "a")), "");
  assert.equal(beginnings.look(plays("c", "b", "a")), "c");
  assert.equal(beginnings.look(plays("c", "b", "a")), "");
  assert.equal(beginnings.look(plays("b", "a")), "", "undone");
  assert.equal(beginnings.look(plays("c", "b", "a")), "", "and restored");
  assert.equal(beginnings.look(plays("e", "d", "c")), "e", "two at once: the newest");
  const empty = new Beginnings();
  assert.equal(empty.look([]), "");
  assert.equal(empty.look(plays("a")), "a");
});

test("the next play without tags is the next older one, then the newest", () => {
  const rows = [
    ["d", true],
    ["c", false],
    ["b", false],
    ["a", false],
  ].map(([id, tagged]) => ({ play: { id }, tagged }));
  const next = (from) => nextUntagged(rows, from)?.play.id;
  assert.deepEqual(["d", "c", "b", "a", ""].map(next), ["c", "b", "a", "c", "c"]);
  assert.equal(nextUntagged([rows[0]], "d"), undefined);
  assert.equal(nextUntagged([rows[1]], "c"), undefined, "it alone is left");
});

test("every field has a page", () => {
  assert.deepEqual(["down", "formation", "result", "notes", "whatever comes"].map(pageOf), [
    "situation",
    "play",
    "result",
    "more",
    "result",
  ]);
  assert.deepEqual(
    PAGES.map((page) => page.label),
    ["Situation", "Play", "Result", "More"],
  );
});

test("while the box is unreachable the stored template is used", async () => {
  const kept = new Map();
  globalThis.localStorage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
  };
  const lost = async () => Promise.reject(new TypeError("away"));
  await assert.rejects(templateOf({ away: true, request: lost }), /away/);
  const given = { sport: "football", groups: [] };
  assert.deepEqual(await templateOf({ away: false, request: async () => given }), given);
  assert.deepEqual(await templateOf({ away: true, request: lost }), given);
  delete globalThis.localStorage;
});
