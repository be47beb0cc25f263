// Clips fetched in advance: two at a time, none while a clip plays; stored ones are kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Prefetch,
  ROOM_BYTES,
  roomOf,
  spaceOf,
  wishesOf,
} from "../../../../appliance/app/state/device/prefetch.js";

/** A `fetch` that the test answers. */
function network() {
  const asked = [];
  const get = (url, { headers, signal }) =>
    new Promise((resolve, reject) => {
      let push;
      const body = new ReadableStream({ start: (stream) => (push = stream) });
      signal.addEventListener("abort", () => {
        reject(new DOMException("", "AbortError"));
        try {
          push.error(new DOMException("", "AbortError"));
        } catch {
          /* closed */
        }
      });
      asked.push({
        url,
        range: headers?.Range,
        signal,
        begin: (status = 200) => resolve(new Response(body, { status })),
        give: (bytes) => push.enqueue(new Uint8Array(bytes)),
        end: () => push.close(),
      });
    });
  return { asked, get };
}
const turn = () => new Promise((done) => setTimeout(done, 1));

test("at most two at a time, the newest wanted first", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get });
  for (const url of ["/a", "/b", "/c", "/d"]) ahead.want(url);
  assert.deepEqual(
    asked.map((each) => each.url),
    ["/a", "/b"],
  );
  asked[0].begin();
  asked[0].give([1]);
  asked[0].end();
  await turn();
  assert.deepEqual(
    asked.map((each) => each.url),
    ["/a", "/b", "/d"],
  );
  assert.match(ahead.source("/a"), /^blob:/);
  assert.equal(ahead.source("/b"), "/b");
});

test("while a clip plays nothing is fetched; afterwards the others are", async () => {
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

test("the replacement of the playing clip is fetched while it plays", async () => {
  const { asked, get } = network();
  const ahead = new Prefetch({ fetch: get });
  const held = [];
  ahead.addEventListener("held", ({ detail }) => held.push(detail));
  ahead.want("/a");
  ahead.pause();
  await turn();
  ahead.want("/new", true);
  ahead.want("/new", true);
  ahead.want("/a"); // it belongs to another one: not now
  assert.deepEqual(
    asked.map((each) => each.url),
    ["/a", "/new"],
  );
  ahead.pause();
  assert.equal(asked[1].signal.aborted, false);
  asked[1].begin();
  asked[1].give([1]);
  asked[1].end();
  await turn();
  assert.deepEqual(held, ["/new"]);
  assert.equal(asked.length, 2);
  ahead.want("/a", true); // the user watches it now
  assert.equal(asked.length, 3);
});

test("memory is limited: the least recently used copy is removed", async () => {
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

test("requested of the last plays: thumbnails, the watched angle of each, then the other angles", () => {
  const clip = (play, channel, more) => ({
    channel_id: channel,
    stream_url: `/${play}${channel}`,
    thumbnail_url: `/t${play}${channel}`,
    ...more,
  });
  const plays = Array.from({ length: 25 }, (_, at) => ({ id: String(at) }));
  const clips = new Map(plays.map(({ id }) => [id, [clip(id, "a"), clip(id, "b")]]));
  clips.set("1", [clip("1", "a", { stream_url: null })]);
  clips.delete("2");
  const wishes = wishesOf(plays, clips, "b");
  assert.deepEqual([wishes[0], wishes[18], wishes[36]], ["/t0b", "/0b", "/0a"]);
  assert.deepEqual([wishes.length, wishes.at(-1)], [54, "/19a"]);
  assert.equal(wishesOf(plays, clips, "gone")[18], "/0a");
});

test("requests are fetched in order, kept before all others, and stop at the size limit", async () => {
  const asked = [];
  const size = { "/1": 3, "/2": 3, "/3": 3, "/0": 3, "/x": 2 };
  const get = async (url) => {
    asked.push(url);
    return new Response(new Uint8Array(size[url]), { headers: { "content-length": String(size[url]) } });
  };
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
  assert.deepEqual(
    [...ahead.held.keys()].sort(),
    ["/0", "/1"],
    "a new play; the last wish and what nobody wished for gave way",
  );
});

test("a failed request is repeated later, and not while a clip plays", async () => {
  const asked = [];
  const ahead = new Prefetch({
    fetch: async (url) => {
      asked.push(url);
      throw new TypeError("away");
    },
  });
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

test("the limit depends on the device: its memory, and half of its free disk space", () => {
  const gb = 1e9;
  assert.equal(roomOf({}), ROOM_BYTES, "by plain HTTP a browser tells neither");
  assert.deepEqual(
    [0.25, 1, 4, 8, 64].map((memoryGb) => roomOf({ memoryGb })),
    [60e6, 60e6, 240e6, 480e6, 480e6],
  );
  assert.deepEqual(
    [0, 0.1, 10].map((free) => roomOf({ freeBytes: free * gb })),
    [0, 50e6, ROOM_BYTES],
  );
  assert.equal(roomOf({ memoryGb: 8, freeBytes: 0.2 * gb }), 100e6);
});

test("values that the device does not report are unknown", async () => {
  assert.deepEqual(await spaceOf({}), { memoryGb: undefined, freeBytes: undefined });
  assert.deepEqual(
    await spaceOf({ deviceMemory: 4, storage: { estimate: async () => ({ quota: 9, usage: 2 }) } }),
    { memoryGb: 4, freeBytes: 7 },
  );
  assert.deepEqual(
    await spaceOf({ storage: { estimate: async () => Promise.reject(new TypeError("no")) } }),
    { memoryGb: undefined, freeBytes: undefined },
  );
});

/** A disk for media, in memory. */
function diskOf(kept = new Map()) {
  return {
    kept,
    all: async () => [...kept].map(([url, blob]) => ({ url, blob })),
    put: async (url, blob) => void kept.set(url, blob),
    drop: async (url) => void kept.delete(url),
  };
}
const threeBytes = async () => new Response(new Uint8Array(3), { headers: { "content-length": "3" } });
const plays = ["/play5", "/play4", "/play3", "/play2", "/play1"];
const settled = async () => {
  for (let at = 0; at < 12; at++) await turn();
};

test("a smaller limit removes the oldest play first, in memory and on the disk", async () => {
  const disk = diskOf();
  const ahead = new Prefetch({ fetch: threeBytes, room: 15, graceMs: 0, disk });
  await ahead.restore();
  ahead.wish(plays);
  await settled();
  assert.deepEqual([[...ahead.held.keys()], [...disk.kept.keys()], ahead.used], [plays, plays, 15]);
  ahead.resize(7);
  assert.deepEqual([[...ahead.held.keys()], ahead.used], [plays.slice(0, 2), 6]);
  await settled();
  assert.deepEqual([...disk.kept.keys()], plays.slice(0, 2));
  ahead.wish(["/play6", ...plays]);
  await settled();
  assert.deepEqual(
    [...ahead.held.keys()].sort(),
    ["/play5", "/play6"],
    "and a new play takes the place of the oldest",
  );
});

test("the next page has the stored copies, and does not fetch them again", async () => {
  const disk = diskOf();
  const first = new Prefetch({ fetch: threeBytes, graceMs: 0, disk });
  await first.restore();
  first.wish(plays);
  await settled();
  const asked = [];
  const next = new Prefetch({
    fetch: async (url) => {
      asked.push(url);
      return threeBytes();
    },
    disk,
  });
  next.wish(plays);
  assert.deepEqual(asked, [], "before the disk has said what is here, nothing is asked for");
  await next.restore();
  await settled();
  assert.deepEqual(asked, []);
  assert.match(next.source("/play1"), /^blob:/);
});

test("a disk that does not answer, is full or forbidden has no effect", async () => {
  const broken = {
    all: () => new Promise(() => {}),
    put: async () => Promise.reject(new DOMException("", "QuotaExceededError")),
    drop: async () => Promise.reject(new Error("no")),
  };
  const ahead = new Prefetch({ fetch: threeBytes, room: 6, graceMs: 0, disk: broken });
  await ahead.restore(async () => {});
  ahead.wish(plays);
  await settled();
  assert.deepEqual([...ahead.held.keys()], plays.slice(0, 2));
});

test("a copy that failed is used once more, then replaced, at growing intervals", async () => {
  const disk = diskOf();
  const asked = [];
  let clock = 0;
  const ahead = new Prefetch({
    fetch: async (url) => {
      asked.push(url);
      return threeBytes();
    },
    graceMs: 0,
    disk,
    now: () => clock,
  });
  await ahead.restore();
  ahead.wish(["/a"]);
  await settled();
  const first = ahead.source("/a");
  const again = await ahead.retry("/a", first);
  assert.match(again, /^blob:/);
  assert.notEqual(again, first);
  assert.deepEqual(
    [ahead.source("/a"), asked.length, disk.kept.size],
    [again, 1, 1],
    "nothing is given up, and nothing fetched",
  );
  ahead.pause(); // it plays, and the box may be away
  assert.equal(await ahead.retry("/a", again), "/a");
  assert.deepEqual([ahead.source("/a"), disk.kept.size], [again, 1], "it stays until another is here");
  ahead.resume();
  await settled();
  const second = ahead.source("/a");
  assert.deepEqual([asked.length, second !== again, /^blob:/.test(second)], [2, true, true]);
  assert.equal(
    await ahead.retry("/a", again),
    second,
    "who still shows the old copy does not cost the new one",
  );
  for (let times = 0; times < 2; times++) await ahead.retry("/a", ahead.source("/a"));
  await settled();
  assert.equal(asked.length, 2, "not at once a second time");
  clock = 5000;
  ahead.run();
  await settled();
  assert.equal(asked.length, 3, "and not given up either");
});

test("an unreadable copy is removed at once; one that is not requested any more, when it fails", async () => {
  const disk = diskOf();
  const gone = Object.assign(new Blob([new Uint8Array(3)]), {
    arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")),
  });
  disk.kept.set("/a", gone);
  const ahead = new Prefetch({ fetch: threeBytes, graceMs: 0, disk });
  await ahead.restore();
  ahead.pause();
  ahead.wish(["/a"]);
  assert.equal(await ahead.retry("/a", ahead.source("/a")), "/a");
  assert.deepEqual([ahead.held.size, disk.kept.size], [0, 0]);
  ahead.resume();
  await settled();
  assert.match(ahead.source("/a"), /^blob:/);
  ahead.wish([]);
  await ahead.retry("/a", ahead.source("/a"));
  assert.equal(await ahead.retry("/a", ahead.source("/a")), "/a");
  assert.equal(ahead.held.size, 0);
});

test("copies of a slow disk are added when they arrive, within the limit", async () => {
  const disk = diskOf(
    new Map(["/old", "/play4", "/play5"].map((url) => [url, new Blob([new Uint8Array(3)])])),
  );
  let answer;
  const late = { ...disk, all: () => new Promise((done) => (answer = async () => done(await disk.all()))) };
  const ahead = new Prefetch({ fetch: threeBytes, room: 9, graceMs: 0, disk: late });
  const held = [];
  ahead.addEventListener("held", ({ detail }) => held.push(detail));
  await ahead.restore(async () => {});
  ahead.wish(["/play5"]);
  await settled();
  const own = ahead.source("/play5");
  ahead.room = 6;
  await answer();
  await settled();
  assert.deepEqual(
    [[...ahead.held.keys()], [...disk.kept.keys()].sort()],
    [
      ["/play4", "/play5"],
      ["/play4", "/play5"],
    ],
  );
  assert.equal(ahead.source("/play5"), own, "what this page has fetched stays");
  assert.deepEqual(held, ["", "/play5", ""]);
});
