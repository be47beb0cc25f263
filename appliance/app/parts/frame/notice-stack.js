// Short notices in one line above the mark bar: what became ready, what the appliance refused, each with at
// most one action.

import { button, define, h, icon } from "../dom.js";

/**
 * `gone`: called when the user dismisses it. `patient`: waits behind a notice that offers Undo, instead of
 * replacing it.
 * @typedef {{kind?: "good" | "bad" | "plain", action?: string, act?: () => void, seconds?: number, key?:
 *   string, gone?: () => void, patient?: boolean}} How
 */

export class NoticeStack extends HTMLElement {
  /** @type {WeakMap<Element, ReturnType<typeof setTimeout>>} */
  ends = new WeakMap();

  connectedCallback() {
    this.setAttribute("role", "log");
    this.setAttribute("aria-live", "polite");
  }

  /** The subject of this notice is settled: remove it. @param {string} key */
  clear(key) {
    for (const old of [...this.children])
      if (/** @type {HTMLElement} */ (old).dataset.key === key) this.drop(old);
  }

  /**
   * One line: the newest replaces the previous one, which waits behind it when it has no time limit.
   * @param {string} text
   * @param {How} [how]
   * @returns {() => void} removes it
   */
  say(text, { kind = "plain", action, act, seconds = 6, key = text, gone, patient = false } = {}) {
    this.clear(key);
    const waits =
      patient && /** @type {HTMLElement | null} */ (this.lastElementChild)?.dataset.key === "undo";
    if (!waits)
      for (const old of [...this.children])
        if (/** @type {HTMLElement} */ (old).dataset.stays !== "true") this.drop(old);
    const away = () => this.drop(notice);
    const notice = h(
      "div",
      { class: `notice ${kind}`, data: { key, stays: String(!seconds) } },
      h("span", { class: "grow" }, text),
    );
    const leave = (/** @type {(() => unknown) | undefined} */ then) => () => {
      away();
      then?.();
    };
    if (action) notice.append(h("button", { type: "button", onclick: leave(act) }, action));
    notice.append(button("Dismiss", icon("close"), leave(gone), { class: "plain" }));
    if (waits) this.prepend(notice);
    else this.append(notice);
    if (seconds) this.ends.set(notice, setTimeout(away, seconds * (waits ? 2000 : 1000)));
    return away;
  }

  /**
   * Also clears its timer, which would keep a reference to the action and the screen that offered it.
   * @param {Element} notice
   */
  drop(notice) {
    clearTimeout(this.ends.get(notice));
    notice.remove();
  }
}

define("notice-stack", NoticeStack);
