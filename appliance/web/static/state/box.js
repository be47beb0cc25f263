// The one module that talks to the box: snapshot, socket, requests, clock, and marks on their way.
//
// Owns: the connection and what is known through it. Must not know: the screen. Everything else of the app gets rows
// from here and hands marks over; it never fetches JSON itself.

import * as clock from "./clock.js";
import { uuid } from "./ids.js";
import { isFinal, Outbox } from "./outbox.js";
import * as store from "./store.js";
import { setZone } from "./zone.js";

const RETRY_MS = [100, 250, 500, 1000, 2000, 4000];
const COMMAND_MS = 1000; // then the same mark goes by POST, under the same id
const SILENT_MS = 12_000; // the box speaks every 5 s
const PROBE_MS = 2000; // after sleep: an answer within this, or a new socket
const REQUEST_MS = 15_000;
const FINAL_CLOSE = 4500; // from here on: do not come back

/** @typedef {{tables: Set<string>, all?: boolean}} Change */

export class Box extends EventTarget {
  /** `about`: what this device says of itself with each ping, for operators.
   * @param {{device: string, disk: import("./outbox.js").Disk, about?: () => Record<string, string | undefined>}} given */
  constructor({ device, disk, about = () => ({}) }) {
    super();
    this.device = device;
    this.about = about;
    this.state = store.empty();
    this.outbox = new Outbox({ disk, send: (mark) => this.deliver(mark) });
    this.outbox.addEventListener("change", () => this.changed("marks"));
    /** @type {clock.Sample[]} */
    this.samples = [];
    this.online = false;
    this.lostAt = 0; // performance.now() of the loss, 0 while connected
    this.closed = ""; // why the box does not want us back
    this.heard = 0; // performance.now() of the last frame
    this.tries = 0;
    this.recovered = 0; // times a resume was possible, for tests and the health page
    this.reloads = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Map<string, (result: any) => void>} */
    this.results = new Map();
    /** @type {Map<string, number>} */
    this.pings = new Map();
    /** @type {any[]} */
    this.early = []; // events that came while a snapshot was loading
    this.loading = false;
    /** @type {Set<string>} */
    this.tables = new Set();
    this.marked = this.watchClocks();
  }

  get rtt() {
    return this.samples.at(-1)?.rtt ?? null;
  }

  /** Offset of the box's clock to this device's, ms. */
  get offsetMs() {
    return clock.best(this.samples, Date.now())?.offset ?? 0;
  }

  /** Box time now, ms. */
  now() {
    return Date.now() + this.offsetMs;
  }

  /** Runs for ever; every failure is tried again. */
  async start() {
    this.listenToDevice();
    const restored = this.outbox.restore();
    for (let at = 0; ; at++) {
      try {
        await this.load();
        break;
      } catch {
        this.lose();
        await pause(RETRY_MS[Math.min(at, RETRY_MS.length - 1)]);
      }
    }
    await restored;
    this.connect();
    void this.measureClock();
  }

  // -- the socket -----------------------------------------------------------------------------------------------------

  async load() {
    this.loading = true;
    try {
      const snapshot = await this.request("GET", "/snapshot");
      store.load(this.state, snapshot);
      setZone(this.state.place.timezone);
      for (const event of this.early.splice(0)) store.apply(this.state, event);
      this.reloads++;
      this.changed("all");
    } finally {
      this.loading = false;
    }
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { seq, epoch } = this.state;
    const query = new URLSearchParams({ since: String(seq), epoch, client: this.device });
    const socket = new WebSocket(`${scheme}://${location.host}/ws?${query}`);
    this.socket = socket;
    this.heard = performance.now();
    socket.onmessage = (message) => {
      this.heard = performance.now();
      if (this.socket === socket) void this.take(JSON.parse(message.data));
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.lose();
      if (event.code >= FINAL_CLOSE && event.code < 5000) {
        this.closed = event.reason || `closed ${event.code}`;
        this.changed("link");
      } else this.connectLater();
    };
  }

  connectLater() {
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2)); // 18 tablets at once
  }

  /** A socket that may be dead is given up at once. */
  reconnect() {
    const old = this.socket;
    this.socket = null;
    clearTimeout(this.retry);
    old?.close();
    this.connect();
  }

  lose() {
    this.online = false;
    if (!this.lostAt) {
      this.lostAt = performance.now();
      setTimeout(() => this.changed("link"), 2100); // the banner comes only then
    }
    for (const [id, resolve] of this.results) {
      this.results.delete(id);
      resolve(null);
    }
    this.changed("link");
  }

  /** @param {any} event */
  async take(event) {
    if (event.type === "connected") return this.greet(event);
    if (event.type === "heartbeat") return this.ping();
    if (event.type === "pong") return this.pong(event);
    if (event.type === "result") return void this.results.get(event.id)?.(event);
    if (!event.seq) return;
    if (this.loading) return void this.early.push(event);
    const before = event.clip_id ? this.state.clips.get(event.clip_id) : undefined;
    for (const table of store.apply(this.state, event)) this.changed(table);
    this.dispatchEvent(new CustomEvent("event", { detail: { event, before } }));
  }

  /** @param {any} event the box says who it is */
  async greet(event) {
    const other = this.state.site !== "" && this.state.site !== event.site_id;
    this.state.site = event.site_id;
    if (event.recovered === false || other) {
      await this.load().catch(() => this.reconnect());
    } else if (event.recovered) this.recovered++;
    this.online = true;
    this.tries = 0;
    this.lostAt = 0;
    this.changed("link");
    this.ping();
    this.outbox.connected(event.site_id, event.epoch, (id) => this.state.plays.has(id) || this.state.clips.has(id) || this.state.tags.has(id));
  }

  ping() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const id = uuid();
    if (this.pings.size > 8) this.pings.clear();
    this.pings.set(id, Date.now());
    this.socket.send(JSON.stringify({ type: "ping", id, about: { ...this.about(), rtt_ms: this.rtt ?? undefined } }));
  }

  /** @param {any} event */
  pong(event) {
    const sent = this.pings.get(event.id);
    if (sent === undefined) return;
    this.pings.delete(event.id);
    this.samples = clock.withSample(this.samples, clock.sample(sent, Date.now(), Date.parse(event.server_time)));
    this.changed("link");
  }

  // -- time -----------------------------------------------------------------------------------------------------------

  async measureClock() {
    for (let at = 0; at < 5; at++) {
      const sent = Date.now();
      try {
        const { server_time } = await this.request("GET", "/time");
        this.samples = clock.withSample(this.samples, clock.sample(sent, Date.now(), Date.parse(server_time)));
      } catch {
        return;
      }
    }
    this.changed("link");
  }

  watchClocks() {
    const look = () => ({ wall: Date.now(), steady: performance.now() });
    let before = look();
    return setInterval(() => {
      const after = look();
      if (clock.stepped(before, after) || after.wall - before.wall > 10_000) {
        this.samples = [];
        void this.measureClock();
      }
      before = after;
      if (this.socket && performance.now() - this.heard > SILENT_MS) this.reconnect();
    }, 2000);
  }

  /** Sleep, another network, the page brought back: do not wait for a timeout. */
  listenToDevice() {
    const wake = () => {
      if (document.hidden || !this.state.epoch) return; // nothing is loaded yet: start() is at it
      if (!this.socket) return this.online || this.reconnect();
      const since = performance.now();
      this.ping();
      setTimeout(() => this.heard < since && this.socket && this.reconnect(), PROBE_MS);
      void this.measureClock();
    };
    document.addEventListener("visibilitychange", wake);
    addEventListener("pageshow", wake);
    addEventListener("online", wake);
  }

  // -- asking ---------------------------------------------------------------------------------------------------------

  /** Deliver a mark: a command over the socket, and when that does not answer in a second, by HTTP.
   * @param {import("./outbox.js").Mark} mark @returns {Promise<import("./outbox.js").Outcome>} */
  async deliver(mark) {
    if (!mark.request) {
      const result = await this.command(mark.key, mark.doing, mark.body);
      if (result) {
        if (result.ok) return this.learn(mark, result.resource);
        const final = isFinal(result.error.status ?? 400);
        return { ok: false, final, error: result.error };
      }
    }
    const { method, path, body } = mark.request ?? asHttp(mark);
    try {
      // The id of the play makes it the same mark; the key is another, because the request is.
      return this.learn(mark, await this.request(method, path, body, `${mark.key}-http`));
    } catch (error) {
      return { ok: false, final: error instanceof Refused && isFinal(error.status), error };
    }
  }

  /** The answer may be here before its event. @param {import("./outbox.js").Mark} mark @param {any} resource
   * @returns {import("./outbox.js").Outcome} */
  learn(mark, resource) {
    if (mark.doing.startsWith("tag_")) {
      const { tags } = this.state;
      if (resource?.deleted) tags.delete(mark.subject);
      else if (resource && (tags.get(resource.id)?.rev ?? -1) < resource.rev) tags.set(resource.id, resource);
      this.changed("tags");
    } else if (resource?.deleted) {
      for (const clip of [...this.state.clips.values()]) if (clip.play_id === mark.subject) this.state.clips.delete(clip.id);
      if (this.state.plays.delete(mark.subject)) this.changed("plays");
    } else if (resource?.play_id && resource.number) {
      const { clips = null, ...play } = resource;
      if ((this.state.plays.get(play.id)?.rev ?? -1) < play.rev) this.state.plays.set(play.id, play);
      for (const clip of clips ?? []) {
        if ((this.state.clips.get(clip.id)?.rev ?? -1) < clip.rev) this.state.clips.set(clip.id, clip);
      }
      this.changed("plays");
      this.changed("clips");
    }
    return { ok: true, resource };
  }

  /** An answer to a change may be here before its event. @param {"sessions" | "channels"} table @param {any} resource */
  keep(table, resource) {
    const rows = /** @type {Map<string, any>} */ (this.state[table]);
    if ((rows.get(resource.id)?.rev ?? -1) >= resource.rev) return;
    rows.set(resource.id, resource);
    this.changed(table);
  }

  /** @param {string} id @param {string} doing @param {any} body @returns {Promise<any>} null: no answer */
  command(id, doing, body) {
    if (!this.online || this.socket?.readyState !== WebSocket.OPEN) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.results.set(id, resolve);
      this.socket?.send(JSON.stringify({ type: "command", id, do: doing, body }));
      setTimeout(() => resolve(null), COMMAND_MS);
    }).finally(() => this.results.delete(id));
  }

  /** JSON over HTTP. Throws Refused with the box's words, or what fetch throws.
   * @param {string} method @param {string} path @param {any} [body] @param {string} [key] @returns {Promise<any>} */
  async request(method, path, body, key = uuid()) {
    /** @type {Record<string, string>} */
    const headers = { "X-Client": this.device };
    if (method !== "GET") headers["Idempotency-Key"] = key;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), REQUEST_MS);
    try {
      const answer = await fetch(path, {
        method, headers, signal: giveUp.signal, cache: "no-store",
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      const resource = text ? JSON.parse(text) : null;
      if (!answer.ok && !(path === "/readyz" && resource?.parts)) throw new Refused(answer.status, resource ?? {});
      return resource;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tell who draws, once for all changes of a turn. @param {string} table */
  changed(table) {
    if (!this.tables.size) queueMicrotask(() => {
      const tables = this.tables;
      this.tables = new Set();
      this.dispatchEvent(new CustomEvent("change", { detail: { tables, all: tables.has("all") } }));
    });
    this.tables.add(table);
  }
}

/** The box said no. `problem` is its document (RFC 9457). */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `answer ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** A command as HTTP. @param {import("./outbox.js").Mark} mark */
function asHttp(mark) {
  const { id, ...rest } = mark.body;
  if (mark.doing === "play_new") return { method: "POST", path: "/plays", body: mark.body };
  return { method: "POST", path: `/plays/${id}/${mark.doing === "play_end" ? "end" : "cue"}`, body: rest };
}

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
