// Requests to the service with this page's token, and what is known of both: whose token it is, and since
// when the service has not answered.

import { Refused } from "../state/connection/requests.js";
import { uuid } from "../state/marks/ids.js";

export { Refused };

/** @typedef {{role: string, name: string, scopes: string[]}} Me an empty role: no token is needed */
/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Kept */

const KEY = "cloud token";
const REQUEST_MS = 15_000;

/** Emits "change" when the token, its holder or the connection changes. */
export class Service extends EventTarget {
  /**
   * `session` keeps a token as long as the tab is open, `device` until it is forgotten.
   * @param {{session: Kept, device: Kept, fetch?: typeof fetch, now?: () => number}} given
   */
  constructor({ session, device, fetch: call = (...given) => fetch(...given), now = Date.now }) {
    super();
    this.kept = { session, device };
    this.call = call;
    this.now = now;
    this.token = session.getItem(KEY) ?? device.getItem(KEY) ?? "";
    /** @type {Me | null} */
    this.me = null;
    /** Since when nothing has answered, ms; 0: it answers. */
    this.awaySince = 0;
    /** Why the last token was refused, in words. */
    this.why = "";
  }

  /**
   * Use this token from now on.
   * @param {string} token
   * @param {boolean} onDevice keep it when the tab is closed
   */
  use(token, onDevice) {
    this.forget();
    this.token = token;
    this.kept[onDevice ? "device" : "session"].setItem(KEY, token);
  }

  forget() {
    for (const storage of Object.values(this.kept)) storage.removeItem(KEY);
    this.token = "";
    this.me = null;
    this.why = "";
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Ask whose token this is; `me` stays null when the service wants another one.
   * @returns {Promise<boolean>} false: no answer
   */
  async learn() {
    try {
      this.me = await this.request("GET", "/me");
      this.why = "";
    } catch (error) {
      this.me = null;
      if (!(error instanceof Refused)) return false;
      this.why = this.token || error.status !== 401 ? error.message : "";
      if (error.status !== 401) return error.status < 500;
    }
    this.dispatchEvent(new Event("change"));
    return true;
  }

  /**
   * The resource. Throws Refused with the message of the service, or an Error when there is no answer.
   * @param {string} method @param {string} path @param {any} [body]
   * @param {number} [limitMs] for what takes longer
   * @returns {Promise<any>}
   */
  async request(method, path, body, limitMs = REQUEST_MS) {
    const { answer, text } = await this.send(method, path, body, limitMs);
    const resource = resourceOf(text);
    const isHealth = path === "/readyz" && resource.parts; // 503 while a part is bad
    if (answer.ok || isHealth) return resource;
    throw this.refused(answer, resource);
  }

  /** The text of an answer that is not JSON. Throws as `request` does. @param {string} path */
  async text(path) {
    const { answer, text } = await this.send("GET", path, undefined, REQUEST_MS);
    if (answer.ok) return text;
    throw this.refused(answer, resourceOf(text));
  }

  /** @param {Response} answer @param {any} resource */
  refused({ status }, resource) {
    const refused = new Refused(status, resource);
    if (status === 401) {
      this.me = null;
      this.why = this.token ? refused.message : "";
    }
    return refused;
  }

  /**
   * An answer with its whole text. Throws an Error when there is none.
   * @param {string} method @param {string} path @param {any} body @param {number} limitMs
   */
  async send(method, path, body, limitMs) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (method !== "GET") headers["Idempotency-Key"] = uuid();
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const signal = AbortSignal.timeout(limitMs);
    try {
      const answer = await this.call(path, { method, headers, signal, cache: "no-store", body: sent });
      const text = await answer.text();
      this.heard(true);
      return { answer, text };
    } catch {
      this.heard(false);
      throw new Error("the service does not answer");
    }
  }

  /** @param {boolean} answered */
  heard(answered) {
    const since = answered ? 0 : this.awaySince || this.now();
    if (since === this.awaySince) return;
    this.awaySince = since;
    this.dispatchEvent(new Event("change"));
  }
}

/** JSON, or what a proxy sent in its place. @param {string} text */
function resourceOf(text) {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return { detail: "the answer is not the service's: a proxy may be in between" };
  }
}
