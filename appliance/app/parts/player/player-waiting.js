// Why the player shows no picture, in words, with what the user can do about it.

import { emit } from "../dom.js";
import { stateOf } from "../../state/words.js";

/**
 * `text`: "" while a picture is shown.
 * @typedef {{text: string, action?: string, act?: () => void}} Waiting
 */

/**
 * @param {import("./replay-player.js").ReplayPlayer} player
 * @param {import("./angle-videos.js").AngleVideos} videos
 * @returns {Waiting}
 */
export function waitingOf(player, videos) {
  const { play, clips } = player;
  if (!play) return { text: player.idle };
  if (clips.some((clip) => clip.stream_url)) return loadingOf(player, videos);
  if (!play.duration) {
    const how = player.endsHere?.(play) ? "Press END PLAY" : "End it on its card";
    return { text: `This play is open. ${how} to watch it.` };
  }
  if (!clips.length) return { text: play.local ? "Not on the box yet." : "No camera recorded this play." };
  const failed = clips.find((clip) => clip.status === "failed");
  if (failed) {
    const act = () => emit(player, "retry", failed.id);
    return { text: `${failed.error_message ?? "Not cut"}. `, action: "Retry", act };
  }
  const seconds = ((performance.now() - player.waitingSince) / 1000).toFixed(1);
  return { text: `${stateOf(clips[0], play)} (${seconds} s)` };
}

/**
 * There is a clip: is it shown?
 * @param {import("./replay-player.js").ReplayPlayer} player
 * @param {import("./angle-videos.js").AngleVideos} videos
 * @returns {Waiting}
 */
function loadingOf(player, videos) {
  const { lead } = videos;
  if (lead?.video.error && lead.url) {
    if (!player.reached) return { text: "This clip is not on this device. It comes when the box answers." };
    const act = () => {
      lead.unload();
      player.place();
    };
    return { text: "This clip cannot be shown here. ", action: "Load again", act };
  }
  return { text: lead && videos.running && lead.video.readyState < 2 ? "Loading" : "" };
}
