// A part of the page that did not load: reported once; requested again when the appliance is back, by hand,
// and at growing intervals, until it loads or the user opens something else.

const AGAIN_MS = 2000;
const AGAIN_MAX_MS = 30_000;

export class LatePart {
  /** @param {import("./parts/frame/notice-stack.js").NoticeStack} notices */
  constructor(notices) {
    this.notices = notices;
    this.what = ""; // its label; "": there is none
    this.tries = 0;
    this.again = () => {};
    this.retry = () => {
      if (this.what) this.again();
    };
    this.forget = () => {
      this.what = "";
      clearTimeout(this.timer);
      notices.clear("late");
    };
  }

  /** @param {string} what "Review" @param {() => void} again */
  comes(what, again) {
    this.tries = this.what === what ? this.tries + 1 : 0;
    this.what = what;
    this.again = again;
    clearTimeout(this.timer);
    this.timer = setTimeout(this.retry, Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** this.tries));
    if (document.querySelector("[data-key=late]")) return;
    this.notices.say(`${what} is not on this device: it opens when the box answers`, {
      kind: "bad",
      key: "late",
      seconds: 0,
      action: "Try again",
      act: this.retry,
      gone: this.forget,
    });
  }
}
