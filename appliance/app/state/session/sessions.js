// A session's fields in a form: their values, what has changed, and merging when another device changed it
// first.

import { fieldOf, instantOf } from "../zone.js";

/**
 * Values of the form: strings as typed, "" for none; `channel_ids` null: every camera of the venue, also
 * later ones.
 * @typedef {{name: string, type: string, opponent: string, location: string, season: string, week: string,
 *   scheduled_start: string, event_id: string, channel_ids: string[] | null}} Values
 */
/** @typedef {keyof Values} Field */

/** @param {readonly string[] | null} ids @param {readonly string[]} known every camera */
export const camerasOf = (ids, known) =>
  !ids || known.every((each) => ids.includes(each)) ? null : known.filter((each) => ids.includes(each));

/**
 * @param {import("../connection/store.js").Session} session
 * @param {readonly string[]} known
 * @returns {Values}
 */
export function valuesOf(session, known) {
  const {
    name,
    type,
    opponent,
    location,
    season,
    week,
    scheduled_start: begins,
    event_id: event,
    channel_ids: cameras,
  } = session;
  return {
    name,
    type,
    opponent: opponent ?? "",
    location: location ?? "",
    season: season ?? "",
    week: String(week ?? ""),
    scheduled_start: begins ? fieldOf(begins) : "",
    event_id: event ?? "",
    channel_ids: camerasOf(cameras, known),
  };
}

/** @param {Field} field @param {Values} values in the API's words; null: none */
function apiValue(field, values) {
  if (field === "channel_ids") return values.channel_ids;
  const word = values[field].trim();
  if (field === "name" || field === "type") return word;
  return word === ""
    ? null
    : field === "week"
      ? Number(word)
      : field === "scheduled_start"
        ? instantOf(word)
        : word;
}

/** @param {Field} field @param {Values} a @param {Values} b */
const same = (field, a, b) => JSON.stringify(apiValue(field, a)) === JSON.stringify(apiValue(field, b));
const fieldsOf = (/** @type {Values} */ values) => /** @type {Field[]} */ (Object.keys(values));

/**
 * The body of a new session: empty fields are left out.
 * @param {Values} values
 * @returns {Record<string, any>}
 */
export const bodyOf = (values) =>
  Object.fromEntries(
    fieldsOf(values)
      .map((field) => [field, apiValue(field, values)])
      .filter(([, value]) => value !== null),
  );

/**
 * The body of a change: the changed fields.
 * @param {Values} before
 * @param {Values} after
 * @returns {Record<string, any>}
 */
export const changesOf = (before, after) =>
  Object.fromEntries(
    fieldsOf(after)
      .filter((field) => !same(field, before, after))
      .map((field) => [field, apiValue(field, after)]),
  );

/**
 * Another device changed it first. Fields this form has not changed take the other values; `clashes`: fields
 * both have changed keep ours, to be checked.
 * @param {Values} before
 * @param {Values} ours
 * @param {Values} theirs
 * @returns {{values: Values, clashes: Field[]}}
 */
export function rebase(before, ours, theirs) {
  const mine = fieldsOf(ours).filter((field) => !same(field, before, ours));
  const values = { ...theirs, ...Object.fromEntries(mine.map((field) => [field, ours[field]])) };
  return {
    values,
    clashes: mine.filter((field) => !same(field, before, theirs) && !same(field, ours, theirs)),
  };
}

/**
 * What is deleted together with a session.
 * @param {{plays: number | null, clips: number, tags: number}} counts plays null: not known
 */
export function goesWith({ plays, clips, tags }) {
  const many = (/** @type {number} */ count, /** @type {string} */ word) =>
    `${count} ${word}${count === 1 ? "" : "s"}`;
  const all = [
    plays === null ? "its plays" : plays && many(plays, "play"),
    clips && many(clips, "clip"),
    tags && many(tags, "tag"),
  ].filter(Boolean);
  return all.length ? `Goes with it: ${all.join(", ")}.` : "Nothing was marked in it.";
}

/** @typedef {{id: string, session_id: string | null, resource: any}} Game an event of the cloud */

/** "Rovers v United" @param {Game} game */
export const gameName = ({ resource }) => `${resource.home.name} v ${resource.away.name}`;

/** What a session takes from its event. @param {Game} game @returns {Partial<Values>} */
export const valuesOfGame = (game) => ({
  name: gameName(game),
  type: "game",
  location: game.resource.venue ?? "",
  season: game.resource.season.slice(0, 32),
  scheduled_start: game.resource.kickoff ? fieldOf(game.resource.kickoff) : "",
  event_id: game.id,
});

const OVER_MS = 6 * 3_600_000; // a game that began so long ago is over

/**
 * Games with a time: those to come and today's first, the next one foremost; then those that are over.
 * @param {readonly any[]} replicas
 * @param {number} now ms
 * @returns {Game[]}
 */
export function gamesOf(replicas, now) {
  const at = (/** @type {Game} */ game) => Date.parse(game.resource.kickoff) + OVER_MS - now;
  return replicas
    .filter((each) => each.kind === "event" && each.resource.kickoff)
    .sort((a, b) => (at(a) > 0 && at(b) > 0 ? at(a) - at(b) : at(b) - at(a)));
}
