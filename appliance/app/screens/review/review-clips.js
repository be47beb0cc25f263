// Review, clips: every play of the session and every clip without a play, to watch, star and download.

import { button, h, icon, keyed, say, setIcon } from "../../parts/dom.js";
import "../../parts/player/replay-player.js";
import { Presses } from "../../state/marks/press.js";
import { lengthOf, stateOf, stateOfPlay, tagsOf } from "../../state/words.js";
import { clockOf } from "../../state/zone.js";
import { deleteClip, starClip, starPlay, trimClip, trimPlay } from "../play-actions.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("./review.js").Rows} Rows */
/** @typedef {import("../../state/connection/store.js").Play} Play */
/** @typedef {import("../../state/connection/store.js").Clip} Clip */
/**
 * A play, or a clip without a play in the shape of one.
 * @typedef {{id: string, name: string, play: Play, clips: Clip[], alone: Clip | null}} Row
 */

const AGAIN_MS = 5000; // until a failed thumbnail is requested again

/** After a delete the next row moves under the same finger. */
const presses = new Presses();

export class Clips {
  /** @param {Ctx} ctx @param {import("./review.js").Review} review */
  constructor(ctx, review) {
    this.ctx = ctx;
    this.id = review.chosen;
    /** @type {Row[]} */
    this.list = [];
    this.items = h("ol", { class: "clip-list", "aria-label": "Clips, newest first" });
    this.empty = h("p", { class: "quiet empty" });
    this.player = /** @type {import("../../parts/player/replay-player.js").ReplayPlayer} */ (
      h("replay-player", { class: "player" })
    );
    this.root = h(
      "section",
      { class: "clips-pane", "aria-label": "Clips" },
      h("div", { class: "clips-list" }, this.items, this.empty),
      h("div", { class: "picture" }, this.player),
    );
    const { player } = this;
    const detailOf = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    player.setup({
      prefs: ctx.prefs,
      prefetch: ctx.prefetch,
      hasPanel: () => false,
      endsHere: (play) => ctx.open()?.id === play.id,
    });
    player.autoplay = Boolean(this.id);
    player.addEventListener("playing", () => ctx.prefetch.pause());
    player.addEventListener("resting", () => ctx.prefetch.resume());
    player.addEventListener("step-play", (event) => this.neighbour(detailOf(event)));
    player.addEventListener(
      "viewed",
      (event) => void ctx.box.request("POST", `/clips/${detailOf(event)}/view`).catch(() => {}),
    );
    player.addEventListener("retry", (event) =>
      this.ask("clip_retry", detailOf(event), "POST", `/clips/${detailOf(event)}/retry`),
    );
    player.addEventListener("star", (event) =>
      this.star(this.list.find((row) => row.id === detailOf(event).id)),
    );
    player.addEventListener("trim", (event) => this.trim(detailOf(event)));
    player.addEventListener("back", () => this.watch(""));
    this.unkey = ctx.keys.add([
      ...player.shortcuts(),
      { keys: ["ArrowUp", "k"], words: "Newer clip", group: "Clips", act: () => this.neighbour(-1) },
      { keys: ["ArrowDown", "j"], words: "Older clip", group: "Clips", act: () => this.neighbour(1) },
      {
        keys: ["s"],
        words: "Star",
        group: "Clips",
        act: () => this.star(this.list.find((row) => row.id === this.id)),
      },
    ]);
  }

  leave() {
    this.unkey();
    this.player.close();
    this.ctx.prefetch.resume();
  }

  /** @param {Rows} rows */
  update(rows) {
    const alone = rows.alone.map((clip) => ({
      id: clip.id,
      name: clip.title || `Clip of ${this.cameraOf(clip)}`,
      play: playOf(clip),
      clips: [clip],
      alone: clip,
    }));
    const plays = rows.plays.map((play) => ({
      id: play.id,
      name: [play.number || "…", play.title || tagsOf(rows.tags.get(play.id) ?? [])]
        .filter(Boolean)
        .join(" · "),
      play,
      clips: rows.clips.get(play.id) ?? [],
      alone: null,
    }));
    this.tags = rows.tags;
    this.list = [...plays, ...alone].sort((a, b) => (a.play.start_time < b.play.start_time ? 1 : -1));
    this.draw();
  }

  /** @param {Clip} clip */
  cameraOf(clip) {
    return this.ctx.box.state.channels.get(clip.channel_id)?.name || clip.channel_id;
  }

  draw() {
    keyed(
      this.items,
      this.list,
      (row) => row.id,
      (row, old) => this.item(row, old),
    );
    this.empty.hidden = this.list.length > 0;
    say(this.empty, "No clip yet. Mark plays, or make clips from the footage: IN, OUT, Make clip.");
    const row = this.list.find((each) => each.id === this.id);
    this.player.reach = this.ctx.box.online;
    this.player.know(this.ctx.box.state.channels, this.ctx.session());
    this.player.show(row?.play ?? null, row?.clips ?? [], this.tags?.get(this.id) ?? []);
  }

  /** @param {Row} row @param {HTMLElement | undefined} old */
  item(row, old) {
    const { ctx } = this;
    const clip = row.clips.find((each) => each.channel_id === this.ctx.prefs.get("angle")) ?? row.clips[0];
    const made =
      old ??
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "open plain", onclick: () => this.watch(row.id) },
          h("img", {
            alt: "",
            width: 112,
            height: 63,
            decoding: "async",
            loading: "lazy",
            onerror: (/** @type {any} */ event) => this.missed(event.target),
          }),
          h("span", { class: "text" }, h("b", {}), h("span", {}), h("span", { class: "state" })),
        ),
        button("Star", icon("star"), () => this.star(this.list.find((each) => each.id === row.id)), {
          class: "plain star",
        }),
        h("a", { class: "button plain", download: "" }, icon("download")),
        row.alone &&
          button(
            `Delete ${row.name}`,
            icon("trash"),
            (event) => !presses.isBounce("delete", event.timeStamp) && deleteClip(ctx, row.id, row.name),
            { class: "plain" },
          ),
      );
    const [open, star, link] = made.children;
    const [name, when, state] = /** @type {Element} */ (open.lastElementChild).children;
    say(name, row.name);
    say(when, `${clockOf(row.play.start_time)} · ${lengthOf(row.play.duration)}`);
    say(state, row.alone ? stateOf(row.alone) : stateOfPlay(row.play, row.clips));
    open.setAttribute("aria-current", String(row.id === this.id));
    made.classList.toggle("chosen", row.id === this.id);
    star.setAttribute("aria-label", `Star ${row.name}`);
    star.setAttribute("aria-pressed", String(row.play.is_favorite));
    setIcon(star, "star", row.play.is_favorite);
    const image = /** @type {HTMLImageElement} */ (open.firstElementChild);
    if (clip?.stream_url && image.dataset.of !== clip.thumbnail_url) {
      image.dataset.of = clip.thumbnail_url;
      image.src = ctx.prefetch.source(clip.thumbnail_url);
    }
    /** @type {HTMLElement} */ (link).hidden = !clip?.stream_url;
    link.setAttribute("href", clip?.stream_url ?? "#");
    link.setAttribute("aria-label", `Download ${row.name}`);
    return made;
  }

  /**
   * A thumbnail that does not exist yet, or an unreachable appliance: request again.
   * @param {HTMLImageElement} image
   */
  missed(image) {
    const { of = "" } = image.dataset;
    if (image.src.startsWith("blob:")) void this.ctx.prefetch.retry(of, image.src);
    image.removeAttribute("src");
    setTimeout(() => {
      const here = this.ctx.prefetch.source(of);
      if (image.isConnected && image.dataset.of === of)
        image.src = here === of ? `${of}&again=${Date.now()}` : here;
    }, AGAIN_MS);
  }

  // -- actions ----------------------------------------------------------------------------------------------

  /** @param {string} id */
  watch(id) {
    this.id = id;
    this.player.autoplay = Boolean(id);
    this.draw();
    if (id) this.player.stage?.focus({ preventScroll: true });
  }

  /** @param {number} by */
  neighbour(by) {
    const at = this.list.findIndex((row) => row.id === this.id);
    const next = this.list[at < 0 ? 0 : at + by];
    if (!next) return this.player.edge(by);
    this.watch(next.id);
    this.items.querySelector(`[data-key="${next.id}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {Row | undefined} row */
  star(row) {
    if (!row) return;
    if (row.alone) starClip(this.ctx, row.alone, row.name);
    else starPlay(this.ctx, row.play);
  }

  /** @param {{id: string, start_time: string, duration_seconds: number}} given */
  trim({ id, ...body }) {
    const row = this.list.find((each) => each.id === id);
    if (row?.alone) trimClip(this.ctx, row.alone, row.name, body);
    else trimPlay(this.ctx, { id, ...body });
  }

  /**
   * @param {string} doing
   * @param {string} id
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   */
  ask(doing, id, method, path, body) {
    this.ctx.marks
      .request(doing, id, method, path, body)
      .catch((/** @type {Error} */ error) =>
        this.ctx.say(`Not done: ${error.message}`, { kind: "bad", seconds: 0 }),
      );
  }
}

/** A clip without a play, in the shape the player takes. @param {Clip} clip @returns {Play} */
function playOf(clip) {
  return {
    id: clip.id,
    play_id: clip.id,
    session_id: clip.session_id,
    number: 0,
    start_time: clip.start_time,
    duration: clip.duration,
    cue_time: null,
    title: clip.title || "Clip",
    is_favorite: clip.is_favorite,
    auto_closed: clip.auto_closed,
    start_time_given: clip.start_time_given,
    clip_ids: [clip.id],
    created_at: clip.created_at,
    updated_at: clip.updated_at,
    created_by: clip.created_by,
    rev: clip.rev,
  };
}
