// The actions of the mark bar: a press becomes a mark in the outbox, with the time of the press on the
// appliance's clock.

import { uuid } from "./ids.js";

export const BOUNCE_MS = 400;

export class Marks {
  /**
   * `refusal`: why this device may not mark; "" when it may.
   * @param {import("../connection/box.js").Box} box
   * @param {() => import("../connection/store.js").Session | undefined} session
   * @param {() => string} [refusal]
   */
  constructor(box, session, refusal = () => "") {
    this.box = box;
    this.refusal = refusal;
    this.session = session;
    /**
     * Capture time of the picture shown, ms of appliance time, while there is one: otherwise marks mean now.
     * @type {(() => number | null) | null}
     */
    this.lookingAt = null;
    this.pressed = { what: "", at: -Infinity }; // the button of the last mark that created a play, and when
  }

  /** The instant a press means. @param {number} [late] ms since the touch */
  instant(late = 0) {
    return this.lookingAt?.() ?? this.box.now() - late;
  }

  /**
   * NEW PLAY.
   * @param {{seconds?: number, at?: number}} [given] `seconds`: a complete play of the last seconds
   */
  newPlay({ seconds = 0, at = this.instant() } = {}) {
    const session = this.session();
    if (!session) return null;
    const id = uuid();
    return {
      id,
      answer: this.mark("play_new", id, {
        id,
        session_id: session.id,
        start_time: iso(at - seconds * 1000),
        duration_seconds: seconds,
        ...this.stamp(),
      }),
    };
  }

  /**
   * A second press of the same button within a moment is the same press: a bouncing thumb creates no second
   * play.
   * @param {string} what the button
   * @param {number} at of the touch, ms of performance.now()
   */
  isBounce(what, at) {
    const bounces = what === this.pressed.what && at - this.pressed.at < BOUNCE_MS;
    if (!bounces) this.pressed = { what, at };
    return bounces;
  }

  /** CUE: the snap; the last press is valid. @param {string} id @param {number} [at] ms */
  cue(id, at = this.instant()) {
    return this.mark("play_cue", id, { id, cue_time: iso(at) });
  }

  /** END PLAY. @param {string} id @param {number} [at] ms */
  end(id, at = this.instant()) {
    return this.mark("play_end", id, { id, end_time: iso(at) });
  }

  /** Undo CUE: back to the previous one, or none. @param {string} id @param {string | null} before */
  uncue(id, before) {
    if (before) return this.mark("play_cue", id, { id, cue_time: before });
    return this.mark("play_uncue", id, {}, { method: "DELETE", path: `/plays/${id}/cue` });
  }

  /** Undo END: the play is open again. @param {string} id */
  reopen(id) {
    return this.mark("play_reopen", id, {}, { method: "POST", path: `/plays/${id}/reopen` });
  }

  /** Undo a delete. @param {string} id */
  restore(id) {
    return this.mark("play_restore", id, {}, { method: "POST", path: `/plays/${id}/restore` });
  }

  /** @param {import("../connection/store.js").Play} play */
  star(play) {
    const starred = !play.is_favorite;
    const request = { method: starred ? "POST" : "DELETE", path: `/plays/${play.id}/favorite` };
    return this.mark("play_star", play.id, { starred }, request);
  }

  /** Undo: remove the play on every angle. @param {string} id */
  undo(id) {
    this.pressed = { what: "", at: -Infinity }; // the next press is intended, however soon
    return this.mark("play_undo", id, {}, { method: "DELETE", path: `/plays/${id}` });
  }

  /**
   * Any other change that must not be lost while the appliance is unreachable.
   * @param {string} doing
   * @param {string} subject
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   */
  request(doing, subject, method, path, body) {
    return this.mark(doing, subject, {}, { method, path, body });
  }

  /**
   * @param {string} doing
   * @param {string} subject
   * @param {Record<string, any>} body
   * @param {import("./outbox.js").Mark["request"]} [request]
   * @returns {Promise<any>}
   */
  mark(doing, subject, body, request = null) {
    const refusal = this.refusal();
    if (refusal) {
      const answer = Promise.reject(new Error(refusal));
      answer.catch(() => {}); // as the outbox does: a caller may ignore it
      return answer;
    }
    return this.box.outbox.add({ key: uuid(), doing, subject, body, request });
  }

  stamp() {
    return { client_time: new Date().toISOString(), clock_offset_ms: Math.round(this.box.offsetMs) };
  }
}

/** @param {number} ms */
const iso = (ms) => new Date(ms).toISOString();
