// A question before something that is not easily taken back. A dialog: Escape, or a tap outside it, is no.

import { h } from "./dom.js";

/** @param {{title: string, words: string, yes: string}} given @returns {Promise<boolean>} */
export function ask({ title, words, yes }) {
  const dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "sheet ask", "aria-label": title }));
  return new Promise((resolve) => {
    let answer = false;
    const sure = h("button", { type: "button", class: "primary", onclick: () => ((answer = true), dialog.close()) }, yes);
    dialog.append(h("h2", {}, title), h("p", {}, words),
      h("div", { class: "row answers" }, h("button", { type: "button", onclick: () => dialog.close() }, "Not now"), sure));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => (dialog.remove(), resolve(answer)));
    document.body.append(dialog);
    dialog.showModal();
    sure.focus();
  });
}
