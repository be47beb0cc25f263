// One play with all its angles: number, thumbnail, tags in the team's words, star, readiness, time from mark
// to playable.
//
// Properties: `view` (PlayView). Emits `watch`, `star`, `undo`, `end-play`, each with the play.

import { button, define, emit, h, icon, say, setIcon } from "./dom.js";
import { Presses } from "../state/marks/press.js";
import { clockOf, figureOf, lengthOf, missingOf, stateOf, stateOfPlay, tagsOf } from "../state/words.js";

/**
 * @typedef {object} PlayView
 * @property {import("../state/connection/store.js").Play} play
 * @property {readonly import("../state/connection/store.js").Clip[]} clips
 * @property {readonly import("../state/connection/store.js").Tag[]} tags
 * @property {boolean} chosen
 * @property {number | null} figure seconds from mark to playable
 * @property {string} refused why the appliance refused it
 * @property {string} angle channel whose thumbnail is shown
 * @property {number} [kept] angles stored on this device
 * @property {Pick<import("../state/device/prefetch.js").Prefetch, "source" | "retry">} [copies]
 *   thumbnails stored on this device. No closures of a screen: a browser may keep the image of a removed
 *   card, and everything the card references
 */

/** Shared by all cards: after a delete the next card moves under the same finger. */
const presses = new Presses();

export class PlayCard extends HTMLElement {
  look = "";

  connectedCallback() {
    if (this.made) return;
    const text = (/** @type {string} */ name) => h("span", { class: name });
    this.made = {
      image: h("img", { alt: "", width: 112, height: 63, decoding: "async" }),
      number: h("b", { class: "number" }),
      words: text("words"),
      when: text("when"),
      cue: text("cue"),
      figure: text("figure"),
      dots: text("dots"),
      state: text("state"),
      here: text("here"),
      length: text("length"),
      star: button("Star", icon("star"), (event) => this.once("star", `star ${this.seen?.play.id}`, event), {
        class: "plain star",
      }),
      undo: button("Delete", icon("trash"), (event) => this.once("undo", "delete", event), {
        class: "plain undo",
      }),
      end: h(
        "button",
        {
          type: "button",
          class: "end",
          hidden: true,
          onclick: () => emit(this, "end-play", this.seen?.play),
        },
        "End",
      ),
      open: h("button", {
        type: "button",
        class: "open plain",
        onclick: () => emit(this, "watch", this.seen?.play),
      }),
    };
    const { image, number, words, when, cue, figure, dots, state, here, length, star, undo, end, open } =
      this.made;
    image.onload = () => (this.misses = 0);
    image.onerror = () => this.missed();
    // The button covers the content of the card: its label is short, and screen readers read the content.
    this.append(
      open,
      h(
        "span",
        { class: "face" },
        h("span", { class: "frame" }, image, length),
        h(
          "span",
          { class: "text" },
          h("span", { class: "row" }, number, words),
          h("span", { class: "row" }, when, figure),
          h("span", { class: "row" }, dots, state, here, cue),
        ),
      ),
      end,
      star,
      undo,
    );
    this.draw();
  }

  /** @param {string} name @param {string} what @param {MouseEvent} event */
  once(name, what, event) {
    if (!presses.isBounce(what, event.timeStamp)) emit(this, name, this.seen?.play);
  }

  /** @param {PlayView} view */
  set view(view) {
    this.seen = view;
    this.draw();
  }

  draw() {
    const { made, seen } = this;
    if (!made || !seen) return;
    const { play, clips, tags, chosen, figure, refused } = seen;
    const look = JSON.stringify([
      play.rev,
      play.duration,
      play.cue_time,
      play.is_favorite,
      play.local,
      chosen,
      figure,
      refused,
      seen.angle,
      seen.kept,
      clips.map((clip) => [clip.rev, clip.status, clip.stream_url]),
      tags.map((tag) => tag.rev),
    ]);
    if (look === this.look) return;
    this.look = look;
    const name = play.number ? String(play.number) : "…";
    this.classList.toggle("chosen", chosen);
    this.classList.toggle("ghost", !play.duration);
    say(made.number, name);
    say(made.words, play.title || tagsOf(tags) || (play.auto_closed ? "Ended by the box" : ""));
    say(made.when, clockOf(play.start_time));
    say(made.cue, play.cue_time ? "cue" : "");
    say(made.figure, figure === null ? "" : figureOf(figure));
    made.figure.title = "From mark to playable";
    say(made.here, seen.kept ? "⤓" : "");
    made.here.title = seen.kept ? `Kept on this device: ${seen.kept} of ${clips.length} angles` : "";
    this.drawState(play, clips, refused);
    made.star.setAttribute("aria-pressed", String(play.is_favorite));
    made.star.setAttribute("aria-label", `Star play ${name}`);
    setIcon(made.star, "star", play.is_favorite);
    made.undo.setAttribute("aria-label", `Delete play ${name}`);
    made.end.hidden = Boolean(play.duration);
    made.end.setAttribute("aria-label", `End play ${name}`);
    made.open.setAttribute("aria-label", `Watch play ${name}`);
    made.open.setAttribute("aria-current", String(chosen));
    this.picture(false);
  }

  /**
   * @param {import("../state/connection/store.js").Play} play
   * @param {readonly import("../state/connection/store.js").Clip[]} clips
   * @param {string} refused
   */
  drawState(play, clips, refused) {
    const made = /** @type {NonNullable<typeof this.made>} */ (this.made);
    if (play.duration) {
      say(made.length, lengthOf(play.duration));
      delete made.length.dataset.since;
    } else made.length.dataset.since = String(Date.parse(play.start_time));
    made.length.classList.toggle("live", !play.duration);
    made.dots.replaceChildren(
      ...clips.map((clip) =>
        h("i", { class: dot(clip), title: `${clip.channel_id}: ${stateOf(clip, play)}` }),
      ),
    );
    say(made.state, refused || stateOfPlay(play, clips));
    made.state.title = clips.flatMap(missingOf).join("\n");
    made.state.classList.toggle(
      "part",
      clips.some((clip) => clip.coverage?.missing?.length),
    );
    made.state.classList.toggle("bad", Boolean(refused) || clips.some((clip) => clip.status === "failed"));
    this.dataset.state =
      clips.length && clips.every((clip) => clip.stream_url) ? "ready" : play.duration ? "waiting" : "open";
  }

  /** The running duration of an open play. @param {number} now ms */
  tick(now) {
    const since = Number(this.made?.length.dataset.since);
    if (since && this.made) say(this.made.length, lengthOf((now - since) / 1000));
  }

  /** A broken image is hidden and requested again at growing intervals: the clip may never be cut. */
  missed() {
    const { image } = this.made ?? {};
    if (image?.src.startsWith("blob:")) void this.seen?.copies?.retry(image.dataset.of ?? "", image.src);
    image?.removeAttribute("src");
    clearTimeout(this.again);
    this.again = setTimeout(() => this.picture(true), Math.min(30_000, 1000 * 2 ** (this.misses ?? 0)));
    this.misses = (this.misses ?? 0) + 1;
  }

  /**
   * The thumbnail of the watched angle. One that does not exist yet is requested again a second later.
   * @param {boolean} again
   */
  picture(again) {
    const { made, seen } = this;
    if (!made || !seen || !this.isConnected) return;
    const clip = seen.clips.find((each) => each.channel_id === seen.angle) ?? seen.clips[0];
    const wanted = clip ? clip.thumbnail_url : "";
    if (!wanted || (wanted === made.image.dataset.of && !again)) return;
    made.image.dataset.of = wanted;
    const here = seen.copies?.source(wanted) ?? wanted;
    made.image.src = here !== wanted || !again ? here : `${wanted}&again=${Date.now()}`;
  }
}

/** @param {import("../state/connection/store.js").Clip} clip */
function dot(clip) {
  if (clip.status === "failed") return "failed";
  if (clip.stream_url) return clip.coverage?.missing?.length ? "ready part" : "ready";
  return clip.waiting_for === "out" ? "ongoing" : "waiting";
}

define("play-card", PlayCard);
