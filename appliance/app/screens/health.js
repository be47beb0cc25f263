// Health, and the checklist before the game: every part green, amber or red, with what to do. Refreshed every
// two seconds.

import { h, keyed, say } from "../parts/dom.js";
import { channelsOf, groupsOf, linkOf, lookAt, verdictOf } from "../state/health.js";
import { clockOf } from "../state/zone.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/health.js").Check} Check */

export const title = "Health";
const LOOK_MS = 2000;
/** @type {Record<import("../state/api").ReadyPart["status"], [string, string, string]>} */
const MARKS = {
  ok: ["✓", "good", "well"],
  warn: ["▲", "warn", "look at it"],
  bad: ["✗", "bad", "not ready"],
};

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Health(root, ctx);
}

class Health {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    /** @type {import("../state/api").Readiness | null} */
    this.ready = null;
    /** @type {readonly import("../state/api").LiveClient[]} */
    this.clients = [];
    /** @type {readonly import("../state/api").SourceState[]} */
    this.sources = [];
    this.answeredAt = 0; // appliance time of the last answer, ms
    this.mark = h("span", { class: "verdict-mark", "aria-hidden": "true" }, "…");
    this.words = h("h2", { id: "verdict", "aria-live": "polite" }, "Asking the box");
    this.when = h("p", { class: "quiet", id: "verdict-when" });
    this.lists = h("div", { class: "groups" });
    root.append(
      h(
        "header",
        { class: "verdict" },
        this.mark,
        h("div", { class: "grow" }, this.words, this.when),
        ctx.access.may("run") && h("a", { class: "button", href: "#operator" }, "Operator"),
        h("a", { class: "button", href: "#selftest" }, "Self-test"),
      ),
      this.lists,
    );
    this.look = () => void this.ask();
    this.timer = setInterval(this.look, LOOK_MS);
    document.addEventListener("visibilitychange", this.look);
    this.look();
  }

  leave() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.look);
    this.left = true;
  }

  update() {
    this.draw();
  }

  async ask() {
    if (document.hidden || this.asking) return;
    this.asking = true;
    try {
      const { ready, clients, sources } = await lookAt(this.ctx.box);
      Object.assign(this, { ready, clients, sources });
      this.answeredAt = this.ctx.box.now();
    } catch {
      this.ready = null; // the line "connection" shows the problem
    } finally {
      this.asking = false;
    }
    if (!this.left) this.draw();
  }

  draw() {
    const { box } = this.ctx;
    const session = this.ctx.session();
    const ready = box.away ? null : this.ready;
    const groups = groupsOf({
      ready,
      clients: ready ? this.clients : [],
      sources: ready ? this.sources : [],
      session,
      channels: channelsOf(box.state.channels.values(), session),
      link: linkOf(this.ctx),
    });
    keyed(
      this.lists,
      groups,
      (group) => group.title,
      (group, old) => {
        const made =
          old ??
          h("section", { class: "group", "aria-label": group.title }, h("h3", {}, group.title), h("ul", {}));
        keyed(/** @type {Element} */ (made.lastElementChild), group.checks, (each) => each.id, line);
        return made;
      },
    );
    if (!ready && !this.answeredAt && box.online) return;
    const { status, words } = verdictOf(groups);
    say(this.mark, MARKS[status][0]);
    this.mark.className = `verdict-mark ${MARKS[status][1]}`;
    say(this.words, words);
    this.words.dataset.status = status;
    const site = box.state.place.name;
    const heardAt = box.heardAt || this.answeredAt;
    const when = ready
      ? `looked at ${clockOf(this.answeredAt)}`
      : `no answer${heardAt ? ` since ${clockOf(heardAt)}` : ""}`;
    say(this.when, [site, when].filter(Boolean).join(" · "));
  }
}

/** @param {Check} each @param {HTMLElement | undefined} old @returns {HTMLElement} */
function line(each, old) {
  const made =
    old ??
    h(
      "li",
      { class: "check" },
      h("span", { class: "mark", role: "img" }),
      h("b", {}),
      h("span", { class: "words" }),
      h("span", { class: "fix" }),
    );
  const [mark, name, words, fix] = made.children;
  const [sign, kind, label] = MARKS[each.status];
  made.dataset.status = each.status;
  made.id = `check-${each.id}`;
  say(mark, sign);
  mark.className = `mark ${kind}`;
  mark.setAttribute("aria-label", label);
  say(name, each.title);
  say(words, each.words);
  say(fix, each.fix);
  return made;
}
