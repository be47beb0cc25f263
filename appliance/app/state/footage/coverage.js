// A camera's footage as a strip: covered spans and gaps with reasons, as percentages of the span shown. Plain
// functions.

import { clockOf } from "../zone.js";
import { reasonOf } from "../words.js";

/**
 * `left` and `width` in per cent of the strip. `before`: the time before the first recording, which is no
 * gap.
 * @typedef {{left: number, width: number, title: string}} Piece
 * @typedef {{before: Piece | null, spans: Piece[], gaps: (Piece & {words: string})[], share: number, words:
 *   string}} Strip
 */

const SHORTEST = 0.25; // per cent: a gap of a second in an hour must still be visible

/**
 * @param {import("../api").Timeline} timeline
 * @param {number} from ms
 * @param {number} to ms
 * @returns {Strip}
 */
export function stripOf(timeline, from, to) {
  const whole = Math.max(1, to - from);
  const place = (/** @type {number} */ start, /** @type {number} */ end, least = 0) => {
    const left = Math.min(100, Math.max(0, ((start - from) / whole) * 100));
    const right = Math.min(100, Math.max(left, ((end - from) / whole) * 100));
    return { left: Math.min(left, 100 - least), width: Math.max(least, right - left) };
  };
  let covered = 0;
  const spans = timeline.spans.map((span) => {
    const [start, end] = [Date.parse(span.start), Date.parse(span.end)];
    covered += Math.max(0, Math.min(end, to) - Math.max(start, from));
    return { ...place(start, end), title: `${clockOf(start)}–${clockOf(end)}` };
  });
  const first = timeline.spans.length ? Math.max(from, Date.parse(timeline.spans[0].start)) : to;
  const isBefore = (/** @type {import("../api").TimelineGap} */ gap) =>
    gap.reason === "no_footage" &&
    Boolean(timeline.spans.length) &&
    gap.end !== null &&
    Date.parse(gap.end) <= first;
  const before = timeline.gaps.some(isBefore)
    ? { ...place(from, first), title: `Recorded from ${clockOf(first)} on` }
    : null;
  const gaps = timeline.gaps
    .filter((gap) => !isBefore(gap))
    .map((gap) => {
      const start = Date.parse(gap.start);
      const end = gap.end === null ? to : Date.parse(gap.end);
      const when = gap.end === null ? `since ${clockOf(start)}` : `${clockOf(start)}–${clockOf(end)}`;
      const words = `${when} ${reasonOf(gap.reason)} (${spell((end - start) / 1000)})`;
      return { ...place(start, end, SHORTEST), title: words, words };
    });
  const share = Math.min(1, covered / Math.max(1, before ? to - first : whole));
  return {
    before,
    spans,
    gaps,
    share,
    words: summary(spans.length, gaps.length, share, before ? clockOf(first) : ""),
  };
}

/** @param {number} spans @param {number} gaps @param {number} share @param {string} since */
function summary(spans, gaps, share, since) {
  if (!spans) return "No footage in this time";
  const much = gaps ? `${Math.min(99, Math.round(share * 100))} %` : "All";
  const missing = gaps ? `, ${gaps} ${gaps === 1 ? "gap" : "gaps"}` : "";
  return `${much} recorded${since ? ` since ${since}` : ""}${missing}`;
}

/** A duration in words: "6 s", "4 min", "2.5 h". @param {number} seconds */
export function spell(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 90) return `${Math.round(seconds)}\u00a0s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}\u00a0min`;
  return `${(seconds / 3600).toFixed(1)}\u00a0h`;
}
