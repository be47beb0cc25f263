// Short notices in one line above the mark bar: what became ready, what the box refused, with one thing to do about it.

import { button, define, h, icon } from "./dom.js";

/** `gone`: it was dismissed by hand. `patient`: waits behind what offers to take an action back, instead of replacing it.
 * @typedef {{kind?: "good" | "bad" | "plain", action?: string, act?: () => void, seconds?: number, key?: string,
 *   gone?: () => void, patient?: boolean}} How */

export class NoticeStack extends HTMLElement {
  /** @type {WeakMap<Element, ReturnType<typeof setTimeout>>} */
  ends = new WeakMap();

  connectedCallback() {
    this.setAttribute("role", "log");
    this.setAttribute("aria-live", "polite");
  }

  /** What it was about is done. @param {string} key */
  clear(key) {
    for (const old of [...this.children]) if (/** @type {HTMLElement} */ (old).dataset.key === key) this.drop(old);
  }

  /** One line: the newest takes the place of the one before, which waits behind it when it has no time limit.
   * @param {string} text @param {How} [how] @returns {() => void} takes it away */
  say(text, { kind = "plain", action, act, seconds = 6, key = text, gone, patient = false } = {}) {
    this.clear(key);
    const waits = patient && /** @type {HTMLElement | null} */ (this.lastElementChild)?.dataset.key === "undo";
    if (!waits) for (const old of [...this.children]) if (/** @type {HTMLElement} */ (old).dataset.stays !== "true") this.drop(old);
    const away = () => this.drop(one);
    const one = h("div", { class: `notice ${kind}`, data: { key, stays: String(!seconds) } }, h("span", { class: "grow" }, text));
    if (action) one.append(h("button", { type: "button", onclick: () => (away(), act?.()) }, action));
    one.append(button("Dismiss", icon("close"), () => (away(), gone?.()), { class: "plain" }));
    if (waits) this.prepend(one);
    else this.append(one);
    if (seconds) this.ends.set(one, setTimeout(away, seconds * (waits ? 2000 : 1000)));
    return away;
  }

  /** With its time limit, which would keep what it offers, and the screen that offered it. @param {Element} one */
  drop(one) {
    clearTimeout(this.ends.get(one));
    one.remove();
  }
}

define("notice-stack", NoticeStack);
