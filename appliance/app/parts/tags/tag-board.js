// The tag board: quick buttons from the team's template, for one play or several.
//
// Properties: `ctx` once, then `play`, `clips`, `tags` (desk), or `targets` (tagging screen). A press becomes
// marks in the outbox: shown at once, sent when possible. It never blocks the marking of the next play. Emits
// `look` (show the picture instead of the keys, on screens too small for both) and `close-tags`.

import { button, define, emit, h, icon, say } from "../dom.js";
import { makeGroup } from "./tag-group.js";
import { aboutOf, carriedFor, missingOf, viewOf, wordsOf } from "./tag-view.js";
import { forgetRefused, keepUndo, tag, templateOf } from "../../state/tags/tagger.js";
import { isEmpty, merged, PAGES, pageOf, pressed } from "../../state/tags/tagging.js";
import { playName, tagsOf } from "../../state/words.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/api").TagGroup} Group */
/** @typedef {import("../../state/tags/tagging.js").Target} Target */
/** @typedef {import("../../state/tags/tagging.js").Fields} Fields */

export class TagBoard extends HTMLElement {
  constructor() {
    super();
    /** @type {Ctx | null} */
    this.ctx = null;
    /** @type {readonly Target[]} */
    this.list = [];
    /** @type {readonly Group[]} */
    this.groups = [];
    /** @type {Record<string, import("./tag-group.js").GroupPart>} */
    this.made = {};
    this.armed = ""; // the field that the digit keys apply to
    /** @type {(() => void)[]} */
    this.unkey = [];
    /** Where lists and notes go, when the screen has a better place. @type {HTMLElement | null} */
    this.aside = null;
    this.due = false;
    this.closable = false; // it is a panel with a close button
    this.looking = false; // the picture is shown instead of the keys
    this.touched = false; // a finger is on a key
    /**
     * The targets to switch to when the finger is lifted, or the field is left.
     * @type {readonly Target[] | null}
     */
    this.next = null;
    this.page = PAGES[0].name;
    this.about = ""; // the play for which the page was chosen
    this.refused = (/** @type {Error} */ error) => {
      this.ctx?.say(`Not tagged: ${error.message}`, { kind: "bad", seconds: 0, key: "not tagged" });
      if (this.ctx) forgetRefused(this.ctx.box.outbox);
    };
  }

  connectedCallback() {
    if (!this.ctx) return;
    if (!this.head) this.make();
    this.holdWhileUsed();
    this.unkey.push(
      this.ctx.keys.add([
        { keys: ["!"], words: "Important", group: "Tags", act: () => this.flag("is_important") },
        { keys: ["R"], words: "Reviewed", group: "Tags", act: () => this.flag("is_reviewed") },
        {
          keys: ["Shift+Enter"],
          words: "Take what is carried forward",
          group: "Tags",
          act: () => this.take(),
        },
      ]),
    );
    void this.load();
  }

  disconnectedCallback() {
    for (const each of this.unkey.splice(0)) each();
    this.life?.abort();
    this.next = null;
    this.disarm();
  }

  /**
   * What is being typed, or pressed by a finger, applies to the play that was shown when it began: a play
   * that begins meanwhile is shown afterwards.
   */
  holdWhileUsed() {
    this.life = new AbortController();
    const { signal } = this.life;
    const released = () =>
      setTimeout(() => {
        this.touched = false;
        this.follow();
      });
    for (const part of [this, this.aside]) {
      part?.addEventListener("pointerdown", () => (this.touched = true), { signal });
      part?.addEventListener("focusout", () => setTimeout(() => this.follow()), { signal });
    }
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, released, { signal });
  }

  get held() {
    const field = document.activeElement?.closest("input, textarea");
    return this.touched || Boolean(field && (this.contains(field) || this.aside?.contains(field)));
  }

  follow() {
    if (this.next && !this.held) this.targets = this.next;
  }

  make() {
    this.heading = h("h2", { class: "grow" });
    this.summary = h("p", { class: "summary" });
    const flag = (
      /** @type {string} */ name,
      /** @type {string} */ label,
      /** @type {Node | string} */ face,
    ) => button(label, face, () => this.flag(name), { "aria-pressed": "false", data: { flag: name } });
    this.flags = [flag("is_important", "Important", "!"), flag("is_reviewed", "Reviewed", icon("check"))];
    this.keep = button("Carry forward from the play before", "Carry", () => this.toggleCarry());
    this.offer = h("button", { type: "button", class: "offer", hidden: true, onclick: () => this.take() });
    this.words = h("p", { class: "quiet empty", role: "status" });
    this.body = h("div", { class: "groups" });
    this.sight = button("Picture", icon("play"), () => this.look(!this.looking), {
      class: "look",
      "aria-pressed": "false",
    });
    this.close = button("Close the tags", icon("close"), () => emit(this, "close-tags"), {
      class: "plain",
      hidden: !this.closable,
    });
    this.head = h(
      "header",
      { class: "board-head" },
      this.heading,
      ...this.flags,
      this.keep,
      this.sight,
      this.close,
    );
    this.pages = h(
      "div",
      { class: "segments pages", role: "group", "aria-label": "Pages" },
      ...PAGES.map(({ name, label }) =>
        h("button", { type: "button", data: { page: name }, onclick: () => this.turn(name) }, label),
      ),
    );
    this.append(
      this.head,
      h("div", { class: "row summary-row" }, this.summary, this.offer),
      this.pages,
      this.words,
      this.body,
    );
  }

  async load() {
    if (!this.ctx || this.groups.length || this.loading) return;
    this.loading = true;
    try {
      this.groups = (await templateOf(this.ctx.box)).groups;
    } catch {
      say(/** @type {Element} */ (this.words), "The tag buttons come when the box answers.");
      return;
    } finally {
      this.loading = false;
    }
    for (const group of this.groups) {
      this.made[group.field] = makeGroup(group, {
        press: (value) => this.press(group, value),
        set: (value) => this.write(() => ({ [group.field]: value })),
      });
      const beside = ["words", "text"].includes(group.kind);
      ((beside && this.aside) || this.body)?.append(this.made[group.field].root);
    }
    if (this.isConnected) {
      this.unkey.push(
        this.ctx.keys.add(
          this.groups.map((group) => ({
            keys: [group.key],
            words: `${group.label}, then a digit`,
            group: "Tags",
            act: () => this.arm(group),
          })),
        ),
      );
    }
    this.draw();
  }

  // -- targets ----------------------------------------------------------------------------------------------

  /** @param {import("../../state/connection/store.js").Play | null} play */
  set play(play) {
    this.singlePlay = play;
    this.later();
  }

  /** @param {readonly import("../../state/connection/store.js").Clip[]} clips */
  set clips(clips) {
    this.singleClips = clips;
    this.later();
  }

  /** @param {readonly import("../../state/connection/store.js").Tag[]} tags */
  set tags(tags) {
    this.singleTags = tags;
    this.later();
  }

  /** @param {readonly Target[]} targets */
  set targets(targets) {
    this.next = aboutOf(targets) !== this.about && this.held ? targets : null;
    if (this.next) return;
    this.list = targets;
    this.draw();
  }

  /** Sets the targets once, after the desk has set its three properties one after the other. */
  later() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      this.targets = this.singlePlay
        ? [{ play: this.singlePlay, clips: this.singleClips ?? [], tags: this.singleTags ?? [] }]
        : [];
    });
  }

  view() {
    const [first] = this.list;
    return viewOf(this.list, this.list.length === 1 ? this.carriedFor(first) : {});
  }

  /** @param {Target} target */
  carriedFor(target) {
    return this.ctx ? carriedFor(this.ctx, target, this.groups) : {};
  }

  // -- drawing ----------------------------------------------------------------------------------------------

  draw() {
    const { ctx, list, heading, summary, words, body, offer, keep } = this;
    if (!ctx || !heading || !summary || !words || !body || !offer || !keep) return;
    void this.load();
    const view = this.view();
    const single = list.length === 1 ? list[0] : null;
    say(
      heading,
      single ? `Play ${single.play.number || "…"}` : list.length ? `${list.length} plays` : "Tags",
    );
    say(
      summary,
      single
        ? tagsOf(single.tags) || (single.clips.length ? "Nothing tagged yet" : "")
        : list.length
          ? "Every button tags all of them."
          : "",
    );
    const missing = missingOf(ctx, list);
    if (!this.loading && this.groups.length) say(words, missing);
    words.hidden = !words.textContent;
    body.hidden = Boolean(missing);
    if (this.aside) this.aside.hidden = Boolean(missing);
    if (this.pages) this.pages.hidden = Boolean(missing);
    const about = aboutOf(list);
    // a new play starts at the first page
    if (about !== this.about || (this.page === "more" && !this.hasMore)) this.page = PAGES[0].name;
    this.about = about;
    this.dataset.page = this.page;
    this.classList.toggle("beside", Boolean(this.aside));
    if (this.aside) this.aside.dataset.page = this.page;
    keep.hidden = list.length > 1;
    keep.setAttribute("aria-pressed", String(ctx.prefs.get("carry")));
    const isPredicted = Object.keys(view.carried).length > 0;
    offer.hidden = !isPredicted;
    if (isPredicted) say(offer, `Take over ${wordsOf(view.carried)}`);
    for (const each of this.flags ?? []) {
      each.setAttribute("aria-pressed", String(view.fields[/** @type {string} */ (each.dataset.flag)]));
      each.disabled = Boolean(missing);
    }
    for (const each of this.pages?.children ?? []) {
      const { page = "" } = /** @type {HTMLElement} */ (each).dataset;
      each.setAttribute("aria-pressed", String(page === this.page));
      const isTagged = this.groups.some(
        ({ field }) => pageOf(field) === page && !isEmpty(view.fields[field]),
      );
      each.classList.toggle("tagged", isTagged);
      each.setAttribute("aria-description", isTagged ? "tagged" : "");
    }
    for (const group of this.groups) {
      const { root } = this.made[group.field];
      root.hidden = root.parentElement === this.body && pageOf(group.field) !== this.page;
      this.made[group.field].draw(view, this.armed === group.field);
    }
  }

  // -- actions ----------------------------------------------------------------------------------------------

  /** @param {string} page */
  turn(page) {
    this.page = page;
    this.look(false);
    this.draw();
  }

  /** @param {boolean} on the picture instead of the keys */
  look(on) {
    if (on === this.looking) return;
    this.looking = on;
    this.sight?.setAttribute("aria-pressed", String(on));
    emit(this, "look", on);
  }

  /** Have the typed values a page of their own here? With enough space they are shown beside the keys. */
  get hasMore() {
    const tab = /** @type {HTMLElement | null | undefined} */ (this.pages?.querySelector("[data-page=more]"));
    return !this.aside || tab?.offsetParent != null;
  }

  /** @param {(target: Target) => Fields} fieldsOf */
  write(fieldsOf) {
    const { ctx, list } = this;
    if (!ctx || !list.length) return;
    const { done, undo, count } = tag(ctx.marks, list, (target) => ({
      ...(list.length === 1 ? this.carriedFor(target) : {}),
      ...fieldsOf(target),
    }));
    done.catch(this.refused);
    if (count)
      keepUndo(ctx, list.length > 1 ? `${count} plays tagged` : `${playName(list[0].play)} tagged`, undo);
  }

  /** @param {Group} group @param {any} value */
  press(group, value) {
    const { fields } = this.view();
    const { field, kind } = group;
    if (kind !== "words") {
      const after = pressed(fields, group, value);
      return this.write(() => ({ [field]: after }));
    }
    const all = fields[field].includes(value);
    this.write((target) => {
      const own = merged(target.tags)[field].filter((/** @type {string} */ each) => each !== value);
      return { [field]: all ? own : [...own, value] };
    });
  }

  /** @param {string} name */
  flag(name) {
    if (!this.shown) return;
    const { fields } = this.view();
    this.write(() => ({ [name]: !fields[name] }));
  }

  /** Confirm all predicted values. */
  take() {
    if (this.shown && this.list.length === 1 && Object.keys(this.view().carried).length)
      this.write(() => ({}));
  }

  toggleCarry() {
    this.ctx?.prefs.set("carry", !this.ctx.prefs.get("carry"));
    this.draw();
  }

  get shown() {
    return this.offsetParent !== null && this.list.length > 0;
  }

  // -- keyboard ---------------------------------------------------------------------------------------------

  /** The digit keys press this group's buttons until one was pressed. @param {Group} group */
  arm(group) {
    const { ctx } = this;
    if (!ctx || !this.shown) return;
    this.disarm();
    const part = this.made[group.field];
    if (pageOf(group.field) !== "more" || this.hasMore) this.turn(pageOf(group.field));
    part.root.scrollIntoView({ block: "nearest" });
    if (part.field && ["number", "text"].includes(group.kind)) return part.field.focus();
    this.armed = group.field;
    const digit = (/** @type {KeyboardEvent} */ event) => {
      part.buttons()[(Number(event.key) + 9) % 10]?.click();
      if (group.kind !== "words") this.disarm();
    };
    this.digits = ctx.keys.add([
      { keys: [..."1234567890"], words: `${group.label}: its buttons`, group: "Tags", act: digit },
      { keys: ["Escape", "Enter"], words: "Leave the group", group: "Tags", act: () => this.disarm() },
    ]);
    this.draw();
  }

  disarm() {
    this.digits?.();
    this.digits = undefined;
    if (!this.armed) return;
    this.armed = "";
    this.draw();
  }
}

define("tag-board", TagBoard);
