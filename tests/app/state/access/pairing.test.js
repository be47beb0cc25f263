// A device that is no longer paired keeps its page and its marks, shows why, and continues when it is paired
// again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Box } from "../../../../appliance/app/state/connection/box.js";
import { outOf, outWords, Pairing } from "../../../../appliance/app/state/access/pairing.js";

const ME = { id: "d1", name: "Bench", role: "coach" };
const no = (code, status = 401) => Object.assign(new Error(code), { status, problem: { code } });
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

/** `answers`: the error of each request in turn; null: it succeeds. */
function made(answers) {
  const seen = [];
  const waits = [];
  const pairing = new Pairing({
    me: ME,
    ask: async () => {
      const answer = answers.shift();
      if (answer) throw answer;
    },
    turned: () => seen.push(pairing.out),
    wait: () => new Promise((done) => waits.push(done)),
  });
  const tick = async () => {
    waits.shift()();
    await turns();
  };
  return { pairing, seen, waits, tick };
}

test("a refusal by one route does not end the pairing", async () => {
  const { pairing, seen } = made([null, null]);
  pairing.doubt(no("not_paired")); // GET /devices of a box that is open to everybody
  await turns();
  pairing.doubt(no("not_allowed", 403));
  await turns();
  assert.deepEqual([seen, pairing.out, pairing.asking], [[], "", false]);
});

test("other refusals and missing answers do not question the pairing", () => {
  const { pairing } = made([]);
  for (const error of [no("not_found", 404), new Error("the box does not answer"), null, undefined])
    pairing.doubt(error);
  assert.equal(pairing.asking, false);
  assert.equal(outOf(no("not_paired")), "not_paired");
});

test("a device without access asks again until it has access, through any errors", async () => {
  const away = new Error("the box does not answer");
  const { pairing, seen, tick } = made([no("not_paired"), away, no("not_paired"), null]);
  pairing.doubt(no("not_paired"));
  await turns();
  assert.deepEqual(seen, ["not_paired"]);
  await tick();
  await tick();
  assert.deepEqual(seen, ["not_paired"]);
  await tick();
  assert.deepEqual([seen, pairing.asking], [["not_paired", ""], false]);
});

test("a close code that ends the pairing is reported once, and checked by a request", async () => {
  const { pairing, seen, waits, tick } = made([null]);
  pairing.end("not_paired");
  pairing.end("not_paired");
  await turns();
  assert.deepEqual([seen, waits.length], [["not_paired"], 1]);
  await tick();
  assert.deepEqual(seen, ["not_paired", ""]);
  pairing.end("not_paired"); // a second end of the pairing
  assert.deepEqual(seen, ["not_paired", "", "not_paired"]);
});

test("a role without pages is a separate state, and may change", async () => {
  const { pairing, seen, tick } = made([no("not_allowed", 403), no("not_paired"), null]);
  pairing.doubt(no("not_allowed", 403));
  await turns();
  await tick();
  await tick();
  assert.deepEqual(seen, ["not_allowed", "not_paired", ""]);
});

test("the text counts the marks, and does not promise to keep what only the page holds", () => {
  const now = { out: "not_paired", me: ME, waiting: 3, kept: true, word: "tablet" };
  assert.equal(
    outWords(now),
    "This tablet is no longer paired. 3 marks are kept on it; pair it again to send them.",
  );
  assert.match(outWords({ ...now, waiting: 1 }), /1 mark is kept on it; pair it again to send it\.$/);
  assert.match(outWords({ ...now, kept: false }), /kept on it while this page stays open; pair/);
  assert.match(outWords({ ...now, waiting: 0 }), /no longer paired\. Plays that are kept on it can be/);
  assert.match(outWords({ ...now, me: null }), /^This tablet is not paired\. .*; pair it to send them\.$/);
  const camera = { ...now, out: "not_allowed", me: { ...ME, role: "capture" } };
  assert.match(outWords(camera), /is paired as a capture device\. Pair it as a coach/);
});

/** A connected box whose server accepts the device while `known`. */
function connected() {
  const server = { known: true, sent: [] };
  const kept = new Map();
  const disk = {
    all: async () => [],
    put: async (mark) => void kept.set(mark.key, mark.state),
    drop: async () => {},
  };
  globalThis.location = { protocol: "http:", host: "box.local" };
  const sockets = [];
  globalThis.WebSocket = class {
    readyState = 0;
    constructor() {
      sockets.push(this);
    }
    send() {}
    close() {
      this.readyState = 3;
    }
  };
  globalThis.fetch = async (path, { method }) => {
    if (method === "POST") server.sent.push(path);
    const body = server.known ? { id: "p1", as_of_seq: 0, epoch: "e" } : { code: "not_paired", detail: "no" };
    return { ok: server.known, status: server.known ? 200 : 401, text: async () => JSON.stringify(body) };
  };
  const box = new Box({ device: "ipad-1", disk, me: ME });
  clearInterval(box.marked);
  box.outbox.wait = () => new Promise(() => {});
  box.pairing.wait = () => new Promise((done) => (server.asked = done));
  box.link.happen("start");
  const greet = async () => {
    const socket = sockets[sockets.length - 1];
    socket.readyState = 1;
    const hello = { type: "connected", site_id: "s", epoch: "e", recovered: true, device: ME };
    socket.onmessage({ data: JSON.stringify(hello) });
    for (let turn = 0; turn < 5; turn++) await turns();
  };
  return { box, server, sockets, kept, greet };
}

test("a revoked device keeps its marks and sends them when it is paired again", async () => {
  const { box, server, sockets, kept, greet } = connected();
  await greet();
  assert.deepEqual([box.online, box.name], [true, "Bench"]);
  server.known = false;
  sockets[sockets.length - 1].onclose({ code: 4503, reason: "this device's access was taken away" });
  await turns();
  assert.deepEqual([box.pairing.out, box.online, box.away, box.closed], ["not_paired", false, true, ""]);
  box.outbox.add({
    key: "k1",
    doing: "play_star",
    subject: "p1",
    body: {},
    request: { method: "POST", path: "/x" },
  });
  await turns();
  assert.deepEqual([server.sent, box.outbox.waiting().length, kept.get("k1")], [[], 1, "waiting"]);
  server.known = true;
  server.asked();
  for (let turn = 0; turn < 5; turn++) await turns();
  assert.equal(box.pairing.out, "");
  await greet();
  assert.deepEqual([server.sent, box.outbox.waiting().length], [["/x"], 0]);
  box.link.stop();
  box.link.unwatch();
});

test("a mark answered with 401 stays in the queue: it is not refused", async () => {
  const { box, server, greet } = connected();
  await greet();
  server.known = false;
  box.outbox.add({
    key: "k2",
    doing: "play_star",
    subject: "p1",
    body: {},
    request: { method: "POST", path: "/y" },
  });
  for (let turn = 0; turn < 5; turn++) await turns();
  assert.deepEqual([server.sent, box.outbox.waiting().length, box.pairing.out], [["/y"], 1, "not_paired"]);
  assert.equal(box.outbox.refused().length, 0);
  box.link.stop();
  box.link.unwatch();
});
