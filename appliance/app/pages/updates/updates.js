// Updates of scores and tables: which executions ran and what they changed, and which schedules follow.

import { h, keyed, say } from "../../parts/dom.js";
import { errorText } from "../../state/words.js";
import { drawGroups } from "../groups.js";
import { elementsOf } from "./markdown.js";
import { executionLine, operationOf, stateOf } from "./lines.js";
import { schedulesGroups } from "./schedules.js";

export const title = "Updates";
const EVERY_S = 3;
const BASE = "/api/v2/data-provider";
/** The service answers a run after 20 s at the latest. */
const RUN_MS = 30_000;

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("./lines.js").Execution} Execution */
/** @typedef {import("./lines.js").RoundResult} RoundResult */
/** @typedef {import("./schedules.js").Schedules} Schedules */

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words an execution's id, or none */
export function enter(root, ctx, words) {
  return words[0] ? enterOne(root, ctx, words[0]) : enterAll(root, ctx);
}

/** Names of tournaments by their ids, as soon as they are known. @param {Ctx} ctx @param {() => void} draw */
function namesOf(ctx, draw) {
  /** @type {Map<string, string>} */
  const names = new Map();
  /** @typedef {{items: {id: string, name: string}[]}} Named */
  ctx.poll("/api/v2/tournaments?limit=1000", 60, (/** @type {Named} */ { items }) => {
    for (const { id, name } of items) names.set(id, name);
    draw();
  });
  return (/** @type {string} */ id) => names.get(id) ?? id;
}

/** @param {HTMLElement} root @param {Ctx} ctx */
function enterAll(root, ctx) {
  const list = h("ul", { class: "runs", "aria-label": "Executions" });
  const none = h("p", { class: "quiet", hidden: true }, "Nothing has run yet.");
  const planned = h("div", { class: "groups" });
  root.append(
    h("header", {}, h("h1", {}, "Updates")),
    h("div", { class: "halves" }, h("section", {}, h("h2", {}, "Executions"), none, list), planned),
  );
  /** @type {Execution[] | null} */
  let executions = null;
  /** @type {Schedules | null} */
  let schedules = null;
  const draw = () => {
    if (executions) {
      none.hidden = executions.length > 0;
      keyed(
        list,
        executions,
        ({ id }) => id,
        (each, old) => drawRun(each, nameOf(each.tournament_id), old),
      );
    }
    if (schedules) drawGroups(planned, schedulesGroups(schedules, nameOf, Date.now()));
  };
  const nameOf = namesOf(ctx, draw);
  ctx.poll(
    `${BASE}/executions?limit=50&order=newest`,
    EVERY_S,
    (/** @type {{items: Execution[]}} */ { items }) => {
      executions = items;
      draw();
    },
  );
  ctx.poll(`${BASE}/schedules?limit=100`, EVERY_S * 5, (/** @type {Schedules} */ newest) => {
    schedules = newest;
    draw();
  });
}

/** @param {Execution} execution @param {string} tournament @param {HTMLElement | undefined} old */
function drawRun(execution, tournament, old) {
  const made =
    old ??
    h(
      "li",
      { class: "run" },
      h("a", { href: `#updates/${execution.id}` }, h("b", {})),
      h("span", { class: "words" }),
      h("span", { class: "fix" }),
    );
  const line = executionLine(execution, tournament, Date.now());
  made.dataset.status = line.status;
  say(/** @type {Element} */ (made.querySelector("b")), line.title);
  say(made.children[1], line.words);
  say(made.children[2], line.fix ?? "");
  return made;
}

/**
 * One execution: its lifecycle, its report, and running it again.
 * @param {HTMLElement} root @param {Ctx} ctx @param {string} id
 */
function enterOne(root, ctx, id) {
  const heading = h("h1", {}, "Asking the service");
  const state = h("p", { role: "status" });
  const trouble = h("p", { class: "bad", role: "alert" });
  const report = h("article", { class: "report", "aria-label": "Report" });
  const rounds = h("ul", { class: "notes", "aria-label": "Rounds" });
  const buttons = [
    h("button", { type: "button", class: "primary", onclick: () => void again("provider") }, "Run again"),
    h("button", { type: "button", onclick: () => void again("raw") }, "Run again from the kept answers"),
  ];
  const files = h("span", { class: "row" });
  root.append(
    h("header", {}, h("a", { class: "back", href: "#updates" }, "All updates"), heading, state, trouble),
    h("div", { class: "row acts" }, ...buttons, files),
    rounds,
    report,
  );
  let shown = "";
  /** @type {(Execution & {rounds: RoundResult[]}) | null} */
  let newest = null;
  const draw = () => {
    if (!newest) return;
    say(heading, `${operationOf(newest)} · ${nameOf(newest.tournament_id)}`);
    say(state, stateOf(newest, Date.now()));
    state.className = newest.status === "failed" ? "bad" : newest.failures ? "warn" : "";
    say(trouble, newest.error ?? "");
    keyed(
      rounds,
      newest.rounds.filter(({ error }) => error),
      ({ round }) => round,
      (each, old) => old ?? h("li", {}, `${each.round || "All rounds"}: ${each.error}`),
    );
    buttons[0].disabled = newest.status === "in_progress";
    buttons[1].hidden = !newest.rounds.some(({ raw }) => raw);
  };
  const nameOf = namesOf(ctx, draw);
  ctx.poll(
    `${BASE}/executions/${encodeURIComponent(id)}`,
    EVERY_S,
    (/** @type {typeof newest} */ execution) => {
      newest = execution;
      draw();
      if (execution?.report && shown !== id) {
        shown = id;
        void showReport();
      }
    },
  );
  const showReport = async () => {
    const at = `${BASE}/reports/${encodeURIComponent(id)}`;
    try {
      report.replaceChildren(...elementsOf(await ctx.service.text(`${at}.md`)));
      files.replaceChildren(save(ctx, `${at}.md`, "Markdown"), save(ctx, `${at}.json`, "JSON"));
    } catch (error) {
      shown = "";
      report.replaceChildren(h("p", { class: "quiet" }, `The report cannot be shown: ${errorText(error)}.`));
    }
  };
  const again = async (/** @type {"raw" | "provider"} */ source) => {
    for (const button of buttons) button.disabled = true;
    say(state, "Running again.");
    try {
      const path = `${BASE}/executions/${encodeURIComponent(id)}/run`;
      const { executionId } = await ctx.service.request("POST", path, { source }, RUN_MS);
      ctx.go("updates", executionId);
    } catch (error) {
      say(trouble, `It was not run again: ${errorText(error)}.`);
    }
    for (const button of buttons) button.disabled = false;
  };
}

/** Saves a file that needs the token. @param {Ctx} ctx @param {string} path @param {string} label */
const save = (ctx, path, label) =>
  h(
    "button",
    {
      type: "button",
      onclick: async () => {
        const url = URL.createObjectURL(new Blob([await ctx.service.text(path)]));
        h("a", { href: url, download: path.split("/").at(-1) }).click();
        URL.revokeObjectURL(url);
      },
    },
    label,
  );
