// The acceptance test of a device, run by a person on a real iPad. Every line
// reports its result; a picture that must be judged by eye is shown with the question.

import { h, say } from "../parts/dom.js";
import { mediaSource } from "../parts/footage/live-view.js";
import { painted } from "../parts/player/painted.js";
import { burnedIn, testEditLists } from "../state/device/selftest.js";
import { clockOf } from "../state/words.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {{ok: boolean | null, words: string, show?: HTMLElement}} Result  ok null: a person judges */

export const title = "Self-test";
const INS = [0, 1, 7, 17, 24]; // pictures after the start of a second: key pictures, and far from them
const LOAD_MS = 8000;
const NEAR_S = 0.2;

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  const list = h("ol", {});
  const run = h("button", { type: "button", class: "primary", onclick: () => void all() }, "Run again");
  root.append(
    h("h2", {}, "Self-test of this device"),
    h("p", { class: "quiet" }, `${navigator.userAgent}. Run it while a camera records.`),
    list,
    h("div", {}, run),
  );
  let left = false;

  async function all() {
    run.disabled = true;
    list.replaceChildren();
    for (const [name, test] of tests(ctx)) {
      if (left) return;
      const mark = h("span", {}, "…");
      const words = h("span", { class: "words" }, "runs");
      const line = h("li", { data: { state: "runs" } }, mark, h("b", {}, name), words);
      list.append(line);
      const result = await test().catch(
        (/** @type {Error} */ error) => /** @type {Result} */ ({ ok: false, words: error.message }),
      );
      say(mark, result.ok === null ? "?" : result.ok ? "✓" : "✗");
      mark.className = result.ok === null ? "warn" : result.ok ? "good" : "bad";
      line.dataset.state = result.ok === null ? "judge" : result.ok ? "ok" : "bad";
      say(words, result.words);
      if (result.show) line.append(result.show);
    }
    run.disabled = false;
    list.dataset.state = "done";
  }
  void all();
  return {
    leave: () => {
      left = true;
    },
  };
}

/** @param {Ctx} ctx @returns {[string, () => Promise<Result>][]} */
function tests(ctx) {
  return [
    [
      "Edit lists, by a clip made here",
      async () => {
        const { verdict, raw, words } = await testEditLists();
        ctx.prefs.set("editLists", verdict);
        ctx.prefs.set("rawTimes", raw);
        return {
          ok: verdict === "unknown" ? false : verdict === "ok" ? true : null,
          words: `${verdict}: ${words}`,
        };
      },
    ],
    ["First picture exact, IN at several places after a key", () => exactIns(ctx)],
    ["Last picture, loop and back to 0", () => lastAndLoop(ctx)],
    ["A clip over two recording files", () => longClip(ctx)],
    ["A clip of what is recorded now", () => newest(ctx)],
    [
      "HEVC (hvc1)",
      async () => {
        const support = document.createElement("video").canPlayType('video/mp4; codecs="hvc1.1.6.L93.B0"');
        return {
          ok: support === "probably" ? true : null,
          words: support
            ? `the browser says ${support}`
            : "not played by this browser: cameras should send H.264",
        };
      },
    ],
    [
      "Live pictures",
      async () => {
        const type = mediaSource();
        return {
          ok: Boolean(type),
          words: type ? `${type.name}` : "neither MediaSource nor ManagedMediaSource",
        };
      },
    ],
    [
      "Exact frames",
      async () => ({
        ok: "requestVideoFrameCallback" in HTMLVideoElement.prototype,
        words: "requestVideoFrameCallback",
      }),
    ],
    [
      "Marks survive a reload",
      async () => ({ ok: Boolean(globalThis.indexedDB) && (await kept()), words: "IndexedDB" }),
    ],
    [
      "Clock",
      async () => {
        const { offsetMs, rtt } = ctx.box;
        const words = `${Math.round(offsetMs)} ms off the box, round trip ${Math.round(rtt ?? 0)} ms`;
        return { ok: Math.abs(offsetMs) < 5000, words };
      },
    ],
    [
      "Share sheet and Files",
      async () => ({
        ok: null,
        words:
          "Open a clip, hold the picture, save it to Files, play it there and by AirPlay: " +
          "it must begin with the same picture.",
      }),
    ],
  ];
}

/** @param {Ctx} ctx */
function camera(ctx) {
  const channel = [...ctx.box.state.channels.values()].find((each) => each.footage === "on");
  if (!channel) throw new Error("no camera records now");
  return channel.id;
}

/**
 * Capture times of the pictures in a span.
 * @param {Ctx} ctx
 * @param {string} id
 * @param {number} from
 * @param {number} seconds
 */
async function pictures(ctx, id, from, seconds) {
  const span = `start=${iso(from)}&end=${iso(from + seconds * 1000)}&frames=1`;
  /** @type {string[]} */
  const frames = (await ctx.box.request("GET", `/channels/${id}/timeline?${span}`)).frames ?? [];
  if (frames.length < 30) throw new Error("less than 30 pictures recorded there");
  return frames;
}

/** @param {Ctx} ctx @returns {Promise<Result>} */
async function exactIns(ctx) {
  const id = camera(ctx);
  const frames = await pictures(ctx, id, ctx.box.now() - 8000, 4);
  /** @type {string[]} */
  const lines = [];
  let ok = /** @type {boolean | null} */ (true);
  let show;
  for (const at of INS) {
    const video = await load(`/channels/${id}/replay.mp4?start=${encodeURIComponent(frames[at])}&duration=1`);
    const read = burnedIn(video);
    const wanted = Date.parse(frames[at]);
    if (!read) {
      ok = ok && null;
      show = video;
      lines.push(
        `IN ${at}: does the picture show ${clockOf(wanted)}.${String(wanted % 1000).padStart(3, "0")}?`,
      );
      continue;
    }
    const off = Math.round(read.instantMs - wanted);
    if (Math.abs(off) > 15) ok = false;
    lines.push(`IN ${at}: ${off} ms off`);
    drop(video);
  }
  return { ok, words: lines.join(", "), show };
}

/** @param {Ctx} ctx @returns {Promise<Result>} */
async function lastAndLoop(ctx) {
  const id = camera(ctx);
  const frames = await pictures(ctx, id, ctx.box.now() - 8000, 4);
  const video = await load(`/channels/${id}/replay.mp4?start=${encodeURIComponent(frames[3])}&duration=1`);
  const first = burnedIn(video);
  const off = Math.abs(video.duration - 1);
  await seek(video, video.duration - 0.01);
  const last = burnedIn(video);
  await seek(video, 0);
  const again = burnedIn(video);
  drop(video);
  if (!first || !last || !again)
    return {
      ok: off < 0.1 ? null : false,
      words: `length ${video.duration.toFixed(3)} s; no barcode in these pictures`,
    };
  const ok = off < 0.1 && again.frame === first.frame && last.frame > first.frame;
  return { ok, words: `pictures ${first.frame} to ${last.frame}, back to ${again.frame}` };
}

/** @param {Ctx} ctx @returns {Promise<Result>} */
async function longClip(ctx) {
  const id = camera(ctx);
  const start = ctx.box.now() - 72_000;
  const known = await ctx.box.request(
    "GET",
    `/channels/${id}/timeline?start=${iso(start)}&end=${iso(start + 66_000)}`,
  );
  if (known.gaps.length)
    return { ok: null, words: "needs 70 s of unbroken recording: run again in a minute" };
  const video = await load(`/channels/${id}/replay.mp4?start=${iso(start)}&duration=66`);
  await seek(video, 62);
  const late = burnedIn(video);
  const off = late ? `, at 62 s ${Math.round(late.instantMs - start - 62_000)} ms off` : "";
  const words = `length ${video.duration.toFixed(2)} s${off}`;
  drop(video);
  return { ok: Math.abs(video.duration - 66) < 0.2 || null, words };
}

/** @param {Ctx} ctx @returns {Promise<Result>} */
async function newest(ctx) {
  const began = performance.now();
  const video = await load(`/channels/${camera(ctx)}/replay.mp4?duration=3`);
  const words = `first picture after ${((performance.now() - began) / 1000).toFixed(2)} s`;
  drop(video);
  return { ok: true, words };
}

/** A video that shows its first picture. @param {string} url @returns {Promise<HTMLVideoElement>} */
function load(url) {
  const video = h("video", { muted: true, playsInline: true, preload: "auto", controls: true });
  video.setAttribute("playsinline", "");
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no picture in 8 s")), LOAD_MS);
    video.onloadeddata = () => {
      clearTimeout(timer);
      resolve(video);
    };
    video.onerror = () => reject(new Error(video.error?.message || "not played"));
    video.src = url;
    video.load();
  });
}

/**
 * Resolves when the picture can be read: at `seeked` the previous one may still be shown.
 * @param {HTMLVideoElement} video
 * @param {number} at
 */
async function seek(video, at) {
  const sought = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  const shown = painted(video, at, NEAR_S);
  video.currentTime = at;
  await sought;
  await shown;
}

/** @param {HTMLVideoElement} video */
function drop(video) {
  video.removeAttribute("src");
}

/** @returns {Promise<boolean>} */
function kept() {
  return new Promise((resolve) => {
    const asked = indexedDB.open("box", 1);
    asked.onsuccess = () => {
      asked.result.close();
      resolve(true);
    };
    asked.onerror = () => resolve(false);
  });
}

/** @param {number} ms */
const iso = (ms) => encodeURIComponent(new Date(ms).toISOString());
