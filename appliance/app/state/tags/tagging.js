// Merging and writing tags: several tags of a play become one set of fields, and one press becomes changes of
// tags.
//
// A tag belongs to a clip; a play has several clips and may be tagged by several people. Plain functions, no
// I/O. The rules are those of the appliance's statistics: each field comes from the newest tag that has it
// (appliance/box/tags/README.md).

/** @typedef {import("../connection/store.js").Tag} Tag */
/** @typedef {import("../marks/outbox.js").Mark} Mark */
/** @typedef {import("../api").TagGroup} Group */
/** @typedef {Record<string, any>} Fields names of V24 to values */
/**
 * @typedef {{play: import("../connection/store.js").Play, clips: readonly
 *   import("../connection/store.js").Clip[], tags: readonly Tag[]}} Target
 */
/** @typedef {{id: string | null, fields: Fields, before: Fields}} Write id null: a new tag */

export const WORDS = [
  "quarter",
  "down",
  "distance",
  "yard_line",
  "play_type",
  "formation",
  "result",
  "yards_gained",
  "notes",
  "coach_notes",
];
export const LISTS = ["players", "labels"];
export const FLAGS = ["is_important", "is_reviewed"];

/** @param {Iterable<Tag>} tags @returns {Map<string, Tag[]>} by play, oldest first */
export function tagsByPlay(tags) {
  /** @type {Map<string, Tag[]>} */
  const byPlay = new Map();
  for (const tag of tags) {
    if (!tag.play_id) continue;
    const list = byPlay.get(tag.play_id);
    if (list) list.push(tag);
    else byPlay.set(tag.play_id, [tag]);
  }
  for (const list of byPlay.values()) list.sort(byAge);
  return byPlay;
}

/** @param {Tag} a @param {Tag} b */
const byAge = (a, b) =>
  a.created_at === b.created_at ? (a.id < b.id ? -1 : 1) : a.created_at < b.created_at ? -1 : 1;

/** The merged fields of a play's tags. @param {readonly Tag[]} tags oldest first @returns {Fields} */
export function merged(tags) {
  /** @type {Fields} */
  const fields = Object.fromEntries(WORDS.map((name) => [name, null]));
  for (const name of LISTS)
    fields[name] = [...new Set(tags.flatMap((tag) => /** @type {any} */ (tag)[name]))];
  for (const name of FLAGS) fields[name] = tags.some((tag) => /** @type {any} */ (tag)[name]);
  for (const tag of tags)
    for (const name of WORDS) fields[name] = /** @type {any} */ (tag)[name] ?? fields[name];
  return fields;
}

/**
 * The changes that give a play these fields: in its newest tag, and where other tags contradict.
 * @param {readonly Tag[]} tags oldest first
 * @param {Fields} fields null and false clear
 * @returns {Write[]}
 */
export function writes(tags, fields) {
  const newest = tags.at(-1);
  /** @type {Map<string | null, Fields>} */
  const wanted = new Map();
  /** @param {string | null} id @param {string} name @param {any} value */
  const want = (id, name, value) => wanted.set(id, { ...wanted.get(id), [name]: value });
  for (const [name, value] of Object.entries(fields)) {
    for (const tag of tags) {
      const now = /** @type {any} */ (tag)[name];
      if (LISTS.includes(name) && tag !== newest) {
        const kept = now.filter((/** @type {string} */ each) => value.includes(each));
        if (kept.length < now.length) want(tag.id, name, kept);
      } else if (isEmpty(value) && !isEmpty(now))
        want(tag.id, name, LISTS.includes(name) ? [] : FLAGS.includes(name) ? false : null);
    }
    if (!isEmpty(value) && (!newest || !same(/** @type {any} */ (newest)[name], value)))
      want(newest?.id ?? null, name, value);
  }
  return [...wanted].map(([id, given]) => {
    const tag = /** @type {any} */ (tags.find((each) => each.id === id));
    return {
      id,
      fields: given,
      before: tag ? Object.fromEntries(Object.keys(given).map((name) => [name, tag[name]])) : {},
    };
  });
}

/** @param {any} value */
export const isEmpty = (value) =>
  value === null ||
  value === undefined ||
  value === false ||
  value === "" ||
  (Array.isArray(value) && !value.length);
/** @param {any} a @param {any} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * The value of a field after its button was pressed: a second press clears it.
 * @param {Fields} fields
 * @param {Pick<Group, "field" | "kind">} group
 * @param {any} value
 */
export function pressed(fields, { field, kind }, value) {
  const now = fields[field];
  if (kind !== "words") return now === value ? null : value;
  return now.includes(value) ? now.filter((/** @type {any} */ each) => each !== value) : [...now, value];
}

/**
 * The tags with this device's pending changes applied.
 * @param {ReadonlyMap<string, Tag>} tags
 * @param {readonly Mark[]} marks
 * @returns {Map<string, Tag>}
 */
export function overlayTags(tags, marks) {
  const shown = new Map(tags);
  for (const mark of marks) {
    if (mark.state !== "waiting" || !mark.doing.startsWith("tag_")) continue;
    const known = shown.get(mark.subject);
    if (mark.doing === "tag_new" && !known) shown.set(mark.subject, newTag(mark));
    else if (mark.doing === "tag_set" && known)
      shown.set(mark.subject, { ...known, ...mark.request?.body, rev: known.rev + 0.001 });
    else if (mark.doing === "tag_drop") shown.delete(mark.subject);
  }
  return shown;
}

/** @param {Mark} mark @returns {Tag} */
function newTag(mark) {
  const when = new Date(mark.at).toISOString();
  const nothing = Object.fromEntries([
    ...WORDS.map((name) => [name, null]),
    ...LISTS.map((name) => [name, []]),
    ...FLAGS.map((name) => [name, false]),
  ]);
  return /** @type {any} */ ({
    ...nothing,
    ...mark.body,
    ...mark.request?.body,
    id: mark.subject,
    tag_id: mark.subject,
    created_at: when,
    updated_at: when,
    created_by: "",
    rev: 0,
  });
}

// -- carry-forward ------------------------------------------------------------------------------------------

// or unknown
const OTHER_SIDE = /touchdown|\btd\b|interception|fumble|safety|field goal|punt|kick|extra point|penalty/i;
const NEW_SERIES = /first down|1st/i;
const STOOD = /incomplete|no gain/i;

/**
 * Predicts the tags of an untagged play from the plays before it.
 * @param {readonly Fields[]} before fields of the older plays, the latest first
 * @param {readonly Group[]} groups
 * @returns {Fields}
 */
export function carried(before, groups) {
  const last = before[0];
  if (!last) return {};
  /** @type {Fields} */
  const predicted = {};
  const down = groups.some((group) => group.carry === "downs") ? nextDown(last) : {};
  for (const { field, carry } of groups) {
    const value =
      carry === "keep"
        ? before.find((fields) => !isEmpty(fields[field]))?.[field]
        : carry === "downs"
          ? down[field]
          : null;
    if (!isEmpty(value)) predicted[field] = value;
  }
  return predicted;
}

/**
 * Down, distance and yard line after a play; unknown values are left out.
 * @param {Fields} last
 * @returns {Fields}
 */
export function nextDown(last) {
  const result = `${last.result ?? ""} ${last.play_type ?? ""}`;
  if (!last.down || OTHER_SIDE.test(result)) return {};
  const gained = last.yards_gained ?? (STOOD.test(result) ? 0 : null);
  const goal = last.yard_line === null || gained === null ? null : toGoal(last.yard_line) - gained;
  const spot = goal !== null && goal > 0 && goal < 100 ? { yard_line: fromGoal(goal) } : {};
  if (NEW_SERIES.test(result) || (gained !== null && last.distance !== null && gained >= last.distance)) {
    return { down: 1, distance: Math.min(10, goal !== null && goal > 0 ? goal : 10), ...spot };
  }
  if (last.down === 4 || (gained === null && !last.result)) return {};
  const distance =
    gained === null || last.distance === null ? {} : { distance: Math.min(99, last.distance - gained) };
  return { down: last.down + 1, ...distance, ...spot };
}

/** Yards to the goal line: own half is -1 to -49, the opponent's 49 to 1. @param {number} line */
const toGoal = (line) => (line < 0 ? 100 + line : line);
/** @param {number} yards */
const fromGoal = (yards) => (yards > 50 ? yards - 100 : yards);

/**
 * The pages of the board: three of large keys, in the order in which a play is described, and one for typed
 * values.
 * @type {readonly {name: string, label: string, fields: readonly string[]}[]}
 */
export const PAGES = [
  { name: "situation", label: "Situation", fields: ["quarter", "down", "distance", "yard_line"] },
  { name: "play", label: "Play", fields: ["play_type", "formation"] },
  { name: "result", label: "Result", fields: [] }, // and every field that is on no other page
  { name: "more", label: "More", fields: ["players", "labels", "notes", "coach_notes"] },
];

/** @param {string} field */
export const pageOf = (field) => PAGES.find((page) => page.fields.includes(field))?.name ?? "result";

/** Detects when a play begins; plays of the first look, and restored ones, did not begin. */
export class Beginnings {
  /** @type {Set<string> | null} */
  known = null;

  /**
   * The id of the play that began since the last look, or "".
   * @param {readonly {id: string}[]} plays newest first
   */
  look(plays) {
    const { known } = this;
    this.known ??= new Set();
    const newest = plays[0]?.id ?? "";
    const began = Boolean(known && newest && !known.has(newest));
    for (const each of plays) this.known.add(each.id);
    return began ? newest : "";
  }
}

/**
 * The next play without tags: towards the oldest, then from the newest again.
 * @template {{play: {id: string}, tagged: boolean}} R
 * @param {readonly R[]} rows newest first
 * @param {string} from
 * @returns {R | undefined}
 */
export function nextUntagged(rows, from) {
  const at = rows.findIndex((row) => row.play.id === from);
  return [...rows.slice(at + 1), ...rows.slice(0, Math.max(0, at))].find((row) => !row.tagged);
}
