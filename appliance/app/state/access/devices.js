// The paired devices as an admin sees them. Plain functions.

import { dateOf } from "../zone.js";

/** @typedef {import("../api").Device} Device */

const KEEPS = "Marks it has not sent stay on it until it is paired again.";
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * When a device was here last, in words.
 * @param {Device} device
 * @param {ReadonlySet<string>} connected names of the devices whose sockets are open
 * @param {number} nowMs box time
 */
export function seenWords({ name, last_seen_at }, connected, nowMs) {
  if (connected.has(name)) return "Connected";
  if (!last_seen_at) return "Not seen yet";
  const ago = Math.max(0, nowMs - Date.parse(last_seen_at));
  if (ago < MINUTE_MS) return "Seen a moment ago";
  if (ago < HOUR_MS) return `Seen ${Math.floor(ago / MINUTE_MS)} min ago`;
  if (ago < 24 * HOUR_MS) return `Seen ${Math.floor(ago / HOUR_MS)} h ago`;
  return `Seen ${dateOf(last_seen_at)}`;
}

/** Who paired it, and when; of a capture device also its camera. @param {Device} device */
export function pairedWords({ created_at, created_by, role, channel_id }) {
  const by = created_by === "console" ? "on the box's console" : `by ${created_by}`;
  const camera = channel_id ? `reports for ${channel_id}` : "for the camera that it reports for first";
  return `paired ${dateOf(created_at)} ${by}${role === "capture" ? ` · ${camera}` : ""}`;
}

/**
 * Connected ones first, then the one seen last. An order that changes with every request would move rows
 * under a finger: only the list's first drawing uses it.
 * @param {readonly Device[]} devices
 * @param {ReadonlySet<string>} connected
 */
export function ordered(devices, connected) {
  const rank = (/** @type {Device} */ each) => (connected.has(each.name) ? 0 : 1);
  const seen = (/** @type {Device} */ each) => each.last_seen_at ?? "";
  return [...devices].sort((a, b) => rank(a) - rank(b) || (seen(a) < seen(b) ? 1 : -1));
}

/**
 * The device that was paired with a code that this page made: one that is new since.
 * @param {readonly Device[]} devices
 * @param {ReadonlySet<string>} before ids
 * @param {string} role of the code
 */
export const joined = (devices, before, role) =>
  devices.find((each) => !before.has(each.id) && each.role === role);

/**
 * The cameras to choose from for a device; its own too when there is no such camera any more: otherwise
 * saving another field would change the camera.
 * @param {readonly {id: string, name: string}[]} channels
 * @param {string} own id; "" where it has none
 */
export const camerasFor = (channels, own) =>
  own && !channels.some(({ id }) => id === own)
    ? [...channels, { id: own, name: `${own} (not in the list of cameras)` }]
    : [...channels];

/**
 * The consequence of revoking its access, for the question before it.
 * @param {Device} device
 * @param {boolean} isThis
 * @param {number} admins
 */
export function removeWords({ role }, isThis, admins) {
  const last =
    role === "admin" && admins < 2
      ? " It is the last admin: another one is then made on the box itself, with appliance pair --role admin."
      : "";
  return isThis
    ? `This is the device you hold: it can read and change nothing afterwards.${last}`
    : `From then on it can read and change nothing. ${KEEPS}${last}`;
}
