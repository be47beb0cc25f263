// What the mark bar does: a press becomes a mark of the outbox, with the time of the press on the box's clock.

import { uuid } from "./ids.js";

export class Marks {
  /** @param {import("./box.js").Box} box @param {() => import("./store.js").Session | undefined} session */
  constructor(box, session) {
    this.box = box;
    this.session = session;
    /** Capture time of the picture looked at, ms of box time, while there is one: else marks mean now.
     * @type {(() => number | null) | null} */
    this.lookingAt = null;
    this.last = ""; // the play this device marked last, for undo
  }

  /** The instant a press means. @param {number} [late] ms since the touch */
  instant(late = 0) {
    return this.lookingAt?.() ?? this.box.now() - late;
  }

  /** NEW PLAY. @param {{seconds?: number, at?: number}} [given] `seconds`: a whole play of the last seconds */
  newPlay({ seconds = 0, at = this.instant() } = {}) {
    const session = this.session();
    if (!session) return null;
    const id = uuid();
    this.last = id;
    return {
      id,
      answer: this.mark("play_new", id, {
        id, session_id: session.id, start_time: iso(at - seconds * 1000), duration_seconds: seconds, ...this.stamp(),
      }),
    };
  }

  /** CUE: the snap; the last press counts. @param {string} id @param {number} [at] ms */
  cue(id, at = this.instant()) {
    return this.mark("play_cue", id, { id, cue_time: iso(at) });
  }

  /** END PLAY. @param {string} id @param {number} [at] ms */
  end(id, at = this.instant()) {
    return this.mark("play_end", id, { id, end_time: iso(at) });
  }

  /** @param {import("./store.js").Play} play */
  star(play) {
    const starred = !play.is_favorite;
    const request = { method: starred ? "POST" : "DELETE", path: `/plays/${play.id}/favorite` };
    return this.mark("play_star", play.id, { starred }, request);
  }

  /** Undo: the play goes, on every angle. @param {string} id */
  undo(id) {
    if (this.last === id) this.last = "";
    return this.mark("play_undo", id, {}, { method: "DELETE", path: `/plays/${id}` });
  }

  /** Any other change that must not be lost while the box is away.
   * @param {string} doing @param {string} subject @param {string} method @param {string} path @param {any} [body] */
  request(doing, subject, method, path, body) {
    return this.mark(doing, subject, {}, { method, path, body });
  }

  /** @param {string} doing @param {string} subject @param {Record<string, any>} body
   * @param {import("./outbox.js").Mark["request"]} [request] @returns {Promise<any>} */
  mark(doing, subject, body, request = null) {
    return this.box.outbox.add({ key: uuid(), doing, subject, body, request });
  }

  stamp() {
    return { client_time: new Date().toISOString(), clock_offset_ms: Math.round(this.box.offsetMs) };
  }
}

/** @param {number} ms */
const iso = (ms) => new Date(ms).toISOString();
