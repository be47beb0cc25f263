// The only module that communicates with the appliance: snapshot, events, requests, clock, delivery of marks.
//
// Owns: the data received over the connection. Must not know: the screen, which socket is used (link.js). The
// rest of the app reads rows from here and submits marks; it never fetches JSON itself.

import * as clock from "./clock.js";
import { uuid } from "../marks/ids.js";
import { Link, RETRY_MS } from "./link.js";
import { isFinal, Outbox } from "../marks/outbox.js";
import { ENDED, Pairing } from "../access/pairing.js";
import { asHttp, pause, Refused, requestJson } from "./requests.js";
import * as store from "./store.js";
import { setZone } from "../zone.js";

const COMMAND_MS = 1000; // then the same mark is sent by POST, with the same id
const SAMPLE_MS = 4000; // the clock does not need a sample with every ping
const RECALL_MS = 1500; // without an answer by then the rows stored on this device are shown

/** @typedef {{tables: Set<string>, all?: boolean}} Change */
/**
 * @typedef {{load(): Promise<import("./store.js").Kept | null>, save(kept: import("./store.js").Kept):
 *   Promise<void>}} RowDisk
 */

export class Box extends EventTarget {
  /**
   * `about`: what this device reports about itself with each ping, for operators. `me`: see Pairing.
   * @param {{device: string, disk: import("../marks/outbox.js").Disk, rows?: RowDisk, about?: () =>
   *   Record<string, string | undefined>, me?: import("../access/rights.js").Me | null}} given
   */
  constructor({ device, disk, rows, about = () => ({}), me = null }) {
    super();
    this.rows = rows;
    /** @type {Promise<void> | null} */
    this.recalled = null;
    this.assumedMs = 0; // clock offset measured by an earlier page
    this.device = device;
    this.about = about;
    this.state = store.empty();
    this.pairing = new Pairing({
      me,
      ask: () => requestJson(this.device, "GET", "/sessions?limit=1"),
      turned: () => this.admitted(),
    });
    this.outbox = new Outbox({ disk, send: (mark) => this.deliver(mark) });
    this.outbox.addEventListener("change", () => this.changed("marks"));
    /** @type {clock.Sample[]} */
    this.samples = [];
    this.link = new Link({
      open: () => this.open(),
      take: (message) => void this.take(message),
      ask: () => this.ping(),
      kept: () => this.resend(),
      turned: () => this.turned(),
    });
    /** @type {WebSocket | null} */
    this.greeted = null; // the socket that has received `hello` and all rows
    this.heardMs = 0; // when the last message arrived, by this device's clock; 0: none on this page
    this.recovered = 0; // successful resumes, for tests and the health page
    this.reloads = 0;
    /** @type {Map<string, (result: any) => void>} */
    this.results = new Map();
    /** Results of unsettled marks that arrived after their request had timed out. @type {Map<string, any>} */
    this.late = new Map();
    /** @type {Map<string, number>} */
    this.pings = new Map();
    /** @type {any[]} */
    this.early = []; // events that arrived while a snapshot was loading
    this.loads = 0;
    this.loading = false;
    /** @type {Set<AbortController>} */
    this.underway = new Set(); // marks being sent by HTTP
    /** @type {Set<string>} */
    this.tables = new Set();
    this.marked = this.watchClocks();
  }

  get online() {
    return this.link.state === "up" && this.link.socket === this.greeted;
  }

  /** Unreachable for so long that the user is informed. */
  get away() {
    return this.link.away || this.pairing.out !== "";
  }

  /** Appliance time of the last message to this page, ms; 0: none. */
  get heardAt() {
    return this.heardMs && this.heardMs + this.offsetMs;
  }

  /** Why the appliance refuses this page, for another reason than pairing (pairing.js). */
  get closed() {
    return this.pairing.out ? "" : this.link.why;
  }

  /** The name of this device in created_by. */
  get name() {
    return this.pairing.me?.name ?? this.device;
  }

  get rtt() {
    return this.samples.at(-1)?.rtt ?? null;
  }

  /** Offset between the clocks of the appliance and this device, ms. */
  get offsetMs() {
    return clock.best(this.samples, Date.now())?.offset ?? this.assumedMs;
  }

  /** Current appliance time, ms. */
  now() {
    return Date.now() + this.offsetMs;
  }

  /** Runs until the page is closed; every failure is retried. */
  async start() {
    this.listenToDevice();
    this.restored = this.outbox.restore();
    const late = setTimeout(() => void this.recall(), RECALL_MS);
    for (let at = 0; ; at++) {
      try {
        await this.load();
        clearTimeout(late);
        break;
      } catch {
        void this.recall();
        await pause(RETRY_MS[Math.min(at, RETRY_MS.length - 1)]);
      }
    }
    await this.restored;
    this.link.happen("start");
    void this.measureClock();
  }

  /** The appliance is unreachable: show the rows an earlier page stored, and accept marks for them. */
  recall() {
    this.link.happen("failed");
    this.recalled ??= this.recallRows();
    return this.recalled;
  }

  async recallRows() {
    const kept = await this.rows?.load();
    if (!kept || this.reloads) return;
    store.recall(this.state, kept);
    setZone(this.state.place.timezone);
    this.assumedMs = kept.offsetMs;
    this.outbox.expect(kept.site, kept.epoch);
    this.changed("all");
  }

  /**
   * Stores the rows for a page that is opened while the appliance is unreachable.
   * @param {string} session the current one
   */
  async keepRows(session) {
    const kept = this.reloads ? store.keptOf(this.state, session, this.offsetMs) : null;
    if (kept) await this.rows?.save(kept).catch(() => {}); // disk full or forbidden
  }

  // -- the socket -------------------------------------------------------------------------------------------

  /** Load everything. Of two parallel loads the later one wins: it belongs to the socket in use. */
  async load() {
    const turn = ++this.loads;
    this.loading = true;
    try {
      const snapshot = await this.request("GET", "/snapshot");
      if (turn !== this.loads) return;
      store.load(this.state, snapshot);
      setZone(this.state.place.timezone);
      for (const event of this.early.splice(0)) store.apply(this.state, event);
      this.reloads++;
      this.changed("all");
    } finally {
      if (turn === this.loads) this.loading = false;
    }
  }

  /** A socket that resumes after the last event. */
  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { seq, epoch } = this.state;
    const query = new URLSearchParams({ since: String(seq), epoch, client: this.device });
    return new WebSocket(`${scheme}://${location.host}/ws?${query}`);
  }

  /** The pairing has ended, or the device is paired again, perhaps on another page. */
  admitted() {
    if (this.pairing.out) this.link.happen("refused");
    else if (this.link.state === "closed") this.link.happen("start");
    this.changed("link");
  }

  turned() {
    if (this.link.state === "closed" && ENDED.includes(this.link.code)) this.pairing.end("not_paired");
    if (this.link.state !== "up") for (const give of this.results.values()) give(null);
    this.changed("link");
  }

  /** The connection is back: marks sent over the dead connection are sent again, with their ids. */
  resend() {
    for (const each of this.underway) each.abort();
    this.outbox.hurry();
  }

  /** @param {any} event */
  async take(event) {
    this.heardMs = Date.now();
    if (event.type === "connected") return this.greet(event);
    if (event.type === "heartbeat") return this.ping();
    if (event.type === "pong") return this.pong(event);
    if (event.type === "result") return this.hear(event);
    if (!event.seq) return;
    if (this.loading) return void this.early.push(event);
    const before = event.clip_id ? this.state.clips.get(event.clip_id) : undefined;
    for (const table of store.apply(this.state, event)) this.changed(table);
    this.dispatchEvent(new CustomEvent("event", { detail: { event, before } }));
  }

  /**
   * The answer to a command. A late answer is valid too: the mark is not sent again.
   * @param {any} result
   */
  hear(result) {
    const give = this.results.get(result.id);
    if (give) give(result);
    else if (this.outbox.waiting().some((mark) => mark.key === result.id)) this.late.set(result.id, result);
  }

  /** @param {any} event `hello`, the identity of the appliance */
  async greet(event) {
    const { link, state } = this;
    const { socket } = link;
    const other = state.site !== "" && state.site !== event.site_id;
    state.site = event.site_id;
    if (event.recovered === false || other) {
      this.late.clear(); // they belong to another database
      await this.load().catch(() => socket === link.socket && link.drop());
    } else if (event.recovered) this.recovered++;
    if (!socket || socket !== link.socket) return; // lost meanwhile
    this.greeted = socket;
    this.pairing.meet(event.device ?? null);
    link.tries = 0;
    this.changed("link");
    this.ping();
    for (const each of this.underway) each.abort();
    this.outbox.connected(
      event.site_id,
      event.epoch,
      (id) => state.plays.has(id) || state.clips.has(id) || state.tags.has(id),
    );
  }

  ping() {
    const id = uuid();
    if (this.pings.size > 8) this.pings.clear();
    this.pings.set(id, Date.now());
    this.link.send({ type: "ping", id, about: { ...this.about(), rtt_ms: this.rtt ?? undefined } });
  }

  /** @param {any} event */
  pong(event) {
    const sent = this.pings.get(event.id);
    if (sent === undefined) return;
    this.pings.delete(event.id);
    const sample = clock.sample(sent, Date.now(), Date.parse(event.server_time));
    this.link.measured(sample.rtt);
    if (sample.at - (this.samples.at(-1)?.at ?? 0) < SAMPLE_MS) return;
    this.samples = clock.withSample(this.samples, sample);
    this.changed("link");
  }

  // -- time -------------------------------------------------------------------------------------------------

  async measureClock() {
    for (let at = 0; at < 5; at++) {
      const sent = Date.now();
      try {
        const { server_time } = await this.request("GET", "/time");
        this.samples = clock.withSample(
          this.samples,
          clock.sample(sent, Date.now(), Date.parse(server_time)),
        );
      } catch {
        return;
      }
    }
    this.changed("link");
  }

  watchClocks() {
    return clock.watch(() => {
      this.samples = [];
      void this.measureClock();
    });
  }

  /** After sleep, a network change or a return to the page: do not wait for a timeout. */
  listenToDevice() {
    const back = (/** @type {"wake" | "online"} */ what) => {
      if (document.hidden) return;
      this.link.happen(what);
      if (this.state.epoch) void this.measureClock();
    };
    for (const name of ["visibilitychange", "resume"]) document.addEventListener(name, () => back("wake"));
    addEventListener("pageshow", () => back("wake"));
    addEventListener("online", () => back("online"));
    addEventListener("offline", () => this.link.happen("offline"));
  }

  // -- requests ---------------------------------------------------------------------------------------------

  /**
   * Deliver a mark: a command over the WebSocket, and without an answer within a second, by HTTP.
   * @param {import("../marks/outbox.js").Mark} mark
   * @returns {Promise<import("../marks/outbox.js").Outcome>}
   */
  async deliver(mark) {
    if (this.pairing.out) return { ok: false, final: false, error: null };
    if (!mark.request) {
      const result = this.late.get(mark.key) ?? (await this.command(mark.key, mark.doing, mark.body));
      this.late.delete(mark.key);
      if (result) {
        if (result.ok) return this.learn(mark, result.resource);
        const final = isFinal(result.error.status ?? 400, result.error);
        return { ok: false, final, error: result.error };
      }
    }
    const { method, path, body } = mark.request ?? asHttp(mark);
    try {
      // The same key: the command may still arrive over the socket; the appliance executes it once.
      return this.learn(
        mark,
        await this.request(method, path, body, { key: mark.key, underway: this.underway }),
      );
    } catch (error) {
      return { ok: false, final: error instanceof Refused && isFinal(error.status, error.problem), error };
    }
  }

  /**
   * The answer may arrive before its event.
   * @param {import("../marks/outbox.js").Mark} mark
   * @param {any} resource
   * @returns {import("../marks/outbox.js").Outcome}
   */
  learn(mark, resource) {
    for (const table of store.learn(this.state, mark, resource)) this.changed(table);
    return { ok: true, resource };
  }

  /**
   * The answer to a change may arrive before its event.
   * @param {"sessions" | "channels"} table
   * @param {any} resource
   */
  keep(table, resource) {
    if (store.keepNewer(this.state[table], resource)) this.changed(table);
  }

  /** @param {string} id @param {string} doing @param {any} body @returns {Promise<any>} null: no answer */
  command(id, doing, body) {
    if (!this.online) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.results.set(id, resolve);
      const wait = this.link.send({ type: "command", id, do: doing, body }) ? COMMAND_MS : 0;
      setTimeout(() => resolve(null), wait);
    }).finally(() => this.results.delete(id));
  }

  /**
   * JSON over HTTP: see requestJson.
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   * @param {{key?: string, rev?: number, underway?: Set<AbortController>}} [more]
   * @returns {Promise<any>}
   */
  async request(method, path, body, more) {
    try {
      return await requestJson(this.device, method, path, body, more);
    } catch (error) {
      this.pairing.doubt(error);
      throw error;
    }
  }

  /** Notify the screens, once for all changes of one event-loop turn. @param {string} table */
  changed(table) {
    if (!this.tables.size)
      queueMicrotask(() => {
        const tables = this.tables;
        this.tables = new Set();
        this.dispatchEvent(new CustomEvent("change", { detail: { tables, all: tables.has("all") } }));
      });
    this.tables.add(table);
  }
}
