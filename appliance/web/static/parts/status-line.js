// The line on top: always true. Session, clock, cameras, the way to the box; navigation at its end.
//
// Properties: session, channels, link {online, rtt, waiting, closed}, now (() => ms), screens [{hash, label, current}],
// extra (a node the role puts in place, such as the session's controls). Emits `menu`.

import { button, define, h, icon, keyed, say } from "./dom.js";
import { titleOf } from "../state/working.js";
import { clockOf } from "../state/words.js";

/** @typedef {{online: boolean, rtt: number | null, waiting: number, closed: string}} Link */

const FOOTAGE = /** @type {Record<string, [string, string]>} */ ({
  on: ["●", "good"], stalled: ["▲", "warn"], none: ["○", "dim"],
});

export class StatusLine extends HTMLElement {
  look = "";

  connectedCallback() {
    if (this.clock) return;
    this.clock = h("time", { class: "clock" });
    this.cams = h("a", { class: "cams", href: "#health", id: "cams" });
    this.link = h("a", { class: "link", href: "#health", id: "link" });
    this.roomed = h("a", { class: "link room", href: "#health", id: "room", hidden: true });
    this.nav = h("nav", { class: "tabs", "aria-label": "Screens" });
    this.slotted = h("span", { class: "extra" });
    this.append(
      h("div", { class: "what" }, h("h1", { id: "session-name" }, "…"), h("span", { id: "session-state", class: "badge" })),
      this.clock, this.slotted, this.cams, this.roomed, this.link, this.nav,
      button("Menu", icon("menu"), () => this.dispatchEvent(new Event("menu")), { class: "plain menu", id: "menu" }),
    );
  }

  /** @param {import("../state/store.js").Session | undefined} session */
  set session(session) {
    const name = session ? titleOf(session) : "No session";
    say(/** @type {Element} */ (this.querySelector("#session-name")), name);
    const state = /** @type {HTMLElement} */ (this.querySelector("#session-state"));
    say(state, session ? (session.status === "active" ? "LIVE" : session.status) : "");
    state.className = `badge ${session?.status === "active" ? "live" : session?.status === "paused" ? "warn" : ""}`;
    state.hidden = !session;
  }

  /** @param {readonly import("../state/store.js").Channel[]} channels */
  set channels(channels) {
    if (!this.cams) return;
    const look = JSON.stringify(channels.map((each) => [each.id, each.status, each.footage]));
    if (look === this.look) return;
    this.look = look;
    keyed(this.cams, channels, (each) => each.id, (each, old) => {
      const made = old ?? h("span", {}, " ", h("span", {}, ""), " ", h("span", {}, ""));
      const [mark, kind] = each.status === "error" ? ["▲", "bad"] : FOOTAGE[each.footage] ?? ["○", "dim"];
      say(made.children[0], each.id);
      say(made.children[1], mark);
      made.children[1].className = kind;
      return made;
    });
    const bad = channels.filter((each) => each.status === "error" || each.footage !== "on");
    const words = bad.length ? bad.map((each) => `${each.name || each.id} ${each.footage === "on" ? each.status : each.footage}`).join(", ") : "all cameras send";
    this.cams.setAttribute("aria-label", `${channels.map((each) => each.id).join(" ")}: ${words}. Open health.`);
  }

  /** @param {Link} link */
  set state({ online, rtt, waiting, closed }) {
    if (!this.link) return;
    const face = closed ? "closed" : online ? (rtt === null ? "⇄" : `⇄ ${Math.max(1, Math.round(rtt))} ms`) : "⇄ …";
    say(this.link, waiting ? `${face} · ${waiting} to send` : face);
    this.link.dataset.state = online ? "connected" : "reconnecting";
    this.link.className = `link ${online ? "" : "warn"}`;
    this.link.setAttribute("aria-label", `${online ? "Connected" : "Reconnecting"}, ${/** @type {string} */ (this.link.textContent).replace(/[⇄…] ?/g, "")}`);
  }

  /** How the box is: hours of recording left, and the worst of its parts; null: it did not say.
   * @param {{words: string, status: "ok" | "warn" | "bad"} | null} room */
  set room(room) {
    if (!this.roomed) return;
    const well = room?.status === "ok";
    this.roomed.hidden = !room || (well && !room.words);
    say(this.roomed, room ? [well ? "◔" : room.status === "warn" ? "▲" : "✗", room.words].filter(Boolean).join(" ") : "");
    this.roomed.className = `link room ${well ? "" : room?.status ?? ""}`;
    const left = room?.words ? `${room.words} of recording left. ` : "";
    this.roomed.setAttribute("aria-label", `${left}${well ? "The box is well" : "Something needs a look"}. Open health.`);
  }

  /** @param {readonly {hash: string, label: string, current: boolean}[]} screens */
  set screens(screens) {
    if (!this.nav) return;
    keyed(this.nav, screens, (each) => each.hash, (each, old) => {
      const made = old ?? h("a", { href: `#${each.hash}` }, each.label);
      if (each.current) made.setAttribute("aria-current", "page");
      else made.removeAttribute("aria-current");
      return made;
    });
  }

  /** @param {Node | null} node */
  set extra(node) {
    this.slotted?.replaceChildren(...(node ? [node] : []));
  }

  /** @param {number} now ms */
  tick(now) {
    if (this.clock) say(this.clock, clockOf(now));
  }
}

define("status-line", StatusLine);
