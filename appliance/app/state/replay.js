// A piece of a recording as this browser counts time in it: capture time <-> media time, pictures, which piece to ask
// for. Plain functions; only `findReplay` asks the box.
//
// A piece begins with hidden pictures (`preroll_s`): decoding must start with a key. An edit list hides them; where those
// are ignored, media time 0 is the first hidden picture and everything shown lies `hidden` seconds later.

/** @typedef {import("./api").Replay} Replay */
/** @typedef {{from: number, to: number}} Span ms of box time */
/** `from`, `to`: capture times of the first picture and of the last one's end, ms. `hidden`: media time of the first
 * picture, s. `times`: [s after the first picture, ms] between which time goes evenly: a camera's clock is not the box's.
 * `frame`: of a picture, s; 0 where footage is missing inside, so pictures do not follow each other evenly.
 * @typedef {{url: string, from: number, to: number, hidden: number, times: [number, number][], frame: number}} Piece */
/** What the self-test found out of this browser. `ignored`: edit lists are, so each film begins with its hidden pre-roll.
 * `raw`: what requestVideoFrameCallback tells is not to be believed: the file's time, pre-roll and all (GStreamer), or it
 * is not known yet. @typedef {{ignored: boolean, raw: boolean}} Habits */

export const AIM = 0.3; // of a frame: seeks aim into a picture, not at its edge
const EDGE_S = 0.002; // off a picture's edge, where their length is not known
const NEAR_S = 0.25; // what is told of a picture further away is another one's
const FRESH_MS = 3000; // footage of so short ago may be on its way
const WORTH_MS = 100; // less is no piece

/** Milliseconds with their fraction: Date.parse cuts microseconds off. @param {string} at */
export function exact(at) {
  const micros = /\.(\d{3})(\d{3})/.exec(at);
  return Date.parse(at) + (micros ? Number(micros[2]) / 1000 : 0);
}

/** @param {{get(name: "editLists"): string, get(name: "rawTimes"): boolean}} prefs @returns {Habits} */
export function habitsOf(prefs) {
  const verdict = prefs.get("editLists");
  return { ignored: verdict === "ignored", raw: prefs.get("rawTimes") || !["ok", "ignored"].includes(verdict) };
}

/** @param {Replay} facts @param {Habits} habits @returns {Piece} */
export function pieceOf(facts, { ignored }) {
  const [from, to] = [exact(facts.start), exact(facts.end)];
  const holed = facts.missing.some((gap) => exact(gap.start) < to && exact(gap.end) > from);
  const frame = holed || !facts.frames ? 0 : facts.duration_s / facts.frames;
  const times = facts.times.map(({ at_s, time }) => /** @type {[number, number]} */ ([at_s, exact(time)]));
  return { url: facts.url, from, to, hidden: ignored ? facts.preroll_s : 0, times, frame };
}

/** Capture time of what is at a media time, ms; of a hidden picture the first one's. @param {Piece} piece @param {number} media */
export const captureOf = (piece, media) => along(piece.times, 0, Math.max(0, media - piece.hidden));

/** Where to seek for an instant: into the picture nearest to it. @param {Piece} piece @param {number} at capture time, ms */
export function mediaOf(piece, at) {
  const { frame, hidden } = piece;
  const since = along(piece.times, 1, Math.max(piece.from, Math.min(at, piece.to)));
  if (!frame) return hidden + since + EDGE_S;
  const last = Math.max(0, Math.round(piece.times[piece.times.length - 1][0] / frame) - 1);
  return hidden + (Math.min(last, Math.round(since / frame)) + AIM) * frame;
}

/** Media time at which the picture shown begins. @param {{frame: number, hidden: number}} piece
 * @param {number} clock of the player @param {number | null} told with the picture, null while one is sought: the grid of
 * pictures says it then, as it does where times are told raw */
export function beginOf(piece, clock, told) {
  if (told !== null && Math.abs(told - clock) < NEAR_S) return told;
  if (!piece.frame || clock <= piece.hidden) return clock;
  return piece.hidden + Math.floor((clock - piece.hidden) / piece.frame + 0.01) * piece.frame;
}

/** Capture time so many pictures further, ms; it may lie outside of the piece. @param {Piece | null} piece
 * @param {number} at of a picture, ms @param {number} by @param {number} frame s, where the piece does not know */
export function stepOf(piece, at, by, frame) {
  if (!piece) return at + by * frame * 1000;
  return along(piece.times, 0, along(piece.times, 1, at) + by * (piece.frame || frame));
}

/** @param {Piece | null} piece @param {number} at ms is it in there */
export const covers = (piece, at) => piece !== null && at >= piece.from - 1 && at < piece.to - 1;

/** From one time to the other, on beyond the ends as it goes there. @param {readonly [number, number][]} times rising
 * @param {0 | 1} given which one @param {number} value */
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
  return `/channels/${encodeURIComponent(channel)}/replay?start=${start}&duration=${(Math.max(WORTH_MS, Math.floor(to) - Math.floor(from)) / 1000).toFixed(3)}${wait ? "&wait=1" : ""}`;
}

/** A frozen piece with the picture of `at`, or the first one after it. Footage that ends sooner makes it shorter; a camera
 * that is off does not keep anybody waiting.
 * @param {(path: string) => Promise<Replay>} ask throws what has `.problem` of the box
 * @param {string} channel @param {Span & {at: number, now: number}} wanted `from` may lie before `at`, to step back to
 * @returns {Promise<Replay>} */
export async function findReplay(ask, channel, { from, to, at, now }) {
  const found = await ask(replayPath(channel, { from, to })).catch((error) => {
    const until = untilOf(error);
    if (until === null || until >= to) throw error; // nothing at all in there
    if (until > at + WORTH_MS) return ask(replayPath(channel, { from, to: until }));
    if (now - at < FRESH_MS) return ask(replayPath(channel, { from, to }, true));
    throw error;
  });
  if (from >= at || exact(found.end) > at) return found;
  return ask(replayPath(channel, { from: at, to: Math.max(to, at + WORTH_MS) })); // what lies before it is another stretch
}

/** How far footage reaches, ms, when the box said that. @param {any} error @returns {number | null} */
function untilOf(error) {
  const said = error?.problem?.code === "not_yet_covered" ? error.problem.covered_until : null;
  return said ? Math.floor(exact(said)) : null;
}
