// Whether the appliance knows this device: its name and role, and the end of its pairing.
//
// When the pairing ends the page goes on: marks stay in the outbox, stored clips can be played, and the
// appliance is asked again until the device is paired. Owns: this state and its texts. Must not know:
// sockets, requests (`ask` is injected), the screen.

import { aRole } from "./rights.js";

/** @typedef {import("./rights.js").Me} Me */
/**
 * Why the device has no access: no valid token, or a role without pages.
 * @typedef {"not_paired" | "not_allowed"} Out
 */

export const ASK_MS = 4000;
export const ENDED = [4501, 4503]; // close codes of a socket: no token, a revoked one

export class Pairing {
  /**
   * `ask`: a request that every role with a page may send. `turned`: this state has changed. `wait`: until
   * the appliance is asked again.
   * @param {{me: Me | null, ask: () => Promise<unknown>, turned: () => void, wait?: () => Promise<unknown>}}
   *   given
   */
  constructor({ me, ask, turned, wait = pause }) {
    this.me = me;
    this.ask = ask;
    this.turned = turned;
    this.wait = wait;
    this.out = /** @type {Out | ""} */ ("");
    this.asking = false;
  }

  /** The appliance has reported who this device is. @param {Me | null} me null: access is open */
  meet(me) {
    this.me = me;
    this.out = "";
  }

  /**
   * A request was refused. One route may need more than this device has: only the answer to `ask` counts.
   * @param {unknown} error
   */
  doubt(error) {
    if (outOf(error) && !this.out && !this.asking) void this.look();
  }

  /** The appliance has closed the socket for this reason. @param {Out} out */
  end(out) {
    if (this.out === out) return;
    const waits = this.out !== "";
    this.out = out;
    this.turned();
    if (!waits && !this.asking) void this.look();
  }

  /** Ask now, and repeatedly until this device has access: it may be paired on another page. */
  async look() {
    this.asking = true;
    do {
      if (this.out) await this.wait();
      const out = await this.ask().then(
        () => "",
        (error) => outOf(error) || this.out, // no answer changes nothing
      );
      if (out === this.out) continue;
      this.out = /** @type {Out | ""} */ (out);
      this.turned();
    } while (this.out);
    this.asking = false;
  }
}

/** @param {any} error @returns {Out | ""} */
export function outOf(error) {
  const code = error?.problem?.code ?? error?.code;
  return code === "not_paired" || code === "not_allowed" ? code : "";
}

/**
 * The text for the user of a device without access.
 * @param {{out: Out, me: Me | null, waiting: number, kept: boolean, word: string}} now `waiting`: marks that
 *   are not on the appliance; `kept`: would they survive a reload; `word`: "tablet"
 */
export function outWords({ out, me, waiting, kept, word }) {
  if (out === "not_allowed") {
    const role = me ? aRole(me.role) : "a device without a page";
    return `This ${word} is paired as ${role}. Pair it as a coach, or ask an admin to change its role.`;
  }
  const what = `This ${word} is ${me ? "no longer" : "not"} paired.`;
  const again = me ? "again " : "";
  if (!waiting) return `${what} Plays that are kept on it can be watched; pair it ${again}to go on.`;
  const [marks, them] = waiting === 1 ? ["1 mark is", "it"] : [`${waiting} marks are`, "them"];
  const where = kept ? "kept on it" : "kept on it while this page stays open";
  return `${what} ${marks} ${where}; pair it ${again}to send ${them}.`;
}

/** @returns {Promise<unknown>} */
const pause = () => new Promise((done) => setTimeout(done, ASK_MS));
