// Measures how this browser plays a clip: it is played here and read back from a canvas.

import { FPS, HIDDEN, pictureOf, testClip } from "./testclip.js";

const PATIENCE_MS = 6000;

/**
 * `raw`: edit lists are honoured, but requestVideoFrameCallback counts the hidden pictures too (GStreamer's
 * WebKit).
 * @typedef {{verdict: "ok" | "ignored" | "unknown", words: string, raw: boolean}} EditListResult
 */

/**
 * Plays the one-second test clip and reports whether its edit list was honoured.
 * @returns {Promise<EditListResult>}
 */
export async function testEditLists() {
  const url = URL.createObjectURL(new Blob([testClip()], { type: "video/mp4" }));
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
  video.setAttribute("playsinline", "");
  video.setAttribute("aria-hidden", "true");
  video.style.cssText =
    "position:fixed;right:0;bottom:0;width:8px;height:8px;opacity:.01;pointer-events:none";
  document.body.append(video);
  try {
    video.src = url;
    const frames = await offsets(video);
    return judge(
      frames.map((each) => each.media),
      frames.map((each) => each.clock),
    );
  } catch (error) {
    return {
      verdict: "unknown",
      raw: false,
      words: `The test clip did not play: ${error instanceof Error ? error.message : error}`,
    };
  } finally {
    video.removeAttribute("src"); // removed from the page only, it would continue to play
    video.load();
    video.remove();
    URL.revokeObjectURL(url);
  }
}

/**
 * For each picture shown: its number in the file minus its number by the reported time, and by the player's
 * clock.
 * @param {HTMLVideoElement} video
 * @returns {Promise<{media: number, clock: number}[]>}
 */
function offsets(video) {
  return new Promise((resolve, reject) => {
    /** @type {{media: number, clock: number}[]} */
    const frames = [];
    const timer = setTimeout(
      () => (frames.length ? resolve(frames) : reject(new Error("no picture in time"))),
      PATIENCE_MS,
    );
    const done = () => {
      clearTimeout(timer);
      resolve(frames);
    };
    const read = (/** @type {number} */ mediaTime) => {
      const picture = pictureOf(greyIn(video));
      frames.push({ media: picture - mediaTime * FPS, clock: picture - video.currentTime * FPS });
    };
    video.onerror = () => reject(new Error(video.error?.message || "it cannot be decoded"));
    video.onended = done;
    if (video.requestVideoFrameCallback) {
      const look = (/** @type {number} */ _now, /** @type {{mediaTime: number}} */ facts) => {
        read(facts.mediaTime);
        if (frames.length >= 6) return done();
        video.requestVideoFrameCallback(look);
      };
      video.requestVideoFrameCallback(look);
    } else video.ontimeupdate = () => read(video.currentTime);
    video.play().catch(reject);
  });
}

/** @param {HTMLVideoElement} video */
function greyIn(video) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const context = /** @type {CanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(video, 0, 0, 8, 8);
  return context.getImageData(4, 4, 1, 1).data[1];
}

/**
 * @param {readonly number[]} byMediaTime by the reported times, exact
 * @param {readonly number[]} [byClock] by the player's clock, which runs a little ahead of the picture
 * @returns {EditListResult}
 */
export function judge(byMediaTime, byClock = byMediaTime) {
  const off = middle(byMediaTime);
  if (off === undefined) return { verdict: "unknown", raw: false, words: "No picture was shown" };
  if (Math.abs(off - HIDDEN) < 2.5)
    return { verdict: "ok", raw: false, words: "Clips start on their exact picture" };
  if (Math.abs(off) > 2.5)
    return {
      verdict: "unknown",
      raw: false,
      words: `Pictures are ${off.toFixed(1)} away from where they should be`,
    };
  if ((middle(byClock) ?? 0) > HIDDEN / 2)
    return {
      verdict: "ok",
      raw: true,
      words: "Clips start on their exact picture; pictures are reported by their time in the file",
    };
  return {
    verdict: "ignored",
    raw: false,
    words: "This browser shows the hidden pre-roll; the player seeks past it",
  };
}

/** @param {readonly number[]} some */
const middle = (some) => [...some].sort((a, b) => a - b)[Math.floor(some.length / 2)];

/**
 * Reads the barcode of synthetic cameras (format: appliance/box/recorder/synthetic/barcode.py). Null where
 * there is none.
 * @param {HTMLVideoElement | HTMLImageElement} picture
 * @returns {{frame: number, instantMs: number} | null}
 */
export function burnedIn(picture) {
  const width = picture instanceof HTMLVideoElement ? picture.videoWidth : picture.naturalWidth;
  const block = Math.floor(width / 40);
  if (block < 2) return null;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = block * 4;
  const context = /** @type {CanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, block * 4);
  let bits = "";
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 32; column++) {
      const at = ((1 + row) * block + (block >> 1)) * width + (4 + column) * block + (block >> 1);
      bits += data[at * 4 + 1] > 128 ? "1" : "0";
    }
  }
  const bytes = Array.from({ length: 12 }, (_, at) => parseInt(bits.slice(at * 8, at * 8 + 8), 2));
  if (crc(bytes.slice(0, 10)) !== bytes[10] * 256 + bytes[11]) return null;
  const number = (/** @type {number[]} */ some) => some.reduce((sum, byte) => sum * 256 + byte, 0);
  return { frame: number(bytes.slice(0, 3)), instantMs: number(bytes.slice(3, 10)) / 1000 };
}

/** CRC-16, CCITT. @param {readonly number[]} bytes */
function crc(bytes) {
  let value = 0xffff;
  for (const byte of bytes) {
    value ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      value = value & 0x8000 ? ((value << 1) ^ 0x1021) & 0xffff : (value << 1) & 0xffff;
  }
  return value;
}
