// Undo of actions on a play, also while the box is unreachable.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deletePlay, trimClip, trimPlay } from "../../../appliance/app/screens/play-actions.js";
import { Marks } from "../../../appliance/app/state/marks/marks.js";
import { Outbox } from "../../../appliance/app/state/marks/outbox.js";
import { overlay } from "../../../appliance/app/state/connection/store.js";

const nothing = { all: async () => [], put: async () => {}, drop: async () => {} };
const play = { id: "p", number: 1, session_id: "s", start_time: "2026-01-01T10:00:00Z", duration: 9 };

/** An app whose box does not answer; `backs`: the undo functions of its actions. */
function made() {
  const outbox = new Outbox({ disk: nothing, send: () => new Promise(() => {}) });
  const box = { outbox, state: { plays: new Map([["p", play]]) } };
  const backs = [];
  const plays = () => [...overlay(box.state.plays, outbox.marks).values()];
  return {
    backs,
    outbox,
    plays,
    ctx: {
      box,
      plays,
      marks: new Marks(box, () => undefined),
      did: (_, back) => backs.push(back),
      say: () => {},
    },
  };
}

const spanOf = ({ start_time, duration }) => [start_time, duration];

test("Undo of a second trim returns to the first", () => {
  const { ctx, backs, plays } = made();
  trimPlay(ctx, { id: "p", start_time: "2026-01-01T10:00:01Z", duration_seconds: 7 });
  trimPlay(ctx, { id: "p", start_time: "2026-01-01T10:00:02Z", duration_seconds: 5 });
  assert.deepEqual(spanOf(plays()[0]), ["2026-01-01T10:00:02Z", 5]);
  void backs[1]();
  assert.deepEqual(spanOf(plays()[0]), ["2026-01-01T10:00:01Z", 7]);
  void backs[0]();
  assert.deepEqual(spanOf(plays()[0]), ["2026-01-01T10:00:00Z", 9]);
});

test("Undo of a second trim of a clip without a play returns to the first", () => {
  const { ctx, backs, outbox } = made();
  const clip = { id: "c", start_time: "2026-01-01T10:00:00Z", duration: 9 };
  const bodies = [
    { start_time: "2026-01-01T10:00:01Z", duration_seconds: 7 },
    { start_time: "2026-01-01T10:00:02Z", duration_seconds: 5 },
  ];
  for (const body of bodies) trimClip(ctx, clip, "Clip", body);
  void backs[1]();
  assert.deepEqual(outbox.marks.at(-1).request.body, bodies[0]);
  void backs[0]();
  assert.deepEqual(outbox.marks.at(-1).request.body, { start_time: clip.start_time, duration_seconds: 9 });
});

test("a play is deleted though a trim of it was refused", () => {
  const { ctx, outbox, plays } = made();
  outbox.marks.push({ key: "k", doing: "play_trim", subject: "p", state: "refused", body: {}, request: {} });
  deletePlay(ctx, play);
  assert.equal(outbox.marks.at(-1).doing, "play_undo");
  assert.deepEqual(plays(), []);
});

test("a play whose NEW PLAY was refused exists on this device only, and is removed silently", () => {
  const { ctx, outbox, backs } = made();
  outbox.marks.push({ key: "k", doing: "play_new", subject: "q", state: "refused", body: {}, request: null });
  deletePlay(ctx, { ...play, id: "q" });
  assert.deepEqual([outbox.marks, backs], [[], []]);
});
