// Which session this device works in. It changes only by the user: a session that begins or ends elsewhere is
// offered, never switched to. Plain logic over the rows; the caller stores the choice.

import { currentSession } from "../connection/store.js";

/** @typedef {import("../connection/store.js").Session} Session */
/** @typedef {import("../connection/store.js").State} State */

const RUNS = ["active", "paused"];

export class Working {
  /** @param {{get: () => string, set: (id: string) => void}} kept stores the choice across reloads */
  constructor(kept) {
    this.kept = kept;
    this.began = false; // a newly opened page shows the running game
    /** @type {Set<string>} */
    this.declined = new Set();
  }

  /**
   * The current session; the first known one is chosen and stored. Recalled rows decide nothing: the
   * appliance may answer late, with another running session.
   * @param {State} state
   * @returns {Session | undefined}
   */
  current(state) {
    const mine = state.sessions.get(this.kept.get());
    if (mine && (this.began || RUNS.includes(mine.status))) {
      this.began ||= !state.recalled;
      return mine;
    }
    const session = currentSession(state);
    if (!session || state.recalled) return session;
    this.began = true;
    this.choose(session.id);
    return session;
  }

  /** Chosen by the user. @param {string} id */
  choose(id) {
    this.declined.delete(id);
    if (this.kept.get() !== id) this.kept.set(id);
  }

  /**
   * A session that began while this device works in another one, and that the user has not declined.
   * @param {State} state
   * @returns {Session | undefined}
   */
  offered(state) {
    const mine = this.current(state);
    if (!mine) return undefined;
    const since = mine.actual_start ?? mine.created_at;
    return [...state.sessions.values()]
      .filter((each) => each.id !== mine.id && each.status === "active" && !this.declined.has(each.id))
      .filter((each) => !RUNS.includes(mine.status) || (each.actual_start ?? each.created_at) > since)
      .sort((a, b) => ((a.actual_start ?? a.created_at) < (b.actual_start ?? b.created_at) ? 1 : -1))[0];
  }

  /** "Stay here". @param {string} id */
  decline(id) {
    this.declined.add(id);
  }
}

/**
 * A session's state as a badge: text and colour. An unreachable appliance may have paused or ended it
 * meanwhile.
 * @param {Session} session
 * @param {boolean} away
 * @returns {[string, string]}
 */
export function badgeOf({ status }, away) {
  const runs = RUNS.includes(status);
  const words = status === "active" ? "LIVE" : status;
  if (away && runs) return [`${words}?`, "warn"];
  return [words, status === "active" ? "live" : runs ? "warn" : "dim"];
}

/** Sessions to choose from: running ones, then the newest. @param {State} state @returns {Session[]} */
export function choices(state) {
  const begun = (/** @type {Session} */ each) => each.actual_start ?? each.scheduled_start ?? each.created_at;
  const rank = (/** @type {Session} */ each) => (RUNS.includes(each.status) ? 0 : 1);
  return [...state.sessions.values()].sort((a, b) => rank(a) - rank(b) || (begun(a) < begun(b) ? 1 : -1));
}

/** "Atletico v Rival"; a name that already contains the opponent is unchanged. @param {Session} session */
export function titleOf(session) {
  const { name, opponent } = session;
  return opponent && !name.toLowerCase().includes(opponent.toLowerCase()) ? `${name} v ${opponent}` : name;
}
