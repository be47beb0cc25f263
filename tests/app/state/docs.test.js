// /docs without a network: one table of who may do what, drawn from the document alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SOURCE = readFileSync(new URL("../../../appliance/server/docs/docs.js", import.meta.url), "utf8");

class Node {
  constructor(tag) {
    this.tag = tag;
    this.children = [];
    this.dataset = {};
    this.textContent = "";
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  addEventListener() {}
  get text() {
    return this.textContent + this.children.map((each) => each.text ?? each).join(" ");
  }
}

/** All elements of a tag below a node, in order. */
const all = (node, tag) =>
  (node.children || []).flatMap((each) => [...(each.tag === tag ? [each] : []), ...all(each, tag)]);

async function drawn(paths) {
  const places = { title: new Node("h1"), operations: new Node("main"), find: new Node("input") };
  const spec = { info: { title: "API", version: "1" }, tags: [{ name: "a" }], paths };
  const answer = { ok: true, json: () => Promise.resolve(spec) };
  const document = {
    createElement: (tag) => new Node(tag),
    getElementById: (id) => places[id],
  };
  const asked = [];
  const fetch = (url) => {
    asked.push(url);
    return Promise.resolve(answer);
  };
  vm.runInNewContext(SOURCE, { document, Node, fetch });
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(asked, ["/openapi.json"]);
  return places.operations;
}

const operation = (roles, more = {}) => ({
  tags: ["a"],
  summary: "",
  parameters: [],
  responses: { 200: { description: "" } },
  "x-roles": roles,
  ...more,
});

test("the matrix has a line for each route and command, and a column for each role", async () => {
  const main = await drawn({
    "/healthz": { get: operation(["everybody"]) },
    "/plays": { get: operation(["coach", "admin"]), post: operation(["admin"]) },
    "/ws": {
      get: operation(["coach", "admin"], {
        responses: { 101: { description: "" } },
        "x-commands": { play_new: ["admin"] },
      }),
    },
  });
  const [table] = all(all(main, "details")[0], "table");
  const rows = all(table, "tr").map((each) => each.children.map((cell) => cell.text));
  assert.deepEqual(rows, [
    ["", "coach", "admin"],
    ["GET /healthz", "all", "all"],
    ["GET /plays", "yes", "yes"],
    ["POST /plays", "", "yes"],
    ["WS /ws", "yes", "yes"],
    ["WS /ws play_new", "", "yes"],
  ]);
});

test("without roles there is no matrix", async () => {
  const main = await drawn({ "/plays": { get: operation(undefined) } });
  assert.equal(all(main, "details").length, 1);
});
