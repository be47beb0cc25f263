// A confirmation dialog for an action that is hard to undo. Escape or a tap outside means no.

import { h } from "../dom.js";

/**
 * `careful`: the key press that opened the dialog does not answer it.
 * @param {{title: string, words: string, yes: string, careful?: boolean}} given
 * @returns {Promise<boolean>}
 */
export function ask({ title, words, yes, careful = false }) {
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "sheet ask", "aria-label": title }));
  return new Promise((resolve) => {
    let answer = false;
    const no = h("button", { type: "button", onclick: () => dialog.close() }, "Not now");
    const sure = h(
      "button",
      {
        type: "button",
        class: careful ? "" : "primary",
        onclick: () => {
          answer = true;
          dialog.close();
        },
      },
      yes,
    );
    dialog.append(h("h2", {}, title), h("p", {}, words), h("div", { class: "row answers" }, no, sure));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (careful ? no : sure).focus();
  });
}
