// Finding plays by their tags. Plain functions over rows; no DOM.

/**
 * `fields`: the merged tags.
 * @typedef {{play: import("../connection/store.js").Play, fields: Record<string, any>, tagged: boolean}} Row
 */
/**
 * @typedef {{text: string, starred: boolean, untagged: boolean, important: boolean, fields: Record<string,
 *   string>}} Wanted
 */

/** Fields to filter by. */
export const FACETS = ["quarter", "down", "play_type", "formation", "result", "labels", "players"];

/** @returns {Wanted} */
export const everything = () => ({ text: "", starred: false, untagged: false, important: false, fields: {} });

/** Normalises a word for comparison: no case, no accents, "_" and "-" become spaces. @param {any} word */
export const plain = (word) =>
  String(word ?? "")
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[\s_-]+/g, " ")
    .trim();

/** Number of criteria besides the text. @param {Wanted} wanted */
export const asked = (wanted) =>
  Object.values(wanted.fields).filter(Boolean).length +
  [wanted.untagged, wanted.important].filter(Boolean).length;

/** @param {readonly Row[]} rows @param {Wanted} wanted @returns {Row[]} */
export function matching(rows, wanted) {
  const words = plain(wanted.text).split(" ").filter(Boolean);
  return rows.filter(
    (row) =>
      (!wanted.starred || row.play.is_favorite) &&
      (!wanted.untagged || !row.tagged) &&
      (!wanted.important || row.fields.is_important) &&
      Object.entries(wanted.fields).every(
        ([name, value]) => !value || valuesOf(row, name).includes(plain(value)),
      ) &&
      words.every((word) => hasWord(row, word)),
  );
}

/** @param {Row} row @param {string} name @returns {string[]} */
const valuesOf = (row, name) => [row.fields[name]].flat().map(plain);

/**
 * "12" is play 12 or player 12, "q2" the quarter, "3&7" down and distance; anything else matches part of a
 * word.
 * @param {Row} row
 * @param {string} word
 */
function hasWord({ play, fields }, word) {
  const number = /^#?(\d+)$/.exec(word)?.[1];
  const players = fields.players.flatMap((/** @type {string} */ each) => plain(each).split(" "));
  if (number) return String(play.number) === number || players.includes(number);
  if (/^q\d$/.test(word)) return `q${fields.quarter}` === word;
  if (/^\d&\d*$/.test(word)) return `${fields.down}&${fields.distance ?? ""}`.startsWith(word);
  return [
    play.title,
    fields.play_type,
    fields.formation,
    fields.result,
    fields.notes,
    fields.coach_notes,
    play.created_by,
    ...fields.labels,
    ...players,
  ].some((each) => plain(each).includes(word));
}

/**
 * The existing values of a field, for a selection: [value, count], in order.
 * @param {readonly Row[]} rows
 * @param {string} name
 * @returns {[string, number][]}
 */
export function facet(rows, name) {
  /** @type {Map<string, [string, number]>} */
  const counted = new Map();
  for (const { fields } of rows) {
    for (const value of [fields[name]].flat()) {
      if (value === null || value === "") continue;
      const known = counted.get(plain(value)) ?? [String(value), 0];
      counted.set(plain(value), [known[0], known[1] + 1]);
    }
  }
  return [...counted.values()].sort((a, b) => a[0].localeCompare(b[0], undefined, { numeric: true }));
}
