// Rounds and days of a season. No DOM.

/** @typedef {import("./model.js").Match} Match */
/** @typedef {import("./model.js").Round} Round */

const DAY_MS = 86_400_000;
/** A slider has no more steps than this. */
const DAYS_MAX = 1000;

/**
 * The round that is played now: the first that has open matches and is not over by its days; after the season
 * the last one that was played.
 * @param {readonly Round[]} rounds in the order of play @param {string} today
 */
export function currentRound(rounds, today) {
  const open = rounds.findIndex(
    ({ ended, matches, last_date }) => ended < matches && (last_date ?? "9") >= today,
  );
  return open < 0 ? rounds.findLastIndex(({ ended }) => ended > 0) : open;
}

/**
 * The days on which a table may have changed: from the first match to the last one before today.
 * @param {readonly Round[]} rounds @param {string} today @returns {string[]}
 */
export function daysOf(rounds, today) {
  const first = rounds.flatMap(({ first_date }) => first_date ?? []).sort()[0];
  const last = rounds
    .flatMap(({ last_date }) => last_date ?? [])
    .sort()
    .at(-1);
  if (!first || !last) return [];
  const end = [last, today].sort()[0];
  /** @type {string[]} */
  const days = [];
  for (let at = Date.parse(first); days.length < DAYS_MAX; at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    if (day > end) break;
    days.push(day);
  }
  return days;
}

/** Today where the viewer is. @param {Date} [now] */
export function todayOf(now = new Date()) {
  const [month, day] = [now.getMonth() + 1, now.getDate()].map((each) => String(each).padStart(2, "0"));
  return `${now.getFullYear()}-${month}-${day}`;
}

/**
 * Matches by their day in the viewer's zone, in the order of play.
 * @param {readonly Match[]} matches @returns {[string, Match[]][]}
 */
export function byDay(matches) {
  /** @type {Map<string, Match[]>} */
  const days = new Map();
  for (const match of matches) {
    const day = dayOf(match);
    days.set(day, [...(days.get(day) ?? []), match]);
  }
  return [...days];
}

const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
});
const PLAIN_DAY = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The day of a match as the viewer writes it, where the viewer is. @param {Match} match */
function dayOf({ kickoff, date }) {
  if (kickoff) return DAY.format(Date.parse(kickoff));
  return date ? DAY.format(new Date(`${date}T12:00`)) : "Day not known";
}

/** The time of a kick-off in the viewer's zone; "" while it is not known. @param {Match} match */
export const timeWords = ({ kickoff }) => (kickoff ? TIME.format(Date.parse(kickoff)) : "");

/** A day such as 2026-05-01 as the viewer writes it. @param {string} day */
export const dayWords = (day) => PLAIN_DAY.format(new Date(`${day}T00:00Z`));
