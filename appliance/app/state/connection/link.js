// The connection to the appliance: which socket is used, when silence means it is lost, when to reconnect.
//
// There are at most two sockets: the one in use, and a candidate that is opened because there is none or
// because the current one is silent. The first that delivers a message is used and the other is closed, so
// messages never come from both. Owns: sockets, timeouts, back-off. Must not know: the meaning of messages,
// the screen, the browser (sockets and time are injected).

/**
 * idle: nothing is loaded yet. doubt: an answer is overdue, a candidate is opened. closed: the appliance
 * refuses this device.
 * @typedef {"idle" | "up" | "doubt" | "away" | "closed"} State
 */
/**
 * won: the candidate delivers messages; spoke: the silent one does; due: the back-off is over.
 * @typedef {"start" | "won" | "spoke" | "late" | "ended" | "failed" | "due" | "offline" | "online" | "wake" |
 *   "refused"} Happening
 */
/**
 * Methods of Link.
 * @typedef {"try" | "hurry" | "rest" | "ask" | "probe" | "lose" | "suspect" | "tell" | "swap" | "keep" |
 *   "stop"} Act
 */

/**
 * For each state and event: the next state and the actions. Combinations not listed change nothing.
 * @type {Record<State, {[what in Happening]?: [State, ...Act[]]}>}
 */
export const LINK = {
  idle: { start: ["away", "try"], failed: ["idle", "lose"], offline: ["idle", "tell"] },
  up: {
    late: ["doubt", "suspect", "try"],
    ended: ["away", "lose", "rest"],
    // a message shows that the browser is wrong: the appliance may be reachable without internet
    offline: ["doubt", "tell", "ask", "rest"],
    online: ["up", "probe"],
    wake: ["up", "probe"],
    refused: ["closed", "stop"],
  },
  doubt: {
    spoke: ["up", "keep"],
    won: ["up", "swap"],
    failed: ["doubt", "rest"],
    due: ["doubt", "try"],
    ended: ["away"],
    offline: ["doubt", "tell"],
    online: ["doubt", "hurry"],
    wake: ["doubt", "hurry"],
    refused: ["closed", "stop"],
  },
  away: {
    won: ["up", "swap"],
    failed: ["away", "rest"],
    due: ["away", "try"],
    offline: ["away", "tell"],
    online: ["away", "hurry"],
    wake: ["away", "hurry"],
    refused: ["closed", "stop"],
  },
  closed: { start: ["away", "try"] },
};

export const RETRY_MS = [100, 250, 500, 1000, 2000, 4000];
export const IDLE_MS = 1000; // after this much silence a ping is sent
const PATIENCE_MS = 2000; // timeout of the answer, on a good connection
const PATIENCE_MAX_MS = 6000;
const WOKEN_MS = 700; // after sleep: the candidate is opened early, without informing the user
// a timer this late means that this page was suspended, not that the appliance is silent
const STALLED_MS = 500;
const TRIPS = 8;
const FINAL_CLOSE = 4500; // close codes from here on: do not reconnect
const OPEN = 1;

/**
 * Timeout of an answer: from the second-worst recent round trip, because the worst may have been an outage.
 * @param {readonly number[]} trips ms
 * @param {number} [least] ms
 */
export function patienceOf(trips, least = PATIENCE_MS) {
  const worst = [...trips].sort((a, b) => b - a)[1] ?? 0;
  return Math.min(PATIENCE_MAX_MS, Math.max(least, 3 * worst));
}

const REAL = {
  now: () => performance.now(),
  later: (/** @type {() => void} */ act, /** @type {number} */ ms) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
const nothing = () => {};

export class Link {
  /**
   * `open`: opens a socket that resumes. `take`: a message of the socket in use. `ask`: sends a ping. `kept`:
   * silence is over, with the same socket. `turned`: the state has changed, or the user is to be informed.
   * @param {{open: () => WebSocket, take: (message: any) => void, ask: () => void, kept: () => void, turned:
   *   () => void, time?: typeof REAL}} given
   */
  constructor({ time = REAL, ...given }) {
    this.given = given;
    this.time = time;
    this.state = /** @type {State} */ ("idle");
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {WebSocket | null} */
    this.next = null; // the candidate
    this.why = ""; // why the appliance refuses this device, and the close code of that refusal
    this.code = 0;
    this.tries = 0;
    this.triedAt = this.heard = 0;
    this.unansweredSince = 0; // when the first unanswered message was sent
    this.tellAt = 0; // when the user is informed of the loss, 0 without one
    this.away = false; // that time has passed
    this.woken = false;
    /** @type {number[]} */
    this.trips = [];
    this.planned = 0;
    this.unwatch = this.unrest = this.untell = nothing;
  }

  get patience() {
    return patienceOf(this.trips, this.woken ? WOKEN_MS : PATIENCE_MS);
  }

  /** @param {number} ms a round trip */
  measured(ms) {
    this.trips = [...this.trips.slice(1 - TRIPS), ms];
  }

  /** @param {any} message @returns {boolean} was it sent */
  send(message) {
    if (this.socket?.readyState !== OPEN) return false;
    this.unansweredSince ||= this.time.now();
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** The messages of the socket in use cannot be used. */
  drop() {
    const old = this.socket;
    this.socket = null;
    old?.close();
    this.happen("ended");
  }

  /** @param {Happening} what */
  happen(what) {
    const [state, ...acts] = LINK[this.state][what] ?? [];
    if (!state) return;
    this.state = state;
    for (const act of acts) this[act]();
    this.given.turned();
  }

  hurry() {
    this.tries = 0;
    // several events of the browser can report the same return to the network
    if (!this.next || this.time.now() - this.triedAt > STALLED_MS) this.try();
  }

  probe() {
    this.woken = true;
    this.ask();
  }

  swap() {
    const old = this.socket;
    [this.socket, this.next] = [this.next, null];
    old?.close();
    this.settle();
  }

  keep() {
    this.leave(true);
    this.settle();
    this.given.kept();
  }

  stop() {
    this.leave();
    this.socket?.close();
    this.socket = null;
  }

  lose() {
    this.tell(2000); // a restart of the appliance under 2 s is not reported
  }

  suspect() {
    this.tell(1000);
  }

  settle() {
    this.unrest();
    this.untell();
    this.tellAt = this.unansweredSince = 0;
    this.away = false;
    this.heard = this.time.now();
    this.watch();
  }

  /** @param {number} [ms] until the user is informed */
  tell(ms = 0) {
    const at = this.time.now() + ms;
    if (this.tellAt && this.tellAt <= at) return;
    this.tellAt = at;
    this.away = !ms;
    this.untell();
    this.untell = this.time.later(() => {
      this.away = true;
      this.given.turned();
    }, ms);
  }

  try() {
    this.leave();
    this.why = "";
    this.triedAt = this.time.now();
    this.next = this.listen(this.given.open());
    this.unrest = this.time.later(() => {
      this.leave();
      this.happen("failed");
    }, 2 * patienceOf(this.trips));
  }

  rest() {
    this.unrest();
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    // spread out, since 18 tablets reconnect at once
    this.unrest = this.time.later(() => this.happen("due"), wait * (0.5 + this.time.random() / 2));
  }

  /**
   * Give up the candidate.
   * @param {boolean} [softly] wait until it is open: closing it earlier would log an error in the console
   */
  leave(softly = false) {
    this.unrest();
    const old = this.next;
    this.next = null;
    if (old && softly && old.readyState !== OPEN) old.onopen = () => old.close();
    else old?.close();
  }

  /** @param {WebSocket} socket */
  listen(socket) {
    socket.onmessage = ({ data }) => {
      if (socket === this.next) this.happen("won");
      if (socket !== this.socket) return;
      this.heard = this.time.now();
      this.unansweredSince = 0;
      this.woken = false;
      this.happen("spoke");
      this.given.take(JSON.parse(data));
    };
    socket.onclose = ({ code, reason }) => {
      const what = socket === this.next ? "failed" : socket === this.socket ? "ended" : null;
      if (!what) return;
      if (what === "failed") this.leave();
      else this.socket = null;
      const final = code >= FINAL_CLOSE && code < 5000;
      if (final) [this.why, this.code] = [reason || `closed ${code}`, code];
      this.happen(final ? "refused" : what);
    };
    return socket;
  }

  ask() {
    this.unansweredSince = this.time.now();
    this.given.ask();
    this.watch();
  }

  watch() {
    this.unwatch();
    const now = this.time.now();
    this.planned = Math.max(
      now,
      this.unansweredSince ? this.unansweredSince + this.patience : this.heard + IDLE_MS,
    );
    this.unwatch = this.time.later(() => this.look(), this.planned - now);
  }

  look() {
    if (this.state !== "up") return;
    const now = this.time.now();
    if (now - this.planned > STALLED_MS)
      this.ask(); // messages received meanwhile may still be queued
    else if (this.unansweredSince && now >= this.unansweredSince + this.patience) this.happen("late");
    else if (!this.unansweredSince && now >= this.heard + IDLE_MS) this.ask();
    else this.watch();
  }
}
