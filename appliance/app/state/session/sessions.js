// A session's fields in a form: their values, what has changed, and merging when another device changed it
// first.

import { fieldOf, instantOf } from "../zone.js";

/**
 * Values of the form: strings as typed, "" for none; `channel_ids` null: every camera of the venue, also
 * later ones.
 * @typedef {{name: string, type: string, opponent: string, location: string, season: string, week: string,
 *   scheduled_start: string, channel_ids: string[] | null}} Values
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
