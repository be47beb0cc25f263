// The Markdown of a report, as its parts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf, spansOf } from "../../../../appliance/app/pages/updates/markdown.js";

test("headings, lists, tables and text", () => {
  const text = [
    "# League: round completed",
    "",
    "- Execution: `e1`",
    "- Round: all",
    "",
    "## Rounds",
    "",
    "| round | changed |",
    "|---|---:|",
    "| A\\|B | 2 |",
    "",
    "2 rows.",
    "",
  ].join("\n");
  assert.deepEqual(blocksOf(text), [
    { kind: "heading", level: 1, text: "League: round completed" },
    { kind: "list", items: ["Execution: `e1`", "Round: all"] },
    { kind: "heading", level: 2, text: "Rounds" },
    { kind: "table", head: ["round", "changed"], rows: [["A\\|B", "2"]] },
    { kind: "text", text: "2 rows." },
  ]);
});

test("code, and signs that were escaped", () => {
  assert.deepEqual(spansOf("Content: `a*b` of A\\|B \\<script\\>"), [
    { isCode: false, text: "Content: " },
    { isCode: true, text: "a*b" },
    { isCode: false, text: " of A|B <script>" },
  ]);
  assert.deepEqual(spansOf("\\`no code\\`"), [{ isCode: false, text: "`no code`" }]);
});
