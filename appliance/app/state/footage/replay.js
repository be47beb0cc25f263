// A frozen replay of a recording as this browser counts time in it: capture time <-> media time, pictures,
// which span to request. Plain functions; only `findReplay` sends requests.
//
// A replay begins with hidden pictures (`preroll_s`), because decoding must start with a key picture. An edit
// list hides them; where edit lists are ignored, media time 0 is the first hidden picture and everything
// shown lies `hidden` seconds later.

/** @typedef {import("../api").Replay} Replay */
/** @typedef {{from: number, to: number}} Span ms of box time */
/**
 * `from`, `to`: capture times of the first picture and of the end of the last, ms. `hidden`: media time of
 * the first shown picture, s. `times`: [s after the first picture, ms], linear in between: a camera's clock
 * differs from the appliance's. `frame`: length of a picture, s; 0 where footage is missing inside, so that
 * pictures are not evenly spaced.
 * @typedef {{url: string, from: number, to: number, hidden: number, times: [number, number][], frame:
 *   number}} Piece
 */
/**
 * Results of this browser's self-test. `ignored`: edit lists are ignored, so every file starts with its
 * hidden pre-roll. `raw`: the time given to requestVideoFrameCallback cannot be used: it is the file's time
 * with the pre-roll (GStreamer), or untested.
 * @typedef {{ignored: boolean, raw: boolean}} Habits
 */

export const AIM = 0.3; // of a frame: seeks aim into a picture, not at its edge
const EDGE_S = 0.002; // distance to a picture's edge, where their length is not known
const NEAR_S = 0.25; // a reported time further away belongs to another picture
const FRESH_MS = 3000; // footage this recent may still be arriving
const WORTH_MS = 100; // less is not worth a replay

/** Milliseconds with their fraction: Date.parse drops microseconds. @param {string} at */
export function exact(at) {
  const micros = /\.(\d{3})(\d{3})/.exec(at);
  return Date.parse(at) + (micros ? Number(micros[2]) / 1000 : 0);
}

/** @param {{get(name: "editLists"): string, get(name: "rawTimes"): boolean}} prefs @returns {Habits} */
export function habitsOf(prefs) {
  const verdict = prefs.get("editLists");
  return {
    ignored: verdict === "ignored",
    raw: prefs.get("rawTimes") || !["ok", "ignored"].includes(verdict),
  };
}

/** @param {Replay} facts @param {Habits} habits @returns {Piece} */
export function pieceOf(facts, { ignored }) {
  const [from, to] = [exact(facts.start), exact(facts.end)];
  const holed = facts.missing.some((gap) => exact(gap.start) < to && exact(gap.end) > from);
  const frame = holed || !facts.frames ? 0 : facts.duration_s / facts.frames;
  const times = facts.times.map(({ at_s, time }) => /** @type {[number, number]} */ ([at_s, exact(time)]));
  return { url: facts.url, from, to, hidden: ignored ? facts.preroll_s : 0, times, frame };
}

/**
 * Capture time at a media time, ms; for a hidden picture that of the first shown one.
 * @param {Piece} piece
 * @param {number} media
 */
export const captureOf = (piece, media) => along(piece.times, 0, Math.max(0, media - piece.hidden));

/**
 * Media time to seek to for an instant: inside the picture nearest to it.
 * @param {Piece} piece
 * @param {number} at capture time, ms
 */
export function mediaOf(piece, at) {
  const { frame, hidden } = piece;
  const since = along(piece.times, 1, Math.max(piece.from, Math.min(at, piece.to)));
  if (!frame) return hidden + since + EDGE_S;
  const last = Math.max(0, Math.round(piece.times[piece.times.length - 1][0] / frame) - 1);
  return hidden + (Math.min(last, Math.round(since / frame)) + AIM) * frame;
}

/**
 * Media time at which the picture shown begins.
 * @param {{frame: number, hidden: number}} piece
 * @param {number} clock of the player
 * @param {number | null} reported with the picture, null during a seek: then computed from the picture grid,
 *   as when reported times are raw
 */
export function beginOf(piece, clock, reported) {
  if (reported !== null && Math.abs(reported - clock) < NEAR_S) return reported;
  if (!piece.frame || clock <= piece.hidden) return clock;
  return piece.hidden + Math.floor((clock - piece.hidden) / piece.frame + 0.01) * piece.frame;
}

/**
 * Capture time of the picture `by` pictures further, ms; it may lie outside of the replay.
 * @param {Piece | null} piece
 * @param {number} at of a picture, ms
 * @param {number} by
 * @param {number} frame s, where the piece does not know
 */
export function stepOf(piece, at, by, frame) {
  if (!piece) return at + by * frame * 1000;
  return along(piece.times, 0, along(piece.times, 1, at) + by * (piece.frame || frame));
}

/** @param {Piece | null} piece @param {number} at ms is it inside */
export const covers = (piece, at) => piece !== null && at >= piece.from - 1 && at < piece.to - 1;

/**
 * Convert between the two times, extrapolating beyond the ends.
 * @param {readonly [number, number][]} times rising
 * @param {0 | 1} given index of the given time
 * @param {number} value
 */
function along(times, given, value) {
  let at = 1;
  while (at < times.length - 1 && value > times[at][given]) at++;
  const [left, right] = [times[at - 1], times[at]];
  const other = given ? 0 : 1;
  return left[other] + ((right[other] - left[other]) * (value - left[given])) / (right[given] - left[given]);
}

/** @param {string} channel @param {Span} span @param {boolean} [wait] for footage that is on its way */
export function replayPath(channel, { from, to }, wait = false) {
  const start = encodeURIComponent(new Date(from).toISOString());
  const duration = (Math.max(WORTH_MS, Math.floor(to) - Math.floor(from)) / 1000).toFixed(3);
  const query = `start=${start}&duration=${duration}${wait ? "&wait=1" : ""}`;
  return `/channels/${encodeURIComponent(channel)}/replay?${query}`;
}

/**
 * A frozen replay with the picture at `at`, or the first one after it. It is shorter where footage ends
 * earlier; for a camera that is off the request does not wait.
 * @param {(path: string) => Promise<Replay>} ask throws errors with `.problem` of the appliance
 * @param {string} channel
 * @param {Span & {at: number, now: number}} wanted `from` may lie before `at`, to step back to
 * @returns {Promise<Replay>}
 */
export async function findReplay(ask, channel, { from, to, at, now }) {
  const facts = await ask(replayPath(channel, { from, to })).catch((error) => {
    const until = untilOf(error);
    if (until === null || until >= to) throw error; // no footage at all
    if (until > at + WORTH_MS) return ask(replayPath(channel, { from, to: until }));
    if (now - at < FRESH_MS) return ask(replayPath(channel, { from, to }, true));
    throw error;
  });
  if (from >= at || exact(facts.end) > at) return facts;
  // what lies before it belongs to another covered span
  return ask(replayPath(channel, { from: at, to: Math.max(to, at + WORTH_MS) }));
}

/** How far footage reaches, ms, if the appliance reported it. @param {any} error @returns {number | null} */
function untilOf(error) {
  const until = error?.problem?.code === "not_yet_covered" ? error.problem.covered_until : null;
  return until ? Math.floor(exact(until)) : null;
}
