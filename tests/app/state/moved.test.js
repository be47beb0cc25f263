// A page of plain http after the box was switched to TLS: it finds out, and its marks come along.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Moved, takenOf } from "../../../appliance/app/state/marks/moved.js";
import { Outbox } from "../../../appliance/app/state/marks/outbox.js";

const mark = (key, more = {}) => ({
  key,
  at: 1000,
  site: "north",
  epoch: "e1",
  doing: "play_new",
  subject: `play-${key}`,
  body: { title: "3. Viertel, Atlético → 20" },
  request: null,
  state: "waiting",
  ...more,
});

const hashOf = (link) => new URL(link, "http://192.168.1.20:8080").hash;

const memoryOf = (text = null) => ({
  get: () => text,
  set: (changed) => {
    text = changed;
  },
});

function made({ protocol = "http:", pages = ['<html data-port="8443">'], memory = memoryOf(), port } = {}) {
  const asked = [];
  const clock = { ms: 100_000 };
  let turned = 0;
  const moved = new Moved({
    protocol,
    hostname: "192.168.1.20",
    ask: async (path) => {
      asked.push(path);
      return pages.length > 1 ? pages.shift() : pages[0];
    },
    plainPort: () => port,
    turned: () => turned++,
    memory,
    now: () => clock.ms,
  });
  return { moved, asked, clock, turned: () => turned };
}

test("a box that moved is found by its page of the certificate, which knows where to go", async () => {
  const { moved, asked, turned } = made();
  await moved.look();
  assert.deepEqual([moved.address, asked, turned()], ["/trust", ["/trust"], 1]);
  await moved.look();
  assert.equal(asked.length, 1);
});

test("a box that is only away is asked again, seldom", async () => {
  const { moved, asked, clock, turned } = made({ pages: [null, "no such page", '<html data-port="443">'] });
  await moved.look();
  await moved.look();
  assert.equal(asked.length, 1);
  clock.ms += 10_000;
  await moved.look();
  assert.deepEqual([moved.address, turned()], ["", 0]);
  clock.ms += 10_000;
  await moved.look();
  assert.deepEqual([moved.address, turned()], ["/trust", 1]);
});

test("an encrypted page asks no other one, and offers the unencrypted address after a minute", async () => {
  const { moved, asked, clock, turned } = made({ protocol: "https:", port: 8080 });
  const later = async (ms) => {
    clock.ms += ms;
    await moved.look();
    return moved.address;
  };
  assert.equal(await later(0), "");
  assert.equal(await later(50_000), "", "a restart is shorter");
  moved.back();
  assert.equal(await later(20_000), "");
  assert.equal(await later(60_000), "http://192.168.1.20:8080/");
  assert.match(moved.words, /If an admin has switched off its encryption/);
  assert.deepEqual([asked, turned()], [[], 1]);
  assert.ok(moved.link([mark("a")]).href.startsWith("http://192.168.1.20:8080/#take/"));
  moved.back();
  assert.equal(moved.address, "", "the box answers again, where it was");
});

test("an encrypted page that does not know the port says nothing", async () => {
  const { moved, clock } = made({ protocol: "https:" });
  await moved.look();
  clock.ms += 100_000;
  await moved.look();
  assert.equal(moved.address, "");
});

test("marks come along as they are", async () => {
  const { moved } = made();
  await moved.look();
  const request = { method: "PATCH", path: "/tags/018f-a", body: { down: 3 } };
  const marks = [mark("a"), mark("b", { doing: "tag_set", request })];
  const link = moved.link(marks).href;
  assert.ok(link.startsWith("/trust#take/"));
  assert.deepEqual(takenOf(hashOf(link)), marks);
  assert.equal(moved.link([]).href, "/trust#go");
});

test("of very many marks as many come along as a link can hold", async () => {
  const { moved } = made();
  await moved.look();
  const marks = Array.from({ length: 1000 }, (_, at) => mark(`m${at}`));
  const link = moved.link(marks).href;
  const taken = takenOf(hashOf(link));
  assert.ok(link.length < 61_000 && taken.length >= 100);
  assert.deepEqual(taken, marks.slice(0, taken.length));
});

test("each press takes others, until all went along; then all are offered again", async () => {
  const memory = memoryOf();
  const marks = Array.from({ length: 1000 }, (_, at) => mark(`m${at}`));
  const all = marks.map(({ key }) => key);
  const seen = [];
  while (seen.length < all.length) {
    const { moved } = made({ memory }); // the page is loaded again when the user comes back
    await moved.look();
    const { href, keys } = moved.link(marks);
    assert.deepEqual(
      takenOf(hashOf(href)).map(({ key }) => key),
      keys,
    );
    assert.deepEqual(moved.link(marks).keys, keys, "a link that is not pressed takes nothing");
    assert.deepEqual(keys, all.slice(seen.length, seen.length + keys.length));
    moved.took(keys);
    seen.push(...keys);
  }
  assert.deepEqual(seen, all);
  const { moved } = made({ memory });
  await moved.look();
  const first = moved.link(marks).keys;
  assert.equal(first[0], "m0");
  moved.took(first);
  assert.equal(moved.link(marks).keys[0], all[first.length], "the second round goes on too");
  assert.deepEqual(moved.link([...marks.slice(0, 3), mark("new")]).keys, ["new"]);
});

test("a storage that is forbidden or holds something else costs nothing but the memory", async () => {
  const forbidden = () => {
    throw new Error("SecurityError");
  };
  for (const memory of [{ get: forbidden, set: forbidden }, memoryOf("7"), memoryOf("{")]) {
    const { moved } = made({ memory });
    await moved.look();
    assert.deepEqual(moved.link([mark("a"), mark("b")]).keys, ["a", "b"]);
    moved.took(["a"]);
    assert.deepEqual(moved.link([mark("a"), mark("b")]).keys, ["b"]);
  }
});

test("a link of somebody else brings nothing that no page of ours sends", () => {
  const linkOf = (marks) => `#take/${Buffer.from(JSON.stringify(marks)).toString("base64url")}`;
  const wrong = [
    mark("a", { request: { method: "POST", path: "/sessions/1/complete" } }),
    mark("b", { request: { method: "DELETE", path: "/plays/../devices/1" } }),
    mark("c", { request: { method: "GET", path: "/plays/1" } }),
    mark("d", { request: { method: "POST", path: "//evil.example/plays" } }),
    mark("e", { at: "now" }),
    mark("f", { body: null }),
    mark(7),
    null,
    "x",
  ];
  assert.deepEqual(takenOf(linkOf(wrong)), []);
  const extra = takenOf(linkOf([mark("g", { state: "done", tries: 9, evil: 1 })]));
  assert.deepEqual(extra, [mark("g")]);
  for (const hash of ["", "#desk", "#take", "#take/", "#take/!!", "#take/e30", "#take/bm9wZQ"])
    assert.deepEqual(takenOf(hash), []);
});

test("an outbox that adopts marks keeps them and sends each once", async () => {
  const stored = [];
  const sent = [];
  const disk = { all: async () => [], put: async (each) => void stored.push(each.key), drop: async () => {} };
  const outbox = new Outbox({
    disk,
    send: async (each) => {
      sent.push(each.key);
      return { ok: true, resource: {} };
    },
    now: () => 2000,
  });
  outbox.connected("north", "e1", () => false);
  outbox.adopt([mark("a"), mark("b", { at: 900 })]);
  outbox.adopt([mark("a")]);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assert.deepEqual(sent, ["b", "a"]);
  assert.deepEqual([...new Set(stored)].sort(), ["a", "b"]);
});
