// Which session this device works in. It stays where its person is: a session that begins or ends elsewhere is offered,
// never swapped in. Plain logic over the rows; where the choice is kept is the caller's.

import { currentSession } from "./store.js";

/** @typedef {import("./store.js").Session} Session */
/** @typedef {import("./store.js").State} State */

const RUNS = ["active", "paused"];

export class Working {
  /** @param {{get: () => string, set: (id: string) => void}} kept the choice, over reloads */
  constructor(kept) {
    this.kept = kept;
    this.began = false; // a page that is opened anew goes where a game runs
    /** @type {Set<string>} */
    this.declined = new Set();
  }

  /** The session in work; the first one known is taken and kept. What is only recalled decides nothing: the box may
   * answer late, and run another one. @param {State} state @returns {Session | undefined} */
  current(state) {
    const mine = state.sessions.get(this.kept.get());
    if (mine && (this.began || RUNS.includes(mine.status))) {
      this.began ||= !state.recalled;
      return mine;
    }
    const found = currentSession(state);
    if (!found || state.recalled) return found;
    this.began = true;
    this.choose(found.id);
    return found;
  }

  /** By a person's hand. @param {string} id */
  choose(id) {
    this.declined.delete(id);
    if (this.kept.get() !== id) this.kept.set(id);
  }

  /** A session that began while this device works in another one, and was not declined.
   * @param {State} state @returns {Session | undefined} */
  offered(state) {
    const mine = this.current(state);
    if (!mine) return undefined;
    const since = mine.actual_start ?? mine.created_at;
    return [...state.sessions.values()]
      .filter((each) => each.id !== mine.id && each.status === "active" && !this.declined.has(each.id))
      .filter((each) => !RUNS.includes(mine.status) || (each.actual_start ?? each.created_at) > since)
      .sort((one, other) => ((one.actual_start ?? one.created_at) < (other.actual_start ?? other.created_at) ? 1 : -1))[0];
  }

  /** "Stay here". @param {string} id */
  decline(id) {
    this.declined.add(id);
  }
}

/** A session's state as a badge: words and colour. A box that is away may have paused or ended it meanwhile.
 * @param {Session} session @param {boolean} away @returns {[string, string]} */
export function badgeOf({ status }, away) {
  const runs = RUNS.includes(status);
  const words = status === "active" ? "LIVE" : status;
  if (away && runs) return [`${words}?`, "warn"];
  return [words, status === "active" ? "live" : runs ? "warn" : "dim"];
}

/** Sessions to choose from: those that run, then the newest. @param {State} state @returns {Session[]} */
export function choices(state) {
  const begun = (/** @type {Session} */ each) => each.actual_start ?? each.scheduled_start ?? each.created_at;
  const rank = (/** @type {Session} */ each) => (RUNS.includes(each.status) ? 0 : 1);
  return [...state.sessions.values()].sort((one, other) => rank(one) - rank(other) || (begun(one) < begun(other) ? 1 : -1));
}

/** "Atletico v Rival"; a name that has the opponent in it already stays as it is. @param {Session} session */
export function titleOf(session) {
  const { name, opponent } = session;
  return opponent && !name.toLowerCase().includes(opponent.toLowerCase()) ? `${name} v ${opponent}` : name;
}
