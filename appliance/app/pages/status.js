// What runs: processes, journal, leases, what each domain reports, and the health of the process that
// answers.

import { h, say } from "../parts/dom.js";
import { clockOf } from "../state/zone.js";
import { drawGroups } from "./groups.js";
import { groupsOf, verdictOf } from "./status-groups.js";

export const title = "Status";
const EVERY_S = 2;

/** @param {HTMLElement} root @param {import("./app.js").Ctx} ctx */
export function enter(root, ctx) {
  const verdict = h("h1", { id: "verdict" }, "Asking the service");
  const when = h("p", { class: "quiet" });
  const groups = h("div", { class: "groups" });
  root.append(h("header", {}, verdict, when), groups);

  /** @type {import("./status-groups.js").Status | null} */
  let status = null;
  /** @type {import("./status-groups.js").Readiness | null} */
  let ready = null;
  const draw = () => {
    if (!status || !ready) return;
    const shown = groupsOf(status, ready);
    const { kind, words } = verdictOf(shown);
    say(verdict, words);
    verdict.className = kind;
    const environment = status.environment || "no environment";
    say(when, `${environment} · ${status.database.engine} · looked at ${clockOf(status.server_time)}`);
    drawGroups(groups, shown);
  };
  const lost = () => {
    if (!status) return;
    say(verdict, "Not known at present");
    verdict.className = "quiet";
    say(when, `What follows is of ${clockOf(status.server_time)}`);
    status = null;
  };
  const take = (/** @type {import("./status-groups.js").Status} */ newest) => {
    status = newest;
    draw();
  };
  ctx.poll("/status", EVERY_S, take, lost);
  ctx.poll("/readyz", EVERY_S, (/** @type {import("./status-groups.js").Readiness} */ newest) => {
    ready = newest;
    draw();
  });
}
