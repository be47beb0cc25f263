// The checks of the health page and the status line: every part green, amber or red, with what to do. Plain
// functions; `lookAt` sends requests.
//
// The appliance's own checks (/readyz) are shown with its texts; cameras and devices are checked here.

import { titleOf } from "./session/working.js";
import { clockOf } from "./zone.js";

/** @typedef {import("./api").ReadyPart["status"]} Status */
/** @typedef {{id: string, title: string, status: Status, words: string, fix: string}} Check */
/** @typedef {{title: string, checks: Check[]}} Group */
/**
 * @typedef {{online: boolean, rtt: number | null, offsetMs: number, waiting: number, device: string,
 *   editLists: string, kept: boolean, away: boolean, heardAt: number, out?: string}} Link `heardAt`: time of
 *   the last message to this page, ms; 0: none. `out`: why this device may not use the appliance.
 */
/**
 * @typedef {object} Known
 * @property {import("./api").Readiness | null} ready null: the appliance did not answer
 * @property {readonly import("./api").Channel[]} channels those of the current session
 * @property {readonly import("./api").SourceState[]} [sources] state of each camera's recording path
 * @property {readonly import("./api").LiveClient[]} clients
 * @property {Link} link this device's connection
 * @property {import("./api").Session | undefined} session the current one
 */

const ROOM = /** @type {Record<string, string>} */ ({
  recording_hours: "Recording time left",
  disk_recordings: "Recordings disk",
  disk_clips: "Clips folder",
  clip_disks: "Writing clips",
  disk_state: "Box's own disk",
  retention: "Making room",
});
const PICTURES = /** @type {Record<string, string>} */ ({
  recorder: "Recorder",
  mediamtx: "MediaMTX",
  recordings: "Footage",
});
const BOX = /** @type {Record<string, string>} */ ({
  clock: "Clock of the box",
  store: "Database",
  journal: "Journal",
  workers: "Media workers",
  clips: "Cutting clips",
  loop: "Speed of the box",
  safe_mode: "Safe mode",
  settings: "Settings file",
  database: "Database file",
  snapshots: "Copies of the database",
  clip_files: "Clip files",
});
const CLOUD = /** @type {Record<string, string>} */ ({ cloud: "Cloud", replicas: "Games from the cloud" });
const ELSEWHERE = ["clients", "cameras"]; // parts that are not shown as one line: each item has its own

const UNKNOWN = "Not known: the box does not answer";
const RTT_WARN_MS = 250;
const LAG_WARN = 20; // events: about a quarter of a minute of a busy game
const HEARD_WARN_S = 8; // a ping arrives every 5 s
const CLOCK_WARN_MS = 5000;

/**
 * All checks, in order. What the appliance reported before it became unreachable is not shown as current.
 * @param {Known} known
 * @returns {Group[]}
 */
export function groupsOf({ ready, channels, sources = [], clients, link, session }) {
  const parts = (!link.away && ready?.parts) || {};
  const others = link.away ? [] : clients.filter((each) => each.device !== link.device);
  const named = { ...PICTURES, ...ROOM, ...BOX, ...CLOUD };
  const unnamed = Object.keys(parts).filter((name) => !(name in named) && !ELSEWHERE.includes(name));
  const cameras = channels.length ? camerasOf(channels, sources, link.away) : [noCamera(link)];
  return [
    { title: "Pictures", checks: [...cameras, ...listed(parts, PICTURES)] },
    { title: "Room", checks: listed(parts, ROOM) },
    { title: "Cloud", checks: listed(parts, CLOUD) },
    {
      title: "Box",
      checks: [
        work(session, link),
        ...listed(parts, BOX),
        ...unnamed.map((name) => part(name, name.replaceAll("_", " "), parts[name])),
      ],
    },
    {
      title: "Devices",
      checks: [
        connection(link),
        ownDisk(link),
        ownClock(link),
        selfTest("self-test", "Clips on this device", link.editLists),
        ...others.map(client),
      ],
    },
  ].filter((group) => group.checks.length);
}

/**
 * What the appliance reports.
 * @typedef {{ready: import("./api").Readiness | null, clients: readonly import("./api").LiveClient[],
 *   sources: readonly import("./api").SourceState[]}} Looked
 */

/**
 * Request the state. A red part makes it 503; box.js returns the parts nevertheless. Throws when there is no
 * answer.
 * @param {{request: (method: string, path: string) => Promise<any>}} box
 * @returns {Promise<Looked>}
 */
export async function lookAt(box) {
  const [ready, clients, sources] = await Promise.all(
    ["/readyz", "/clients", "/sources"].map((path) => box.request("GET", path)),
  );
  return { ready, clients: clients.items, sources: sources.items };
}

/**
 * This device's connection to the appliance.
 * @param {{box: import("./connection/box.js").Box, prefs: import("./device/prefs.js").Prefs}} ctx
 * @returns {Link}
 */
export const linkOf = ({ box, prefs }) => ({
  online: box.online,
  rtt: box.rtt,
  offsetMs: box.offsetMs,
  waiting: box.outbox.waiting().length,
  device: box.name,
  out: box.pairing.out,
  editLists: prefs.get("editLists"),
  kept: box.outbox.kept,
  away: box.away,
  heardAt: box.heardAt,
});

/**
 * One line that summarises all checks.
 * @param {readonly Group[]} groups
 * @returns {{status: Status, words: string}}
 */
export function verdictOf(groups) {
  const all = groups.flatMap((group) => group.checks);
  const bad = all.filter((each) => each.status === "bad");
  const warn = all.filter((each) => each.status === "warn");
  if (bad.length) return { status: "bad", words: `Not ready: ${titles(bad)}` };
  if (warn.length) return { status: "warn", words: `Ready, look at: ${titles(warn)}` };
  return { status: "ok", words: "Ready for the game" };
}

/** @param {readonly Check[]} checks */
function titles(checks) {
  const shown = checks
    .slice(0, 3)
    .map((each) => each.title)
    .join(", ");
  return checks.length > 3 ? `${shown} and ${checks.length - 3} more` : shown;
}

/**
 * @param {string} id
 * @param {string} title
 * @param {Status} status
 * @param {string} words
 * @param {string} [fix]
 * @returns {Check}
 */
const check = (id, title, status, words, fix = "") => ({ id, title, status, words, fix });

/** @param {Record<string, import("./api").ReadyPart>} parts @param {Record<string, string>} names */
const listed = (parts, names) =>
  Object.entries(names).flatMap(([name, title]) => (parts[name] ? [part(name, title, parts[name])] : []));

/** @param {string} name @param {string} title @param {import("./api").ReadyPart} facts */
const part = (name, title, facts) =>
  check(name, title, facts.status, sentence(facts.detail), sentence(facts.hint ?? ""));

/** @param {string} words */
const sentence = (words) => words && words[0].toUpperCase() + words.slice(1);

/**
 * Each camera in the state shown by health page and status line, in the given order. What the appliance
 * reported before it became unreachable is not shown as current.
 * @param {readonly import("./api").Channel[]} channels
 * @param {readonly import("./api").SourceState[]} [sources]
 * @param {boolean} [away]
 * @returns {Check[]}
 */
export const camerasOf = (channels, sources = [], away = false) =>
  channels.map((each) =>
    away
      ? unknown(each)
      : camera(
          each,
          sources.find((source) => source.channel_id === each.id),
        ),
  );

/** @param {import("./api").Channel} channel */
const unknown = ({ id, name }) => check(`camera-${id}`, name || id, "warn", UNKNOWN);

/**
 * The cameras of the session, by id; all of them without a session, or for one with every camera.
 * @param {Iterable<import("./api").Channel>} all
 * @param {import("./api").Session | undefined} session
 */
export const channelsOf = (all, session) =>
  [...all]
    .filter((each) => session?.channel_ids?.includes(each.id) ?? true)
    .sort((a, b) => (a.id < b.id ? -1 : 1));

/**
 * The appliance's own text where it reports a problem of a camera.
 * @param {import("./api").Channel} channel
 * @param {import("./api").SourceState} [source]
 */
function camera(channel, source) {
  const own = cameraAlone(channel, source?.status === "ok" ? source.detail.replace(/^records(, )?/, "") : "");
  if (source?.status !== "bad") return own;
  return check(own.id, own.title, "bad", sentence(source.detail), sentence(source.hint ?? own.fix));
}

/** @param {import("./api").Channel} channel @param {string} line state of its connection */
function cameraAlone(channel, line) {
  const id = `camera-${channel.id}`;
  const name = channel.name || channel.id;
  const shape = [channel.resolution, channel.framerate ? `${Math.round(channel.framerate)} fps` : "", line]
    .filter(Boolean)
    .join(", ");
  if (channel.status === "error")
    return check(
      id,
      name,
      "bad",
      sentence(channel.error_reason || "reports a fault"),
      "Look at the camera and its cable, then switch the channel on at Operator",
    );
  if (channel.status === "inactive")
    return check(id, name, "warn", "Switched off", "Switch it on at Operator if it films today");
  if (channel.footage === "stalled")
    return check(
      id,
      name,
      "bad",
      "Footage has stopped coming",
      "Look at the camera's power, cable and address",
    );
  if (channel.footage === "none")
    return check(id, name, "bad", "No footage yet", "Start the camera, and let it send to this box");
  return check(
    id,
    name,
    "ok",
    `Records${shape ? `: ${shape}` : ""}${channel.latency_ms ? `, delay ${channel.latency_ms} ms` : ""}`,
  );
}

/** @param {Link} link */
function noCamera({ away }) {
  if (away) return check("cameras", "Cameras", "warn", UNKNOWN);
  return check(
    "cameras",
    "Cameras",
    "bad",
    "There is no camera",
    "Add a channel to the settings file, or by POST /channels",
  );
}

/** When the appliance last answered, in words. @param {Link} link */
const lastHeard = ({ heardAt }) =>
  heardAt
    ? `when the box last answered, at ${clockOf(heardAt)}`
    : "when the box last answered an earlier page";

/** @param {import("./api").Session | undefined} session @param {Link} link */
function work(session, link) {
  if (link.away)
    return check(
      "session",
      "Session",
      "warn",
      session ? `${titleOf(session)} was ${session.status} ${lastHeard(link)}` : UNKNOWN,
    );
  if (!session)
    return check(
      "session",
      "Session",
      "bad",
      "There is no session: plays cannot be marked",
      "Create one at Operator",
    );
  if (session.status === "active") return check("session", "Session", "ok", `${titleOf(session)} runs`);
  const fix =
    session.status === "completed"
      ? "Create the next one at Operator"
      : session.status === "paused"
        ? "Resume it at Operator"
        : "Start it at Operator before the game";
  return check("session", "Session", "warn", `${titleOf(session)} is ${session.status}`, fix);
}

/** @param {Link} link */
function connection({ online, rtt, waiting, heardAt, out }) {
  const kept = waiting ? `; ${waiting === 1 ? "1 mark waits" : `${waiting} marks wait`} on this device` : "";
  const lost = out === "not_paired" ? "It is not paired" : "Its role may not open the desk";
  if (out) return check("connection", "This device", "bad", `${lost}${kept}`, "Pair it, by the button above");
  if (!online)
    return check(
      "connection",
      "This device",
      "bad",
      `${heardAt ? `The box has not answered since ${clockOf(heardAt)}` : "The box does not answer"}${kept}`,
      "Check this device's Wi-Fi; marks go on and are sent later",
    );
  const trip = rtt === null ? "" : `, ${Math.max(1, Math.round(rtt))} ms there and back`;
  const words = `Connected${trip}${kept}`;
  if ((rtt ?? 0) > RTT_WARN_MS)
    return check(
      "connection",
      "This device",
      "warn",
      words,
      "Move nearer to the access point, or to a freer channel",
    );
  return check("connection", "This device", "ok", words);
}

/** @param {Link} link */
function ownDisk({ kept }) {
  if (kept)
    return check("own-disk", "Marks on this device", "ok", "Are kept over a reload until the box has them");
  return check(
    "own-disk",
    "Marks on this device",
    "warn",
    "Are kept only while this page stays open: the browser's storage does not take them",
    "Leave a private window, or make room on the device. Do not reload while marks wait",
  );
}

/** @param {Link} link */
function ownClock({ offsetMs, away, heardAt }) {
  if (away && !heardAt)
    return check("own-clock", "Clock of this device", "ok", "Is compared when the box answers");
  const words = `${(Math.abs(offsetMs) / 1000).toFixed(1)} s ${offsetMs < 0 ? "ahead of" : "behind"} the box`;
  if (Math.abs(offsetMs) < 50)
    return check(
      "own-clock",
      "Clock of this device",
      "ok",
      away ? "Agreed with the box when it last answered" : "Agrees with the box",
    );
  const far = Math.abs(offsetMs) > CLOCK_WARN_MS;
  return check(
    "own-clock",
    "Clock of this device",
    far ? "warn" : "ok",
    far ? words : `${words}; marks mean the box's time`,
    far ? "Set its time to automatic. Marks are right all the same" : "",
  );
}

/** @param {string} id @param {string} title @param {string | null} verdict @returns {Check} */
function selfTest(id, title, verdict) {
  if (verdict === "ok") return check(id, title, "ok", "Start on their exact picture (edit_lists: ok)");
  if (verdict === "ignored") return check(id, title, "ok", "Are started by seeking (edit_lists: ignored)");
  if (verdict === "unknown")
    return check(
      id,
      title,
      "warn",
      "The self-test could not tell (edit_lists: unknown)",
      "Open Self-test from the menu on that device",
    );
  return check(id, title, "ok", "Not tested yet: the test runs by itself");
}

/** @param {import("./api").LiveClient} client */
function client(client) {
  const id = `client-${client.device}-${client.connected_at}`;
  const words = [
    client.rtt_ms === null ? "" : `${Math.max(1, Math.round(client.rtt_ms))} ms`,
    client.lag_events ? `${client.lag_events} events behind` : "up to date",
    client.edit_lists ? `edit_lists: ${client.edit_lists}` : "",
  ]
    .filter(Boolean)
    .join(", ");
  const slow = client.lag_events > LAG_WARN || (client.rtt_ms ?? 0) > RTT_WARN_MS;
  if (client.heard_age_s > HEARD_WARN_S)
    return check(
      id,
      client.device,
      "warn",
      `Silent for ${Math.round(client.heard_age_s)} s`,
      "Is it asleep, or out of reach of the Wi-Fi?",
    );
  if (slow) return check(id, client.device, "warn", words, "Move it nearer to the access point");
  if (client.edit_lists === "unknown")
    return check(id, client.device, "warn", words, "Open Self-test from its menu");
  return check(id, client.device, "ok", sentence(words));
}
