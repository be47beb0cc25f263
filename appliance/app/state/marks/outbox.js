// The queue of marks on their way to the appliance. Each mark has an id and the time of its press. Marks
// survive a reload, are sent in order, once each, and only to the appliance they were made for.
//
// A storage that does not answer blocks nothing: `kept` tells whether a reload would lose marks, to inform
// the user.
//
// Owns: the queue and its rules. Must not know: sockets (`send` is injected), IndexedDB (`disk` is injected),
// screens.

/**
 * @typedef {object} Mark
 * @property {string} key idempotency key
 * @property {number} at when it was made, ms on this device's clock
 * @property {string} site the appliance it was made for
 * @property {string} epoch the database it was made for
 * @property {string} doing play_new, play_cue, play_end, play_star, play_undo, or another name of a request
 * @property {string} subject id of its object
 * @property {Record<string, any>} body
 * @property {{method: string, path: string, body?: any} | null} request as HTTP; null: derived from `doing`
 *   (commands)
 * @property {"waiting" | "done" | "refused"} state
 * @property {string} [error] why the appliance refused it
 * @property {number} [tries]
 */
/**
 * @typedef {{all(): Promise<Mark[]>, put(mark: Mark): Promise<void>, drop(key: string): Promise<void>}} Disk
 */
/** @typedef {{ok: true, resource: any} | {ok: false, final: boolean, error: any}} Outcome */

// acknowledged marks are stored this long: an appliance restored from a backup may have lost them
export const KEEP_MS = 24 * 3_600_000;
export const TRY_AGAIN_MS = [300, 1000, 2000, 5000];
const DISK_MS = 3000; // storage without an answer by then is not waited for

/**
 * What to do with a mark at this appliance.
 * @param {Mark} mark
 * @param {string} site
 * @param {string} epoch
 * @param {(id: string) => boolean} isKnown
 * @returns {"send" | "again" | "other box" | "nothing"}
 */
export function placed(mark, site, epoch, isKnown) {
  if (mark.site !== site) return mark.state === "waiting" ? "other box" : "nothing";
  if (mark.state === "waiting") return "send";
  if (mark.state === "done" && mark.epoch !== epoch) return isKnown(mark.subject) ? "nothing" : "again";
  return "nothing";
}

/** Codes of refusals that may not last: too many plays are open, the role may be changed, TLS may be used. */
const PASSING = new Set(["too_many_open", "not_allowed", "tls_required"]);

/**
 * Is an answer final? A refusal is; a temporary condition is not (PASSING), and a device whose access has
 * ended (401) can be paired again.
 * @param {number} status
 * @param {{code?: string} | null} [problem]
 */
export const isFinal = (status, problem) =>
  status >= 400 &&
  status < 500 &&
  ![401, 408, 425, 429].includes(status) &&
  !PASSING.has(problem?.code ?? "");

/** @param {any} error of a command or of a request */
const codeOf = (error) => error?.code ?? error?.problem?.code;

/** @param {Mark} mark */
const isData = (mark) => mark.doing.startsWith("tag_");

export class Outbox extends EventTarget {
  /**
   * @param {{disk: Disk, send: (mark: Mark) => Promise<Outcome>, now?: () => number, wait?: (ms: number) =>
   *   Promise<void>}} given
   */
  constructor({ disk, send, now = Date.now, wait }) {
    super();
    this.disk = disk;
    this.send = send;
    this.now = now;
    this.wait = wait ?? ((ms) => new Promise((done) => setTimeout(done, ms)));
    /** @type {Mark[]} */
    this.marks = [];
    this.site = "";
    this.epoch = "";
    /**
     * The last known appliance, while none is reachable: marks are for it, and wait.
     * @type {{site: string, epoch: string} | null}
     */
    this.expected = null;
    /** @type {Set<boolean>} */
    this.busy = new Set();
    /** @type {Map<string, {resolve: (resource: any) => void, reject: (error: Error) => void}>} */
    this.callers = new Map();
    /** @type {Set<(value?: unknown) => void>} */
    this.resting = new Set(); // wake-up functions of current waits
    this.full = false; // it waits for space: another mark is tried at once
    /** Does the appliance have it? From its last answer. @type {(id: string) => boolean} */
    this.isKnown = () => false;
    this.joined = false; // the marks of an earlier page are loaded
    this.readable = true; // they are, or may still arrive in time
    /** Marks the storage has not accepted. @type {Set<Mark>} */
    this.unkept = new Set();
  }

  /** Would marks survive this page? */
  get kept() {
    return this.readable && !this.unkept.size;
  }

  /**
   * Loads the marks of an earlier page. Slow storage is not waited for: its marks are added when they arrive.
   * @param {(ms: number) => Promise<unknown>} [patience]
   */
  async restore(patience = pause) {
    const loading = this.disk.all().then(
      (old) => this.join(old),
      () => {},
    );
    await Promise.race([loading, patience(DISK_MS)]);
    this.readable = this.joined;
    this.tell();
  }

  /** @param {readonly Mark[]} old */
  join(old) {
    const known = new Set(this.marks.map((mark) => mark.key));
    this.marks = [...old.filter((mark) => !known.has(mark.key)), ...this.marks].sort((a, b) => a.at - b.at);
    for (const mark of this.marks)
      if (mark.state === "done" && this.now() - mark.at > KEEP_MS) this.forget(mark);
    this.joined = this.readable = true;
    if (this.site)
      this.connected(this.site, this.epoch, this.isKnown); // they arrived late
    else this.tell();
  }

  /** @param {string} site @param {string} epoch of the last known appliance */
  expect(site, epoch) {
    if (!this.site) this.expected = { site, epoch };
    this.tell();
  }

  /** The appliance marks are made for. */
  get home() {
    return this.site || this.expected?.site || "";
  }

  /**
   * The connected appliance. Its marks are sent; marks that a restored appliance has lost are sent again.
   * @param {string} site
   * @param {string} epoch
   * @param {(id: string) => boolean} isKnown
   */
  connected(site, epoch, isKnown) {
    this.site = site;
    this.epoch = epoch;
    this.isKnown = isKnown;
    this.expected = null;
    for (const mark of this.marks) {
      if (mark.site === "") Object.assign(mark, { site, epoch });
      if (placed(mark, site, epoch, isKnown) === "again") Object.assign(mark, { state: "waiting", epoch });
    }
    this.tell();
    this.hurry();
  }

  /** The appliance is reachable: end all back-off waits. */
  hurry() {
    for (const end of this.resting) end();
    void this.pump();
  }

  /**
   * Store a mark and send it. Resolves with the appliance's answer, rejects when it is refused.
   * @param {Pick<Mark, "key" | "doing" | "subject" | "body"> & Partial<Mark>} given
   * @returns {Promise<any>}
   */
  add(given) {
    /** @type {Mark} */
    const mark = {
      at: this.now(),
      site: this.home,
      epoch: this.epoch || (this.expected?.epoch ?? ""),
      request: null,
      state: "waiting",
      ...given,
    };
    this.marks.push(mark);
    const answer = new Promise((resolve, reject) => this.callers.set(mark.key, { resolve, reject }));
    answer.catch(() => {}); // a caller that ignores the result sees it in the list
    this.tell();
    void this.keep(mark);
    if (this.full) this.hurry();
    else void this.pump();
    return answer;
  }

  /**
   * Marks that another page of this device has kept: stored here, and sent.
   * @param {readonly Mark[]} marks
   */
  adopt(marks) {
    const known = new Set(this.marks.map((mark) => mark.key));
    const added = marks.filter((mark) => !known.has(mark.key));
    this.marks = [...this.marks, ...added].sort((a, b) => a.at - b.at);
    for (const mark of added) void this.keep(mark);
    this.tell();
    this.hurry();
  }

  /** Not yet on the appliance, in order. */
  waiting() {
    return this.marks.filter((mark) => mark.state === "waiting" && mark.site === this.home);
  }

  /** Made for another appliance. */
  foreign() {
    return this.marks.filter(
      (mark) => mark.state === "waiting" && mark.site !== this.home && this.home !== "",
    );
  }

  /** Did this device make it? @param {string} id of a play */
  made(id) {
    return this.marks.some((mark) => mark.subject === id && mark.doing === "play_new");
  }

  /** Refused by the appliance. */
  refused() {
    return this.marks.filter((mark) => mark.state === "refused");
  }

  /** The user gives a mark up. @param {Mark} mark */
  forget(mark) {
    this.marks = this.marks.filter((each) => each !== mark);
    this.unkept.delete(mark);
    void this.disk.drop(mark.key).catch(() => {});
    this.tell();
  }

  /**
   * One at a time and in order: CUE and END PLAY follow their NEW PLAY. Tags have a queue of their own: fifty
   * pending tags must not delay a mark.
   */
  async pump() {
    if (this.expected) return; // the server that answers may be another appliance
    await Promise.all([this.drain(false), this.drain(true)]);
  }

  /** @param {boolean} data */
  async drain(data) {
    if (this.busy.has(data)) return;
    this.busy.add(data);
    try {
      /**
       * Plays for which there is no space yet: marks of other plays are sent, they may free some.
       * @type {Set<string>}
       */
      const aside = new Set();
      for (;;) {
        const line = this.waiting().filter((each) => isData(each) === data);
        if (!line.length) break;
        const mark = line.find((each) => !aside.has(each.subject));
        if (!mark) {
          aside.clear();
          this.full = true;
          await this.rest(TRY_AGAIN_MS[TRY_AGAIN_MS.length - 1]);
          this.full = false;
          continue;
        }
        const outcome = /** @type {Outcome} */ (
          await this.send(mark).catch((error) => ({ ok: false, final: false, error }))
        );
        if (this.settle(mark, outcome)) {
          aside.clear();
          continue;
        }
        if (!outcome.ok && PASSING.has(codeOf(outcome.error) ?? "")) {
          aside.add(mark.subject);
          continue;
        }
        mark.tries = (mark.tries ?? 0) + 1;
        await this.rest(TRY_AGAIN_MS[Math.min(mark.tries, TRY_AGAIN_MS.length) - 1]);
      }
    } finally {
      this.busy.delete(data);
    }
  }

  /** @param {number} ms */
  async rest(ms) {
    /** @type {(value?: unknown) => void} */
    let end = () => {};
    const cut = new Promise((done) => {
      end = done;
    });
    this.resting.add(end);
    await Promise.race([this.wait(ms), cut]);
    this.resting.delete(end);
  }

  /** @param {Mark} mark @param {Outcome} outcome @returns {boolean} is it final */
  settle(mark, outcome) {
    if (!outcome.ok && !outcome.final) return false;
    const caller = this.callers.get(mark.key);
    this.callers.delete(mark.key);
    mark.epoch = this.epoch;
    if (outcome.ok) {
      mark.state = "done";
      caller?.resolve(outcome.resource);
    } else {
      mark.state = "refused";
      mark.error = String(
        outcome.error?.detail ?? outcome.error?.title ?? outcome.error?.message ?? outcome.error,
      );
      caller?.reject(new Error(mark.error));
    }
    void this.keep(mark);
    this.tell();
    return true;
  }

  /**
   * A full, forbidden or silent storage must not stop a mark. Once it accepts one, it also gets those it
   * missed.
   * @param {Mark} mark
   */
  async keep(mark) {
    const missed = () => {
      if (this.unkept.has(mark)) return;
      this.unkept.add(mark);
      this.tell();
    };
    const late = setTimeout(missed, DISK_MS);
    const taken = await this.disk.put({ ...mark }).then(
      () => true,
      () => false,
    );
    clearTimeout(late);
    if (!taken) return void missed();
    if (this.unkept.delete(mark)) this.tell();
    const [next] = this.unkept;
    if (next) void this.keep(next);
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {number} ms @returns {Promise<unknown>} */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
