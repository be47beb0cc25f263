// Looking through a whole recording: the span of a session, the visible part of it, what plays next. Plain
// functions over ms of appliance time; only `everythingOf` sends requests.

/** @typedef {{from: number, to: number}} Span */
/** @typedef {import("../connection/store.js").Play} Play */
/** @typedef {import("../connection/store.js").Clip} Clip */
/** @typedef {import("../connection/store.js").Tag} Tag */
/** @typedef {{plays: Map<string, Play>, clips: Map<string, Clip>, tags: Map<string, Tag>}} Rows */

const ROOM_MS = 30_000; // shown before the first and after the last event
const LEAST_MS = 10_000; // smallest visible span
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/**
 * The span of a session: from its start or its first play to its end, or to now while it runs.
 * @param {import("../connection/store.js").Session} session
 * @param {Iterable<{start_time: string, duration: number}>} plays
 * @param {number} now
 * @returns {Span}
 */
export function spanOf(session, plays, now) {
  const goesOn = session.status === "active" || session.status === "paused";
  let from = session.actual_start ? Date.parse(session.actual_start) : Infinity;
  let to = session.actual_end ? Date.parse(session.actual_end) : goesOn ? now : -Infinity;
  for (const play of plays) {
    const start = Date.parse(play.start_time);
    from = Math.min(from, start);
    to = Math.max(to, start + play.duration * 1000);
  }
  if (!Number.isFinite(from)) from = Math.min(to, now) - 600_000;
  if (!Number.isFinite(to)) to = Math.max(from, now);
  return { from: from - ROOM_MS, to: Math.min(now, to + (goesOn ? 0 : ROOM_MS)) };
}

/**
 * A visible part, not larger than the whole and inside it.
 * @param {Span} view
 * @param {Span} whole
 * @returns {Span}
 */
export function inside(view, whole) {
  const length = Math.min(Math.max(LEAST_MS, view.to - view.from), Math.max(LEAST_MS, whole.to - whole.from));
  const from = Math.min(Math.max(whole.from, view.from), Math.max(whole.from, whole.to - length));
  return { from, to: from + length };
}

/**
 * Zoom in (below 1) or out; the instant `at` keeps its position.
 * @param {Span} view
 * @param {number} factor
 * @param {number} at
 * @param {Span} whole
 */
export const zoomed = (view, factor, at, whole) =>
  inside({ from: at - (at - view.from) * factor, to: at + (view.to - at) * factor }, whole);

/**
 * Move the visible part to the instant shown.
 * @param {Span} view
 * @param {number} at
 * @param {Span} whole
 * @returns {Span}
 */
export function following(view, at, whole) {
  if (at >= view.from && at <= view.to) return view;
  const length = view.to - view.from;
  const from = at > view.to ? at - length * 0.1 : at - length * 0.9;
  return inside({ from, to: from + length }, whole);
}

/**
 * Round instants of the site's clock, at most this many.
 * @param {Span} view
 * @param {number} most
 * @returns {number[]}
 */
export function ticksOf(view, most) {
  const step = (STEPS_S.find((each) => (view.to - view.from) / 1000 / each <= most) ?? 86_400) * 1000;
  const ticks = [];
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) ticks.push(at);
  return ticks;
}

/**
 * What can be played from an instant on: from there or from the next footage, without a gap; null at the end.
 * @param {readonly {start: string, end: string}[]} spans of the timeline, in order
 * @param {number} at
 * @param {number} longest ms
 * @returns {Span | null}
 */
export function pieceAt(spans, at, longest) {
  for (const span of spans) {
    const [start, end] = [Date.parse(span.start), Date.parse(span.end)];
    if (end - Math.max(at, start) < 100) continue; // less than a few pictures
    const from = Math.max(at, start);
    return { from, to: Math.min(end, from + longest) };
  }
  return null;
}

/**
 * The selected span: from IN to OUT, or to here; without IN the ten seconds before.
 * @param {number | null} start
 * @param {number | null} end
 * @param {number} at
 * @returns {Span | null} null: too short
 */
export function cutOf(start, end, at) {
  const to = end ?? at;
  const from = start ?? to - 10_000;
  return to - from >= 200 ? { from, to } : null;
}

/**
 * All plays, clips and tags of a session that is not in the snapshot.
 * @param {(method: string, path: string) => Promise<any>} ask
 * @param {string} session
 * @returns {Promise<Rows>}
 */
export async function everythingOf(ask, session) {
  /** @type {any} */
  const all = {};
  for (const kind of ["plays", "clips", "tags"]) {
    /** @type {Map<string, any>} */
    const rows = new Map();
    for (let cursor = ""; ; ) {
      const page = await ask(
        "GET",
        `/sessions/${session}/${kind}?limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      for (const row of page.items) rows.set(row.id, row);
      if (!page.next_cursor) break;
      cursor = page.next_cursor;
    }
    all[kind] = rows;
  }
  return all;
}
