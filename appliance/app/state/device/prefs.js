// The settings of this device: role, theme, watched angle. Without storage they last until a reload.

import { uuid } from "../marks/ids.js";

export const ROLES = /** @type {const} */ (["coach", "operator", "analyst"]);
/** @typedef {typeof ROLES[number]} Role */

const DEFAULTS = {
  role: /** @type {Role} */ ("coach"),
  theme: /** @type {"light" | "dark" | "auto"} */ ("light"),
  device: "", // its own name, where access is open
  /** What the appliance knows this device as. @type {import("../access/rights.js").Me | null} */
  paired: null,
  angle: "", // channel watched last: fetched in advance and shown first
  layout: /** @type {1 | 2 | 4} */ (1),
  session: "", // chosen by the user; "": the newest running one
  lastSeconds: 10,
  carry: true, // predict a play's tags from the play before
  lowDelay: false, // live by WebRTC where it is offered: lower delay, but without capture times
  loop: true,
  sound: false,
  editLists: /** @type {"" | "ok" | "ignored" | "unknown"} */ (""), // result of this browser's self-test
  rawTimes: false, // does it report media times that count hidden pictures
  editListsBy: "", // the browser that was tested
};
/** @typedef {typeof DEFAULTS} Values */

export class Prefs extends EventTarget {
  constructor() {
    super();
    /** @type {Values} */
    this.values = { ...DEFAULTS, ...stored() };
    if (!ROLES.includes(this.values.role)) this.values.role = "coach";
    if (!this.values.device) this.set("device", `${kindOfDevice()}-${uuid().slice(0, 4)}`);
  }

  /** @template {keyof Values} K @param {K} name @returns {Values[K]} */
  get(name) {
    return this.values[name];
  }

  /** @template {keyof Values} K @param {K} name @param {Values[K]} value */
  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    try {
      localStorage.setItem("prefs", JSON.stringify(this.values));
    } catch {
      // kept until a reload
    }
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
  }
}

/** @returns {Partial<Values>} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem("prefs") ?? "{}");
  } catch {
    return {};
  }
}

/** What a person calls this device. */
export function deviceWord() {
  const kind = kindOfDevice();
  if (kind === "android") return /Mobile/.test(navigator.userAgent) ? "phone" : "tablet";
  return kind === "ipad" ? "tablet" : kind === "iphone" ? "phone" : "device";
}

function kindOfDevice() {
  const agent = navigator.userAgent;
  if (/iPad/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) return "ipad";
  if (/iPhone/.test(agent)) return "iphone";
  return /Android/.test(agent) ? "android" : "browser";
}
