// A second press of the same button within BOUNCE_MS counts as one press. So does a press of the same button
// in the next row, when that row has moved to where the finger is.

import { BOUNCE_MS } from "./marks.js";

let touches = 0; // number of touches on this page so far
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
