// Clips fetched ahead: two at a time, none while a clip plays, what is there is kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefetch, wishesOf } from "../../../appliance/web/static/state/prefetch.js";

/** A fetch whose answers the test gives. */
function network() {
  const asked = [];
  const get = (url, { headers, signal }) => new Promise((resolve, reject) => {
    let push;
    const body = new ReadableStream({ start: (stream) => (push = stream) });
    signal.addEventListener("abort", () => {
      reject(new DOMException("", "AbortError"));
      try { push.error(new DOMException("", "AbortError")); } catch { /* closed */ }
    });
    asked.push({
      url, range: headers?.Range, signal,
      begin: (status = 200) => resolve(new Response(body, { status })),
      give: (bytes) => push.enqueue(new Uint8Array(bytes)), end: () => push.close(),
    });
  });
  return { asked, get };
}
const turn = () => new Promise((done) => setTimeout(done, 1));

test("at most two at a time, the newest wanted first", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get });
  for (const url of ["/a", "/b", "/c", "/d"]) ahead.want(url);
  assert.deepEqual(asked.map((each) => each.url), ["/a", "/b"]);
  asked[0].begin();
  asked[0].give([1]);
  asked[0].end();
  await turn();
  assert.deepEqual(asked.map((each) => each.url), ["/a", "/b", "/d"]);
  assert.match(ahead.source("/a"), /^blob:/);
  assert.equal(ahead.source("/b"), "/b");
});

test("a clip that plays has the air for itself; afterwards the rest is asked for", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get });
  ahead.want("/a");
  asked[0].begin();
  asked[0].give([1, 2, 3]);
  await turn();
  ahead.pause();
  await turn();
  assert.equal(asked[0].signal.aborted, true);
  ahead.want("/b");
  assert.equal(asked.length, 1);
  ahead.resume();
  const again = asked.find((each, at) => at > 0 && each.url === "/a");
  assert.equal(again.range, "bytes=3-");
  again.begin(206);
  again.give([4]);
  again.end();
  await turn();
  assert.equal(await ahead.held.get("/a").blob.size, 4);
});

test("what is to replace the clip that plays comes while it plays", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get });
  const held = [];
  ahead.addEventListener("held", ({ detail }) => held.push(detail));
  ahead.want("/a");
  ahead.pause();
  await turn();
  ahead.want("/new", true);
  ahead.want("/new", true);
  ahead.want("/a"); // an other one's: not now
  assert.deepEqual(asked.map((each) => each.url), ["/a", "/new"]);
  ahead.pause();
  assert.equal(asked[1].signal.aborted, false);
  asked[1].begin();
  asked[1].give([1]);
  asked[1].end();
  await turn();
  assert.deepEqual(held, ["/new"]);
  assert.equal(asked.length, 2);
  ahead.want("/a", true); // it is watched by now
  assert.equal(asked.length, 3);
});

test("memory is bounded: what was used longest ago goes", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get, room: 5, graceMs: 0 });
  for (const [at, url] of ["/a", "/b"].entries()) {
    ahead.want(url);
    asked[at].begin();
    asked[at].give([1, 2, 3]);
    asked[at].end();
    await turn();
  }
  assert.deepEqual([...ahead.held.keys()], ["/b"]);
});

test("the last plays are wished for: pictures, the watched angle of each, then the other angles", () => {
  const clip = (play, channel, more) => ({ channel_id: channel, stream_url: `/${play}${channel}`, thumbnail_url: `/t${play}${channel}`, ...more });
  const plays = Array.from({ length: 25 }, (_, at) => ({ id: String(at) }));
  const clips = new Map(plays.map(({ id }) => [id, [clip(id, "a"), clip(id, "b")]]));
  clips.set("1", [clip("1", "a", { stream_url: null })]);
  clips.delete("2");
  const wishes = wishesOf(plays, clips, "b");
  assert.deepEqual([wishes[0], wishes[18], wishes[36]], ["/t0b", "/0b", "/0a"]);
  assert.deepEqual([wishes.length, wishes.at(-1)], [54, "/19a"]);
  assert.equal(wishesOf(plays, clips, "gone")[18], "/0a");
});

test("wishes are fetched in order, kept before all else, and end where the room ends", async () => {
  const asked = [];
  const size = { "/1": 3, "/2": 3, "/3": 3, "/0": 3, "/x": 2 };
  const get = async (url) => (asked.push(url), new Response(new Uint8Array(size[url]), { headers: { "content-length": String(size[url]) } }));
  const ahead = new Prefetch({ fetch: get, room: 8, graceMs: 0 });
  ahead.want("/x");
  await turn();
  ahead.wish(["/1", "/2", "/3"]);
  await turn();
  await turn();
  assert.deepEqual([...ahead.held.keys()].sort(), ["/1", "/2", "/x"]);
  assert.equal(ahead.full, true);
  const before = asked.length;
  ahead.wish(["/1", "/2", "/3"]);
  ahead.resume();
  await turn();
  assert.equal(asked.length, before, "nothing is fetched over and over");
  ahead.wish(["/0", "/1", "/2"]);
  await turn();
  await turn();
  assert.deepEqual([...ahead.held.keys()].sort(), ["/0", "/1"], "a new play; the last wish and what nobody wished for gave way");
});

test("a wish that failed is tried again later, and not while a clip has the air", async () => {
  const asked = [];
  const ahead = new Prefetch({ fetch: async (url) => (asked.push(url), Promise.reject(new TypeError("away"))) });
  ahead.pause();
  ahead.wish(["/1"]);
  assert.deepEqual(asked, []);
  ahead.resume();
  await turn();
  assert.deepEqual([asked, [...ahead.failed]], [["/1"], ["/1"]]);
  ahead.failed.clear();
  ahead.run();
  await turn();
  assert.deepEqual(asked, ["/1", "/1"]);
  clearTimeout(ahead.later);
});
