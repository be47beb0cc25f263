// Each mark reaches its box once and in order, and no other box.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isFinal, Outbox, placed } from "../../../../appliance/app/state/marks/outbox.js";

/** A disk in memory. */
function memory(kept = new Map()) {
  return {
    kept,
    all: async () => structuredClone([...kept.values()]),
    put: async (mark) => void kept.set(mark.key, structuredClone(mark)),
    drop: async (key) => void kept.delete(key),
  };
}

/** An outbox at box "site"/"e1" whose `send` answers from a list, then ok. */
function made({ answers = [], disk = memory() } = {}) {
  const sent = [];
  const send = async (mark) => {
    sent.push(mark.key);
    return answers.shift() ?? { ok: true, resource: { id: mark.subject } };
  };
  const outbox = new Outbox({ disk, send, wait: async () => {}, now: () => 1000 });
  return { outbox, sent, disk };
}

const mark = (key, doing = "play_new", subject = key) => ({ key, doing, subject, body: {} });
const never = () => false;
const settled = async (outbox) => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  await new Promise((done) => setImmediate(done));
  return outbox;
};

test("marks made before the box is known wait, then are sent in order", async () => {
  const { outbox, sent } = made();
  outbox.add(mark("a"));
  outbox.add(mark("b", "play_end", "a"));
  await settled(outbox);
  assert.deepEqual(sent, ["a", "b"].slice(0, sent.length));
  outbox.connected("site", "e1", never);
  await settled(outbox);
  assert.deepEqual([...new Set(sent)], ["a", "b"]);
  assert.equal(outbox.waiting().length, 0);
});

test("a temporary failure is retried with the same key; later marks wait for it", async () => {
  const lost = { ok: false, final: false, error: new Error("away") };
  const { outbox, sent } = made({ answers: [lost, lost] });
  outbox.connected("site", "e1", never);
  outbox.add(mark("a"));
  outbox.add(mark("b", "play_end", "a"));
  await settled(outbox);
  assert.deepEqual(sent, ["a", "a", "a", "b"]);
});

test("a reconnect ends the pause between two attempts", async () => {
  const { outbox, sent } = made({ answers: [{ ok: false, final: false, error: new Error("away") }] });
  outbox.wait = () => new Promise(() => {}); // the pause between two attempts never ends by itself
  outbox.connected("site", "e1", never);
  outbox.add(mark("a"));
  await settled(outbox);
  assert.deepEqual(sent, ["a"]);
  outbox.hurry();
  await settled(outbox);
  assert.deepEqual([sent, outbox.waiting().length, outbox.resting.size], [["a", "a"], 0, 0]);
});

test("a refusal is final, keeps the box's message, and does not block the next mark", async () => {
  const no = { ok: false, final: true, error: { detail: "no such session" } };
  const { outbox, sent, disk } = made({ answers: [no] });
  outbox.connected("site", "e1", never);
  const answer = outbox.add(mark("a"));
  outbox.add(mark("b"));
  await assert.rejects(answer, /no such session/);
  await settled(outbox);
  assert.deepEqual(sent, ["a", "b"]);
  assert.equal(outbox.refused()[0].error, "no such session");
  assert.equal(disk.kept.get("a").state, "refused");
});

test("marks survive a reload", async () => {
  const { outbox, disk } = made({ answers: Array(9).fill({ ok: false, final: false, error: "away" }) });
  outbox.site = "site";
  outbox.pump = async () => {};
  outbox.add(mark("a"));
  await settled(outbox);
  const next = made({ disk });
  await next.outbox.restore();
  next.outbox.connected("site", "e1", never);
  await settled(next.outbox);
  assert.deepEqual(next.sent, ["a"]);
});

test("a storage that does not answer blocks nothing; its marks are sent when they arrive", async () => {
  const old = { ...mark("old"), at: 1, site: "site", epoch: "e1", request: null, state: "waiting" };
  const lost = { ...mark("lost"), at: 2, site: "site", epoch: "e0", request: null, state: "done" };
  let answer = () => {};
  const disk = { ...memory(), all: () => new Promise((done) => (answer = () => done([old, lost]))) };
  const { outbox, sent } = made({ disk });
  assert.equal(outbox.kept, true); // nothing is reported before the timeout
  await outbox.restore(async () => {});
  assert.equal(outbox.kept, false);
  outbox.connected("site", "e1", never);
  outbox.add(mark("new"));
  await settled(outbox);
  assert.deepEqual(sent, ["new"]);
  answer();
  await settled(outbox);
  assert.deepEqual(sent, ["new", "old", "lost"]);
  assert.equal(outbox.kept, true);
});

test("a storage that refuses marks is reported, and gets them once it accepts again", async () => {
  let full = true;
  const disk = memory();
  const { put } = disk;
  disk.put = async (one) => (full ? Promise.reject(new Error("full")) : put(one));
  const { outbox, sent } = made({ disk });
  let told = 0;
  outbox.addEventListener("change", () => told++);
  await outbox.restore();
  outbox.connected("site", "e1", never);
  outbox.pump = async () => {};
  outbox.add(mark("a"));
  const before = told;
  await settled(outbox);
  assert.deepEqual([outbox.kept, told > before, sent], [false, true, []]);
  outbox.add(mark("b"));
  full = false;
  outbox.add(mark("c"));
  await settled(outbox);
  assert.equal(outbox.kept, true);
  assert.deepEqual([...disk.kept.keys()].sort(), ["a", "b", "c"]);
});

test("an unreadable storage is reported", async () => {
  const { outbox } = made({ disk: { ...memory(), all: () => Promise.reject(new Error("private window")) } });
  await outbox.restore();
  assert.equal(outbox.kept, false);
});

test("marks for one box are never sent to another", async () => {
  const { outbox, sent } = made();
  outbox.connected("home", "e1", never);
  outbox.pump = async () => {};
  outbox.add(mark("a"));
  delete outbox.pump;
  outbox.connected("away", "e9", never);
  await settled(outbox);
  assert.deepEqual(sent, []);
  assert.equal(outbox.foreign().length, 1);
  outbox.connected("home", "e1", never);
  await settled(outbox);
  assert.deepEqual(sent, ["a"]);
});

test("marks that a box with a new epoch does not have are sent again", async () => {
  const { outbox, sent } = made();
  outbox.connected("site", "e1", never);
  outbox.add(mark("known"));
  outbox.add(mark("lost"));
  await settled(outbox);
  outbox.connected("site", "e2", (id) => id === "known");
  await settled(outbox);
  assert.deepEqual(sent, ["known", "lost", "lost"]);
});

test("what happens to a mark at each box", () => {
  const one = { site: "s", epoch: "e", state: "waiting", subject: "p" };
  assert.equal(placed(one, "s", "e", never), "send");
  assert.equal(placed(one, "t", "e", never), "other box");
  assert.equal(placed({ ...one, state: "done" }, "s", "e", never), "nothing");
  assert.equal(placed({ ...one, state: "done" }, "s", "f", never), "again");
  assert.equal(placed({ ...one, state: "refused" }, "s", "f", never), "nothing");
});

test("which answers are final", () => {
  assert.deepEqual(
    [409, 410, 422].map((status) => isFinal(status)),
    [true, true, true],
  );
  assert.equal(isFinal(409, { code: "too_many_open" }), false);
  assert.equal(isFinal(409, { code: "conflict" }), true);
  assert.deepEqual(
    ["not_allowed", "tls_required"].map((code) => isFinal(403, { code })),
    [false, false],
  );
  assert.equal(isFinal(403, { code: "cross_origin" }), true);
  assert.deepEqual([200, 408, 429, 500, 503].map(isFinal), [false, false, false, false, false]);
});

test("tags never delay a mark", async () => {
  /** @type {((outcome: any) => void)[]} */
  const open = [];
  const sent = [];
  const outbox = new Outbox({
    disk: memory(),
    send: (one) => {
      sent.push(one.key);
      return new Promise((done) => open.push(done));
    },
    wait: async () => {},
  });
  outbox.connected("site", "e1", never);
  for (const key of ["t1", "t2"]) outbox.add(mark(key, "tag_set", "t"));
  outbox.add(mark("a"));
  await settled(outbox);
  assert.deepEqual(
    sent,
    ["t1", "a"],
    "the mark goes while a tag is on its way, the second tag waits for the first",
  );
  for (const done of open) done({ ok: true, resource: {} });
  await settled(outbox);
  assert.deepEqual(sent, ["t1", "a", "t2"]);
});

test("beyond the limit of open plays a play waits with its marks; END of another is sent", async () => {
  const no = { ok: false, final: false, error: { code: "too_many_open" } };
  const { outbox, sent } = made({ answers: [no, no] });
  outbox.wait = () => new Promise(() => {}); // the pause between two attempts never ends by itself
  outbox.connected("site", "e1", never);
  outbox.add({ ...mark("new"), subject: "p2" });
  outbox.add({ ...mark("cue"), subject: "p2" });
  await settled(outbox);
  assert.deepEqual(sent, ["new"]);
  outbox.add({ ...mark("end"), subject: "p1" });
  await settled(outbox);
  assert.deepEqual(sent, ["new", "new", "end", "new", "cue"]);
  assert.deepEqual([outbox.waiting().length, outbox.refused().length], [0, 0]);
});

test("while no box is reachable, marks wait for the last known box and are sent to no other", async () => {
  const { outbox, sent } = made();
  outbox.expect("site", "e1");
  outbox.add(mark("a"));
  await settled(outbox);
  assert.deepEqual([sent, outbox.waiting().length, outbox.foreign().length], [[], 1, 0]);
  outbox.connected("other", "e9", never);
  await settled(outbox);
  assert.deepEqual([sent, outbox.waiting().length, outbox.foreign().length], [[], 0, 1]);
  outbox.connected("site", "e1", never);
  await settled(outbox);
  assert.deepEqual(sent, ["a"]);
  outbox.expect("third", "e3"); // ignored: the box is known already
  outbox.add(mark("b"));
  await settled(outbox);
  assert.deepEqual(sent, ["a", "b"]);
});
