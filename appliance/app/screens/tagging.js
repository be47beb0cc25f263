// Tagging: the plays with search and filters, the player, and the tag board, for one play or several.
//
// Words after the hash are search criteria: #tagging/result=Touchdown, or a play's id.

import { button, h, icon, keyed, say } from "../parts/dom.js";
import "../parts/play-card.js";
import "../parts/tags/play-filter.js";
import { ASKING, NO_SESSION, TAP } from "../parts/player/replay-player.js";
import "../parts/tags/tag-board.js";
import { everything, FACETS, matching } from "../state/tags/find.js";
import { readyAfter } from "../state/connection/store.js";
import { Beginnings, merged, nextUntagged } from "../state/tags/tagging.js";
import { playName } from "../state/words.js";
import { deletePlay, starPlay, starPlays } from "./play-actions.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/connection/store.js").Play} Play */
/** @typedef {import("../state/tags/find.js").Row} Row */
/** @typedef {import("../state/tags/tagging.js").Target} Target */

export const title = "Tagging";

/** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
export function enter(root, ctx, words) {
  return new Tagging(root, ctx, words);
}

class Tagging {
  /** @param {HTMLElement} root @param {Ctx} ctx @param {string[]} words */
  constructor(root, ctx, words) {
    this.ctx = ctx;
    this.root = root;
    this.wanted = wantedOf(words);
    this.playId = words.find((word) => word && !word.includes("=")) ?? "";
    this.boardId = this.playId; // the play being tagged: the one shown, or one that began since
    this.beginnings = new Beginnings();
    /** @type {Set<string>} plays selected for tagging together */
    this.chosen = new Set();
    this.manyOpen = false; // on a phone: the board instead of the list
    /** @type {Row[]} */
    this.all = [];
    /** @type {Row[]} */
    this.rows = [];
    this.filter = /** @type {import("../parts/tags/play-filter.js").PlayFilter} */ (h("play-filter"));
    this.filter.wanted = this.wanted;
    this.list = h("ol", { class: "tag-list", "aria-label": "Plays, newest first", tabIndex: -1 });
    this.count = h("small", { role: "status" });
    this.empty = h("p", { class: "quiet empty" });
    this.bulk = h("div", { class: "bulk", role: "group", "aria-label": "All chosen plays", hidden: true });
    this.whole = h("input", {
      type: "checkbox",
      "aria-label": "Choose all plays shown",
      onchange: () => this.chooseAll(),
    });
    this.player = /** @type {import("../parts/player/replay-player.js").ReplayPlayer} */ (
      h("replay-player", { class: "player" })
    );
    this.board = /** @type {import("../parts/tags/tag-board.js").TagBoard} */ (
      document.createElement("tag-board")
    );
    this.board.ctx = ctx;
    this.aside = this.board.aside = h("div", {
      class: "board-aside groups",
      role: "group",
      "aria-label": "Players, labels, notes",
    });
    this.back = button(
      "Back to the plays",
      icon("down"),
      () => (this.chosen.size ? this.openMany(false) : this.show("")),
      { class: "to-list" },
    );
    root.append(
      h(
        "section",
        { class: "list", "aria-label": "Plays" },
        this.filter,
        h(
          "header",
          { class: "row heads" },
          h("label", { class: "pick" }, this.whole),
          h("h2", { class: "grow" }, "Plays ", this.count),
        ),
        h("div", { class: "rows" }, this.list, this.empty),
        this.bulk,
      ),
      h("section", { class: "picture", "aria-label": "Picture" }, this.player),
      h("section", { class: "board", "aria-label": "Tags" }, this.back, this.board, this.aside),
    );
    this.wire();
  }

  wire() {
    const { ctx, root, player } = this;
    const detailOf = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    root.addEventListener("watch", (event) => this.show(detailOf(event).id));
    root.addEventListener("look", (event) => this.look(detailOf(event)));
    root.addEventListener("star", (event) => starPlay(ctx, detailOf(event)));
    root.addEventListener("undo", (event) => deletePlay(ctx, detailOf(event)));
    this.filter.addEventListener("filter", (event) => {
      this.wanted = detailOf(event);
      this.draw();
    });
    player.setup({
      prefs: ctx.prefs,
      prefetch: ctx.prefetch,
      hasPanel: () => false,
      endsHere: (play) => ctx.open()?.id === play.id,
    });
    player.addEventListener("playing", () => ctx.prefetch.pause());
    player.addEventListener("resting", () => ctx.prefetch.resume());
    player.addEventListener("step-play", (event) => this.neighbour(detailOf(event)));
    player.addEventListener(
      "viewed",
      (event) => void ctx.box.request("POST", `/clips/${detailOf(event)}/view`).catch(() => {}),
    );
    player.addEventListener(
      "retry",
      (event) =>
        void ctx.marks.request("clip_retry", detailOf(event), "POST", `/clips/${detailOf(event)}/retry`),
    );
    player.addEventListener("back", () => (this.chosen.size ? this.unchoose() : this.show("")));
    const own = player.shortcuts().filter((each) => !each.keys.includes("t")); // trimming is on the desk
    this.unkey = ctx.keys.add([
      ...own,
      { keys: ["ArrowUp", "k"], words: "Newer play", group: "Plays", act: () => this.neighbour(-1) },
      { keys: ["ArrowDown", "j"], words: "Older play", group: "Plays", act: () => this.neighbour(1) },
      { keys: ["Enter"], words: "Next play without tags", group: "Plays", act: () => this.nextUntagged() },
      { keys: ["s"], words: "Star, or star all chosen", group: "Plays", act: () => this.star() },
      {
        keys: ["x"],
        words: "Choose this play",
        group: "Plays",
        act: () => this.playId && this.choose(this.playId, !this.chosen.has(this.playId)),
      },
      { keys: ["X"], words: "Choose all plays shown", group: "Plays", act: () => this.chooseAll() },
      { keys: ["/"], words: "Search", group: "Plays", act: () => this.filter.focusText() },
    ]);
  }

  leave() {
    this.unkey?.();
    this.player.close();
    this.ctx.prefetch.resume();
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  update() {
    const { ctx } = this;
    const plays = ctx.plays();
    this.clips = ctx.clips();
    this.tags = ctx.tags();
    this.all = plays.map((play) => {
      const tags = this.tags?.get(play.id) ?? [];
      return { play, fields: merged(tags), tagged: tags.length > 0 };
    });
    for (const id of this.chosen) if (!plays.some((play) => play.id === id)) this.chosen.delete(id);
    // rows may be incomplete: nothing is missing, nothing new
    if (!plays.length && !ctx.known()) return this.draw();
    if (this.playId && ctx.known() && !plays.some((play) => play.id === this.playId)) this.playId = "";
    if (!this.playId && !this.entered && matchMedia("(min-width: 701px)").matches)
      this.playId = plays[0]?.id ?? "";
    if (!this.entered) this.boardId = this.playId;
    this.entered = true;
    this.boardId =
      this.beginnings.look(plays) ||
      (plays.some((play) => play.id === this.boardId) ? this.boardId : this.playId);
    this.draw();
  }

  draw() {
    const { ctx, root, filter, all } = this;
    filter.rows = all;
    this.rows = matching(all, this.wanted);
    this.drawList();
    const play = all.find((row) => row.play.id === this.playId)?.play ?? null;
    this.player.reach = ctx.box.online;
    this.player.idle = ctx.session() ? TAP : ctx.known() ? NO_SESSION : ASKING;
    this.player.know(ctx.box.state.channels, ctx.session());
    this.player.show(play, this.clips?.get(this.playId) ?? [], this.tags?.get(this.playId) ?? []);
    const wanted = this.chosen.size
      ? all.filter((row) => this.chosen.has(row.play.id))
      : all.filter((row) => row.play.id === this.boardId);
    this.board.targets = wanted.map((row) => this.target(row.play));
    if (!this.chosen.size) this.manyOpen = false;
    // used on a phone
    root.classList.toggle("showing", this.chosen.size ? this.manyOpen : Boolean(this.playId));
    root.classList.toggle("many", this.chosen.size > 0);
    this.drawBulk();
  }

  /** @param {Play} play @returns {Target} */
  target(play) {
    return { play, clips: this.clips?.get(play.id) ?? [], tags: this.tags?.get(play.id) ?? [] };
  }

  drawList() {
    const { ctx, rows, all } = this;
    keyed(
      this.list,
      rows,
      (row) => row.play.id,
      ({ play }, old) => {
        const item =
          old ??
          h(
            "li",
            { class: "play" },
            h(
              "label",
              { class: "pick" },
              h("input", {
                type: "checkbox",
                onchange: (/** @type {any} */ event) => this.choose(play.id, event.target.checked),
              }),
            ),
            h("play-card"),
          );
        const box = /** @type {HTMLInputElement} */ (item.querySelector("input"));
        box.checked = this.chosen.has(play.id);
        box.setAttribute("aria-label", `Choose play ${play.number || "…"}`);
        const card = /** @type {import("../parts/play-card.js").PlayCard} */ (item.lastElementChild);
        const { clips, tags } = this.target(play);
        card.view = {
          play,
          clips,
          tags,
          angle: ctx.prefs.get("angle"),
          chosen: play.id === this.playId,
          figure: readyAfter(clips),
          refused: ctx.refusal(play.id),
        };
        return item;
      },
    );
    say(
      this.count,
      all.length === rows.length ? String(all.length || "") : `${rows.length} of ${all.length}`,
    );
    this.whole.checked = rows.length > 0 && rows.every((row) => this.chosen.has(row.play.id));
    this.whole.disabled = !rows.length;
    this.empty.hidden = rows.length > 0 || !(ctx.known() || ctx.session());
    say(
      this.empty,
      all.length
        ? "No play says that. Change the search or the filters."
        : ctx.session()
          ? "No play yet. Press NEW PLAY when the ball is ready, tag it when there is time."
          : NO_SESSION,
    );
  }

  drawBulk() {
    const { bulk, chosen } = this;
    bulk.hidden = !chosen.size;
    if (!chosen.size) return bulk.replaceChildren();
    const starred = this.chosenRows().every((row) => row.play.is_favorite);
    const look = `${chosen.size} ${starred}`;
    if (bulk.dataset.look === look && bulk.children.length) return;
    bulk.dataset.look = look;
    bulk.replaceChildren(
      h("b", { class: "grow" }, `${chosen.size} chosen`),
      h("button", { type: "button", class: "tag-all", onclick: () => this.openMany(true) }, "Tag"),
      h(
        "button",
        { type: "button", onclick: () => this.star() },
        icon("star", starred),
        starred ? "Unstar" : "Star",
      ),
      h("button", { type: "button", class: "plain", onclick: () => this.unchoose() }, "Done"),
    );
  }

  /** @param {number} now */
  tick(now) {
    for (const item of this.list.children) /** @type {any} */ (item.lastElementChild).tick(now);
  }

  // -- actions ----------------------------------------------------------------------------------------------

  /** @param {string} id "": no play */
  show(id) {
    this.playId = id;
    this.boardId = id;
    if (!id) this.board.look(false);
    this.player.autoplay = Boolean(id);
    if (!id) this.unchoose();
    else this.player.stage?.focus({ preventScroll: true });
    this.draw();
    this.list.querySelector(`[data-key="${id}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** On a phone: show the picture of the tagged play instead of the keys. @param {boolean} on */
  look(on) {
    this.root.classList.toggle("looking", on);
    if (on && this.boardId && this.boardId !== this.playId) this.show(this.boardId);
  }

  /** @param {number} by 1: the older one, which is below */
  neighbour(by) {
    const at = this.rows.findIndex((row) => row.play.id === this.playId);
    const next = this.rows[at < 0 ? 0 : at + by];
    if (next) this.show(next.play.id);
    else this.player.edge(by);
  }

  nextUntagged() {
    const next = nextUntagged(this.rows, this.boardId);
    if (next) this.show(next.play.id);
    else this.ctx.say("Every play shown has tags.", { kind: "good" });
  }

  /** @param {boolean} on */
  openMany(on) {
    this.manyOpen = on;
    this.draw();
  }

  chosenRows() {
    return this.all.filter((row) => this.chosen.has(row.play.id));
  }

  /** @param {string} id @param {boolean} on */
  choose(id, on) {
    if (on) this.chosen.add(id);
    else this.chosen.delete(id);
    this.draw();
  }

  chooseAll() {
    const every = this.rows.every((row) => this.chosen.has(row.play.id));
    for (const { play } of this.rows)
      if (every) this.chosen.delete(play.id);
      else this.chosen.add(play.id);
    this.draw();
  }

  unchoose() {
    this.chosen.clear();
    this.draw();
  }

  /** All selected plays, or the one shown: set the star, or clear it when all have it. */
  star() {
    const rows = this.chosen.size ? this.chosenRows() : this.all.filter((row) => row.play.id === this.playId);
    const starred = rows.every((row) => row.play.is_favorite);
    const changed = rows.filter((row) => row.play.is_favorite === starred);
    if (!changed.length) return;
    const words = this.chosen.size
      ? `${changed.length} plays ${starred ? "unstarred" : "starred"}`
      : `${playName(changed[0].play)} ${starred ? "unstarred" : "starred"}`;
    starPlays(
      this.ctx,
      changed.map(({ play }) => play),
      words,
    );
  }
}

/** Parses "result=Touchdown" and the like. @param {readonly string[]} words */
function wantedOf(words) {
  const wanted = everything();
  for (const word of words) {
    const [name, value = ""] = word.split("=");
    if (FACETS.includes(name)) wanted.fields[name] = value;
    else if (name === "starred" || name === "untagged" || name === "important") wanted[name] = true;
    else if (name === "text") wanted.text = value;
  }
  return wanted;
}
