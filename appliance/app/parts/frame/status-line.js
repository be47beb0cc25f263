// The top line, always up to date: session, clock, cameras, connection to the appliance; navigation at its
// end.
//
// Properties: session, badge ([text, colour] of its state), cameras (checks of the health page), state
// {online, rtt, waiting, closed}, room, screens [{hash, label, current}], extra (a node of the role, such as
// the session controls). Emits `menu`.

import { button, define, h, icon, keyed, say } from "../dom.js";
import { titleOf } from "../../state/session/working.js";
import { clockOf } from "../../state/words.js";

/** @typedef {{online: boolean, rtt: number | null, waiting: number, closed: string}} Link */

/** @typedef {import("../../state/health.js").Check} Check */

const MARKS = /** @type {Record<Check["status"], [string, string]>} */ ({
  ok: ["●", "good"],
  warn: ["▲", "warn"],
  bad: ["✗", "bad"],
});

export class StatusLine extends HTMLElement {
  look = "";

  connectedCallback() {
    if (this.clock) return;
    this.clock = h("time", { class: "clock" });
    this.cams = h("a", { class: "cams", href: "#health", id: "cams" });
    this.trip = h("span", {});
    this.queue = h("span", { class: "queue" });
    this.link = h("a", { class: "link", href: "#health", id: "link" }, this.trip, this.queue);
    this.roomed = h(
      "a",
      { class: "link room", href: "#health", id: "room", hidden: true },
      h("span", {}),
      h("span", { class: "hours" }),
    );
    this.nav = h("nav", { class: "tabs", "aria-label": "Screens" });
    this.slotted = h("span", { class: "extra" });
    this.append(
      h(
        "div",
        { class: "what" },
        h("h1", { id: "session-name" }, "…"),
        h("span", { id: "session-state", class: "badge" }),
      ),
      this.clock,
      this.slotted,
      this.cams,
      this.roomed,
      this.link,
      this.nav,
      button("Menu", icon("menu"), () => this.dispatchEvent(new Event("menu")), {
        class: "plain menu",
        id: "menu",
      }),
    );
  }

  /** @param {import("../../state/connection/store.js").Session | undefined} session */
  set session(session) {
    const name = session ? titleOf(session) : "No session";
    say(/** @type {Element} */ (this.querySelector("#session-name")), name);
  }

  /** @param {[string, string] | null} badge */
  set badge(badge) {
    const state = /** @type {HTMLElement} */ (this.querySelector("#session-state"));
    const [words, kind] = badge ?? ["", ""];
    say(state, words);
    state.className = `badge ${kind}`;
    state.hidden = !badge;
  }

  /**
   * Each camera of the session, in the state the health page shows.
   * @param {readonly {id: string, check: Check}[]} cameras
   */
  set cameras(cameras) {
    if (!this.cams) return;
    const look = JSON.stringify(cameras);
    if (look === this.look) return;
    this.look = look;
    keyed(
      this.cams,
      cameras,
      (each) => each.id,
      ({ id, check }, old) => {
        const made = old ?? h("span", {}, " ", h("span", {}, ""), " ", h("span", {}, ""));
        const [mark, kind] = MARKS[check.status];
        say(made.children[0], id);
        say(made.children[1], mark);
        made.children[1].className = kind;
        return made;
      },
    );
    const unwell = cameras.filter(({ check }) => check.status !== "ok");
    const words =
      unwell.map(({ check }) => `${check.title}: ${check.words}`).join(", ") ||
      (cameras.length ? "all cameras send" : "no camera");
    this.cams.setAttribute(
      "aria-label",
      `${cameras.map((each) => each.id).join(" ")}: ${words}. Open health.`,
    );
    this.cams.title = words;
  }

  /** @param {Link} link */
  set state({ online, rtt, waiting, closed }) {
    if (!this.link || !this.trip || !this.queue) return;
    const face = closed
      ? closed
      : online
        ? rtt === null
          ? "⇄"
          : `⇄ ${Math.max(1, Math.round(rtt))} ms`
        : "⇄ …";
    say(this.trip, face);
    say(this.queue, waiting ? ` · ${waiting} to send` : ""); // on a phone the banner shows it
    this.link.dataset.state = online ? "connected" : "reconnecting";
    this.link.className = `link ${online ? "" : "warn"}`;
    const shown = /** @type {string} */ (this.link.textContent).replace(/[⇄…] ?/g, "");
    this.link.setAttribute("aria-label", `${online ? "Connected" : "Reconnecting"}, ${shown}`);
  }

  /**
   * Hours of recording left, and the overall verdict of the health page; null: not reported by the appliance.
   * @param {{words: string, status: Check["status"], verdict: string} | null} room
   */
  set room(room) {
    if (!this.roomed) return;
    const well = room?.status === "ok";
    this.roomed.hidden = !room || (well && !room.words);
    const [mark, hours] = this.roomed.children;
    say(mark, !room ? "" : well ? "◔" : room.status === "warn" ? "▲" : "✗");
    say(hours, room?.words ? ` ${room.words}` : ""); // on a phone the session's name has its place
    this.roomed.className = `link room ${well ? "" : (room?.status ?? "")}`;
    const left = room?.words ? `${room.words} of recording left. ` : "";
    this.roomed.setAttribute("aria-label", `${left}${room?.verdict ?? ""}. Open health.`);
  }

  /** @param {readonly {hash: string, label: string, current: boolean}[]} screens */
  set screens(screens) {
    if (!this.nav) return;
    keyed(
      this.nav,
      screens,
      (each) => each.hash,
      (each, old) => {
        const made = old ?? h("a", { href: `#${each.hash}` }, each.label);
        if (each.current) made.setAttribute("aria-current", "page");
        else made.removeAttribute("aria-current");
        return made;
      },
    );
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
