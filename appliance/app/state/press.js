// A second press at once is the same press: of the same button, or of its like where another row has come under the finger.

import { BOUNCE_MS } from "./marks.js";

let touches = 0; // of anything
document.addEventListener("pointerdown", () => void touches++, true);

export class Presses {
  last = { what: "", at: -Infinity, touch: 0 };

  /** Is it the press before once more, with nothing touched in between?
   * @param {string} what the button @param {number} at of the touch, ms @param {number} [touch] its number */
  isBounce(what, at, touch = touches) {
    const { last } = this;
    const bounces = what === last.what && at - last.at < BOUNCE_MS && touch - last.touch <= 1;
    this.last = { what, at, touch }; // a third one at once is the same press too
    return bounces;
  }
}
