// What this device may do, by its role, and what the page shows when the device has no access any more: the
// pairing page, or the plays stored on the device with a link to the pairing page.

import { h } from "./parts/dom.js";
import { outWords } from "./state/access/pairing.js";
import { deviceWord } from "./state/device/prefs.js";
import { may, mayView, viewOf, whyNot } from "./state/access/rights.js";

/** @typedef {import("./state/access/rights.js").Right} Right */

export class Access {
  /**
   * @param {{box: import("./state/connection/box.js").Box, prefs: import("./state/device/prefs.js").Prefs}}
   *   given
   */
  constructor({ box, prefs }) {
    this.box = box;
    this.prefs = prefs;
    this.looked = false;
  }

  get me() {
    return this.box.pairing.me;
  }

  /** @param {Right} [right] */
  may(right) {
    return may(this.me, right);
  }

  /** @param {Right} right */
  whyNot(right) {
    return whyNot(this.me, right);
  }

  /**
   * Call after a change of the connection: stores who this device is now, and shows what its role allows.
   * @returns {boolean} whether it has another role than before
   */
  follow() {
    const { me, prefs } = this;
    const before = prefs.get("paired");
    if (JSON.stringify(me) !== JSON.stringify(before)) prefs.set("paired", me);
    if (me && (me.role !== before?.role || !mayView(me, prefs.get("role"))))
      prefs.set("role", viewOf(me.role));
    document.documentElement.classList.toggle("marks-nothing", !this.may("mark"));
    if (this.box.pairing.out) void this.leaveEmpty();
    return me?.role !== before?.role;
  }

  /** Go to the pairing page, unless there are stored plays to show or marks that are not sent. */
  async leaveEmpty() {
    if (this.looked) return;
    this.looked = true;
    const { box } = this;
    await box.restored;
    await box.recall();
    const waits = box.outbox.marks.some((mark) => mark.state === "waiting");
    if (box.pairing.out === "not_paired" && !waits && !box.state.sessions.size) location.replace("/pair");
  }

  /** Text of the banner while this device has no access; "" while it has. */
  get words() {
    const { out } = this.box.pairing;
    const { outbox } = this.box;
    if (!out) return "";
    return outWords({
      out,
      me: this.me,
      waiting: outbox.waiting().length,
      kept: outbox.kept,
      word: deviceWord(),
    });
  }

  /** A link to the pairing page; in another tab while this page holds marks that a reload would lose. */
  link() {
    const { outbox } = this.box;
    const waiting = outbox.waiting().length;
    return h(
      "a",
      {
        class: "button",
        href: `/pair${waiting ? `#kept=${waiting}` : ""}`,
        target: outbox.kept ? undefined : "_blank",
      },
      this.me ? "Pair it again" : "Pair it",
    );
  }

  /**
   * Shown instead of a screen that this device may not use.
   * @param {string} title
   * @param {Right} right
   * @returns {import("./app.js").Screen}
   */
  refusal(title, right) {
    return {
      title,
      enter: (root) => {
        root.append(
          h(
            "section",
            { class: "refusal" },
            h("h2", {}, title),
            h("p", {}, this.whyNot(right)),
            right === "devices" &&
              h(
                "p",
                {},
                "The first admin's code is made on the box itself: ",
                h("code", {}, "appliance pair --role admin"),
                ". Another one: Devices, on a paired admin's device.",
              ),
            h("p", {}, h("a", { class: "button", href: "/pair" }, "I have a code")),
          ),
        );
        return {};
      },
    };
  }
}
