// The player's choice of angles: a button for each, its state, the texts on the pictures, how many are shown.

import { h, keyed, say } from "../dom.js";
import { stateOf } from "../../state/words.js";

/**
 * @param {import("./replay-player.js").ReplayPlayer} player
 * @param {import("./angle-videos.js").AngleVideos} videos
 * @param {{angles: HTMLElement, layouts: HTMLElement}} drawn
 */
export function drawAngles(player, videos, { angles, layouts }) {
  keyed(
    angles,
    player.clips,
    (clip) => clip.channel_id,
    (clip, old) => {
      const name = player.channels.get(clip.channel_id)?.name || clip.channel_id;
      const made = /** @type {HTMLButtonElement} */ (
        old ?? h("button", { type: "button", onclick: () => player.angle(clip.channel_id) })
      );
      say(made, name);
      made.disabled = !clip.stream_url;
      made.title = stateOf(clip, player.play);
      made.setAttribute("aria-pressed", String(clip.channel_id === videos.leader));
      const tile = videos.tiles.get(clip.channel_id);
      if (tile) {
        say(tile.label, name);
        say(tile.words, clip.stream_url ? "" : (clip.error_message ?? stateOf(clip, player.play)));
      }
      return made;
    },
  );
  const up = player.prefs?.get("layout") ?? 1;
  layouts.hidden = player.clips.length < 2;
  for (const each of layouts.children) {
    const n = Number(/** @type {HTMLElement} */ (each).dataset.up);
    /** @type {HTMLElement} */ (each).hidden = n === 4 && player.clips.length < 3;
    each.setAttribute("aria-pressed", String(n === up || (n === 2 && up === 4 && player.clips.length < 3)));
  }
}
