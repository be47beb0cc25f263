// The link with a clock and sockets controlled by the test: one socket is used, silence is noticed, short
// losses are not reported.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  IDLE_MS,
  LINK,
  Link,
  patienceOf,
  RETRY_MS,
} from "../../../../appliance/app/state/connection/link.js";

/** A clock that the test moves. */
class Hand {
  at = 1000;
  timers = [];
  now = () => this.at;
  random = () => 1;
  later = (act, ms) => {
    const timer = { at: this.at + ms, act };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((each) => each !== timer));
  };
  /** @param {number} ms @param {number} [late] every timer fires this much late, as in a suspended page */
  go(ms, late = 0) {
    const end = this.at + ms;
    for (;;) {
      const due = this.timers.filter((each) => each.at + late <= end);
      const [next] = due.sort((one, other) => one.at - other.at);
      if (!next) break;
      this.timers = this.timers.filter((each) => each !== next);
      this.at = Math.max(this.at, next.at + late);
      next.act();
    }
    this.at = end;
  }
}

function made() {
  const hand = new Hand();
  const seen = { sockets: [], taken: [], asked: 0, kept: 0, turned: 0 };
  const open = () => {
    const socket = {
      readyState: 0,
      sent: [],
      name: seen.sockets.length,
      send: (text) => socket.sent.push(JSON.parse(text)),
      close: () => (socket.readyState = 3),
      speak: (type = "connected") => {
        if (!socket.readyState) socket.onopen?.();
        socket.readyState ||= 1;
        socket.onmessage({ data: JSON.stringify({ type, by: socket.name }) });
      },
      end: (code = 1006, reason = "") => {
        socket.readyState = 3;
        socket.onclose({ code, reason });
      },
    };
    seen.sockets.push(socket);
    return socket;
  };
  const link = new Link({
    open,
    time: hand,
    take: (message) => seen.taken.push(message),
    turned: () => seen.turned++,
    kept: () => seen.kept++,
    ask: () => {
      seen.asked++;
      link.send({ type: "ping" });
    },
  });
  return { hand, link, seen };
}

function up() {
  const all = made();
  all.link.happen("start");
  all.seen.sockets[0].speak();
  assert.equal(all.link.state, "up");
  return all;
}

test("silence: a ping, a second socket and a report within four seconds; the silent one stays open", () => {
  const { hand, link, seen } = up();
  hand.go(IDLE_MS);
  assert.equal(seen.asked, 1);
  hand.go(1999);
  assert.equal(link.state, "up");
  hand.go(1);
  assert.deepEqual([link.state, seen.sockets.length, seen.sockets[0].readyState], ["doubt", 2, 1]);
  hand.go(999);
  assert.equal(link.away, false, "the other one has a second");
  const { turned } = seen;
  hand.go(1);
  assert.equal(link.away, true);
  assert.ok(seen.turned > turned, "and it is drawn");
});

test("an unanswered mark counts like an unanswered ping", () => {
  const { hand, link } = up();
  hand.go(200);
  link.send({ type: "command" });
  hand.go(2000);
  assert.equal(link.state, "doubt");
});

test("any message ends the silence: a box that is slow with one answer is not unreachable", () => {
  const { hand, link, seen } = up();
  link.send({ type: "command" });
  for (let turn = 0; turn < 10; turn++) {
    hand.go(900);
    seen.sockets[0].speak("clip_ready");
  }
  assert.deepEqual([link.state, seen.sockets.length, seen.asked], ["up", 1, 0]);
});

test("if the new socket delivers first, the old one is closed and its messages are ignored", () => {
  const { hand, link, seen } = up();
  hand.go(3000);
  const [old, other] = seen.sockets;
  other.speak();
  assert.deepEqual([link.state, link.socket === other, old.readyState, seen.kept], ["up", true, 3, 0]);
  old.speak("play_created");
  old.end();
  assert.deepEqual([link.state, seen.taken.map((each) => each.by)], ["up", [0, 1]]);
  hand.go(1000);
  assert.equal(link.away, false);
});

test("if the old socket delivers first, it stays and the new one is closed", () => {
  const { hand, link, seen } = up();
  hand.go(3000);
  const [old, other] = seen.sockets;
  old.speak("pong");
  assert.deepEqual([link.state, link.socket === old, seen.kept], ["up", true, 1]);
  other.speak();
  assert.equal(
    other.readyState,
    3,
    "closed when it is there: closed on its way it were an error in the console",
  );
  assert.deepEqual(
    seen.taken.map((each) => each.by),
    [0, 0],
  );
  hand.go(900);
  assert.deepEqual([link.state, link.away], ["up", false]);
});

test("while the box is silent one attempt follows another, each with a timeout", () => {
  const { hand, link, seen } = up();
  hand.go(60_000);
  assert.equal(link.state, "doubt");
  assert.ok(seen.sockets.length > 7 && seen.sockets.length < 20, `${seen.sockets.length} sockets`);
  assert.equal(
    seen.sockets.filter((each) => each.readyState < 2).length,
    2,
    "the old one and one that is tried",
  );
});

test("a closed socket is reopened at growing intervals; under two seconds nothing is reported", () => {
  const { hand, link, seen } = up();
  seen.sockets[0].end(4001, "the box restarts");
  for (const wait of RETRY_MS.slice(0, 4)) {
    const before = seen.sockets.length;
    hand.go(wait - 1);
    assert.equal(seen.sockets.length, before);
    hand.go(1);
    assert.equal(seen.sockets.length, before + 1);
    assert.equal(link.away, false);
    seen.sockets.at(-1).end();
  }
  hand.go(200);
  assert.equal(link.away, true);
});

test("`offline` is reported at once; `online` starts an attempt at once", () => {
  const { hand, link, seen } = up();
  link.happen("offline");
  assert.deepEqual([link.state, link.away], ["doubt", true]);
  hand.go(30_000);
  const before = seen.sockets.length;
  hand.go(1000);
  link.happen("online");
  link.happen("wake");
  assert.ok(seen.sockets.length - before <= 2 && seen.sockets.at(-1).readyState === 0);
  seen.sockets.at(-1).speak();
  assert.deepEqual([link.state, link.away], ["up", false]);
});

test("`offline` is ignored when the box answers: it may be reachable without internet", () => {
  const { link, seen } = up();
  link.happen("offline");
  assert.equal(seen.asked, 1);
  seen.sockets[0].speak("pong");
  assert.deepEqual([link.state, link.away, seen.kept], ["up", false, 1]);
});

test("after sleep a second socket is opened early, before anything is reported", () => {
  const { hand, link, seen } = up();
  link.happen("wake");
  hand.go(700);
  assert.deepEqual([link.state, seen.sockets.length, link.away], ["doubt", 2, false]);
  seen.sockets[1].speak();
  seen.sockets[1].speak("pong");
  hand.go(IDLE_MS + 1999);
  assert.equal(link.state, "up", "patient again");
});

test("a page that was suspended sends a new ping before it opens a second socket", () => {
  const { hand, link, seen } = up();
  hand.go(IDLE_MS);
  hand.go(60_000, 5000);
  assert.equal(link.state, "up");
  seen.sockets[0].speak("pong");
  assert.equal(seen.sockets.length, 1);
});

test("the timeout grows with the round trips of a bad connection, but not with a single outage", () => {
  assert.deepEqual(
    [[], [50, 40], [5000, 40, 60], [1200, 900, 1100], [5000, 4000]].map((trips) => patienceOf(trips)),
    [2000, 2000, 2000, 3300, 6000],
  );
  const { hand, link, seen } = up();
  link.measured(1500);
  link.measured(1500);
  hand.go(IDLE_MS + 4499);
  assert.equal(link.state, "up");
  hand.go(1);
  assert.deepEqual([link.state, seen.sockets.length], ["doubt", 2]);
});

test("after a final close code the page does not reconnect", () => {
  for (const begin of [0, 3000]) {
    const { hand, link, seen } = up();
    hand.go(begin);
    seen.sockets.at(-1).end(4503, "revoked");
    for (const what of ["wake", "online", "offline", "due"]) link.happen(what);
    hand.go(60_000);
    assert.deepEqual(
      [link.state, link.why, seen.sockets.filter((each) => each.readyState < 2).length],
      ["closed", "revoked", 0],
    );
  }
});

test("before the first snapshot no event opens a socket", () => {
  const { hand, link, seen } = made();
  for (const what of ["wake", "online", "offline", "failed", "late", "due"]) link.happen(what);
  hand.go(10_000);
  assert.deepEqual([link.state, seen.sockets.length, link.away], ["idle", 0, true]);
});

test("the table has only known states, and every state except `closed` leads back to `up`", () => {
  for (const ways of Object.values(LINK)) for (const [state] of Object.values(ways)) assert.ok(state in LINK);
  assert.deepEqual(
    ["doubt", "away"].map((state) => LINK[state].won?.[0]),
    ["up", "up"],
  );
});

test("ten thousand events in random order: at most two sockets, one in use, never stuck", () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % n;
  };
  const { hand, link, seen } = up();
  for (let turn = 0; turn < 10_000; turn++) {
    // the others are closed as soon as they are open
    const living = seen.sockets.filter((each) => each.readyState < 2 && !each.onopen);
    const one = seen.sockets.at(-1 - random(Math.min(3, seen.sockets.length)));
    const before = [link.socket, link.next];
    const taken = seen.taken.length;
    [
      () => hand.go(random(3000)),
      () => hand.go(random(900)),
      () => link.happen("offline"),
      () => link.happen("online"),
      () => link.happen("wake"),
      () => one.speak("connected"),
      () => link.socket?.speak("pong"),
      () => one.readyState < 3 && one.end(),
      () => link.send({ type: "command" }),
      () => link.drop(),
    ][random(10)]();
    if (seen.taken.length > taken)
      assert.ok(
        before.some((each) => each?.name === seen.taken.at(-1).by),
        "taken from a socket that was left",
      );
    assert.ok(living.length <= 2, `${living.length} at once`);
    assert.equal(link.state === "up", Boolean(link.socket) && !link.next && link.tellAt === 0);
    if (link.state !== "up") assert.ok(hand.timers.length > 0, "nothing will ever happen");
  }
});
