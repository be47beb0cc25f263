// The frame around every screen: status line, banner, mark bar. It shows the state of the appliance and of
// the connection; the composition root says when to draw.

import { Awake, keepShell } from "./installed.js";
import { camerasOf, channelsOf, groupsOf, linkOf, lookAt, verdictOf } from "./state/health.js";
import { Moved, takenOf } from "./state/marks/moved.js";
import { badgeOf } from "./state/session/working.js";
import { hoursOf } from "./state/words.js";

/** @typedef {import("./app.js").Ctx} Ctx */

const stay = (/** @type {Event} */ event) => event.preventDefault();

export class Frame {
  /**
   * @param {Ctx} ctx
   * @param {{status: import("./parts/frame/status-line.js").StatusLine, banner: HTMLElement, bar:
   *   import("./parts/frame/mark-bar.js").MarkBar, notices:
   *   import("./parts/frame/notice-stack.js").NoticeStack}} parts
   */
  constructor(ctx, { status, banner, bar, notices }) {
    this.ctx = ctx;
    this.status = status;
    this.banner = banner;
    this.bar = bar;
    this.notices = notices;
    this.where = ""; // the screen that is shown
    this.awake = new Awake();
    const text = (/** @type {Response} */ answer) => (answer.ok ? answer.text() : null);
    this.moved = new Moved({
      protocol: location.protocol,
      hostname: location.hostname,
      ask: (path) => fetch(path, { cache: "no-store" }).then(text, () => null),
      plainPort: () => ctx.box.state.place.plain_port,
      turned: () => this.drawBanner(),
      memory: {
        get: () => localStorage.getItem("taken along"),
        set: (text) => localStorage.setItem("taken along", text),
      },
    });
    this.offerMarks();
    this.storage = true;
    this.looking = false;
    this.again = false; // a change arrived while the request was under way: request once more
    /** The last state the appliance reported. @type {import("./state/health.js").Looked} */
    this.looked = { ready: null, clients: [], sources: [] };
  }

  /** The operator's session controls in the status line: loaded when the first operator needs them. */
  async drawControl() {
    const { box, prefs, session } = this.ctx;
    if (prefs.get("role") !== "operator" || !this.ctx.access.may("run"))
      return document.querySelector("session-control")?.remove();
    // on failure, the next change tries again
    const here = await import("./parts/frame/session-control.js").catch(() => null);
    if (!here || prefs.get("role") !== "operator") return;
    const control = /** @type {import("./parts/frame/session-control.js").SessionControl} */ (
      document.querySelector("session-control") ?? document.createElement("session-control")
    );
    if (!control.isConnected) {
      control.addEventListener(
        "move",
        (event) =>
          void box
            .request("POST", `/sessions/${session()?.id}/${/** @type {CustomEvent} */ (event).detail.event}`)
            .then((made) => box.keep("sessions", made))
            .catch((error) =>
              this.notices.say(`The session stays as it is: ${error.message}`, { kind: "bad" }),
            ),
      );
      this.ctx.setExtra(control);
    }
    control.session = session();
  }

  draw() {
    const { box, prefs, screens } = this.ctx;
    const now = this.ctx.session();
    void this.drawControl();
    this.status.session = now;
    this.status.badge = now ? badgeOf(now, box.away) : null;
    this.drawHealth(now);
    this.status.state = {
      online: box.online,
      rtt: box.rtt,
      waiting: box.outbox.waiting().length,
      closed: box.pairing.out ? "not paired" : box.closed && "closed",
    };
    const role = prefs.get("role");
    const mine = Object.entries(screens).filter(([, each]) => this.ctx.access.may(each.needs));
    this.status.screens = mine
      .filter(([hash, each]) => each.roles.includes(role) || (hash === this.where && each.roles.length))
      .map(([hash, each]) => ({ hash, label: each.label, current: hash === this.where }));
    const open = this.ctx.open();
    this.guard(box.away && !box.closed && !box.pairing.out && !this.moved.address);
    this.bar.state = {
      session: now,
      open,
      seconds: prefs.get("lastSeconds"),
      cued: Boolean(open?.cue_time),
    };
    this.awake.want(now?.status === "active");
    this.drawBanner();
    this.tellOfStorage();
  }

  /** Marks of this device that a page over plain http has brought along (state/marks/moved.js). */
  offerMarks() {
    if (location.hash.startsWith("#take/")) {
      sessionStorage.setItem("taken", location.hash); // this page may have to be paired first
      history.replaceState(null, "", "#desk");
    }
    const marks = takenOf(sessionStorage.getItem("taken") ?? "");
    if (!marks.length) return;
    const forget = () => sessionStorage.removeItem("taken");
    const count = marks.length === 1 ? "1 mark was" : `${marks.length} marks were`;
    this.notices.say(`${count} made on this device at another address of the box`, {
      action: "Send",
      act: () => {
        forget();
        this.ctx.box.outbox.adopt(marks);
      },
      gone: forget,
      key: "taken",
      seconds: 0,
    });
  }

  /** Everything is loaded: the page can be opened without the appliance from now on. */
  install() {
    return keepShell();
  }

  /**
   * Without a service worker a reload needs the appliance, and would leave no page while it is unreachable:
   * the browser asks for confirmation, where it can.
   * @param {boolean} on
   */
  guard(on) {
    if (on && !navigator.serviceWorker?.controller) addEventListener("beforeunload", stay);
    else removeEventListener("beforeunload", stay);
  }

  /**
   * The state of the health page, from the same functions: a camera that is off or faulty is visible on every
   * screen.
   * @param {import("./state/connection/store.js").Session | undefined} now
   */
  drawHealth(now) {
    const { box } = this.ctx;
    const channels = channelsOf(box.state.channels.values(), now);
    const { ready, clients, sources } = this.looked;
    this.status.cameras = camerasOf(channels, sources, box.away).map((check, at) => ({
      id: channels[at].id,
      check,
    }));
    const { status: worst, words } = verdictOf(
      groupsOf({
        ready,
        channels,
        sources,
        clients,
        session: now,
        link: { ...linkOf(this.ctx), online: !box.away },
      }),
    );
    this.status.room = box.away
      ? null
      : ready && {
          words: hoursOf(ready.parts.recording_hours?.figures?.hours),
          status: worst,
          verdict: words,
        };
  }

  /**
   * Reported once, and again after a change: without storage a reload loses marks that the appliance does not
   * have yet.
   */
  tellOfStorage() {
    const { kept } = this.ctx.box.outbox;
    if (kept === this.storage) return;
    this.storage = kept;
    if (kept) this.notices.clear("storage");
    else
      this.notices.say(
        "This browser's storage does not answer: marks are kept only while this page stays open",
        {
          key: "storage",
          seconds: 0,
        },
      );
  }

  /** Shows what is unusual, and only when it lasts: a restart of the appliance under 2 s is not reported. */
  drawBanner() {
    const { banner } = this;
    const { box } = this.ctx;
    const { away } = box;
    const waiting = box.outbox.waiting().length;
    const foreign = box.outbox.foreign();
    const marksAre = `Marks are kept here${box.outbox.kept ? "" : " while this page stays open"}`;
    const toSend = waiting ? ` (${waiting} to send)` : "";
    const out = this.ctx.access.words;
    if (away) void this.moved.look();
    else this.moved.back();
    const isMoved = away && this.moved.address !== "";
    const along = waiting ? ` ${marksAre}${toSend}: take them along.` : "";
    const text = out
      ? out
      : isMoved
        ? this.moved.words + along
        : box.closed
          ? `The box closed this page: ${box.closed}. Reload it.`
          : away
            ? `The box does not answer. ${marksAre}${toSend}; clips on this device play on.`
            : foreign.length
              ? `${foreign.length} marks on this device belong to another box (${foreign[0].site}).`
              : "";
    if (banner.dataset.text === text) return;
    banner.dataset.text = text;
    banner.hidden = !text;
    banner.replaceChildren(text);
    if (out) banner.append(this.ctx.access.link());
    else if (isMoved) {
      const go = document.createElement("a");
      go.className = "button";
      go.textContent = waiting ? "Go there with them" : "Go there";
      const { href, keys } = this.moved.link(box.outbox.waiting());
      go.href = href;
      go.onclick = () => {
        this.moved.took(keys);
        delete banner.dataset.text;
        setTimeout(() => this.drawBanner()); // the browser has followed this link then
      };
      banner.append(go);
      if (keys.length < waiting)
        banner.append(` ${keys.length} of ${waiting} marks fit: come back here for the others.`);
    } else if (!away && !box.closed && foreign.length) {
      const drop = document.createElement("button");
      drop.textContent = "Forget them";
      drop.onclick = () => {
        for (const mark of foreign) box.outbox.forget(mark);
      };
      banner.append(drop);
    }
  }

  /**
   * Reads the appliance's state for the status line: at long intervals, when the page becomes visible, and
   * when a camera changed.
   */
  async look() {
    const { box } = this.ctx;
    this.again = this.looking;
    if (this.looking || document.hidden || !box.online) return;
    this.looking = true;
    this.looked = await lookAt(box).catch(() => ({ ready: null, clients: [], sources: [] }));
    this.looking = false;
    this.draw();
    if (this.again) void this.look();
  }
}
