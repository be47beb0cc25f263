// Search among the plays: text, star, untagged, and one selection for each field that has values.
//
// Properties: `rows` (all of them: the selectable values come from them), `wanted`. Emits `filter` with the
// current criteria.

import { button, define, emit, h, icon, say } from "../dom.js";
import { asked, everything, FACETS, facet } from "../../state/tags/find.js";

/** @typedef {import("../../state/tags/find.js").Wanted} Wanted */

const NAMES = /** @type {Record<string, string>} */ ({
  quarter: "Quarter",
  down: "Down",
  play_type: "Play",
  formation: "Formation",
  result: "Result",
  labels: "Label",
  players: "Player",
});

export class PlayFilter extends HTMLElement {
  /** @type {Wanted} */
  wanted = everything();
  look = "";

  connectedCallback() {
    if (this.text) return;
    this.text = h("input", {
      type: "search",
      placeholder: "Search: 12, pass, 3&7",
      "aria-label": "Search plays",
      autocomplete: "off",
      enterKeyHint: "search",
    });
    this.text.addEventListener("input", () => this.change({ text: this.text?.value ?? "" }));
    this.text.addEventListener(
      "keydown",
      (event) => (event.key === "Enter" || event.key === "Escape") && this.text?.blur(),
    );
    const flip = (/** @type {"starred" | "untagged" | "important"} */ name) => () =>
      this.change({ [name]: !this.wanted[name] });
    this.flips = {
      starred: button("Only starred plays", icon("star"), flip("starred")),
      untagged: h("button", { type: "button", onclick: flip("untagged") }, "Untagged"),
      important: h("button", { type: "button", onclick: flip("important") }, "Important"),
    };
    this.more = h(
      "button",
      { type: "button", "aria-expanded": "false", "aria-controls": "facets", onclick: () => this.open() },
      "Filters",
    );
    this.selects = Object.fromEntries(
      FACETS.map((name) => [name, h("select", { onchange: () => this.choose(name) })]),
    );
    this.facets = h(
      "div",
      { id: "facets", class: "facets", hidden: true },
      ...FACETS.map((name) =>
        h(
          "label",
          { data: { facet: name } },
          h("span", { class: "label" }, NAMES[name]),
          /** @type {any} */ (this.selects)[name],
        ),
      ),
      h(
        "div",
        { class: "row" },
        this.flips.important,
        h("button", { type: "button", class: "plain", onclick: () => this.clear() }, "Show all plays"),
      ),
    );
    this.append(
      this.text,
      h("div", { class: "row" }, this.flips.starred, this.flips.untagged, this.more),
      this.facets,
    );
    this.draw();
  }

  /** @param {readonly import("../../state/tags/find.js").Row[]} rows */
  set rows(rows) {
    const facets = FACETS.map((name) => facet(rows, name));
    const look = JSON.stringify([facets, this.wanted.fields]);
    if (look === this.look || !this.selects) return;
    this.look = look;
    FACETS.forEach((name, at) => {
      const select = /** @type {Record<string, HTMLSelectElement>} */ (this.selects)[name];
      const value = this.wanted.fields[name] ?? "";
      const lost =
        value && !facets[at].some(([each]) => each === value)
          ? [/** @type {[string, number]} */ ([value, 0])]
          : [];
      select.replaceChildren(
        h("option", { value: "" }, "any"),
        ...[...facets[at], ...lost].map(([each, count]) =>
          h("option", { value: each }, `${each} (${count})`),
        ),
      );
      select.value = value;
      /** @type {HTMLElement} */ (select.parentElement).hidden = !facets[at].length && !value;
    });
  }

  draw() {
    const { flips, more, text, wanted } = this;
    if (!flips || !more || !text) return;
    for (const [name, each] of Object.entries(flips))
      each.setAttribute("aria-pressed", String(/** @type {any} */ (wanted)[name]));
    const count = asked(wanted) - (wanted.untagged ? 1 : 0);
    say(more, count ? `Filters (${count})` : "Filters");
    if (document.activeElement !== text) text.value = wanted.text;
  }

  /** @param {Partial<Wanted>} given */
  change(given) {
    this.wanted = { ...this.wanted, ...given };
    this.draw();
    emit(this, "filter", this.wanted);
  }

  /** @param {string} name */
  choose(name) {
    const value = /** @type {Record<string, HTMLSelectElement>} */ (this.selects)[name].value;
    // return keyboard input to the page
    /** @type {Record<string, HTMLSelectElement>} */ (this.selects)[name].blur();
    this.change({ fields: { ...this.wanted.fields, [name]: value } });
  }

  clear() {
    this.look = "";
    if (this.text) this.text.value = "";
    this.change(everything());
  }

  open() {
    if (!this.facets || !this.more) return;
    this.facets.hidden = !this.facets.hidden;
    this.more.setAttribute("aria-expanded", String(!this.facets.hidden));
  }

  focusText() {
    this.text?.focus();
    this.text?.select();
  }
}

define("play-filter", PlayFilter);
