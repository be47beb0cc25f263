// A second press within a moment is the same press: of the same button, or of its counterpart in a row that
// moved under the finger.

import { BOUNCE_MS } from "./marks.js";

let touches = 0; // of any kind
document.addEventListener("pointerdown", () => void touches++, true);

export class Presses {
  last = { what: "", at: -Infinity, touch: 0 };

  /**
   * Is it the previous press again, with nothing touched in between?
   * @param {string} what the button
   * @param {number} at of the touch, ms
   * @param {number} [touch] its number
   */
  isBounce(what, at, touch = touches) {
    const { last } = this;
    const bounces = what === last.what && at - last.at < BOUNCE_MS && touch - last.touch <= 1;
    this.last = { what, at, touch }; // a third one is the same press too
    return bounces;
  }
}
