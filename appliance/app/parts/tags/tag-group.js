// One field of the tag board: its buttons, and an input where values beyond the buttons are allowed.

import { button, h, keyed } from "../dom.js";

/** @typedef {import("../../state/api").TagGroup} Group */
/** @typedef {import("../../state/api").TagOption} Option */
/** @typedef {import("./tag-view.js").View} View */
/** @typedef {{press: (value: any) => void, set: (value: any) => void}} Acts */
/**
 * @typedef {{root: HTMLElement, field?: HTMLElement, buttons: () => HTMLButtonElement[], draw: (view: View,
 *   armed: boolean) => void}} GroupPart
 */

/** @param {Group} group @param {Acts} acts @returns {GroupPart} */
export function makeGroup(group, acts) {
  const id = `tag-${group.field}`;
  const row = h("div", { class: "options" });
  const mixed = h("small", { hidden: true }, "different");
  const root = h(
    "section",
    { class: `tag-group ${group.kind}`, role: "group", "aria-labelledby": id, data: { field: group.field } },
    h("h3", { id }, group.label, " ", h("kbd", {}, group.key), " ", mixed),
    row,
  );
  const entry =
    group.kind === "number"
      ? numberEntry(group, acts)
      : group.kind === "text"
        ? textEntry(group, acts)
        : group.kind === "choice"
          ? null
          : wordEntry(group, acts);
  if (entry) root.append(entry.root);
  return {
    root,
    field: entry?.field,
    buttons: () => [...row.querySelectorAll("button")],
    draw: (view, armed) => {
      mixed.hidden = !view.mixed.has(group.field);
      root.classList.toggle("armed", armed);
      drawOptions(row, group, view, acts);
      entry?.draw(view.fields[group.field]);
    },
  };
}

/** @param {HTMLElement} row @param {Group} group @param {View} view @param {Acts} acts */
function drawOptions(row, group, view, acts) {
  const values = [view.fields[group.field]].flat();
  const known = new Set(group.options.map((option) => option.value));
  const others =
    group.kind === "number" || group.kind === "text"
      ? []
      : values.filter((value) => value !== null && !known.has(value));
  /** @type {Option[]} */
  const options = [...group.options, ...others.map((value) => ({ value, label: String(value) }))];
  keyed(
    row,
    options,
    (option) => String(option.value),
    (option, old) => {
      const made =
        old ?? h("button", { type: "button", onclick: () => acts.press(option.value) }, option.label);
      const at = options.indexOf(option) + 1;
      // shown while the digit keys apply to these buttons
      made.dataset.digit = at > 10 ? "" : String(at % 10);
      made.setAttribute("aria-pressed", String(values.includes(option.value)));
      made.classList.toggle("carried", view.carried[group.field] === option.value);
      made.title = view.carried[group.field] === option.value ? "Carried forward" : "";
      return made;
    },
  );
  row.hidden = !options.length;
}

/** An integer, by plus and minus buttons or typed. @param {Group} group @param {Acts} acts */
function numberEntry(group, acts) {
  const { low = 0, high = 99 } = group;
  const field = h("input", {
    inputMode: "numeric",
    autocomplete: "off",
    size: 3,
    "aria-label": `${group.label}, from ${low} to ${high}`,
  });
  /** @type {number | null} */
  let now = null;
  const show = () => (field.value = now === null ? "" : String(now));
  /** @param {number} value */
  const set = (value) => acts.set(Math.min(Number(high), Math.max(Number(low), value)));
  field.addEventListener("change", () => {
    const typed = field.value.trim() === "" ? null : Number(field.value);
    if (typed === null) acts.set(null);
    else if (Number.isInteger(typed)) set(typed);
    else show();
  });
  field.addEventListener("focus", () => field.select());
  leaveByKeys(field, show);
  const step = (/** @type {number} */ by) =>
    button(`${group.label} ${by < 0 ? "less" : "more"}`, by < 0 ? "−" : "+", () =>
      set((now ?? Math.max(0, Number(low))) + by),
    );
  const turn = Number(low) < 0 ? [button(`${group.label}: other sign`, "±", () => now && set(-now))] : [];
  return {
    root: h("div", { class: "number-entry" }, step(-1), field, step(1), ...turn),
    field,
    /** @param {number | null} value */
    draw: (value) => {
      now = value;
      if (document.activeElement !== field) show();
    },
  };
}

/** A value that has no button. @param {Group} group @param {Acts} acts */
function wordEntry(group, acts) {
  const field = h("input", {
    autocomplete: "off",
    maxLength: 100,
    placeholder: group.field === "players" ? "Number or name" : "Other",
    enterKeyHint: "done",
    "aria-label": `${group.label}: another word`,
  });
  const add = () => {
    const typed = field.value.trim();
    field.value = "";
    if (typed) acts.press(typed);
  };
  field.addEventListener("change", add);
  leaveByKeys(field, () => (field.value = ""));
  return { root: h("div", { class: "word-entry" }, field), field, draw: () => {} };
}

/** @param {Group} group @param {Acts} acts */
function textEntry(group, acts) {
  const field = h("textarea", {
    rows: 2,
    maxLength: 4000,
    "aria-label": group.label,
    placeholder: "What the buttons cannot say",
  });
  /** @type {string | null} */
  let now = null;
  field.addEventListener("change", () => acts.set(field.value.trim() || null));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) field.blur();
  });
  return {
    root: h("div", { class: "text-entry" }, field),
    field,
    /** @param {string | null} value */
    draw: (value) => {
      now = value;
      if (document.activeElement !== field) field.value = now ?? "";
    },
  };
}

/**
 * Enter stores what was typed, Escape discards it; both return keyboard input to the page.
 * @param {HTMLInputElement} field
 * @param {() => void} restore
 */
function leaveByKeys(field, restore) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") restore();
    if (event.key === "Enter" || event.key === "Escape") field.blur();
  });
}
