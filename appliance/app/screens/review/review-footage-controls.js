// The buttons that move through the footage of review, and its keyboard shortcuts.

import { button, h, icon } from "../../parts/dom.js";

/** @typedef {import("./review-footage.js").Footage} Footage */

const SPEEDS = [0.25, 0.5, 1, 2, 4];

/** @param {Footage} footage */
export function transportOf(footage) {
  const jump = (/** @type {number} */ by) =>
    button(
      `${by < 0 ? "Back" : "On"} ${Math.abs(by)} s`,
      `${by < 0 ? "−" : "+"}${Math.abs(by)}`,
      () => footage.move(by),
      { data: { jump: by } },
    );
  const frame = (/** @type {number} */ by) =>
    button(by < 0 ? "One frame back" : "One frame on", icon(by < 0 ? "frameBack" : "frameNext"), () =>
      footage.view.step(by),
    );
  return h(
    "div",
    { class: "transport" },
    h(
      "div",
      { class: "segments moves", role: "group", "aria-label": "Move" },
      button("Play before", icon("previous"), () => footage.toPlay(-1), { data: { play: -1 } }),
      jump(-30),
      jump(-10),
      jump(-1),
      frame(-1),
      footage.go,
      frame(1),
      jump(1),
      jump(10),
      jump(30),
      button("Next play", icon("next"), () => footage.toPlay(1), { data: { play: 1 } }),
    ),
    h(
      "div",
      { class: "segments zoom", role: "group", "aria-label": "Closer, further" },
      button("Further away", "−", () => footage.zoom(2)),
      button("Closer", "+", () => footage.zoom(0.5)),
      button("All of it", "All", () => footage.zoom(1e9)),
    ),
    footage.speeds,
  );
}

/** @param {Footage} footage */
export function speedsOf(footage) {
  return h(
    "div",
    { class: "segments speeds", role: "group", "aria-label": "Speed" },
    ...SPEEDS.map((rate) =>
      button(`Speed ${rate}`, `${rate}×`.replace("0.", "."), () => footage.speed(rate), {
        data: { rate },
        "aria-pressed": String(rate === 1),
      }),
    ),
  );
}

/** @param {Footage} footage @returns {import("../../state/device/keys.js").Shortcut[]} */
export function shortcutsOf(footage) {
  const group = "Footage";
  return [
    { keys: [" "], words: "Play or pause", group, act: () => footage.view.toggle() },
    {
      keys: [",", "."],
      words: "One frame back, on",
      group,
      act: (event) => footage.view.step(event.key === "," ? -1 : 1),
    },
    {
      keys: ["ArrowLeft", "ArrowRight"],
      words: "1 s back, on",
      group,
      act: (event) => footage.move(event.key === "ArrowLeft" ? -1 : 1),
    },
    {
      keys: ["Shift+ArrowLeft", "Shift+ArrowRight"],
      words: "10 s back, on",
      group,
      act: (event) => footage.move(event.key === "Shift+ArrowLeft" || event.key === "ArrowLeft" ? -10 : 10),
    },
    {
      keys: ["ArrowUp", "ArrowDown"],
      words: "Next play, play before",
      group,
      act: (event) => footage.toPlay(event.key === "ArrowUp" ? 1 : -1),
    },
    {
      keys: ["1", "2", "3", "4"],
      words: "Camera",
      group,
      act: (event) => footage.lead(footage.channels[Number(event.key) - 1]?.id),
    },
    {
      keys: ["-", "+"],
      words: "Further away, closer",
      group,
      act: (event) => footage.zoom(event.key === "-" ? 2 : 0.5),
    },
    {
      keys: ["i", "o"],
      words: "IN, OUT",
      group,
      act: (event) =>
        event.key === "i"
          ? footage.mark(footage.view.at, footage.cut.end)
          : footage.mark(footage.cut.start, footage.view.at),
    },
    { keys: ["Escape"], words: "Forget IN and OUT", group, act: () => footage.mark(null, null) },
    { keys: ["a"], words: "This camera or all", group, act: () => footage.flip() },
    { keys: ["Enter"], words: "Make the clip", group, act: () => footage.clip() },
  ];
}
