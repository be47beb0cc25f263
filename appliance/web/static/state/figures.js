// From the press to playable, per play, as this device saw it: the figure that says how good the box is.
//
// Counted from when the play could be cut at the earliest (the later of its OUT and the press) to the event that made
// its first angle playable, both in box time.

/** @typedef {import("./store.js").State} State */

export class Figures {
  constructor() {
    /** @type {Map<string, number>} */
    this.seconds = new Map();
    try {
      this.seconds = new Map(JSON.parse(localStorage.getItem("figures") ?? "[]"));
    } catch {
      // begin anew
    }
  }

  /** @param {string} playId */
  of(playId) {
    return this.seconds.get(playId) ?? null;
  }

  /** @param {State} state @param {any} event @param {any} before the clip before the event */
  take(state, event, before) {
    const clip = event.clip;
    if (!clip?.play_id || !clip.stream_url || before?.stream_url || clip.media_rev > 1) return;
    if (this.seconds.has(clip.play_id)) return;
    const play = state.plays.get(clip.play_id);
    if (!play?.duration) return;
    const out = Date.parse(play.start_time) + play.duration * 1000;
    const from = Math.max(out, Date.parse(play.created_at));
    this.seconds.set(clip.play_id, Math.max(0, (Date.parse(event.ts) - from) / 1000));
    this.keep();
  }

  keep() {
    try {
      localStorage.setItem("figures", JSON.stringify([...this.seconds].slice(-300)));
    } catch {
      // known until a reload
    }
  }
}
