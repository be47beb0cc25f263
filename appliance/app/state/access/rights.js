// What a paired device may do in this app, by its role. Plain functions.
//
// The rows are those of the appliance's matrix (box/permissions.py); tests/app/test_rights.py compares them.
// The appliance decides; this only keeps a page from offering what would be refused.

/** The paired device; null where access is open. @typedef {{id: string, name: string, role: string}} Me */
/** @typedef {keyof typeof RIGHTS} Right */

/** By right: its row of the matrix, the roles beside admin, and what it is called. */
export const RIGHTS = {
  mark: { rule: "DO play_new", roles: ["operator", "coach", "analyst"], words: "Marking" },
  tag: { rule: "POST /tags", roles: ["operator", "coach", "analyst"], words: "Tagging" },
  run: { rule: "POST /sessions", roles: ["operator"], words: "Running sessions and cameras" },
  health: { rule: "GET /readyz", roles: ["operator", "coach", "analyst", "integrator"], words: "Health" },
  devices: { rule: "GET /devices", roles: /** @type {string[]} */ ([]), words: "Pairing devices" },
};

/** What each role is for, in the order in which an admin chooses. @type {Record<string, string>} */
export const ROLE_WORDS = {
  coach: "Marks and tags plays, watches everything",
  analyst: "As a coach, with the tag board and the review first",
  operator: "As a coach, and runs sessions and cameras",
  admin: "Everything, and pairs other devices",
  capture: "A camera or encoder: reports about its channel, has no page",
  assistant: "A program that reads, and changes nothing",
  integrator: "A program that reads, also health and figures; changes nothing",
};

/** With its article: "an operator". @param {string} role */
export const aRole = (role) =>
  role === "capture" ? "a capture device" : `${/^[aeiou]/.test(role) ? "an" : "a"} ${role}`;

/**
 * Where access is open, everything but managing devices, which needs an admin's device everywhere.
 * @param {Me | null} me
 * @param {Right | undefined} right
 */
export function may(me, right) {
  if (!right) return true;
  if (!me) return right !== "devices";
  return me.role === "admin" || RIGHTS[right].roles.includes(me.role);
}

/** Why not, and who may. @param {Me | null} me @param {Right} right */
export function whyNot(me, right) {
  const { roles, words } = RIGHTS[right];
  const all = [...roles, "admin"].map(aRole);
  const who = all.length > 1 ? `${all.slice(0, -1).join(", ")} or ${all[all.length - 1]}` : all[0];
  const what = me ? `This device is paired as ${aRole(me.role)}.` : "This device is not paired.";
  return `${what} ${words} is for ${who}.`;
}

/** The desk a role begins with: one of prefs.js ROLES. @param {string} role */
export function viewOf(role) {
  if (role === "operator" || role === "admin") return "operator";
  return role === "analyst" ? "analyst" : "coach";
}

/** May a device have this desk? @param {Me | null} me @param {string} view */
export const mayView = (me, view) =>
  view === "operator" ? may(me, "run") : view === "analyst" ? may(me, "tag") : true;

/** The screen a role begins with; "" for one that has no page. @param {string} role */
export function firstScreenOf(role) {
  const first = /** @type {Record<string, string>} */ ({
    admin: "devices",
    operator: "operator",
    analyst: "tagging",
    capture: "",
  });
  return first[role] ?? "desk";
}
