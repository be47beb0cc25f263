// The page as an app of its own: its service worker over https alone, and the screen that stays on in a game.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Awake, keepShell } from "../../../appliance/app/installed.js";

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

test("the service worker is registered over https, and nowhere else", async () => {
  const seen = [];
  const container = { register: async (url) => seen.push(url) };
  assert.equal(await keepShell({ protocol: "https:", container }), true);
  assert.equal(await keepShell({ protocol: "http:", container }), false, "also on 127.0.0.1");
  assert.deepEqual(seen, ["/sw.js"]);
});

test("without a secure context, or where it is refused, the page goes on without one", async () => {
  assert.equal(await keepShell({ protocol: "https:", container: null }), false);
  const container = { register: () => Promise.reject(new Error("SSL certificate error")) };
  assert.equal(await keepShell({ protocol: "https:", container }), false);
});

/** A browser with a wake lock; `grant`: what becomes of the next request. */
function made({ hidden = false, grant = () => true } = {}) {
  const page = Object.assign(new EventTarget(), { hidden });
  const locks = [];
  const lock = {
    request: async () => {
      if (!grant()) throw new Error("NotAllowedError");
      const held = Object.assign(new EventTarget(), {
        release: async () => {
          held.isReleased = true;
          held.dispatchEvent(new Event("release"));
        },
      });
      locks.push(held);
      return held;
    },
  };
  const show = async (on) => {
    page.hidden = !on;
    if (!on) for (const each of locks) if (!each.isReleased) await each.release(); // as browsers do
    page.dispatchEvent(new Event("visibilitychange"));
    await turns();
  };
  return {
    awake: new Awake({ lock, page }),
    locks,
    show,
    held: () => locks.filter((each) => !each.isReleased),
  };
}

test("the screen stays on while a game is shown", async () => {
  const { awake, locks, held } = made();
  awake.want(true);
  awake.want(true);
  await turns();
  assert.equal(held().length, 1);
  awake.want(false);
  await turns();
  assert.deepEqual([held().length, locks.length], [0, 1]);
});

test("a page that was hidden asks again when it is shown", async () => {
  const { awake, show, held } = made();
  awake.want(true);
  await turns();
  await show(false);
  assert.equal(held().length, 0);
  await show(true);
  assert.equal(held().length, 1);
});

test("a hidden page asks for nothing", async () => {
  const { awake, show, locks } = made({ hidden: true });
  awake.want(true);
  await turns();
  assert.equal(locks.length, 0);
  await show(true);
  assert.equal(locks.length, 1);
});

test("a change while the browser is asked is followed", async () => {
  const { awake, held } = made();
  awake.want(true);
  awake.want(false);
  await turns();
  assert.equal(held().length, 0);
  awake.want(true);
  await turns();
  assert.equal(held().length, 1);
});

test("a browser that refuses, or knows no wake lock, is asked once", async () => {
  let asked = 0;
  const { awake, held } = made({ grant: () => ++asked < 0 });
  awake.want(true);
  await turns();
  assert.deepEqual([asked, held().length], [1, 0]);
  const without = new Awake({ lock: null, page: Object.assign(new EventTarget(), { hidden: false }) });
  without.want(true);
  await turns();
  assert.equal(without.held, null);
});
