// Where each tie of a bracket is drawn: a column for each round, each tie halfway between those that feed it.
// No DOM.

/** @typedef {import("./model.js").BracketRound} BracketRound */
/** @typedef {import("./model.js").Tie} Tie */
/**
 * @typedef {{tie: Tie, column: number, row: number, isLast: boolean, label: string}} Placed `row`: in
 *   heights of a tie, from the top; `isLast`: its winner has no further tie; `label`: its round, where that
 *   is not the one of the column
 * @typedef {{from: Placed, to: Placed}} Line
 * @typedef {{columns: {round: string, name: string, ties: Placed[]}[], lines: Line[], rows: number}} Tree
 */

/** @param {BracketRound[]} rounds of one stage, in the order of play @returns {Tree} */
export function treeOf(rounds) {
  const ties = rounds.flatMap((round) => round.ties);
  const order = new Map(rounds.flatMap(({ ties }, at) => ties.map((tie) => [tie.id, at])));
  const feeders = feedersOf(ties, order);
  const isAlone = (/** @type {Tie} */ tie) => !isFed(tie, order) && !feeders.has(tie.id);
  const own = rounds.filter((round, at) => at === rounds.length - 1 || !round.ties.every(isAlone));
  // a match for third place is below the final
  const column = new Map(ties.map((tie) => [tie.id, own.length - 1]));
  own.forEach((round, at) => {
    for (const tie of round.ties) column.set(tie.id, at);
  });
  /** @type {Map<string, Placed>} */
  const placed = new Map();
  let next = 0;
  const isInLast = (/** @type {Placed} */ each) => each.column === own.length - 1;
  /** @type {(tie: Tie, label: string) => number} */
  const place = (tie, label) => {
    const known = placed.get(tie.id);
    if (known) return known.row;
    const rows = (feeders.get(tie.id) ?? []).map((each) => place(each, ""));
    const row = rows.length ? (Math.min(...rows) + Math.max(...rows)) / 2 : next++;
    placed.set(tie.id, { tie, column: column.get(tie.id) ?? 0, row, isLast: !isFed(tie, order), label });
    return row;
  };
  for (const round of [...own].reverse()) for (const tie of round.ties) place(tie, "");
  for (const round of rounds.filter((each) => !own.includes(each))) {
    next = 1 + Math.max(-1, ...[...placed.values()].filter(isInLast).map((each) => each.row));
    for (const tie of round.ties) place(tie, round.name);
  }
  const all = apart([...placed.values()]);
  const lines = all.flatMap((from) => {
    const to = from.isLast ? undefined : placed.get(from.tie.feeds ?? "");
    return to ? [{ from, to }] : [];
  });
  const columns = own.map(({ round, name }, at) => ({
    round,
    name,
    ties: all.filter((each) => each.column === at).sort((a, b) => a.row - b.row),
  }));
  return { columns, lines, rows: Math.max(-1, ...all.map((each) => each.row)) + 1 };
}

/** A tie feeds one of a later round, nothing else. @param {Tie} tie @param {Map<string, number>} order */
const isFed = (tie, order) => (order.get(tie.feeds ?? "") ?? -1) > (order.get(tie.id) ?? 0);

/** @param {Tie[]} ties @param {Map<string, number>} order */
function feedersOf(ties, order) {
  /** @type {Map<string, Tie[]>} */
  const feeders = new Map();
  for (const tie of ties)
    if (tie.feeds && isFed(tie, order)) feeders.set(tie.feeds, [...(feeders.get(tie.feeds) ?? []), tie]);
  return feeders;
}

/** Ties of one column that would cover each other move down. @param {Placed[]} all */
function apart(all) {
  /** @type {Map<number, number>} */
  const free = new Map();
  for (const each of [...all].sort((a, b) => a.row - b.row)) {
    each.row = Math.max(each.row, free.get(each.column) ?? 0);
    free.set(each.column, each.row + 1);
  }
  return all;
}
