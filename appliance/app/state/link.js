// The link to the box: which socket counts, when silence is a loss, when to try again.
//
// Two sockets at most: the one that counts, and one that is tried because there is none or because that one is silent.
// Whichever speaks first counts and the other goes, so nothing is ever taken from both. Owns: sockets, patience, back-off.
// Must not know: what frames mean, the screen, the browser (sockets and time are given).

/** idle: nothing is loaded yet. doubt: it owes an answer, another one is tried. closed: the box does not want us back.
 * @typedef {"idle" | "up" | "doubt" | "away" | "closed"} State */
/** won: the one that is tried speaks; spoke: the one in doubt; due: a rest is over.
 * @typedef {"start" | "won" | "spoke" | "late" | "ended" | "failed" | "due" | "offline" | "online" | "wake" | "refused"} Happening */
/** Methods of Link. @typedef {"try" | "hurry" | "rest" | "ask" | "probe" | "lose" | "suspect" | "tell" | "swap" | "keep" | "stop"} Act */

/** What a happening makes of a state, and what is done; what is not here changes nothing.
 * @type {Record<State, {[what in Happening]?: [State, ...Act[]]}>} */
export const LINK = {
  idle: { start: ["away", "try"], failed: ["idle", "lose"], offline: ["idle", "tell"] },
  up: {
    late: ["doubt", "suspect", "try"],
    ended: ["away", "lose", "rest"],
    offline: ["doubt", "tell", "ask", "rest"], // an answer shows that the browser is wrong: a box may be near without a network
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
  closed: {},
};

export const RETRY_MS = [100, 250, 500, 1000, 2000, 4000];
export const IDLE_MS = 1000; // after so much silence it is asked
const PATIENCE_MS = 2000; // for an answer, on a good link
const PATIENCE_MAX_MS = 6000;
const WOKEN_MS = 700; // after sleep: the other one is soon tried, nobody is told for it
const STALLED_MS = 500; // a timer so late means that this page stood still, not the box
const TRIPS = 8;
const FINAL_CLOSE = 4500; // from here on: do not come back
const OPEN = 1;

/** How long an answer may take: by the worst round trip lately but one, for one may have been an outage.
 * @param {readonly number[]} trips ms @param {number} [least] ms */
export function patienceOf(trips, least = PATIENCE_MS) {
  const worst = [...trips].sort((one, other) => other - one)[1] ?? 0;
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
  /** `open`: a socket that goes on where we are. `take`: a frame of the one that counts. `ask`: send what is answered.
   * `kept`: silence is over, the socket the same. `turned`: the state is another, or it is time to tell.
   * @param {{open: () => WebSocket, take: (message: any) => void, ask: () => void, kept: () => void, turned: () => void, time?: typeof REAL}} given */
  constructor({ time = REAL, ...given }) {
    this.given = given;
    this.time = time;
    this.state = /** @type {State} */ ("idle");
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {WebSocket | null} */
    this.next = null; // the one that is tried
    this.why = ""; // why the box does not want us back
    this.tries = 0;
    this.triedAt = this.heard = 0;
    this.asked = 0; // when something was first said that nothing has been heard since
    this.tellAt = 0; // when people are to know of the loss, 0 without one
    this.away = false; // it is so late
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

  /** @param {any} message @returns {boolean} is it on its way */
  send(message) {
    if (this.socket?.readyState !== OPEN) return false;
    this.asked ||= this.time.now();
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** What the socket that counts has said is of no use. */
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
    if (!this.next || this.time.now() - this.triedAt > STALLED_MS) this.try(); // coming back is told three times
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
    this.tell(2000); // a restart of the box under 2 s is nobody's business
  }

  suspect() {
    this.tell(1000);
  }

  settle() {
    this.unrest();
    this.untell();
    this.tellAt = this.asked = 0;
    this.away = false;
    this.heard = this.time.now();
    this.watch();
  }

  /** @param {number} [ms] until people are to know */
  tell(ms = 0) {
    const at = this.time.now() + ms;
    if (this.tellAt && this.tellAt <= at) return;
    this.tellAt = at;
    this.away = !ms;
    this.untell();
    this.untell = this.time.later(() => ((this.away = true), this.given.turned()), ms);
  }

  try() {
    this.leave();
    this.triedAt = this.time.now();
    this.next = this.listen(this.given.open());
    this.unrest = this.time.later(() => (this.leave(), this.happen("failed")), 2 * patienceOf(this.trips));
  }

  rest() {
    this.unrest();
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    this.unrest = this.time.later(() => this.happen("due"), wait * (0.5 + this.time.random() / 2)); // 18 tablets at once
  }

  /** Closed before it is there it would be an error in the console. @param {boolean} [softly] */
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
      this.asked = 0;
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
      if (final) this.why = reason || `closed ${code}`;
      this.happen(final ? "refused" : what);
    };
    return socket;
  }

  ask() {
    this.asked = this.time.now();
    this.given.ask();
    this.watch();
  }

  watch() {
    this.unwatch();
    const now = this.time.now();
    this.planned = Math.max(now, this.asked ? this.asked + this.patience : this.heard + IDLE_MS);
    this.unwatch = this.time.later(() => this.look(), this.planned - now);
  }

  look() {
    if (this.state !== "up") return;
    const now = this.time.now();
    if (now - this.planned > STALLED_MS) this.ask(); // what came meanwhile may still wait to be read
    else if (this.asked && now >= this.asked + this.patience) this.happen("late");
    else if (!this.asked && now >= this.heard + IDLE_MS) this.ask();
    else this.watch();
  }
}
