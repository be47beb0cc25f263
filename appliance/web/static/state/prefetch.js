// Clips fetched ahead, as blobs: at most two at a time, none while a clip plays, the newest wanted first.
//
// A clip here starts at once and plays through a restart of the box. Memory is bounded; the one used longest ago goes.

export const AT_ONCE = 2;
export const ROOM_BYTES = 120e6;

/** `now`: somebody watches what it is to replace.
 * @typedef {{url: string, now: boolean, chunks: BlobPart[], have: number, stop: AbortController | null}} Job */

export class Prefetch extends EventTarget {
  /** @param {{fetch?: typeof fetch, room?: number, graceMs?: number}} [given] */
  constructor({ fetch: get, room = ROOM_BYTES, graceMs = 60_000 } = {}) {
    super();
    this.graceMs = graceMs;
    this.get = get ?? ((/** @type {any} */ url, /** @type {any} */ how) => fetch(url, how));
    this.room = room;
    /** @type {Job[]} newest wanted first */
    this.jobs = [];
    /** @type {Map<string, {blob: Blob, url: string}>} in the order of use */
    this.held = new Map();
    this.paused = false;
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
    for (const job of this.jobs) {
      if (this.running >= AT_ONCE) return;
      if (!job.stop && (job.now || !this.paused)) void this.download(job);
    }
  }

  /** @param {Job} job what it has is kept over a pause: the rest is asked for as a range */
  async download(job) {
    job.stop = new AbortController();
    try {
      const headers = job.have ? { Range: `bytes=${job.have}-` } : undefined;
      const answer = await this.get(job.url, { headers, signal: job.stop.signal, priority: "low" });
      if (!answer.ok || !answer.body) return this.drop(job);
      if (answer.status === 200) Object.assign(job, { chunks: [], have: 0 });
      const reader = answer.body.getReader();
      for (let piece; !(piece = await reader.read()).done; ) {
        job.chunks.push(/** @type {Uint8Array<ArrayBuffer>} */ (piece.value));
        job.have += piece.value.length;
      }
      this.keep(job);
    } catch {
      if (!job.stop?.signal.aborted) this.drop(job);
    } finally {
      job.stop = null;
      this.run();
    }
  }

  /** @param {Job} job */
  keep(job) {
    this.drop(job);
    const blob = new Blob(job.chunks, { type: "video/mp4" });
    this.held.set(job.url, { blob, url: URL.createObjectURL(blob) });
    let used = [...this.held.values()].reduce((sum, each) => sum + each.blob.size, 0);
    for (const [url, each] of this.held) {
      if (used <= this.room) break;
      used -= each.blob.size;
      this.held.delete(url);
      setTimeout(() => URL.revokeObjectURL(each.url), this.graceMs); // whoever plays it now goes on
    }
    this.dispatchEvent(new CustomEvent("held", { detail: job.url }));
  }

  /** @param {Job} job */
  drop(job) {
    this.jobs = this.jobs.filter((each) => each !== job);
  }
}
