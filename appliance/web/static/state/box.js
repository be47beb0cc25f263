// The box as this page knows it: a snapshot, then events. One store of plain objects, no framework.
// Owns: the socket, resume by seq, the clock offset, marks under way. Must not know: the screen.

/** @typedef {{id: string, [key: string]: any}} Resource */

const KINDS = { session: "sessions", channel: "channels", play: "plays", clip: "clips", tag: "tags" };
const RETRY_MS = [200, 500, 1000, 2000, 5000];
const COMMAND_MS = 1000; // then the same mark goes by POST, under the same id

export class Box extends EventTarget {
  constructor() {
    super();
    /** @type {Record<string, Map<string, Resource>>} */
    this.rows = Object.fromEntries(Object.values(KINDS).map((kind) => [kind, new Map()]));
    this.seq = 0;
    this.epoch = "";
    this.offsetMs = 0;
    this.online = false;
    this.tries = 0;
    /** @type {Map<string, (result: any) => void>} */
    this.waiting = new Map();
    this.device = deviceName();
  }

  async start() {
    await this.load();
    this.connect();
    await this.measureClock();
  }

  /** Everything, from the box. */
  async load() {
    const snapshot = await (await fetch("/snapshot")).json();
    for (const kind of Object.values(KINDS)) {
      this.rows[kind] = new Map((snapshot[kind] ?? []).map((/** @type {Resource} */ row) => [row.id, row]));
    }
    this.seq = snapshot.as_of_seq;
    this.epoch = snapshot.epoch;
    this.changed();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = new URLSearchParams({ since: String(this.seq), epoch: this.epoch, client: this.device });
    const socket = new WebSocket(`${scheme}://${location.host}/ws?${query}`);
    this.socket = socket;
    socket.onmessage = (message) => this.take(JSON.parse(message.data));
    socket.onclose = () => {
      this.online = false;
      this.changed();
      const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
      setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
    };
  }

  /** @param {any} event */
  async take(event) {
    if (event.type === "connected") {
      this.online = true;
      this.tries = 0;
      if (event.recovered === false) await this.load();
    } else if (event.type === "result") {
      this.waiting.get(event.id)?.(event);
    } else if (event.seq > this.seq) {
      this.seq = event.seq;
      this.apply(event);
    }
    this.changed();
  }

  /** @param {any} event */
  apply(event) {
    for (const [kind, rows] of Object.entries(KINDS)) {
      const id = event[`${kind}_id`];
      if (event.type === `${kind}_deleted`) this.rows[rows].delete(id);
      else if (event[kind]?.id) this.rows[rows].set(event[kind].id, event[kind]);
      else if (kind === "session" && event.session && id) {
        Object.assign(this.rows.sessions.get(id) ?? {}, event.session); // counters
      }
    }
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Offset of the box's clock to ours: the smallest round trip of five decides. */
  async measureClock() {
    let best = Infinity;
    for (let at = 0; at < 5; at++) {
      const sent = performance.now();
      const { server_time } = await (await fetch("/time", { cache: "no-store" })).json();
      const took = performance.now() - sent;
      if (took < best) {
        best = took;
        this.offsetMs = Date.parse(server_time) - (Date.now() - took / 2);
      }
    }
  }

  /** Box time now, as milliseconds. */
  now() {
    return Date.now() + this.offsetMs;
  }

  /**
   * A command over the socket; when it does not answer within a second, the same by POST under the same id.
   * @param {string} doing @param {Record<string, any>} body @param {string} path @returns {Promise<Resource>}
   */
  async command(doing, body, path) {
    const id = uuid();
    const result = await this.overSocket(id, doing, body);
    if (result?.ok) return result.resource;
    if (result) throw new Error(result.error.detail ?? result.error.title);
    const { id: target, ...rest } = body;
    return this.request("POST", path, path.endsWith("/plays") ? body : rest, id);
  }

  /** @param {string} id @param {string} doing @param {Record<string, any>} body @returns {Promise<any>} */
  overSocket(id, doing, body) {
    if (this.socket?.readyState !== WebSocket.OPEN) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.socket?.send(JSON.stringify({ type: "command", id, do: doing, body }));
      setTimeout(() => resolve(null), COMMAND_MS);
    }).finally(() => this.waiting.delete(id));
  }

  /** @param {string} method @param {string} path @param {any} [body] @param {string} [key] */
  async request(method, path, body, key = uuid()) {
    const answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "Idempotency-Key": key, "X-Client": this.device },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const resource = await answer.json();
    if (!answer.ok) throw new Error(resource.detail ?? resource.title);
    return resource;
  }
}

/** A UUIDv4; crypto.randomUUID is missing on a plain http LAN address. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function deviceName() {
  let name = localStorage.getItem("device");
  if (!name) {
    const kind = /iPad|Macintosh.*Mobile/.test(navigator.userAgent) ? "ipad" : "browser";
    name = `${kind}-${uuid().slice(0, 4)}`;
    localStorage.setItem("device", name);
  }
  return name;
}
