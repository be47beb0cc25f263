// The form of a new session. A dialog; what was filled in comes back as the body of POST /sessions.

import { button, h, icon } from "./dom.js";
import { fieldOf, instantOf, zoneName } from "../state/zone.js";

const TYPES = [["game", "Game"], ["practice", "Practice"], ["scrimmage", "Scrimmage"], ["other", "Other"]];

/** @param {{channels: readonly import("../state/api").Channel[], now: number}} given `now`: box time, ms
 * @returns {Promise<{body: Record<string, any>, start: boolean} | null>} */
export function askForSession({ channels, now }) {
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "sheet session-form", "aria-label": "New session" }));
  const field = (/** @type {string} */ name, /** @type {Record<string, any>} */ given = {}) => h("input", { name, type: "text", autocomplete: "off", maxLength: 120, ...given });
  const chosen = channels.map((each) => h("input", { type: "checkbox", name: "channel", value: each.id, checked: true }));
  const form = /** @type {HTMLFormElement} */ (h("form", { method: "dialog" },
    h("header", { class: "row" }, h("h2", { class: "grow" }, "New session"), button("Close", icon("close"), () => dialog.close(), { class: "plain" })),
    labelled("Name", field("name", { required: true })),
    labelled("Kind", h("select", { name: "type" }, ...TYPES.map(([value, words]) => h("option", { value }, words)))),
    labelled("Opponent", field("opponent")),
    labelled("Place", field("location")),
    h("div", { class: "pair" }, labelled("Season", field("season", { maxLength: 32 })), labelled("Week", field("week", { type: "number", min: "0", max: "400", inputMode: "numeric" }))),
    labelled(`Begins (${zoneName()})`, field("scheduled_start", { type: "datetime-local", value: fieldOf(now) })),
    h("fieldset", {}, h("legend", {}, "Cameras"), ...channels.map((each, at) => h("label", {}, chosen[at], each.name || each.id)),
      channels.length ? null : h("p", { class: "quiet" }, "No camera yet: every camera added later belongs to it.")),
    h("div", { class: "row answers" }, h("button", { type: "submit", value: "later" }, "Create"), h("button", { type: "submit", value: "now", class: "primary" }, "Create and start"))));
  dialog.append(form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return new Promise((resolve) => {
    /** @type {{body: Record<string, any>, start: boolean} | null} */
    let answer = null;
    form.addEventListener("submit", (event) => {
      answer = { body: bodyOf(form, chosen), start: /** @type {HTMLButtonElement | null} */ (event.submitter)?.value === "now" };
    });
    dialog.addEventListener("close", () => (dialog.remove(), resolve(answer)));
    document.body.append(dialog);
    dialog.showModal();
    /** @type {HTMLElement | null} */ (form.querySelector("[name=name]"))?.focus();
  });
}

/** @param {string} words @param {HTMLElement} control */
const labelled = (words, control) => h("label", { class: "stacked" }, h("span", {}, words), control);

/** What the form says; an empty field is left out. Every camera ticked means every camera of the venue, later ones too.
 * @param {HTMLFormElement} form @param {readonly HTMLInputElement[]} chosen @returns {Record<string, any>} */
function bodyOf(form, chosen) {
  const said = new FormData(form);
  const word = (/** @type {string} */ name) => String(said.get(name) ?? "").trim();
  /** @type {Record<string, any>} */
  const body = { name: word("name"), type: word("type") };
  for (const name of ["opponent", "location", "season"]) if (word(name)) body[name] = word(name);
  if (word("week")) body.week = Number(word("week"));
  const begins = instantOf(word("scheduled_start"));
  if (begins) body.scheduled_start = begins;
  if (chosen.some((each) => !each.checked)) body.channel_ids = chosen.filter((each) => each.checked).map((each) => each.value);
  return body;
}
