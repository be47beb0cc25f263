// The form of a new or existing session. A dialog that stays open until the values are saved, or the user
// closes it.

import { button, h, icon, say } from "../dom.js";
import { gameName, valuesOfGame } from "../../state/session/sessions.js";
import { dateOf, zoneName } from "../../state/zone.js";

/** @typedef {import("../../state/session/sessions.js").Game} Game */
/** @typedef {import("../../state/session/sessions.js").Values} Values */
/**
 * Why it was not saved, and the values the form shows now.
 * @typedef {{words: string, errors?: {loc: string, msg: string}[], values?: Values}} Trouble
 */
/** @typedef {(values: Values, answer: string) => Promise<Trouble | null>} Save */

const TYPES = [
  ["game", "Game"],
  ["practice", "Practice"],
  ["scrimmage", "Scrimmage"],
  ["other", "Other"],
];

/**
 * @param {{title: string, channels: readonly import("../../state/api").Channel[], games: readonly Game[],
 *   values: Values, answers: [string, string][], save: Save, late: (words: string) => void}} given `games`:
 *   events to choose from; `answers`: name and text of each button; `late`: called when saving failed after
 *   the form was closed
 */
export function openSessionForm({ title, channels, games, values, answers, save, late }) {
  const dialog = /** @type {HTMLDialogElement} */ (
    h("dialog", { class: "sheet session-form", "aria-label": title })
  );
  const form = /** @type {HTMLFormElement} */ (h("form", {}));
  const trouble = h("p", { class: "bad", role: "alert" });
  const fields = new Fields(channels, games);
  const buttons = answers.map(([value, words], at) =>
    h("button", { type: "submit", value, class: at === answers.length - 1 ? "primary" : "" }, words),
  );
  form.append(
    h(
      "header",
      { class: "row" },
      h("h2", { class: "grow" }, title),
      button("Close", icon("close"), () => dialog.close(), { class: "plain" }),
    ),
    ...fields.all,
    trouble,
    h("div", { class: "row answers" }, ...buttons),
  );
  fields.values = values;
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    const rejected = await save(
      fields.values,
      /** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "",
    );
    busy = false;
    if (!rejected) return dialog.close();
    if (!dialog.open) return late(rejected.words);
    if (rejected.values) fields.values = rejected.values;
    say(trouble, rejected.words);
    fields.blame(rejected.errors ?? []);
  });
  dialog.append(form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  fields.controls.get("name").focus();
}

class Fields {
  /**
   * @param {readonly import("../../state/api").Channel[]} channels
   * @param {readonly Game[]} games
   */
  constructor(channels, games) {
    const field = (/** @type {string} */ name, /** @type {Record<string, any>} */ more = {}) =>
      h("input", { name, type: "text", autocomplete: "off", maxLength: 120, ...more });
    this.ticks = channels.map(
      (each) => /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", value: each.id })),
    );
    this.cameras = h(
      "fieldset",
      { name: "channel_ids" },
      h("legend", {}, "Cameras"),
      ...channels.map((each, at) => h("label", {}, this.ticks[at], each.name || each.id)),
      channels.length
        ? null
        : h("p", { class: "quiet" }, "No camera yet: every camera added later belongs to it."),
    );
    const game = h(
      "select",
      {
        name: "event_id",
        onchange: () => {
          const chosen = games.find((each) => each.id === game.value);
          if (chosen) this.values = { ...this.values, ...valuesOfGame(chosen) };
        },
      },
      h("option", { value: "" }, "No game"),
      ...games.map((each) =>
        h("option", { value: each.id }, `${gameName(each)}, ${dateOf(each.resource.kickoff)}`),
      ),
    );
    /** @type {Map<string, any>} */
    this.controls = new Map(
      [
        ...(games.length ? [game] : []),
        field("name", { required: true }),
        h("select", { name: "type" }, ...TYPES.map(([value, words]) => h("option", { value }, words))),
        field("opponent"),
        field("location"),
        field("season", { maxLength: 32 }),
        field("week", { type: "number", min: "0", max: "400", inputMode: "numeric" }),
        field("scheduled_start", { type: "datetime-local" }),
        this.cameras,
      ].map((each) => [/** @type {any} */ (each).name, each]),
    );
    /** @type {Map<string, HTMLElement>} */
    this.notes = new Map(
      [...this.controls.keys()].map((name) => [name, h("small", { class: "bad", id: `note-${name}` })]),
    );
    const [name, type, opponent, place, season, week, begins] = /** @type {[string, string][]} */ ([
      ["name", "Name"],
      ["type", "Kind"],
      ["opponent", "Opponent"],
      ["location", "Place"],
      ["season", "Season"],
      ["week", "Week"],
      ["scheduled_start", `Begins (${zoneName()})`],
    ]).map(([of, words]) => this.labelled(words, of));
    this.all = [
      ...(games.length ? [this.labelled("Game of the cloud", "event_id")] : []),
      name,
      type,
      opponent,
      place,
      h("div", { class: "pair" }, season, week),
      begins,
      this.cameras,
      /** @type {HTMLElement} */ (this.notes.get("channel_ids")),
    ];
    for (const [name, control] of this.controls) control.addEventListener("input", () => this.note(name, ""));
  }

  /** @param {string} words @param {string} name */
  labelled(words, name) {
    return h(
      "div",
      { class: "stacked" },
      h("label", { class: "stacked" }, h("span", {}, words), this.controls.get(name)),
      this.notes.get(name),
    );
  }

  /** @returns {Values} */
  get values() {
    const texts = Object.fromEntries(
      [...this.controls].map(([name, control]) => [name, String(control.value ?? "")]),
    );
    const every = this.ticks.every((each) => each.checked);
    return /** @type {Values} */ (
      /** @type {unknown} */ ({
        ...texts,
        channel_ids: every ? null : this.ticks.filter((each) => each.checked).map((each) => each.value),
      })
    );
  }

  /** @param {Values} values */
  set values(values) {
    for (const [name, control] of this.controls)
      if (control !== this.cameras) control.value = values[/** @type {keyof Values} */ (name)];
    const game = this.controls.get("event_id"); // one that the cloud no longer sends stays chosen
    if (game && game.value !== values.event_id)
      game.append(new Option("Its game", values.event_id, true, true));
    for (const each of this.ticks) each.checked = values.channel_ids?.includes(each.value) ?? true;
  }

  /** Shows each error at its field and focuses the first. @param {{loc: string, msg: string}[]} errors */
  blame(errors) {
    for (const name of this.notes.keys())
      this.note(name, errors.find((each) => each.loc.split(".")[0] === name)?.msg ?? "");
    const first = [...this.notes.keys()].find((name) => this.notes.get(name)?.textContent);
    if (first) (first === "channel_ids" ? this.ticks[0] : this.controls.get(first))?.focus();
  }

  /** @param {string} name @param {string} words */
  note(name, words) {
    const [control, note] = [this.controls.get(name), this.notes.get(name)];
    if (note) say(note, words);
    if (words) control.setAttribute("aria-describedby", `note-${name}`);
    else control.removeAttribute("aria-describedby");
    if (control !== this.cameras) control.setAttribute("aria-invalid", String(Boolean(words)));
  }
}
