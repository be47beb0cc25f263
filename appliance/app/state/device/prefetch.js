// Clips fetched in advance, as blobs: at most two at a time, none while a clip plays, the newest request
// first.
//
// A local copy starts at once and plays through a restart of the appliance, and through a reload of the page
// where the browser can store it. Wished clips have priority over all others, in their order; of the others
// the least recently used is removed first. The total size is limited by the device's memory and disk.

export const AT_ONCE = 2;
export const ROOM_BYTES = 240e6; // when the device reports neither memory nor disk
const PER_GB = 60e6; // per GB of its memory
const LEAST_BYTES = 60e6;
const MOST_BYTES = 480e6;
export const PLAYS_KEPT = 20;
const AGAIN_MS = 5000; // until a failed fetch is repeated
const AGAIN_MAX_MS = 600_000; // upper limit: a copy that fails each time is replaced at growing intervals
const DISK_MS = 3000; // storage without an answer by then is not waited for

/**
 * What survives the page.
 * @typedef {{all(): Promise<{url: string, blob: Blob}[]>, put(url: string, blob: Blob): Promise<void>,
 *   drop(url: string): Promise<void>}} MediaDisk
 */
/** `again`: it is used under its second URL. @typedef {{blob: Blob, url: string, again?: boolean}} Kept */

/**
 * Size limit from the device's values: a sixteenth of its memory, and at most half of the free disk space of
 * this origin. Both are reported in a secure context only; over plain HTTP it is ROOM_BYTES.
 * @param {{memoryGb?: number, freeBytes?: number}} device
 */
export function roomOf({ memoryGb, freeBytes = Infinity }) {
  const byMemory =
    memoryGb === undefined ? ROOM_BYTES : Math.min(MOST_BYTES, Math.max(LEAST_BYTES, memoryGb * PER_GB));
  return Math.min(byMemory, freeBytes / 2);
}

/** What this device reports about its memory and disk. @param {any} [device] navigator */
export async function spaceOf(device = navigator) {
  const estimate = await device.storage?.estimate?.().catch(() => null);
  return {
    memoryGb: device.deviceMemory,
    freeBytes: estimate ? Math.max(0, estimate.quota - estimate.usage) : undefined,
  };
}

/**
 * `now`: a player is waiting for the replacement.
 * @typedef {{url: string, now: boolean, chunks: BlobPart[], have: number, stop: AbortController | null}} Job
 */

/**
 * What a device stores of its session, most important first: the thumbnails of the cards, the watched angle
 * of each of the last plays, then their other angles.
 * @param {readonly {id: string}[]} plays newest first
 * @param {ReadonlyMap<string, readonly import("../connection/store.js").Clip[]>} clips by play
 * @param {string} angle the watched channel
 * @returns {string[]} addresses
 */
export function wishesOf(plays, clips, angle) {
  const ready = plays
    .slice(0, PLAYS_KEPT)
    .map((play) => (clips.get(play.id) ?? []).filter((clip) => clip.stream_url));
  const first = ready.flatMap((own) => own.find((clip) => clip.channel_id === angle) ?? own[0] ?? []);
  const rest = ready.flat().filter((clip) => !first.includes(clip));
  return [
    ...first.map((clip) => clip.thumbnail_url),
    ...[...first, ...rest].map((clip) => clip.stream_url ?? ""),
  ].filter(Boolean);
}

export class Prefetch extends EventTarget {
  /**
   * @param {{fetch?: typeof fetch, room?: number, graceMs?: number, disk?: MediaDisk | null, now?: () =>
   *   number}} [given]
   */
  constructor({ fetch: get, room = ROOM_BYTES, graceMs = 60_000, disk = null, now = Date.now } = {}) {
    super();
    this.now = now;
    this.disk = disk;
    this.restored = !disk; // until then it is unknown what is stored
    this.graceMs = graceMs;
    this.get = get ?? ((/** @type {any} */ url, /** @type {any} */ how) => fetch(url, how));
    this.room = room;
    /** @type {Job[]} newest request first */
    this.jobs = [];
    /** @type {Map<string, Kept>} least recently used first */
    this.held = new Map();
    this.paused = false;
    /** @type {readonly string[]} most important first */
    this.wished = [];
    this.full = false; // there is no space for the next wish
    /** @type {Set<string>} */
    this.failed = new Set();
    /**
     * Copies that could not be shown: how often, and when another is fetched (null: under way).
     * @type {Map<string, {times: number, due: number | null}>}
     */
    this.rejected = new Map();
  }

  /**
   * Store these with priority, fetched when nothing else is.
   * @param {readonly string[]} urls most important first
   */
  wish(urls) {
    if (urls.join() === this.wished.join()) return;
    this.wished = urls;
    this.full = false;
    this.run();
  }

  /**
   * Loads the copies of an earlier page. Slow storage is not waited for; its copies are added and counted
   * when they arrive.
   * @param {(ms: number) => Promise<unknown>} [wait]
   */
  async restore(wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
    const loading = this.disk?.all().then(
      (kept) => this.know(kept),
      () => {},
    );
    await Promise.race([loading, wait(DISK_MS)]);
    this.restored = true;
    this.resize(this.room);
    this.dispatchEvent(new CustomEvent("held", { detail: "" }));
  }

  /**
   * Copies fetched or used on this page are newer.
   * @param {readonly {url: string, blob: Blob}[]} kept oldest first
   */
  know(kept) {
    const old = kept.filter(
      ({ url }) =>
        !this.held.has(url) &&
        !this.rejected.has(url) &&
        this.jobs.every((job) => !job.stop || job.url !== url),
    );
    this.held = new Map([
      ...old.map(
        ({ url, blob }) => /** @type {[string, Kept]} */ ([url, { blob, url: URL.createObjectURL(blob) }]),
      ),
      ...this.held,
    ]);
    if (!this.restored) return; // it answered in time
    this.letGo();
    this.dispatchEvent(new CustomEvent("held", { detail: "" }));
  }

  /** @param {number} room bytes */
  resize(room) {
    this.full = this.full && room <= this.room;
    this.room = room;
    this.letGo();
    this.run();
  }

  get used() {
    return [...this.held.values()].reduce((sum, each) => sum + each.blob.size, 0);
  }

  /** @param {string} url @param {boolean} [now] also while a clip plays */
  want(url, now = false) {
    if (this.held.has(url)) return;
    const job = this.jobs.find((each) => each.url === url);
    if (job) job.now ||= now;
    else this.jobs.unshift({ url, now, chunks: [], have: 0, stop: null });
    this.jobs.splice(12);
    this.run();
  }

  /** The URL to play: the local copy if there is one. @param {string} url */
  source(url) {
    const copy = this.held.get(url);
    if (!copy) return url;
    this.held.delete(url);
    this.held.set(url, copy);
    return copy.url;
  }

  /**
   * A copy could not be shown. A browser that is short of memory, or was in the background, fails on an
   * intact copy too: the same bytes are used once more. If that fails as well, a new copy replaces it when it
   * has arrived; bytes that cannot be read are removed at once.
   * @param {string} url
   * @param {string} source of the copy: a newer one stays
   * @returns {Promise<string>} the URL to show instead
   */
  async retry(url, source) {
    const entry = this.held.get(url);
    if (entry?.url !== source) return this.source(url);
    const bytes = await entry.blob.arrayBuffer().catch(() => null);
    if (this.held.get(url) !== entry || entry.url !== source) return this.source(url);
    const readable = bytes?.byteLength === entry.blob.size;
    if (readable && !entry.again) {
      const blob = new Blob([bytes], { type: entry.blob.type });
      Object.assign(entry, { blob, url: URL.createObjectURL(blob), again: true });
      this.revoke(source);
      return entry.url;
    }
    if (!readable || !this.wished.includes(url)) {
      this.held.delete(url);
      void this.disk?.drop(url).catch(() => {});
      this.revoke(source);
    }
    this.replace(url);
    return url;
  }

  /** Fetch another copy: the more often it failed, the later. @param {string} url */
  replace(url) {
    const { times = 0, due = null } = this.rejected.get(url) ?? {};
    if (due !== null) return; // it is under way
    const wait = times ? Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** (times - 1)) : 0;
    this.rejected.set(url, { times: times + 1, due: this.now() + wait });
    if (wait) setTimeout(() => this.run(), wait);
    else this.run();
  }

  /** Is there no copy, or one that is due to be replaced? @param {string} url */
  lacks(url) {
    const due = this.rejected.get(url)?.due ?? null;
    return due === null ? !this.held.has(url) : due <= this.now();
  }

  /**
   * A copy is no longer used: its player continues with another URL.
   * @param {string} source of a copy that is not given any longer
   */
  revoke(source) {
    setTimeout(() => URL.revokeObjectURL(source), this.graceMs);
  }

  /** A clip plays: the network is reserved for it, and for its replacement. */
  pause() {
    this.paused = true;
    for (const job of this.jobs) if (!job.now) job.stop?.abort();
  }

  resume() {
    this.paused = false;
    this.run();
  }

  get running() {
    return this.jobs.filter((job) => job.stop).length;
  }

  run() {
    if (!this.restored) return;
    for (const job of this.jobs) {
      if (this.running >= AT_ONCE) return;
      if (!job.stop && (job.now || !this.paused)) void this.download(job);
    }
    if (this.paused || this.full) return;
    const next = this.wished.find(
      (url) => this.lacks(url) && !this.failed.has(url) && this.jobs.every((job) => job.url !== url),
    );
    if (!next) return;
    this.jobs.push({ url: next, now: false, chunks: [], have: 0, stop: null });
    this.run();
  }

  /** @param {Job} job its bytes are kept during a pause: the rest is requested as a range */
  async download(job) {
    job.stop = new AbortController();
    try {
      const headers = job.have ? { Range: `bytes=${job.have}-` } : undefined;
      const answer = await this.get(job.url, { headers, signal: job.stop.signal, priority: "low" });
      if (!answer.ok || !answer.body) return this.fail(job);
      if (!this.hasRoom(job.url, Number(answer.headers.get("content-length") ?? 0))) return this.drop(job);
      if (answer.status === 200) Object.assign(job, { chunks: [], have: 0 });
      const reader = answer.body.getReader();
      for (;;) {
        const piece = await reader.read();
        if (piece.done) break;
        job.chunks.push(/** @type {Uint8Array<ArrayBuffer>} */ (piece.value));
        job.have += piece.value.length;
      }
      this.keep(job, answer.headers.get("content-type") ?? "video/mp4");
    } catch {
      if (!job.stop?.signal.aborted) this.fail(job);
    } finally {
      if (!this.jobs.includes(job)) job.stop?.abort(); // an unwanted download is stopped
      job.stop = null;
      this.run();
    }
  }

  /** Can it be stored without removing a more important wish? @param {string} url @param {number} bytes */
  hasRoom(url, bytes) {
    const rank = this.wished.indexOf(url);
    if (rank < 0) return true; // requested by the user
    const before = this.wished
      .slice(0, rank)
      .reduce((sum, each) => sum + (this.held.get(each)?.blob.size ?? 0), 0);
    if (before + bytes <= this.room) return true;
    this.full = true;
    return false;
  }

  /**
   * What to remove first: copies that no screen requests, by last use; then the least important requests.
   * @param {string} kept not this one
   */
  victims(kept) {
    const others = [...this.held.keys()].filter((url) => !this.wished.includes(url) && url !== kept);
    return [...others, ...[...this.wished].reverse().filter((url) => this.held.has(url))];
  }

  /** @param {Job} job @param {string} type media type */
  keep(job, type) {
    this.drop(job);
    const blob = new Blob(job.chunks, { type });
    const rejected = this.rejected.get(job.url);
    if (rejected) rejected.due = null;
    const before = this.held.get(job.url);
    if (before) this.revoke(before.url);
    this.held.delete(job.url);
    this.held.set(job.url, { blob, url: URL.createObjectURL(blob) });
    this.letGo(job.url);
    if (this.held.has(job.url)) void this.store(job.url);
    this.dispatchEvent(new CustomEvent("held", { detail: job.url }));
  }

  /** Remove copies down to the limit. @param {string} [kept] just arrived */
  letGo(kept = "") {
    let { used } = this;
    for (const url of this.victims(kept)) {
      const each = this.held.get(url);
      if (used <= this.room || !each) break;
      used -= each.blob.size;
      this.held.delete(url);
      void this.disk?.drop(url).catch(() => {});
      if (this.wished.includes(url)) this.full = true;
      this.revoke(each.url);
    }
  }

  /**
   * Store for the next page. This page keeps its own copy, which may be playing. A disk that is full or
   * forbidden has no effect here.
   * @param {string} url
   */
  async store(url) {
    const entry = this.held.get(url);
    if (!entry || !this.disk) return;
    await this.disk.put(url, entry.blob).catch(() => {});
    if (this.held.get(url) !== entry) void this.disk.drop(url).catch(() => {}); // removed meanwhile
  }

  /** Not now: the wish is tried again later. @param {Job} job */
  fail(job) {
    this.drop(job);
    this.failed.add(job.url);
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      this.failed.clear();
      this.run();
    }, AGAIN_MS);
  }

  /** @param {Job} job */
  drop(job) {
    this.jobs = this.jobs.filter((each) => each !== job);
  }
}
