// A press that counts twice by mistake, and a key that is held.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= new EventTarget();
const { Presses } = await import("../../../../appliance/app/state/marks/press.js");
const { Keys } = await import("../../../../appliance/app/state/device/keys.js");

test("a second press of the same kind at once is the same press; other kinds and later ones are not", () => {
  const presses = new Presses();
  const touches = [
    ["delete", 0, 1],
    ["delete", 120, 2],
    ["delete", 399, 3],
    ["delete", 800, 4],
    ["star a", 810, 5],
    ["star b", 820, 6],
    ["star b", 900, 7],
  ];
  assert.deepEqual(
    touches.map(([what, at, touch]) => presses.isBounce(what, at, touch)),
    [false, true, true, false, false, false, true],
  );
  assert.deepEqual(
    [
      ["delete", 950, 8],
      ["delete", 1000, 10],
    ].map(([what, at, touch]) => presses.isBounce(what, at, touch)),
    [false, false],
    "something else was touched between",
  );
});

test("a held key acts once, except keys that move by pictures or plays", () => {
  const keys = new Keys();
  const done = [];
  keys.add(
    ["n", "u", "s", "Enter", ",", "ArrowLeft", "Shift+ArrowRight"].map((key) => ({
      keys: [key],
      words: key,
      act: () => done.push(key),
    })),
  );
  const press = (key, repeat, shiftKey = false) =>
    keys.press({ key, repeat, shiftKey, target: { closest: () => null }, preventDefault() {} });
  for (const key of ["n", "u", "s", "Enter", ",", "ArrowLeft"])
    for (const repeat of [false, true, true]) press(key, repeat);
  for (const repeat of [false, true]) press("ArrowRight", repeat, true);
  const count = (key) => done.filter((each) => each === key).length;
  assert.deepEqual(
    ["n", "u", "s", "Enter", ",", "ArrowLeft", "Shift+ArrowRight"].map(count),
    [1, 1, 1, 1, 3, 3, 2],
  );
});
