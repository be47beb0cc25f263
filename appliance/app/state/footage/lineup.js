// Two cameras show the same instant: which delays make their capture times equal. Plain functions.
//
// A picture's capture time is its arrival minus its channel's delay (latency_ms). The picture at `ours` of
// one camera shows the same instant as the picture at `theirs` of the other, so their delays must differ by
// that much more.

const MOST_MS = 60_000; // maximum of a channel's delay

/** @typedef {{id: string, latency_ms: number}} Delayed */

/**
 * New delays by channel, only those that change: the second camera's, or when that would be negative those of
 * all others, which keeps earlier line-ups valid. Null: further apart than the maximum delay.
 * @param {readonly Delayed[]} channels
 * @param {string} reference
 * @param {string} other
 * @param {number} ours capture time of the reference's picture, ms
 * @param {number} theirs of the other's picture
 * @param {number} [slack] ms: pictures closer than this count as the same instant
 * @returns {Map<string, number> | null}
 */
export function lineUp(channels, reference, other, ours, theirs, slack = 0.5) {
  const by = Math.round(theirs - ours);
  /** @type {Map<string, number>} */
  const after = new Map();
  const moved = channels.find((each) => each.id === other);
  if (!moved || reference === other || Math.abs(theirs - ours) <= slack) return after;
  const wanted = moved.latency_ms + by;
  if (wanted >= 0) after.set(other, wanted);
  else {
    for (const each of channels) if (each.id !== other) after.set(each.id, each.latency_ms - wanted);
    if (moved.latency_ms) after.set(other, 0);
  }
  return [...after.values()].some((delay) => delay > MOST_MS) ? null : after;
}

/**
 * Index of the nearest picture.
 * @param {readonly number[]} frames capture times, ms, rising
 * @param {number} at
 */
export function nearest(frames, at) {
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - frames[low - 1] < frames[low] - at ? low - 1 : Math.max(0, low);
}

/**
 * @param {number} by ms by which the second camera's picture is later than the first one's
 * @param {string} first
 * @param {string} second
 * @param {number} [slack] as above
 */
export function differenceOf(by, first, second, slack = 0.5) {
  const rounded = Math.round(by);
  if (Math.abs(by) <= slack) return `${first} and ${second} agree`;
  return `${second} is ${Math.abs(rounded)} ms ${rounded > 0 ? "behind" : "ahead of"} ${first}`;
}
