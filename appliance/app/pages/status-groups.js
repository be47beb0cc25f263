// GET /status and /readyz as groups of lines. No DOM.

import { worstOf } from "./groups.js";

/** @typedef {import("./groups.js").Group} Group */
/** @typedef {import("./groups.js").Line} Line */
/**
 * What GET /status of the hosted side answers (cloud/status/model.py).
 * @typedef {{name: string, version: string, started_at: string, seen_at: string, is_alive: boolean,
 *   journal_seq: number, lag_s: number | null}} Process
 * @typedef {{name: string, seq: number, behind: number, moved_at: string, needs_resync: boolean}} Follower
 * @typedef {{kind: string, subject: string, owner: string, token: number, until: string}} Lease
 * @typedef {{title: string, figures: Record<string, number>,
 *   lines: {status: "ok" | "warn" | "bad", name: string, detail: string, since: string | null}[]}} Part
 * @typedef {{server_time: string, environment: string, api_domain: string, version: string, process: string,
 *   database: {engine: string, place: string, connections: number}, processes: Process[],
 *   journal: {head: number, oldest: number, followers: Follower[]},
 *   leases: {held: number, items: Lease[]}, parts: Record<string, Part>}} Status
 * @typedef {{status: "ok" | "warn" | "bad", detail: string, hint: string | null}} HealthPart
 * @typedef {{parts: Record<string, HealthPart>}} Readiness
 */

const LAG_WARN_S = 2;
const NUMBER = new Intl.NumberFormat("en-GB");

/** @param {Status} status @param {Readiness} ready @returns {Group[]} */
export function groupsOf(status, ready) {
  const now = Date.parse(status.server_time);
  return [
    processes(status, now),
    journal(status, now),
    leases(status, now),
    ...Object.entries(status.parts).map(([name, part]) => ofDomain(name, part, now)),
    health(ready),
    service(status),
  ];
}

/** The state of all of it in a few words. @param {readonly Group[]} groups */
export function verdictOf(groups) {
  const wrong = groups.filter((group) => worstOf(group.lines) !== "ok");
  const kind = worstOf(groups.flatMap((group) => group.lines));
  const names = wrong.map((group) => group.title.toLowerCase()).join(", ");
  if (kind === "bad") return { kind, words: `Something does not work: ${names}` };
  if (kind === "warn") return { kind, words: `Needs attention: ${names}` };
  return { kind: "good", words: "All is in order" };
}

/** @param {Status} status @param {number} now @returns {Group} */
function processes(status, now) {
  const alive = status.processes.filter((process) => process.is_alive);
  return {
    title: "Processes",
    figures: [["running", String(alive.length)]],
    lines: status.processes.map((process) => processLine(process, status.process, now)),
    empty: "No process has written its row yet.",
  };
}

/** @param {Process} process @param {string} answering @param {number} now @returns {Line} */
function processLine(process, answering, now) {
  const { name, version, lag_s } = process;
  const ran = `version ${version}, for ${spanOf(now - Date.parse(process.started_at))}`;
  if (!process.is_alive) {
    const since = spanOf(now - Date.parse(process.seen_at));
    const fix = "It was killed, or cannot reach the database: see its log";
    const words = `no sign for ${since} · version ${version}`;
    return { id: name, status: "warn", title: name, words, fix };
  }
  const isLate = (lag_s ?? 0) >= LAG_WARN_S;
  const lag = isLate ? ` · ${spanOf((lag_s ?? 0) * 1000)} behind the journal` : "";
  const here = name === answering ? " · answers this page" : "";
  return { id: name, status: isLate ? "warn" : "ok", title: name, words: `${ran}${lag}${here}` };
}

/** @param {Status} status @param {number} now @returns {Group} */
function journal({ journal: { head, oldest, followers } }, now) {
  return {
    title: "Journal",
    figures: [
      ["newest entry", NUMBER.format(head)],
      ["oldest kept", NUMBER.format(oldest)],
      ["kept", NUMBER.format(head - oldest + 1)],
    ],
    lines: followers.map((each) => {
      const moved = `moved ${spanOf(now - Date.parse(each.moved_at))} ago`;
      const behind = each.behind ? `${NUMBER.format(each.behind)} entries behind` : "has all entries";
      return {
        id: each.name,
        status: each.needs_resync ? "bad" : "ok",
        title: each.name,
        words: `${behind} · ${moved}`,
        fix: each.needs_resync ? "It missed entries that were deleted: it must start from a snapshot" : "",
      };
    }),
    empty: "No reader keeps its place in the journal.",
  };
}

/** @param {Status} status @param {number} now @returns {Group} */
function leases({ leases: { held, items } }, now) {
  return {
    title: "Leases",
    figures: [["held", NUMBER.format(held)]],
    lines: items.map(({ kind, subject, owner, until }) => ({
      id: `${kind} ${subject}`,
      status: "",
      title: `${kind} ${subject}`,
      words: `${owner} · for ${spanOf(Date.parse(until) - now)} more`,
    })),
    empty: "No process holds a lease: nothing is being done that only one may do.",
  };
}

/** @param {string} name @param {Part} part @param {number} now @returns {Group} */
function ofDomain(name, part, now) {
  return {
    title: part.title,
    figures: Object.entries(part.figures).map(([what, much]) => [what, NUMBER.format(much)]),
    lines: part.lines.map((line, at) => ({
      id: `${name} ${at} ${line.name}`,
      status: line.status,
      title: line.name,
      words: [line.detail, line.since && `for ${spanOf(now - Date.parse(line.since))}`]
        .filter(Boolean)
        .join(" · "),
    })),
    empty: "Nothing needs attention.",
  };
}

/** @param {Readiness} ready @returns {Group} */
function health(ready) {
  return {
    title: "Health",
    lines: Object.entries(ready.parts).map(([name, part]) => ({
      id: name,
      status: part.status,
      title: name.replaceAll("_", " "),
      words: part.detail,
      fix: part.hint ?? "",
    })),
  };
}

/** @param {Status} status @returns {Group} */
function service({ environment, api_domain, version, database }) {
  const facts = [
    ["Environment", environment || "not set"],
    ["Address", api_domain || "not set"],
    ["Version", version],
    ["Database", `${database.engine}, ${database.place}, ${countOf(database.connections, "connection")}`],
  ];
  return {
    title: "Service",
    lines: facts.map(([title, words]) => ({ id: title, status: "", title, words })),
  };
}

/** @param {number} count @param {string} what */
const countOf = (count, what) => `${NUMBER.format(count)} ${what}${count === 1 ? "" : "s"}`;

/** "4 s", "12 min", "3 h", "5 days" @param {number} ms */
export function spanOf(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
