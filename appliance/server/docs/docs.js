// Renders /openapi.json for reading. No library, nothing from other servers: a stadium may have no internet.
// All text is inserted as text, never as HTML.

/** An element with properties and children. */
function el(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function resolve(spec, node) {
  let schema = node;
  while (schema?.$ref) {
    schema = schema.$ref
      .slice(2)
      .split("/")
      .reduce((at, part) => at[part], spec);
  }
  return schema || {};
}

/** A schema in one line: "string", "game | practice", "array of Session". */
function typeOf(spec, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => String(each)).join(" | ");
  const either = schema.anyOf || schema.oneOf;
  if (either) return either.map((each) => typeOf(spec, each)).join(" | ");
  if (schema.type === "array") return `array of ${typeOf(spec, schema.items || {})}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Bounds, default and description of a field. */
function notesOf(schema) {
  const notes = [];
  if (schema.description) notes.push(schema.description);
  const bounds = [
    ["minimum", "at least"],
    ["maximum", "at most"],
    ["minLength", "characters at least"],
    ["maxLength", "characters at most"],
    ["pattern", "matching"],
  ];
  for (const [key, words] of bounds) if (schema[key] !== undefined) notes.push(`${words} ${schema[key]}`);
  if (schema.default !== undefined && schema.default !== null)
    notes.push(`default ${JSON.stringify(schema.default)}`);
  return notes.join("; ");
}

function row(cells, tag = "td") {
  return el("tr", {}, ...cells.map((each) => el(tag, {}, each instanceof Node ? each : String(each))));
}

function table(head, rows) {
  return el("table", {}, el("thead", {}, row(head, "th")), el("tbody", {}, ...rows));
}

function fields(spec, schema) {
  const shown = resolve(spec, schema);
  const required = new Set(shown.required || []);
  const rows = Object.entries(shown.properties || {}).map(([name, each]) =>
    row([
      el("code", { textContent: name }),
      typeOf(spec, each),
      required.has(name) ? "required" : "",
      notesOf(each),
    ]),
  );
  return rows.length
    ? table(["field", "type", "", "notes"], rows)
    : el("p", { textContent: typeOf(spec, shown) });
}

function section(title, ...content) {
  return content.length ? [el("h3", { textContent: title }), ...content] : [];
}

function parametersOf(spec, operation) {
  const rows = operation.parameters.map((each) => {
    const one = resolve(spec, each);
    return row([
      el("code", { textContent: one.name }),
      one.in,
      typeOf(spec, one.schema),
      one.required ? "required" : "",
      notesOf({ ...one.schema, description: one.description }),
    ]);
  });
  return rows.length ? section("Parameters", table(["name", "in", "type", "", "notes"], rows)) : [];
}

function bodyOf(spec, operation) {
  const content = operation.requestBody?.content["application/json"];
  return content ? section("Body", fields(spec, content.schema)) : [];
}

function responsesOf(spec, operation) {
  const parts = [];
  const rows = [];
  for (const [status, each] of Object.entries(operation.responses)) {
    const one = resolve(spec, each);
    const [type, content] = Object.entries(one.content || {})[0] || ["", {}];
    rows.push(row([status, one.description, type, content.schema ? typeOf(spec, content.schema) : ""]));
    if (status.startsWith("2") && content.schema)
      parts.push(...section("Result", fields(spec, content.schema)));
  }
  return [...parts, ...section("Answers", table(["status", "meaning", "type", "content"], rows))];
}

/** Who may use it: a row of the matrix; of /ws also the roles of its commands. */
function rolesOf(operation) {
  const rows = Object.entries(operation["x-commands"] || {}).map(([name, roles]) =>
    row([el("code", { textContent: name }), roles.join(", ")]),
  );
  const roles = operation["x-roles"] || [];
  return [
    ...(roles.length ? section("Roles", el("p", { textContent: roles.join(", ") })) : []),
    ...(rows.length ? section("Commands", table(["do", "roles"], rows)) : []),
  ];
}

/** Every [path, method, operation] of the document. */
function operationsOf(spec) {
  return Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [path, method, operation]),
  );
}

const verbOf = (method, operation) => (operation.responses["101"] ? "WS" : method.toUpperCase());

/** The whole matrix: a line for each route and /ws command, a column for each role. */
function matrixOf(spec) {
  const lines = operationsOf(spec).flatMap(([path, method, operation]) => [
    [`${verbOf(method, operation)} ${path}`, operation["x-roles"] || []],
    ...Object.entries(operation["x-commands"] || {}).map(([name, roles]) => [`WS /ws ${name}`, roles]),
  ]);
  const roles = lines.map(([, each]) => each).reduce((a, b) => (b.length > a.length ? b : a), []);
  if (!roles.length) return [];
  const rows = lines.map(([rule, may]) => {
    const cells = roles.map((role) => (may.includes("everybody") ? "all" : may.includes(role) ? "yes" : ""));
    return row([el("code", { textContent: rule }), ...cells]);
  });
  const made = el("details", { id: "matrix" }, el("summary", { textContent: "Who may do what" }));
  made.dataset.words = "who may do what roles matrix";
  made.append(el("div", { className: "body" }, table(["", ...roles], rows)));
  return [el("section", {}, el("h2", { textContent: "roles" }), made)];
}

function operationOf(spec, path, method, operation) {
  const head = el(
    "summary",
    {},
    el("span", {
      className: "method",
      textContent: verbOf(method, operation),
    }),
    el("code", { textContent: path }),
    el("span", { className: "summary", textContent: operation.summary || "" }),
  );
  const made = el("details", {}, head);
  const roles = (operation["x-roles"] || []).join(" ");
  made.dataset.words = `${method} ${path} ${operation.summary} ${roles}`.toLowerCase();
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) {
      made.append(
        el(
          "div",
          { className: "body" },
          ...rolesOf(operation),
          ...parametersOf(spec, operation),
          ...bodyOf(spec, operation),
          ...responsesOf(spec, operation),
        ),
      );
    }
  });
  return made;
}

function render(spec) {
  document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}`;
  const sections = new Map(
    spec.tags.map(({ name }) => [name, el("section", {}, el("h2", { textContent: name }))]),
  );
  for (const [path, method, operation] of operationsOf(spec)) {
    sections.get(operation.tags[0]).append(operationOf(spec, path, method, operation));
  }
  document.getElementById("operations").replaceChildren(...matrixOf(spec), ...sections.values());
}

/** Show why the document was refused, as to a device that is not paired. */
function refuse(problem) {
  document.getElementById("state").textContent = `${problem.detail}: ${problem.hint}`;
}

function find(event) {
  const wanted = event.target.value.trim().toLowerCase();
  for (const each of document.querySelectorAll("details")) each.hidden = !each.dataset.words.includes(wanted);
  for (const each of document.querySelectorAll("section"))
    each.hidden = !each.querySelector("details:not([hidden])");
}

document.getElementById("find").addEventListener("input", find);
fetch("/openapi.json")
  .then((answer) => answer.json().then((body) => (answer.ok ? render(body) : refuse(body))))
  .catch(() => {
    document.getElementById("state").textContent = "The box does not answer. Load the page again.";
  });
