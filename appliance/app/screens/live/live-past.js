// The past of the live screen: the last minutes of the leading angle as a recording, to play, pause and step
// through.
//
// Owns: the frozen replay over the live picture, the still picture during dragging or loading, and the text
// where there is no footage. Must not know: how live pictures arrive, bars, buttons.

import { h, say } from "../../parts/dom.js";
import { Reel } from "../../parts/footage/reel.js";
import { habitsOf } from "../../state/footage/replay.js";
import { clockOf, reasonOf } from "../../state/words.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/**
 * `channel`: the leading angle. `live`: its live picture. `gap`: why there is no footage at an instant, ""
 * unknown. `turned`: called on a change between live and past.
 * @typedef {{channel: () => import("../../state/api").Channel | undefined, live: () => HTMLVideoElement |
 *   undefined, gap: (at: number) => string, turned: () => void}} Given
 */

const PIECE_MS = 30_000; // length of one request
const LEAD_MS = 1000; // loaded before a paused picture, for steps backwards
const EDGE_MS = 1500; // less than this before now counts as live
// a very recent picture is requested with a short following span, not with half a minute
const AFTER_MS = 200;

export class Past {
  /** @param {Ctx} ctx @param {Given} given */
  constructor(ctx, given) {
    this.ctx = ctx;
    this.given = given;
    this.on = false; // is the past shown
    this.place = 0; // capture time last requested, ms
    this.lost = false; // there is no footage at that time
    this.rate = 1;
    this.touched = false; // a finger is dragging
    this.reel = new Reel(
      {
        ask: (path) => ctx.box.request("GET", path),
        habits: () => habitsOf(ctx.prefs),
        now: () => ctx.box.now(),
      },
      { class: "past", hidden: true },
    );
    this.held = h("canvas", { class: "past preview", hidden: true });
    this.preview = h("img", { class: "past preview", alt: "", hidden: true });
    this.note = h("p", { class: "message", role: "status", hidden: true });
    const { video } = this.reel;
    video.addEventListener("ended", () => this.reel.piece && void this.to(this.reel.piece.to));
    video.addEventListener("error", () => video.hasAttribute("src") && this.lose());
    // it is painted a moment after it is reported
    for (const name of ["playing", "seeked", "loadeddata"])
      video.addEventListener(name, () =>
        requestAnimationFrame(() => requestAnimationFrame(() => this.uncover())),
      );
  }

  get nodes() {
    return [this.reel.video, this.held, this.preview, this.note];
  }

  /** Capture time of the picture shown, ms. */
  get capture() {
    return this.lost ? this.place : (this.reel.at ?? this.place);
  }

  get running() {
    return this.reel.running;
  }

  /**
   * Show an instant: live when it is now, otherwise the recording.
   * @param {number} at ms
   * @param {boolean} [run]
   */
  async to(at, run = true) {
    const { reel } = this;
    const now = this.ctx.box.now();
    const channel = this.given.channel()?.id ?? "";
    this.touched = false;
    if (run && at > now - EDGE_MS) return this.end();
    this.place = at;
    if (this.on && reel.covers(channel, at)) {
      reel.seek(at);
      return run ? reel.run() : reel.pause();
    }
    this.begin();
    const span = {
      from: run ? at : at - LEAD_MS,
      to: Math.min(at + PIECE_MS, Math.max(now - EDGE_MS, at + AFTER_MS)),
    };
    try {
      if (await reel.load(channel, span, { at, run, rate: this.rate })) reel.video.hidden = false;
    } catch {
      this.lose();
    }
  }

  /** The live picture stays until the past has a picture. */
  begin() {
    this.hold(this.on ? this.reel.video : this.given.live());
    this.lost = false;
    this.tell("");
    if (this.on) return;
    this.on = true;
    this.given.turned();
  }

  /** Back to live. */
  end() {
    this.reel.drop();
    this.reel.video.hidden = this.held.hidden = this.preview.hidden = true;
    this.tell("");
    this.lost = this.touched = false;
    if (!this.on) return;
    this.on = false;
    this.given.turned();
  }

  lose() {
    const reason = this.given.gap(this.place);
    this.reel.drop();
    this.lost = true;
    this.reel.video.hidden = this.held.hidden = this.preview.hidden = true;
    this.tell(`No footage at ${clockOf(this.place)}${reason ? `: ${reasonOf(reason)}` : ""}`);
  }

  /** @param {HTMLVideoElement | undefined} video */
  hold(video) {
    if (!video || video.hidden || video.readyState < 2) return;
    [this.held.width, this.held.height] = [video.videoWidth, video.videoHeight];
    this.held.getContext("2d")?.drawImage(video, 0, 0);
    this.held.hidden = false;
  }

  uncover() {
    const { reel } = this;
    if (this.touched || reel.loading || reel.wanted !== null || reel.video.seeking) return;
    this.held.hidden = this.preview.hidden = true;
  }

  /** @param {string} text */
  tell(text) {
    this.note.hidden = !text;
    say(this.note, text);
  }

  // -- navigation -------------------------------------------------------------------------------------------

  /** @param {number} from ms @param {number} seconds */
  move(from, seconds) {
    void this.to(from + seconds * 1000, !this.on || this.lost || this.running);
  }

  /** @param {number} from ms, position of the live picture */
  toggle(from) {
    if (!this.on)
      void this.to(from, false); // the picture shown stays
    else if (this.running) this.reel.pause();
    else if (this.lost) void this.to(this.place);
    else this.reel.run();
  }

  /**
   * From live it changes to the past.
   * @param {number} from ms, position of the live picture
   * @param {number} by frames
   */
  step(from, by) {
    const framerate = this.given.channel()?.framerate;
    void this.to(
      this.on
        ? this.reel.stepped(this.capture, by, framerate)
        : this.reel.stepped(from, Math.min(0, by), framerate),
      false,
    );
  }

  /** @param {number} rate */
  speed(rate) {
    this.rate = rate;
    this.reel.video.playbackRate = this.reel.video.defaultPlaybackRate = rate;
  }

  /** While dragging: still pictures, one request at a time. @param {number} at ms */
  glimpse(at) {
    const { preview } = this;
    this.touched = true;
    this.sought = at;
    if (this.glimpsing) return;
    this.glimpsing = true;
    const next = () => {
      this.glimpsing = false;
      if (this.touched && this.sought !== at) this.glimpse(/** @type {number} */ (this.sought));
    };
    preview.onload = () => {
      if (this.touched) preview.hidden = false;
      next();
    };
    preview.onerror = next;
    const instant = encodeURIComponent(new Date(at).toISOString());
    preview.src = `/channels/${this.given.channel()?.id}/frame.jpg?at=${instant}`;
  }
}
