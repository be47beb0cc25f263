// The player's buttons and bars, made once: the texts over the picture, the side, the controls below.
// What they show is drawn by replay-player.js.

import { button, emit, h, icon } from "../dom.js";
import { repeatWhileHeld } from "../repeat-button.js";
import { SPEEDS } from "./player-keys.js";
import "./scrub-bar.js";

/** @typedef {import("./replay-player.js").ReplayPlayer} ReplayPlayer */

/** What lies over the picture, and beside it. @param {ReplayPlayer} player */
export function headerOf(player) {
  const heading = h("h2", { class: "heading" });
  const angles = h("div", { class: "angles segments", id: "angles", role: "group", "aria-label": "Angles" });
  const layout = (/** @type {1 | 2 | 4} */ n, /** @type {string} */ name, /** @type {string} */ words) =>
    button(words, icon(name), () => player.layout(n), { class: "plain", data: { up: n } });
  const layouts = h(
    "div",
    { class: "segments layouts", role: "group", "aria-label": "How many angles" },
    layout(1, "one", "One angle"),
    layout(2, "two", "Two angles"),
    layout(4, "four", "Four angles"),
  );
  const modes = {
    loop: button("Loop", icon("loop"), () => player.setLoop()),
    sound: button("Sound", icon("mute"), () => player.setSound()),
  };
  const side = h(
    "div",
    { class: "side" },
    layouts,
    h("div", { class: "segments modes" }, ...Object.values(modes)),
  );
  const over = h("header", { class: "over" }, heading, angles);
  return { over, side, heading, angles, layouts, modes };
}

/** What lies below the picture. @param {ReplayPlayer} player */
export function controlsOf(player) {
  const jump = (/** @type {number} */ by, /** @type {string} */ words) =>
    repeatWhileHeld(
      button(`${by < 0 ? "Back" : "On"} ${words.slice(1)} s`, words, () => {}, {
        class: "jump",
        data: { jump: by },
      }),
      () => player.videos?.jump(by),
    );
  const go = button("Play", icon("play"), () => player.toggle(), { class: "go", id: "play-pause" });
  const frame = (/** @type {number} */ by) =>
    repeatWhileHeld(
      button(by < 0 ? "One frame back" : "One frame on", icon(by < 0 ? "frameBack" : "frameNext"), () => {}, {
        data: { frame: by },
      }),
      () => player.videos?.step(by),
    );
  const speeds = h(
    "div",
    { class: "segments speeds", role: "group", "aria-label": "Speed" },
    ...SPEEDS.map((rate) =>
      button(`Speed ${rate}`, rate === 1 ? "1×" : `${rate}×`.replace("0.", "."), () => player.speed(rate), {
        data: { rate },
      }),
    ),
  );
  const tools = {
    panel: button("Tags", icon("pencil"), () => emit(player, "panel"), { class: "pencil" }),
    trim: button("Trim", icon("scissors"), () => player.trim?.toggle()),
    star: button("Star", icon("star"), () => player.play && emit(player, "star", player.play), {
      class: "star",
    }),
    wide: button("Large picture", icon("expand"), () => player.wide()),
  };
  const bar = /** @type {import("./scrub-bar.js").ScrubBar} */ (h("scrub-bar"));
  bar.addEventListener("scrub", (event) => player.scrub(/** @type {any} */ (event).detail));
  bar.addEventListener("handle", (event) => player.trim?.handle(/** @type {any} */ (event).detail));
  const missing = h("p", { class: "missing warn", hidden: true });
  const root = h(
    "footer",
    { class: "controls" },
    missing,
    bar,
    player.trim?.bar,
    h(
      "div",
      { class: "transport" },
      h(
        "div",
        { class: "segments moves", role: "group", "aria-label": "Move" },
        jump(-5, "−5"),
        jump(-1, "−1"),
        jump(-0.25, "−¼"),
        frame(-1),
        go,
        frame(1),
        jump(0.25, "+¼"),
        jump(1, "+1"),
        jump(5, "+5"),
      ),
      speeds,
      h("div", { class: "segments tools" }, ...Object.values(tools)),
    ),
  );
  return { root, bar, missing, go, speeds, tools };
}
