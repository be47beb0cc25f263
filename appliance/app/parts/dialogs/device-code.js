// The dialog of a one-time code: the code in large type, its QR code and the time left; then the device that
// was paired with it. Also for this page as an app on the Home Screen: browsers give an installed app storage
// of its own, so it is paired too.

import { button, h, icon, say } from "../dom.js";
import { leftOf, shownCode } from "../../state/access/code.js";
import { aRole } from "../../state/access/rights.js";

const TICK_MS = 500;

export class DeviceCode {
  /**
   * `now`: box time, ms; `another`: a new code is wanted; `app`: see above.
   * @param {{code: {code: string, name: string | null, role: string, expires_at: string, link?: string |
   *   null, qr_svg?: string | null}, now: () => number, another: () => void, app?: boolean}} given
   */
  constructor({ code, now, another, app }) {
    this.code = code;
    this.now = now;
    this.done = false;
    this.left = h("p", { class: "left", role: "status" });
    this.dialog = /** @type {HTMLDialogElement} */ (
      h("dialog", { class: "sheet device-code", "aria-label": "Code for a device" })
    );
    this.shown = h("output", { class: "code" }, shownCode(code.code));
    const page = code.link?.replace(/[?#].*/, "") ?? `${location.origin}/pair`;
    const isFirstTrust = code.link?.includes("#"); // the page of the plain port, with TLS on
    this.again = h(
      "button",
      {
        type: "button",
        onclick: () => {
          this.dialog.close();
          another();
        },
      },
      "Another code",
    );
    this.dialog.append(
      h(
        "header",
        { class: "row" },
        h("h2", { class: "grow" }, `Code for ${code.name ?? aRole(code.role)}`),
        button("Close", icon("close"), () => this.dialog.close(), { class: "plain" }),
      ),
      h(
        "div",
        { class: "both" },
        code.qr_svg &&
          h("img", {
            class: "qr",
            alt: `QR code of ${page}`,
            width: 240,
            height: 240,
            src: `data:image/svg+xml,${encodeURIComponent(code.qr_svg)}`,
          }),
        h(
          "ol",
          { class: "steps" },
          app
            ? h("li", {}, "Under Share, choose ", h("b", {}, "Add to Home Screen"), "; open it")
            : h(
                "li",
                {},
                "On the other device, scan this with the camera, or open ",
                h("b", {}, page.replace(/^http:\/\//, "")),
              ),
          isFirstTrust && h("li", {}, "The first time it shows how to trust the box: follow its steps"),
          h("li", {}, "Type the code", this.shown),
          h("li", {}, "Press ", h("b", {}, "Pair this device")),
        ),
      ),
      this.left,
      h(
        "div",
        { class: "row answers" },
        this.again,
        h("button", { type: "button", class: "primary", onclick: () => this.dialog.close() }, "Done"),
      ),
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    const timer = setInterval(() => this.tick(), TICK_MS);
    this.dialog.addEventListener("close", () => {
      clearInterval(timer);
      this.dialog.remove();
    });
    this.tick();
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  get open() {
    return this.dialog.open;
  }

  tick() {
    if (this.done) return;
    const left = leftOf(this.code.expires_at, this.now());
    say(this.left, left ? `For one device, ${left}` : "The time of this code is over");
    this.left.className = `left ${left ? "" : "warn"}`;
    this.shown.classList.toggle("over", !left);
  }

  /** A device has used it. @param {string} name */
  used(name) {
    this.done = true;
    say(this.left, `${name} is paired`);
    this.left.className = "left good";
    this.shown.classList.add("over");
    say(this.again, "Another device");
  }
}
