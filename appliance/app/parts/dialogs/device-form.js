// The form of a device: its name, its role, and the camera of a capture device. For a code that is about
// to be made, and for a paired device. A dialog that stays open until the values are saved, or the user
// closes it.

import { button, h, icon, say } from "../dom.js";
import { camerasFor } from "../../state/access/devices.js";
import { ROLE_WORDS } from "../../state/access/rights.js";

/** @typedef {{name: string, role: string, channel: string}} Values `channel`: "" where it has none */
/** @typedef {import("../../state/api").Channel} Channel */

/**
 * @param {{title: string, yes: string, hint: string, values: Values, channels: Channel[],
 *   save: (values: Values) => Promise<string>}} given `save`: why it was not saved, "" when it was
 */
export function openDeviceForm({ title, yes, hint, values, channels, save }) {
  const dialog = /** @type {HTMLDialogElement} */ (
    h("dialog", { class: "sheet device-form", "aria-label": title })
  );
  const name = h("input", {
    name: "name",
    type: "text",
    autocomplete: "off",
    maxLength: 64,
    value: values.name,
  });
  const camera = h(
    "select",
    { name: "channel" },
    h("option", { value: "" }, "The camera that it reports for first"),
    ...camerasFor(channels, values.channel).map(({ id, name: words }) => h("option", { value: id }, words)),
  );
  camera.value = values.channel;
  const cameras = h("label", { class: "stacked" }, h("span", { class: "label" }, "Camera"), camera);
  const roles = h("div", { class: "roles", role: "radiogroup", "aria-label": "Role" });
  let chosen = values.role;
  const buttons = Object.entries(ROLE_WORDS).map(([role, words]) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        value: role,
        "aria-checked": String(role === chosen),
        onclick: () => choose(role),
      },
      h("b", {}, role[0].toUpperCase() + role.slice(1)),
      h("span", {}, words),
    ),
  );
  const choose = (/** @type {string} */ role) => {
    chosen = role;
    for (const [at, each] of Object.keys(ROLE_WORDS).entries())
      buttons[at].setAttribute("aria-checked", String(each === role));
    cameras.hidden = role !== "capture";
  };
  choose(chosen);
  roles.append(...buttons);
  const trouble = h("p", { class: "bad", role: "alert" });
  const form = /** @type {HTMLFormElement} */ (h("form", {}));
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    const channel = chosen === "capture" ? camera.value : "";
    const refused = await save({ name: name.value.trim(), role: chosen, channel });
    busy = false;
    if (!refused) return dialog.close();
    say(trouble, refused);
  });
  form.append(
    h(
      "header",
      { class: "row" },
      h("h2", { class: "grow" }, title),
      button("Close", icon("close"), () => dialog.close(), { class: "plain" }),
    ),
    h("label", { class: "stacked" }, h("span", { class: "label" }, "Name"), name, h("small", {}, hint)),
    roles,
    cameras,
    trouble,
    h(
      "div",
      { class: "row answers" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Not now"),
      h("button", { type: "submit", class: "primary" }, yes),
    ),
  );
  dialog.append(form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  name.focus();
}
