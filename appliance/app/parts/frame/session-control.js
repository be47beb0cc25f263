// The operator's session controls, beside the clock on every screen: start, pause, resume.
//
// Property: session (the current one, or undefined). Emits `move` (a Move of state/session/control.js).

import { define, emit, h, say } from "../dom.js";
import { nextOf } from "../../state/session/control.js";

export class SessionControl extends HTMLElement {
  connectedCallback() {
    if (this.go) return;
    this.go = h("button", {
      type: "button",
      id: "session-go",
      hidden: true,
      onclick: () => this.next && emit(this, "move", this.next),
    });
    this.append(this.go);
    this.session = this.shown;
  }

  /** @param {import("../../state/connection/store.js").Session | undefined} session */
  set session(session) {
    this.shown = session;
    this.next = nextOf(session?.status ?? "");
    if (!this.go) return;
    this.go.hidden = !this.next;
    this.go.className = this.next?.primary ? "primary" : "";
    say(this.go, this.next?.words ?? "");
    this.go.setAttribute("aria-label", `${this.next?.words ?? ""} ${session?.name ?? ""}`);
  }
}

define("session-control", SessionControl);
