// LAST n s, NEW PLAY, CUE, END PLAY: within reach of a thumb on every screen. Adds behaviour to the buttons
// in index.html.
//
// Properties: session (without one no marks are possible), open (the open play), seconds. Emits `mark` {what:
// last | new | cue | end, late: ms since the touch}.

import { define, emit, say } from "../dom.js";

export class MarkBar extends HTMLElement {
  connectedCallback() {
    /** @param {string} id @param {string} what */
    const wire = (id, what) => {
      const button = /** @type {HTMLButtonElement} */ (this.querySelector(`#${id}`));
      let touched = 0;
      button.onpointerdown = (event) => {
        touched = event.timeStamp;
        button.classList.add("pressed");
      };
      // The press counts, not the release: a thumb that stays on the button must not shift the play.
      button.onclick = (event) => {
        const late = event.detail && touched ? Math.min(1000, Math.max(0, event.timeStamp - touched)) : 0;
        touched = 0;
        emit(this, "mark", { what, late });
      };
      const release = () => button.classList.remove("pressed");
      button.onpointerup = button.onpointercancel = button.onpointerleave = release;
      return button;
    };
    this.parts = {
      last: wire("last10", "last"),
      new: wire("new-play", "new"),
      cue: wire("cue", "cue"),
      end: wire("end-play", "end"),
    };
  }

  /** @param {{session: any, open: any, seconds: number, cued: boolean}} given */
  set state({ session, open, seconds, cued }) {
    if (!this.parts) return;
    const { last, new: fresh, cue, end } = this.parts;
    last.disabled = fresh.disabled = !session;
    cue.disabled = end.disabled = !open;
    say(/** @type {Element} */ (last.firstElementChild), `LAST ${seconds}\u00a0s`);
    cue.classList.toggle("done", cued);
    fresh.classList.toggle("primary", !open);
    end.classList.toggle("primary", Boolean(open));
    this.classList.toggle("open", Boolean(open));
  }
}

define("mark-bar", MarkBar);
