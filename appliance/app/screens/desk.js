// The desk: the list of plays and the player. The screen a coach uses during the whole game.

import { button, h, icon, keyed, say } from "../parts/dom.js";
import "../parts/play-card.js";
import { ASKING, NO_SESSION, TAP } from "../parts/player/replay-player.js";
import { readyAfter } from "../state/connection/store.js";
import { Beginnings } from "../state/tags/tagging.js";
import { playName } from "../state/words.js";
import { deletePlay, starPlay, trimPlay } from "./play-actions.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/connection/store.js").Play} Play */
/** @typedef {import("../state/connection/store.js").Clip} Clip */

export const title = "Plays";
const NO_PLAY = "No play yet. Press NEW PLAY when the ball is ready, END PLAY after the whistle.";

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
export function enter(root, ctx, words) {
  return new Desk(root, ctx, words[0] ?? "");
}

/** Angles of a play that are stored on this device. @param {Ctx} ctx @param {readonly Clip[]} clips */
const keptOf = (ctx, clips) =>
  clips.filter((clip) => clip.stream_url && ctx.prefetch.held.has(clip.stream_url)).length;

class Desk {
  /** @param {HTMLElement} root @param {Ctx} ctx @param {string} playId */
  constructor(root, ctx, playId) {
    this.ctx = ctx;
    this.root = root;
    this.playId = playId;
    /** @type {Play[]} */
    this.rows = [];
    /** @type {Play[]} */
    this.all = [];
    this.onlyStars = false;
    this.touched = false; // a finger is on the list
    /** Plays whose "ready" notice was shown. @type {Set<string>} */
    this.announced = new Set();
    this.boardId = playId; // the play being tagged: the watched one, or one that began since
    this.beginnings = new Beginnings();
    this.seen = ""; // newest play when the list was last scrolled to the top
    this.list = h("ol", { id: "plays", tabIndex: -1, "aria-label": "Plays, newest first" });
    this.count = h("small", { id: "play-count" });
    this.stars = button("Only starred plays", icon("star"), () => this.filter(), {
      "aria-pressed": "false",
      class: "plain",
    });
    this.newer = h("button", { type: "button", class: "newer", hidden: true, onclick: () => this.toTop() });
    this.empty = h("p", { class: "quiet empty", id: "no-plays" });
    this.player = /** @type {import("../parts/player/replay-player.js").ReplayPlayer} */ (
      h("replay-player", { class: "player" })
    );
    this.panel = h("aside", { class: "panel", hidden: true });
    root.append(
      h(
        "section",
        { class: "list", "aria-label": "Plays" },
        h("header", { class: "filters" }, h("h2", { class: "grow" }, "Plays ", this.count), this.stars),
        this.list,
        this.empty,
        this.newer,
      ),
      h("section", { class: "picture", "aria-label": "Picture" }, this.player),
      this.panel,
    );
    this.wire();
  }

  wire() {
    const { ctx, root, player, list } = this;
    root.addEventListener("watch", (event) => this.watch(/** @type {any} */ (event).detail.id));
    root.addEventListener("star", (event) => starPlay(ctx, /** @type {any} */ (event).detail));
    root.addEventListener("undo", (event) => deletePlay(ctx, /** @type {any} */ (event).detail));
    root.addEventListener("close-tags", () => this.togglePanel());
    root.addEventListener("look", (event) => this.look(/** @type {any} */ (event).detail));
    list.addEventListener("pointerdown", () => (this.touched = true));
    this.release = () => {
      if (!this.touched) return;
      this.touched = false;
      this.drawList();
    };
    addEventListener("pointerup", this.release);
    addEventListener("pointercancel", this.release);
    list.addEventListener("scroll", () => list.scrollTop < 8 && this.atTop(), { passive: true });
    player.setup({
      prefs: ctx.prefs,
      prefetch: ctx.prefetch,
      hasPanel: () => Object.keys(ctx.panels).length > 0 && ctx.access.may("tag"),
      endsHere: (play) => ctx.open()?.id === play.id,
    });
    player.addEventListener("playing", () => ctx.prefetch.pause());
    player.addEventListener("resting", () => ctx.prefetch.resume());
    player.addEventListener("step-play", (event) => this.neighbour(/** @type {any} */ (event).detail));
    player.addEventListener(
      "viewed",
      (event) =>
        void ctx.box.request("POST", `/clips/${/** @type {any} */ (event).detail}/view`).catch(() => {}),
    );
    player.addEventListener(
      "retry",
      (event) =>
        void ctx.marks.request(
          "clip_retry",
          /** @type {any} */ (event).detail,
          "POST",
          `/clips/${/** @type {any} */ (event).detail}/retry`,
        ),
    );
    player.addEventListener("trim", (event) => trimPlay(ctx, /** @type {any} */ (event).detail));
    player.addEventListener("panel", () => this.togglePanel());
    player.addEventListener("back", () => this.watch(""));
    this.heard = (/** @type {any} */ event) => this.hear(event.detail);
    ctx.box.addEventListener("event", this.heard);
    this.keeps = () => this.clips && this.drawList();
    ctx.prefetch.addEventListener("held", this.keeps);
    this.unkey = ctx.keys.add([
      ...player.shortcuts(),
      { keys: ["ArrowUp", "k"], words: "Newer play", group: "Plays", act: () => this.neighbour(-1) },
      { keys: ["ArrowDown", "j"], words: "Older play", group: "Plays", act: () => this.neighbour(1) },
      { keys: ["s"], words: "Star", group: "Plays", act: () => this.play && starPlay(ctx, this.play) },
      { keys: ["Enter"], words: "Watch the newest", group: "Plays", act: () => this.newest() },
    ]);
    const panel = Object.keys(ctx.panels)[0];
    // on a phone the panel would hide the plays
    const room = matchMedia("(min-width: 701px) and (min-height: 481px)").matches;
    if (panel && room && ctx.prefs.get("role") === "analyst") void this.openPanel(panel);
  }

  leave() {
    this.left = true;
    this.ctx.box.removeEventListener("event", this.heard ?? null);
    this.ctx.prefetch.removeEventListener("held", this.keeps ?? null);
    removeEventListener("pointerup", this.release ?? (() => {}));
    removeEventListener("pointercancel", this.release ?? (() => {}));
    this.unkey?.();
    for (const id of this.announced) this.ctx.unsay(`ready ${id}`); // the notice's action is on this screen
    this.player.close();
    this.ctx.prefetch.resume();
  }

  get play() {
    return this.rows.find((each) => each.id === this.playId);
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  update() {
    this.all = this.ctx.plays();
    this.rows = this.onlyStars ? this.all.filter((play) => play.is_favorite) : this.all;
    this.clips = this.ctx.clips();
    this.tags = this.ctx.tags();
    if (this.all.length || this.ctx.known()) this.boardId = this.beginnings.look(this.all) || this.boardId;
    for (const id of this.announced) if (!this.all.some((play) => play.id === id)) this.unsay(id);
    this.drawList();
    this.drawPicture();
  }

  /** Remove the "ready" notice of a play that was undone. @param {string} id */
  unsay(id) {
    this.announced.delete(id);
    this.ctx.unsay(`ready ${id}`);
  }

  drawList() {
    const { rows, all, clips, list, ctx } = this;
    if (this.touched && rows.length > list.children.length) return; // nothing moves under a finger
    const before = list.scrollTop;
    const height = list.scrollHeight;
    const angle = ctx.prefs.get("angle");
    keyed(
      list,
      rows,
      (play) => play.id,
      (play, old) => {
        const item = old ?? h("li", { class: "play" }, h("play-card"));
        const card = /** @type {import("../parts/play-card.js").PlayCard} */ (item.firstElementChild);
        card.view = {
          play,
          angle,
          clips: clips?.get(play.id) ?? [],
          tags: this.tags?.get(play.id) ?? [],
          chosen: play.id === this.playId,
          figure: readyAfter(clips?.get(play.id) ?? []),
          refused: ctx.refusal(play.id),
          kept: keptOf(ctx, clips?.get(play.id) ?? []),
          copies: ctx.prefetch,
        };
        return item;
      },
    );
    if (before > 8) list.scrollTop = before + (list.scrollHeight - height);
    else this.atTop();
    const fresh = rows.findIndex((play) => play.id === this.seen);
    this.newer.hidden = !(before > 8 && fresh > 0);
    say(this.newer, `${fresh} new`);
    say(this.count, all.length ? String(all.length) : "");
    this.empty.hidden = rows.length > 0 || !(ctx.known() || ctx.session());
    say(
      this.empty,
      this.onlyStars ? "No starred play. Tap the star of a play to keep it here." : "No play yet.",
    );
  }

  drawPicture() {
    const { player, ctx } = this;
    const play = this.play;
    if (this.playId && !play && ctx.known() && this.all.every((each) => each.id !== this.playId)) this.lost();
    player.reach = ctx.box.online;
    player.know(ctx.box.state.channels, ctx.session());
    player.idle = this.all.length ? TAP : ctx.session() ? NO_PLAY : ctx.known() ? NO_SESSION : ASKING;
    player.show(
      this.playId ? (this.all.find((each) => each.id === this.playId) ?? null) : null,
      this.clips?.get(this.playId) ?? [],
      this.tags?.get(this.playId) ?? [],
    );
    const { board } = this;
    const tagged = this.all.find((each) => each.id === this.boardId) ?? play ?? this.all[0] ?? null;
    if (board)
      Object.assign(board, {
        play: tagged,
        clips: this.clips?.get(tagged?.id ?? "") ?? [],
        tags: this.tags?.get(tagged?.id ?? "") ?? [],
      });
  }

  /** The watched play is gone. If another device deleted it, say so. */
  lost() {
    const { ctx, player, playId } = this;
    const own = ctx.box.outbox.marks.some((mark) => mark.doing === "play_undo" && mark.subject === playId);
    if (player.play?.id === playId && !own && !ctx.box.state.plays.has(playId))
      ctx.say(`${playName(player.play)} was deleted on another device`, { key: "deleted" });
    this.playId = "";
  }

  /** @param {number} now */
  tick(now) {
    for (const item of this.list.children) /** @type {any} */ (item.firstElementChild).tick(now);
  }

  // -- actions ----------------------------------------------------------------------------------------------

  /** @param {string} id */
  watch(id) {
    this.playId = id;
    if (id) this.boardId = id;
    this.player.autoplay = true;
    this.unsay(id);
    // keyboard input goes to the picture, not to the card
    if (id) this.player.stage?.focus({ preventScroll: true });
    history.replaceState(null, "", id ? `#desk/${id}` : "#desk");
    this.update();
  }

  newest() {
    const playable = this.rows.find((play) => this.clips?.get(play.id)?.some((clip) => clip.stream_url));
    if (playable) this.watch(playable.id);
  }

  /** @param {number} by 1: the older one, which is below */
  neighbour(by) {
    const rows = this.rows;
    const at = rows.findIndex((each) => each.id === this.playId);
    const next = rows[at < 0 ? 0 : at + by];
    if (!next) return void this.player.edge(by);
    this.watch(next.id);
    this.list.querySelector(`[data-key="${next.id}"]`)?.scrollIntoView({ block: "nearest" });
  }

  filter() {
    this.onlyStars = !this.onlyStars;
    this.stars.setAttribute("aria-pressed", String(this.onlyStars));
    this.update();
  }

  toTop() {
    this.list.scrollTop = 0;
    this.atTop();
  }

  atTop() {
    this.seen = this.rows[0]?.id ?? "";
    this.newer.hidden = true;
  }

  /**
   * A clip became playable: fetch the watched angle in advance and show a notice.
   * @param {{event: any, before: any}} heard
   */
  hear({ event, before }) {
    const clip = /** @type {Clip | undefined} */ (event.clip);
    if (!clip?.play_id || !clip.stream_url || clip.stream_url === before?.stream_url) return;
    const clips = this.clips?.get(clip.play_id) ?? [];
    const watched =
      clips.find((each) => each.channel_id === this.ctx.prefs.get("angle"))?.channel_id ??
      clips[0]?.channel_id;
    if (clip.channel_id !== (watched ?? clip.channel_id)) return;
    this.ctx.prefetch.want(clip.stream_url);
    const play = this.ctx.box.state.plays.get(clip.play_id);
    if (
      !play ||
      before?.stream_url ||
      clip.play_id === this.playId ||
      !this.ctx.plays().some((each) => each.id === play.id)
    )
      return;
    this.announced.add(play.id);
    this.ctx.say(`Play ${play.number} ready`, {
      action: "Watch",
      act: () => this.watch(play.id),
      key: `ready ${play.id}`,
      kind: "good",
      patient: true,
    });
  }

  togglePanel() {
    if (!this.panel.hidden) {
      this.panel.hidden = true;
      this.root.classList.remove("with-panel");
      this.board?.look(false);
    } else void this.openPanel(Object.keys(this.ctx.panels)[0]);
  }

  get board() {
    return /** @type {any} */ (this.panel.firstElementChild);
  }

  /** On a phone: show the picture of the tagged play instead of the keys. @param {boolean} on */
  look(on) {
    this.root.classList.toggle("looking", on);
    if (on && this.boardId && this.boardId !== this.playId) this.watch(this.boardId);
  }

  /** @param {string} name the custom element that is the panel */
  async openPanel(name) {
    const here = await this.ctx.panels[name]().then(
      () => true,
      () => false,
    );
    if (this.left) return;
    if (!here) return this.ctx.late("The tag board", () => void (this.left || this.openPanel(name)));
    this.ctx.came();
    if (this.panel.firstElementChild?.localName !== name) {
      const board = /** @type {any} */ (document.createElement(name));
      board.ctx = this.ctx;
      board.closable = true;
      this.panel.replaceChildren(board);
    }
    this.panel.hidden = false;
    this.root.classList.add("with-panel");
    this.update();
  }
}
