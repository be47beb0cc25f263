// The player's keyboard shortcuts, with their descriptions for the list behind "?".

/** @typedef {import("./angle-videos.js").AngleVideos} AngleVideos */

export const SPEEDS = [0.25, 0.5, 1];

/**
 * @param {import("./replay-player.js").ReplayPlayer} player
 * @returns {import("../../state/device/keys.js").Shortcut[]}
 */
export function shortcutsOf(player) {
  const videos = () => /** @type {AngleVideos} */ (player.videos);
  const group = "Picture";
  return [
    { keys: [" "], words: "Play or pause", group, act: () => player.toggle() },
    {
      keys: [",", "."],
      words: "One frame back, on",
      group,
      act: (event) => videos().step(event.key === "," ? -1 : 1),
    },
    {
      keys: ["ArrowLeft", "ArrowRight"],
      words: "1 s back, on",
      group,
      act: (event) => videos().jump(event.key === "ArrowLeft" ? -1 : 1),
    },
    {
      keys: ["Shift+ArrowLeft", "Shift+ArrowRight"],
      words: "5 s back, on",
      group,
      act: (event) => videos().jump(event.key === "ArrowLeft" ? -5 : 5),
    },
    {
      keys: ["[", "]"],
      words: "¼ s back, on",
      group,
      act: (event) => videos().jump(event.key === "[" ? -0.25 : 0.25),
    },
    {
      keys: ["1", "2", "3", "4"],
      words: "Angle",
      group,
      act: (event) => player.camera(Number(event.key) - 1),
    },
    {
      keys: ["v"],
      words: "One, two, four angles",
      group,
      act: () =>
        player.layout(
          { 1: 2, 2: 4, 4: 1 }[player.prefs?.get("layout") ?? 1] === 2
            ? 2
            : player.prefs?.get("layout") === 2
              ? 4
              : 1,
        ),
    },
    {
      keys: ["-", "+"],
      words: "Slower, faster",
      group,
      act: (event) =>
        player.speed(
          SPEEDS[Math.max(0, Math.min(2, SPEEDS.indexOf(videos().rate) + (event.key === "-" ? -1 : 1)))],
        ),
    },
    { keys: ["l"], words: "Loop", group, act: () => player.setLoop() },
    { keys: ["m"], words: "Sound", group, act: () => player.setSound() },
    { keys: ["t"], words: "Trim", group, act: () => player.trim?.toggle() },
    { keys: ["f"], words: "Large picture", group, act: () => player.wide() },
    { keys: ["z"], words: "Zoom out", group, act: () => player.gestures?.reset() },
    { keys: ["Escape"], words: "Leave trim, zoom, large picture", group, act: () => player.escape() },
  ];
}
