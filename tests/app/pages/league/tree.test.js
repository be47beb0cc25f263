// Where each tie of a bracket is drawn.

import assert from "node:assert/strict";
import { test } from "node:test";
import { treeOf } from "../../../../appliance/app/pages/league/tree.js";

const round = (name, ...ties) => ({
  round: name,
  name,
  ties: ties.map(([id, feeds = null]) => ({ id, feeds })),
});
const rowsOf = ({ columns }) =>
  columns.map(({ ties }) => Object.fromEntries(ties.map((each) => [each.tie.id, each.row])));

test("a tie is halfway between those that feed it, whatever the order of the round", () => {
  const tree = treeOf([
    round("Quarter-finals", ["q1", "s2"], ["q2", "s1"], ["q3", "s2"], ["q4", "s1"]),
    round("Semi-finals", ["s1", "f"], ["s2", "f"]),
    round("Final", ["f"]),
  ]);
  assert.deepEqual(rowsOf(tree), [{ q2: 0, q4: 1, q1: 2, q3: 3 }, { s1: 0.5, s2: 2.5 }, { f: 1.5 }]);
  assert.equal(tree.rows, 4);
  assert.equal(tree.lines.length, 6);
  assert.deepEqual(
    tree.columns.flatMap(({ ties }) => ties.filter((each) => each.isLast)).map((each) => each.tie.id),
    ["f"],
  );
});

test("a match for third place is in the column of the final, with its name", () => {
  const tree = treeOf([
    round("Semi-finals", ["s1", "f"], ["s2", "f"]),
    round("Third place", ["t"]),
    round("Final", ["f"]),
  ]);
  assert.deepEqual(
    tree.columns.map((column) => column.round),
    ["Semi-finals", "Final"],
  );
  const [final, third] = tree.columns[1].ties;
  assert.deepEqual([final.tie.id, final.label, third.tie.id, third.label], ["f", "", "t", "Third place"]);
  assert.equal(third.row, final.row + 1);
});

test("a first round without feeds yet, and ties that do not cover each other", () => {
  const tree = treeOf([round("First", ["a"], ["b"], ["c", "d"]), round("Second", ["d"])]);
  const [first] = tree.columns;
  assert.equal(new Set(first.ties.map((each) => each.row)).size, 3);
  assert.deepEqual(treeOf([]), { columns: [], lines: [], rows: 0 });
});
