// Requests to the appliance: JSON over HTTP, its refusals, and a mark's command as such a request.

import { uuid } from "../marks/ids.js";

const REQUEST_MS = 15_000;
const NO_ANSWER = "the box does not answer";

/** The appliance refused. `problem` is its document (RFC 9457). */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `answer ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/**
 * Throws Refused with the appliance's message, or an Error without an answer. `rev`: fail if the row has
 * changed since. `underway`: holds the request until it is answered, so that it can be given up.
 * @param {string} device
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @param {{key?: string, rev?: number, underway?: Set<AbortController>}} [more]
 * @returns {Promise<any>}
 */
export async function requestJson(device, method, path, body, { key = uuid(), rev, underway } = {}) {
  /** @type {Record<string, string>} */
  const headers = { "X-Client": device };
  if (method !== "GET") headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (rev !== undefined) headers["If-Match"] = `"r${rev}"`;
  const giveUp = new AbortController();
  underway?.add(giveUp);
  const timer = setTimeout(() => giveUp.abort(), REQUEST_MS);
  try {
    const answer = await fetch(path, {
      method,
      headers,
      signal: giveUp.signal,
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const resource = text ? JSON.parse(text) : null;
    if (!answer.ok && !(path === "/readyz" && resource?.parts))
      throw new Refused(answer.status, resource ?? {});
    return resource;
  } catch (error) {
    // in words, whatever this browser calls it
    throw error instanceof Refused ? error : new Error(NO_ANSWER);
  } finally {
    clearTimeout(timer);
    underway?.delete(giveUp);
  }
}

/** A command as an HTTP request. @param {import("../marks/outbox.js").Mark} mark */
export function asHttp(mark) {
  const { id, ...rest } = mark.body;
  if (mark.doing === "play_new") return { method: "POST", path: "/plays", body: mark.body };
  return { method: "POST", path: `/plays/${id}/${mark.doing === "play_end" ? "end" : "cue"}`, body: rest };
}

/**
 * Wait until the device is online again, at most this long.
 * @param {number} ms
 * @returns {Promise<unknown>}
 */
export const pause = (ms) =>
  new Promise((done) => {
    setTimeout(done, ms);
    addEventListener("online", done, { once: true });
  });
