// Clips fetched ahead, as blobs: at most two at a time, none while a clip plays, the newest wanted first.
//
// A clip here starts at once and plays through a restart of the box, and through a reload of the page where the browser
// lets it be kept on disk. What is wished for is kept before all else, the first of it before the last; of other things the
// one used longest ago goes. What is kept is bounded in bytes by what the device has.

export const AT_ONCE = 2;
export const ROOM_BYTES = 240e6; // where the device does not say what it has
const PER_GB = 60e6; // of its memory
const LEAST_BYTES = 60e6;
const MOST_BYTES = 480e6;
export const PLAYS_KEPT = 20;
const AGAIN_MS = 5000; // what failed is tried again
const AGAIN_MAX_MS = 600_000; // a copy that fails each time is replaced ever more seldom
const DISK_MS = 3000; // a disk that has not answered by then is done without

/** What outlives the page.
 * @typedef {{all(): Promise<{url: string, blob: Blob}[]>, put(url: string, blob: Blob): Promise<void>,
 *   drop(url: string): Promise<void>}} MediaDisk */
/** `again`: it is shown under its second name. @typedef {{blob: Blob, url: string, again?: boolean}} Kept */

/** Bytes to keep, by what the device says: a sixteenth of its memory, and not more than half of what its disk has free for
 * this page. Both are told in a secure context alone; by plain HTTP it is ROOM_BYTES.
 * @param {{memoryGb?: number, freeBytes?: number}} device */
export function roomOf({ memoryGb, freeBytes = Infinity }) {
  const byMemory = memoryGb === undefined ? ROOM_BYTES : Math.min(MOST_BYTES, Math.max(LEAST_BYTES, memoryGb * PER_GB));
  return Math.min(byMemory, freeBytes / 2);
}

/** What this device says it has. @param {any} [device] navigator */
export async function spaceOf(device = navigator) {
  const said = await device.storage?.estimate?.().catch(() => null);
  return { memoryGb: device.deviceMemory, freeBytes: said ? Math.max(0, said.quota - said.usage) : undefined };
}

/** `now`: somebody watches what it is to replace.
 * @typedef {{url: string, now: boolean, chunks: BlobPart[], have: number, stop: AbortController | null}} Job */

/** What a device keeps of its session, most wanted first: the pictures of the cards, the watched angle of each of the last
 * plays, then their other angles. @param {readonly {id: string}[]} plays newest first
 * @param {ReadonlyMap<string, readonly import("./store.js").Clip[]>} clips by play @param {string} angle the watched channel
 * @returns {string[]} addresses */
export function wishesOf(plays, clips, angle) {
  const ready = plays.slice(0, PLAYS_KEPT).map((play) => (clips.get(play.id) ?? []).filter((clip) => clip.stream_url));
  const first = ready.flatMap((own) => own.find((clip) => clip.channel_id === angle) ?? own[0] ?? []);
  const rest = ready.flat().filter((clip) => !first.includes(clip));
  return [...first.map((clip) => clip.thumbnail_url), ...[...first, ...rest].map((clip) => clip.stream_url ?? "")].filter(Boolean);
}

export class Prefetch extends EventTarget {
  /** @param {{fetch?: typeof fetch, room?: number, graceMs?: number, disk?: MediaDisk | null, now?: () => number}} [given] */
  constructor({ fetch: get, room = ROOM_BYTES, graceMs = 60_000, disk = null, now = Date.now } = {}) {
    super();
    this.now = now;
    this.disk = disk;
    this.restored = !disk; // until then nobody knows what is here already
    this.graceMs = graceMs;
    this.get = get ?? ((/** @type {any} */ url, /** @type {any} */ how) => fetch(url, how));
    this.room = room;
    /** @type {Job[]} newest wanted first */
    this.jobs = [];
    /** @type {Map<string, Kept>} in the order of use */
    this.held = new Map();
    this.paused = false;
    /** @type {readonly string[]} most wanted first */
    this.wished = [];
    this.full = false; // there is no room for the next wish
    /** @type {Set<string>} */
    this.failed = new Set();
    /** Copies that could not be shown: how often, and when another is fetched (null: it is here).
     * @type {Map<string, {times: number, due: number | null}>} */
    this.rejected = new Map();
  }

  /** Keep these before all else, fetched when nothing else is. @param {readonly string[]} urls most wanted first */
  wish(urls) {
    if (urls.join() === this.wished.join()) return;
    this.wished = urls;
    this.full = false;
    this.run();
  }

  /** What an earlier page left. A disk that is late is not waited for; what it has is known then, and counted.
   * @param {(ms: number) => Promise<unknown>} [wait] */
  async restore(wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
    const found = this.disk?.all().then((kept) => this.know(kept), () => {});
    await Promise.race([found, wait(DISK_MS)]);
    this.restored = true;
    this.resize(this.room);
    this.dispatchEvent(new CustomEvent("held", { detail: "" }));
  }

  /** What is fetched or used in this page is younger. @param {readonly {url: string, blob: Blob}[]} kept oldest first */
  know(kept) {
    const old = kept.filter(({ url }) => !this.held.has(url) && !this.rejected.has(url) && this.jobs.every((job) => !job.stop || job.url !== url));
    this.held = new Map([...old.map(({ url, blob }) => /** @type {[string, Kept]} */ ([url, { blob, url: URL.createObjectURL(blob) }])), ...this.held]);
    if (!this.restored) return; // in time
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

  /** @param {string} url @param {boolean} [now] while a clip plays, too */
  want(url, now = false) {
    if (this.held.has(url)) return;
    const job = this.jobs.find((each) => each.url === url);
    if (job) job.now ||= now;
    else this.jobs.unshift({ url, now, chunks: [], have: 0, stop: null });
    this.jobs.splice(12);
    this.run();
  }

  /** What to play: the fetched copy when there is one. @param {string} url */
  source(url) {
    const found = this.held.get(url);
    if (!found) return url;
    this.held.delete(url);
    this.held.set(url, found);
    return found.url;
  }

  /** A copy could not be played or shown. A browser that is short of memory, or was in the background, fails on a good one
   * too: the same bytes are given once more. When they cannot be shown either, another copy takes its place as soon as it is
   * here; bytes that cannot be read go at once. @param {string} url @param {string} source of the copy: a newer one stays
   * @returns {Promise<string>} what to show instead */
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

  /** Fetch another copy: now, ever later the more often it failed. @param {string} url */
  replace(url) {
    const { times = 0, due = null } = this.rejected.get(url) ?? {};
    if (due !== null) return; // it is on its way
    const wait = times ? Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** (times - 1)) : 0;
    this.rejected.set(url, { times: times + 1, due: this.now() + wait });
    if (wait) setTimeout(() => this.run(), wait);
    else this.run();
  }

  /** Is there no copy of it, or one that is to be replaced by now? @param {string} url */
  lacks(url) {
    const due = this.rejected.get(url)?.due ?? null;
    return due === null ? !this.held.has(url) : due <= this.now();
  }

  /** Whoever shows it goes on. @param {string} source of a copy that is not given any longer */
  revoke(source) {
    setTimeout(() => URL.revokeObjectURL(source), this.graceMs);
  }

  /** A clip plays: the air belongs to it, and to what is to take its place. */
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
    const next = this.wished.find((url) => this.lacks(url) && !this.failed.has(url) && this.jobs.every((job) => job.url !== url));
    if (!next) return;
    this.jobs.push({ url: next, now: false, chunks: [], have: 0, stop: null });
    this.run();
  }

  /** @param {Job} job what it has is kept over a pause: the rest is asked for as a range */
  async download(job) {
    job.stop = new AbortController();
    try {
      const headers = job.have ? { Range: `bytes=${job.have}-` } : undefined;
      const answer = await this.get(job.url, { headers, signal: job.stop.signal, priority: "low" });
      if (!answer.ok || !answer.body) return this.fail(job);
      if (!this.hasRoom(job.url, Number(answer.headers.get("content-length") ?? 0))) return this.drop(job);
      if (answer.status === 200) Object.assign(job, { chunks: [], have: 0 });
      const reader = answer.body.getReader();
      for (let piece; !(piece = await reader.read()).done; ) {
        job.chunks.push(/** @type {Uint8Array<ArrayBuffer>} */ (piece.value));
        job.have += piece.value.length;
      }
      this.keep(job, answer.headers.get("content-type") ?? "video/mp4");
    } catch {
      if (!job.stop?.signal.aborted) this.fail(job);
    } finally {
      if (!this.jobs.includes(job)) job.stop?.abort(); // what is not wanted any longer is not read on
      job.stop = null;
      this.run();
    }
  }

  /** Can it be kept without giving up something that is wished for more? @param {string} url @param {number} bytes */
  hasRoom(url, bytes) {
    const rank = this.wished.indexOf(url);
    if (rank < 0) return true; // asked for by a person
    const before = this.wished.slice(0, rank).reduce((sum, each) => sum + (this.held.get(each)?.blob.size ?? 0), 0);
    if (before + bytes <= this.room) return true;
    this.full = true;
    return false;
  }

  /** What goes first: what nobody wished for, by its last use; then the last wishes. @param {string} kept not this one */
  victims(kept) {
    const others = [...this.held.keys()].filter((url) => !this.wished.includes(url) && url !== kept);
    return [...others, ...[...this.wished].reverse().filter((url) => this.held.has(url))];
  }

  /** @param {Job} job @param {string} type of its bytes */
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

  /** Down to the room there is. @param {string} [kept] came just now */
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

  /** For the next page. This one goes on with its own copy: whoever plays it must not lose it. A disk that is full or
   * forbidden changes nothing here. @param {string} url */
  async store(url) {
    const entry = this.held.get(url);
    if (!entry || !this.disk) return;
    await this.disk.put(url, entry.blob).catch(() => {});
    if (this.held.get(url) !== entry) void this.disk.drop(url).catch(() => {}); // it went meanwhile
  }

  /** Not now: a wish is tried again in a while. @param {Job} job */
  fail(job) {
    this.drop(job);
    this.failed.add(job.url);
    clearTimeout(this.later);
    this.later = setTimeout(() => (this.failed.clear(), this.run()), AGAIN_MS);
  }

  /** @param {Job} job */
  drop(job) {
    this.jobs = this.jobs.filter((each) => each !== job);
  }
}
