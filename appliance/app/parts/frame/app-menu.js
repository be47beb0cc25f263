// The menu: desk, theme, the screens this device may use, its session, the keys. A dialog; a tap outside
// closes it.

import { button, h, icon } from "../dom.js";
import { ROLES } from "../../state/device/prefs.js";
import { aRole, mayView } from "../../state/access/rights.js";
import { choices, titleOf } from "../../state/session/working.js";

/** @param {any} ctx @param {string} where */
export function openMenu(ctx, where) {
  const { prefs } = ctx;
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "sheet", "aria-label": "Menu" }));
  const close = () => dialog.close();
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  const { me } = ctx.access;
  const offered = Object.entries(ctx.screens).filter(([, each]) => !me || ctx.access.may(each.needs));
  const links = offered.map(([hash, each]) =>
    h(
      "a",
      {
        href: `#${hash}`,
        onclick: close,
        "aria-current": hash === where ? "page" : undefined,
      },
      /** @type {any} */ (each).label,
    ),
  );
  dialog.append(
    h(
      "header",
      { class: "row" },
      h("h2", { class: "grow" }, "Menu"),
      button("Close", icon("close"), close, { class: "plain" }),
    ),
    h("nav", { class: "links", "aria-label": "All screens" }, ...links),
    sessionsOf(ctx),
    choice(
      "I am",
      ROLES.filter((role) => mayView(me, role)).map((role) => [role, role[0].toUpperCase() + role.slice(1)]),
      prefs.get("role"),
      (role) => prefs.set("role", role),
    ),
    choice(
      "Look",
      [
        ["light", "Sun"],
        ["dark", "Booth"],
        ["auto", "As the device"],
      ],
      prefs.get("theme"),
      (theme) => prefs.set("theme", theme),
    ),
    choice(
      "LAST button",
      [
        [5, "5 s"],
        [10, "10 s"],
        [15, "15 s"],
        [20, "20 s"],
      ],
      prefs.get("lastSeconds"),
      (n) => prefs.set("lastSeconds", n),
    ),
    h(
      "p",
      { class: "row quiet this-device" },
      h(
        "span",
        { class: "grow" },
        `This device: ${ctx.box.name}${me ? `, paired as ${aRole(me.role)}` : ""}. `,
        editLists(prefs.get("editLists")),
      ),
      me &&
        !matchMedia("(display-mode: standalone)").matches &&
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              close();
              void install(ctx);
            },
          },
          "Put on the Home Screen",
        ),
      h("a", { class: "button", href: "/pair" }, me ? "Use another code" : "Pair"),
    ),
    keysOf(ctx.keys),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** A code for this page as an installed app, which has a memory of its own. @param {any} ctx */
async function install(ctx) {
  try {
    const code = await ctx.box.request("POST", "/devices/self/code");
    const { DeviceCode } = await import("../dialogs/device-code.js");
    new DeviceCode({ code, now: () => ctx.box.now(), another: () => void install(ctx), app: true });
  } catch (error) {
    ctx.say(`No code: ${/** @type {Error} */ (error).message}`, { kind: "bad" });
  }
}

/** Which session this device works in. @param {any} ctx */
function sessionsOf(ctx) {
  const now = ctx.session()?.id ?? "";
  const options = choices(ctx.box.state).map((each) =>
    h(
      "option",
      { value: each.id, selected: each.id === now },
      `${titleOf(each)}${each.status === "active" ? " (live)" : ` (${each.status})`}`,
    ),
  );
  if (!options.length) return h("p", { class: "quiet" }, "No session yet. An operator starts one.");
  const select = /** @type {HTMLSelectElement} */ (h("select", { id: "choose-session" }, ...options));
  select.onchange = () => ctx.working.choose(select.value);
  return h("label", { class: "field" }, h("span", { class: "label" }, "Session"), select);
}

/**
 * A choice between a few values, as a row of buttons.
 * @param {string} label
 * @param {[any, string][]} options
 * @param {any} now
 * @param {(value: any) => void} set
 */
function choice(label, options, now, set) {
  const row = h("div", { class: "segments", role: "radiogroup", "aria-label": label });
  const buttons = options.map(([value, words]) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-checked": String(value === now),
        onclick: () => {
          set(value);
          for (const [at, each] of buttons.entries())
            each.setAttribute("aria-checked", String(options[at][0] === value));
        },
      },
      words,
    ),
  );
  row.append(...buttons);
  return h("div", { class: "field" }, h("span", { class: "label" }, label), row);
}

/** @param {string} verdict */
const editLists = (verdict) =>
  ({ ok: "Clips start on their exact frame.", ignored: "Clips are started by seeking (no edit lists)." })[
    verdict
  ] ?? "";

/** @param {import("../../state/device/keys.js").Keys} keys */
function keysOf(keys) {
  /** @type {Map<string, HTMLElement>} */
  const groups = new Map();
  for (const each of keys.all) {
    const name = each.group ?? "Here";
    const list = groups.get(name) ?? h("dl", {});
    groups.set(name, list);
    list.append(
      h("dt", {}, ...each.keys.map((key) => h("kbd", {}, key === " " ? "Space" : key))),
      h("dd", {}, each.words),
    );
  }
  return h(
    "details",
    { class: "keys" },
    h("summary", {}, "Keys"),
    ...[...groups].flatMap(([name, list]) => [h("h3", {}, name), list]),
  );
}
