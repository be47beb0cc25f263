// Texts for times, lengths and states. Short, in the present tense, without blame.

import { clockOf } from "./zone.js";

/** @typedef {import("./connection/store.js").Clip} Clip */
/** @typedef {import("./connection/store.js").Play} Play */
/** @typedef {import("./connection/store.js").Tag} Tag */

export { clockOf };

/** 1:05.2 @param {number} seconds */
export function lengthOf(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

/** "Play 12"; a play that is not on the appliance yet has no number. @param {{number: number}} play */
export const playName = ({ number }) => (number ? `Play ${number}` : "This play");

/**
 * What a clip waits for. A pending END of this device counts.
 * @param {Clip} clip
 * @param {Play | null} [play]
 */
export function stateOf(clip, play) {
  if (clip.status === "failed") return clip.error_message ?? "Not cut";
  if (clip.status === "ready") return clip.coverage?.missing?.length ? "Part missing" : "Ready";
  if (clip.waiting_for === "out") return play?.duration ? "Ended, not on the box yet" : "Open";
  if (clip.waiting_for === "footage") return "Waiting for footage";
  return clip.stream_url ? "Cutting anew" : "Cutting";
}

/** A play's state in a few words, over its angles. @param {Play} play @param {readonly Clip[]} clips */
export function stateOfPlay(play, clips) {
  if (play.local) return "Not sent";
  if (!play.duration) return "Open";
  if (!clips.length) return "No camera";
  const failed = clips.filter((clip) => clip.status === "failed");
  const ready = clips.filter((clip) => clip.stream_url);
  if (failed.length)
    return failed.length === clips.length ? "Not cut" : `${failed.length} of ${clips.length} angles failed`;
  const waiting = clips.find((clip) => !clip.stream_url);
  if (waiting) return ready.length ? `${ready.length} of ${clips.length} angles` : stateOf(waiting, play);
  return clips.some((clip) => clip.coverage?.missing?.length) ? "Part missing" : "Ready";
}

const GAPS_SHOWN = 2;
const REASONS = /** @type {Record<string, string>} */ ({
  no_footage: "no footage",
  camera_off: "camera was off",
  restart: "camera started again",
  deleted: "deleted",
  recorder_restart: "the recorder started again",
  source_lost: "the camera was lost",
  segment_unreadable: "the file cannot be read",
  no_entry: "no key frame to begin at",
  format_change: "another picture format",
  segment_missing: "the file is gone",
  discontinuity: "the camera jumped",
  indexing: "still being read",
});
/** @param {string} reason */
export const reasonOf = (reason) => REASONS[reason] ?? reason.replaceAll("_", " ");

/** What is missing from a clip, in words. @param {Clip} clip @returns {string[]} */
export const missingOf = (clip) =>
  (clip.coverage?.missing ?? []).map(
    (gap) => `No footage ${clockOf(gap.start)}–${clockOf(gap.end)}: ${reasonOf(gap.reason)}`,
  );

/**
 * The first gaps of these clips, and the number of others: a camera with a bad connection has many.
 * @param {readonly Clip[]} clips
 */
export function missingOfAll(clips) {
  const all = [...new Set(clips.flatMap(missingOf))];
  return [
    ...all.slice(0, GAPS_SHOWN),
    ...(all.length > GAPS_SHOWN ? [`and ${all.length - GAPS_SHOWN} more`] : []),
  ].join(" · ");
}

/** The team's words for a play: "3&7 Pass". @param {readonly Tag[]} tags */
export function tagsOf(tags) {
  /** @type {string[]} */
  const words = [];
  for (const tag of tags) {
    if (tag.down) words.push(tag.distance ? `${tag.down}&${tag.distance}` : `${tag.down}. down`);
    for (const word of [tag.play_type, tag.formation, tag.result]) if (word) words.push(word);
    words.push(...tag.labels);
  }
  return [...new Set(words)].join(" ");
}

/** Seconds from the mark to playable, small: "0.21 s". @param {number} seconds */
export const figureOf = (seconds) => `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;

/**
 * Hours of recording left: "31 h", "1.5 h"; "" when nothing is being recorded.
 * @param {number | null | undefined} hours
 */
export function hoursOf(hours) {
  if (hours === null || hours === undefined) return "";
  if (hours > 1000) return "over 1000 h";
  return `${hours < 10 ? hours.toFixed(1) : Math.round(hours)} h`;
}

/** The appliance's message of an error. @param {any} error */
export const errorText = (error) =>
  error?.status === 412
    ? "another person has just changed it"
    : error?.problem
      ? [error.message, error.problem.hint].filter(Boolean).join(". ")
      : "the box does not answer";
