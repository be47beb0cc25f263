// A command over the socket, and an answer to it that arrives after its timeout.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Box } from "../../../../appliance/app/state/connection/box.js";

const nothing = { all: async () => [], put: async () => {}, drop: async () => {} };

/**
 * A connected box, and what was sent over the socket and by HTTP. No request is answered; the test aborts
 * them.
 */
function made() {
  const box = new Box({ device: "ipad-1", disk: nothing });
  clearInterval(box.marked);
  const sent = { commands: [], requests: [] };
  const socket = { readyState: 1, close() {}, send: (text) => sent.commands.push(JSON.parse(text).id) };
  box.link.state = "up";
  box.link.socket = box.greeted = socket;
  box.outbox.wait = async () => {};
  globalThis.fetch = (_path, { headers, signal }) => {
    sent.requests.push(headers["Idempotency-Key"]);
    return new Promise((_, lost) => signal.addEventListener("abort", () => lost(new Error("given up"))));
  };
  return { box, sent };
}

const until = async (look) => {
  while (!look()) await new Promise((done) => setTimeout(done, 5));
};
const cue = {
  key: "k1",
  doing: "play_cue",
  subject: "p1",
  body: { id: "p1", cue_time: "2026-11-20T19:00:00Z" },
};

test("a late answer settles the mark: it is not sent again", async () => {
  const { box, sent } = made();
  const answer = box.outbox.add(cue);
  await until(() => sent.requests.length); // after a second without an answer it is sent by HTTP
  box.hear({ type: "result", id: "k1", ok: true, resource: { id: "p1" } });
  box.resend(); // the link works again: requests on the dead connection are aborted
  assert.deepEqual(await answer, { id: "p1" });
  assert.deepEqual(sent, { commands: ["k1"], requests: ["k1"] });
  assert.equal(box.late.size, 0);
});

test("a late answer to a settled mark is dropped", () => {
  const { box } = made();
  box.hear({ type: "result", id: "k0", ok: true, resource: {} });
  assert.equal(box.late.size, 0);
});

test("the box's last message has a known time, in box time; without a message it has none", async () => {
  const { box } = made();
  box.assumedMs = 60_000;
  assert.equal(box.heardAt, 0);
  const before = box.now();
  await box.take({ type: "result", id: "k0", ok: true, resource: {} });
  assert.ok(before <= box.heardAt && box.heardAt <= box.now());
});

test("the message of a request without an answer does not depend on the browser", async () => {
  const { box } = made();
  for (const words of ["Failed to fetch", "Load failed", "The operation was aborted."]) {
    globalThis.fetch = () => Promise.reject(new TypeError(words));
    await assert.rejects(box.request("GET", "/sessions"), { message: "the box does not answer" });
  }
});
