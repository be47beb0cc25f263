// A one-time code as it is typed, and the text shown when one is refused.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  SELECTOR,
  isCode,
  leftOf,
  plainCode,
  shownCode,
  Tries,
  TRIES,
  troubleOf,
} from "../../../../appliance/app/state/access/code.js";

test("a code is read as a person types it", () => {
  for (const text of ["7QK2-M9XT", "7qk2m9xt", " 7QK2 M9XT "]) assert.equal(plainCode(text), "7QK2M9XT");
  assert.equal(plainCode("oil0-1OLI"), "01101011");
  for (const text of ["7QK2M9XT", "oooo-iiii"]) assert.equal(isCode(text), true, text);
  for (const text of ["", "7QK2M9X", "7QK2M9XTA", "7QK2M9XU", "7QK2M9X!"])
    assert.equal(isCode(text), false, text);
});

test("the hyphen is inserted automatically", () => {
  const typed = ["7", "7q", "7qk2", "7qk2m", "7qk2-m9xt-extra"].map(shownCode);
  assert.deepEqual(typed, ["7", "7Q", "7QK2", "7QK2-M", "7QK2-M9XT"]);
});

test("wrong codes are counted by their first characters, as on the box", () => {
  const core = readFileSync(new URL("../../../../appliance/access/core.py", import.meta.url), "utf8");
  assert.equal(SELECTOR, Number(/^SELECTOR_CHARS = (\d+)$/m.exec(core)?.[1]));
  const tries = new Tries();
  const left = ["7QK2M000", "7qk-2m001", "7QK20000", "7QK2M003", "7QK2M004", "7QK2M005", "7QK2M006"];
  assert.deepEqual(
    left.map((code) => tries.fail(code)),
    [4, 3, 4, 2, 1, 0, 0],
  );
  assert.equal(TRIES, 5);
});

test("each refusal says what to do", () => {
  const wrong = (reason, left = 4) =>
    troubleOf({ status: 403, problem: { code: "wrong_code", reason } }, left);
  assert.match(wrong("wrong"), /Compare each character; 4 tries are left\. .* ask for a new one/);
  assert.match(wrong("wrong", 1), /One try is left/);
  for (const words of [wrong("wrong", 0), wrong("ended")])
    assert.match(words, /Five wrong tries have ended this code\. Ask for a new code/);
  assert.match(wrong("expired"), /The time of this code is over\. Ask for a new code/);
  assert.match(wrong("used"), /has been used: it pairs one device only\. Ask/);
  assert.match(troubleOf({}, 1), /does not answer\. Check that this device is in the box's Wi-Fi/);
  const many = { code: "too_many_codes", detail: "many wrong codes are being tried", hint: "try again" };
  assert.equal(troubleOf({ status: 503, problem: many }, 1), "many wrong codes are being tried. try again");
  assert.match(troubleOf({ status: 422, problem: { errors: [{ loc: "code" }] } }, 1), /8 letters and digits/);
  assert.match(troubleOf({ status: 422, problem: { errors: [{ loc: "name" }] } }, 1), /name cannot be used/);
  assert.match(troubleOf({ status: 500, problem: {} }, 1), /answers 500/);
});

test("the remaining time is shown to the second; an expired code shows none", () => {
  const at = Date.parse("2026-11-20T19:00:00Z");
  const left = (seconds) => leftOf(new Date(at + seconds * 1000).toISOString(), at);
  assert.deepEqual([600, 61, 60, 59, 1, 0, -5].map(left), [
    "10 min 0 s left",
    "1 min 1 s left",
    "1 min 0 s left",
    "59 s left",
    "1 s left",
    "",
    "",
  ]);
});
