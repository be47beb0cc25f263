// Short notices at the edge: what became ready, what the box refused, with one thing to do about it.

import { button, define, h, icon } from "./dom.js";

/** @typedef {{kind?: "good" | "bad" | "plain", action?: string, act?: () => void, seconds?: number, key?: string}} How */

export class NoticeStack extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "log");
    this.setAttribute("aria-live", "polite");
  }

  /** What it was about is done. @param {string} key */
  clear(key) {
    for (const old of [...this.children]) if (/** @type {HTMLElement} */ (old).dataset.key === key) old.remove();
  }

  /** @param {string} text @param {How} [how] @returns {() => void} takes it away */
  say(text, { kind = "plain", action, act, seconds = 6, key = text } = {}) {
    this.clear(key);
    while (this.children.length > 2) this.firstElementChild?.remove();
    const away = () => one.remove();
    const one = h("div", { class: `notice ${kind}`, data: { key } }, h("span", { class: "grow" }, text));
    if (action) one.append(h("button", { type: "button", onclick: () => (away(), act?.()) }, action));
    one.append(button("Dismiss", icon("close"), away, { class: "plain" }));
    this.append(one);
    if (seconds) setTimeout(away, seconds * 1000);
    return away;
  }
}

define("notice-stack", NoticeStack);
