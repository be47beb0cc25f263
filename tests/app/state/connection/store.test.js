// The store: events in order, and this device's pending marks applied to the rows.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as store from "../../../../appliance/app/state/connection/store.js";

const play = (id, more = {}) => ({
  id,
  session_id: "s",
  number: 1,
  start_time: "2026-01-01T10:00:00Z",
  duration: 0,
  cue_time: null,
  is_favorite: false,
  rev: 1,
  ...more,
});
function box(rows = {}) {
  const state = store.empty();
  store.load(state, { as_of_seq: 5, epoch: "e", ...rows });
  return state;
}
const mark = (doing, subject, body = {}, state = "waiting") => ({
  key: doing,
  at: 0,
  site: "s",
  epoch: "e",
  doing,
  subject,
  body,
  request: null,
  state,
});

test("an event replaces the whole resource and names the changed tables", () => {
  const state = box({ plays: [play("p")] });
  const changed = store.apply(state, {
    type: "play_updated",
    seq: 6,
    play_id: "p",
    play: play("p", { number: 7 }),
  });
  assert.deepEqual([...changed], ["plays"]);
  assert.equal(state.plays.get("p")?.number, 7);
});

test("an event that was already applied changes nothing", () => {
  const state = box();
  assert.equal(store.apply(state, { type: "play_created", seq: 5, play_id: "p", play: play("p") }).size, 0);
  assert.equal(state.plays.size, 0);
});

test("a deleted resource is removed", () => {
  const state = box({ plays: [play("p")] });
  store.apply(state, { type: "play_deleted", seq: 6, play_id: "p" });
  assert.equal(state.plays.size, 0);
});

test("a clip's event updates the session's counters", () => {
  const state = box({ sessions: [{ id: "s", clip_count: 0, name: "Final" }] });
  store.apply(state, {
    type: "clip_created",
    seq: 6,
    session_id: "s",
    clip_id: "c",
    clip: { id: "c" },
    session: { clip_count: 1 },
  });
  assert.deepEqual(state.sessions.get("s"), { id: "s", clip_count: 1, name: "Final" });
});

test("a camera's footage changes by itself", () => {
  const state = box({ channels: [{ id: "cam1", footage: "on", status: "active", error_reason: null }] });
  store.apply(state, { type: "channel_footage", seq: 6, channel_id: "cam1", footage: "none" });
  assert.equal(state.channels.get("cam1")?.footage, "none");
});

test("a ghost is shown from the press on, as the newest; the box numbers it", () => {
  const shown = store.overlay(new Map([["p", play("p")]]), [
    mark("play_new", "q", { id: "q", session_id: "s", start_time: "2026-01-01T10:00:09Z" }),
  ]);
  const list = store.playsOf(shown.values(), "s");
  assert.deepEqual(
    list.map((each) => each.id),
    ["q", "p"],
  );
  assert.equal(list[0].local, true);
});

test("END PLAY, CUE, star and undo are shown before the box answers", () => {
  const rows = new Map([["p", play("p")]]);
  const over = (/** @type {any} */ one) => store.overlay(rows, [one]).get("p");
  assert.equal(over(mark("play_end", "p", { end_time: "2026-01-01T10:00:07.5Z" }))?.duration, 7.5);
  assert.equal(over(mark("play_cue", "p", { cue_time: "x" }))?.cue_time, "x");
  assert.equal(over(mark("play_star", "p", { starred: true }))?.is_favorite, true);
  assert.equal(over(mark("play_undo", "p")), undefined);
  assert.equal(over(mark("play_undo", "p", {}, "refused"))?.id, "p");
});

test("a refused NEW PLAY leaves a ghost that the user removes; an accepted one does not", () => {
  const body = { id: "q", session_id: "s", start_time: "x" };
  assert.equal(store.overlay(new Map(), [mark("play_new", "q", body, "refused")]).size, 1);
  assert.equal(store.overlay(new Map(), [mark("play_new", "q", body, "done")]).size, 0);
});

test("the current session", () => {
  const session = (id, status, created_at) => ({ id, status, created_at });
  const state = box({
    sessions: [session("a", "completed", "3"), session("b", "active", "1"), session("c", "active", "2")],
  });
  assert.equal(store.currentSession(state)?.id, "c");
  assert.equal(store.currentSession(state, "a")?.id, "a");
  assert.equal(store.currentSession(state, "gone")?.id, "c");
  state.sessions.set("c", session("c", "paused", "2"));
  assert.equal(store.currentSession(state)?.id, "c", "half-time does not send marks to another session");
  state.sessions.set("b", { ...session("b", "active", "1"), actual_start: "4" });
  assert.equal(store.currentSession(state)?.id, "b");
});

test("mark-to-playable is the box's figure of the first angle, the same on every tablet", () => {
  assert.equal(store.readyAfter([]), null);
  assert.equal(
    store.readyAfter([{ ready_after_s: null }, { ready_after_s: 0.31 }, { ready_after_s: 0.22 }]),
    0.22,
  );
});

test("the current session is stored completely across a reload; the first snapshot replaces it", () => {
  const rows = {
    sessions: [
      { id: "s", name: "Final" },
      { id: "t", name: "Other" },
    ],
    channels: [{ id: "cam1" }],
    plays: [play("p"), play("q", { session_id: "t" })],
    clips: [
      { id: "c", session_id: "s", play_id: "p" },
      { id: "d", session_id: "t", play_id: "q" },
    ],
    tags: [
      { id: "x", session_id: "s" },
      { id: "y", session_id: "t" },
    ],
    site: { id: "madrid", name: "Madrid", timezone: "Europe/Madrid" },
  };
  const state = box(rows);
  assert.equal(store.keptOf(state, "s", 0), null, "of which box is not known yet");
  state.site = "madrid";
  assert.equal(store.keptOf(state, "gone", 0), null);
  const kept = structuredClone(store.keptOf(state, "s", 250));
  assert.deepEqual([kept.site, kept.epoch, kept.offsetMs], ["madrid", "e", 250]);
  const later = store.empty();
  store.recall(later, kept);
  const ids = (map) => [...map.keys()];
  assert.deepEqual(
    [ids(later.sessions), ids(later.plays), ids(later.clips), ids(later.tags), ids(later.channels)],
    [["s"], ["p"], ["c"], ["x"], ["cam1"]],
  );
  assert.deepEqual([later.seq, later.epoch, later.site, later.place.timezone], [0, "", "", "Europe/Madrid"]);
  store.load(later, { as_of_seq: 9, epoch: "e", ...rows });
  assert.deepEqual([ids(later.plays), later.seq], [["p", "q"], 9]);
});

test("a pending trim is shown as the play's start and length", () => {
  const trim = {
    ...mark("play_trim", "p"),
    request: {
      method: "PATCH",
      path: "/plays/p",
      body: { start_time: "2026-01-01T10:00:02Z", duration_seconds: 3 },
    },
  };
  const plays = new Map([["p", play("p", { duration: 9 })]]);
  const shown = store.overlay(plays, [trim]).get("p");
  assert.deepEqual([shown.start_time, shown.duration], ["2026-01-01T10:00:02Z", 3]);
  assert.equal(store.overlay(plays, [{ ...trim, state: "refused" }]).get("p").duration, 9);
});

test("a pending delete and its pending Undo: the play is shown", () => {
  const rows = new Map([["p", play("p")]]);
  const [undo, restore] = [mark("play_undo", "p"), mark("play_restore", "p")];
  const star = mark("play_star", "p", { starred: true });
  assert.equal(store.overlay(rows, [star, undo, restore]).get("p")?.is_favorite, true);
  assert.equal(store.overlay(rows, [undo, restore, undo]).has("p"), false);
  assert.equal(store.overlay(rows, [undo, { ...restore, state: "refused" }]).has("p"), false);
  const made = mark("play_new", "q", { id: "q", session_id: "s", start_time: "x" });
  assert.equal(
    store.overlay(new Map(), [made, mark("play_undo", "q"), mark("play_restore", "q")]).get("q")?.local,
    true,
  );
});
