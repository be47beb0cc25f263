// The operator's sessions: create, change, start, end, delete and restore.

import { ask } from "../../parts/dialogs/ask.js";
import { button, h, icon, keyed, say } from "../../parts/dom.js";
import { openScoreForm } from "../../parts/dialogs/score-form.js";
import { openSessionForm } from "../../parts/dialogs/session-form.js";
import { inOrder, isAtRest, movesOf } from "../../state/session/control.js";
import { uuid } from "../../state/marks/ids.js";
import { badgeOf, titleOf } from "../../state/session/working.js";
import { bodyOf, changesOf, gamesOf, goesWith, rebase, valuesOf } from "../../state/session/sessions.js";
import { errorText } from "../../state/words.js";
import { dateOf, fieldOf } from "../../state/zone.js";

/** @typedef {import("../../state/connection/store.js").Session} Session */
/** @typedef {import("../../state/session/control.js").Move} Move */
/** @typedef {import("../../parts/dialogs/session-form.js").Trouble} Trouble */
const SHOWN = 6; // the others on request
const CHANGED_ELSEWHERE = "Another device has changed this session. Check the fields, then press Save again.";
const NOT = /** @type {Record<string, string>} */ ({
  start: "started",
  pause: "paused",
  resume: "resumed",
  complete: "completed",
  reopen: "reopened",
});

export class Sessions {
  /**
   * @param {{ctx: import("../../app.js").Ctx, send: import("./operator.js").Send, cameras:
   *   import("./operator-cameras.js").Cameras}} given
   */
  constructor({ ctx, send, cameras }) {
    this.ctx = ctx;
    this.cameras = cameras;
    this.send = send;
    this.all = false; // every session, not only the first few
    /** @type {readonly import("../../state/session/sessions.js").Game[]} */
    this.games = []; // of the cloud
    this.count = -1; // a change means that one was deleted or restored
    this.list = h("ul", { id: "sessions" });
    this.none = h(
      "p",
      { class: "quiet", hidden: true },
      "No session yet. Create one: plays are marked in it.",
    );
    this.more = h("button", {
      type: "button",
      class: "plain",
      hidden: true,
      onclick: () => {
        this.all = true;
        this.draw();
      },
    });
    this.goneHead = h("summary", {});
    this.goneList = h("ul", {});
    this.gone = h("details", { id: "deleted", class: "keys", hidden: true }, this.goneHead, this.goneList);
    this.panel = h(
      "section",
      { class: "panel-box sessions", "aria-label": "Sessions" },
      h(
        "header",
        { class: "row" },
        h("h2", { class: "grow" }, "Sessions"),
        h("a", { class: "button", href: "#games" }, "Games"),
        h(
          "button",
          { type: "button", id: "new-session", class: "primary", onclick: () => this.create() },
          "New session",
        ),
      ),
      this.list,
      this.none,
      this.more,
      this.gone,
    );
  }

  draw() {
    const { ctx } = this;
    const current = ctx.session()?.id;
    const rows = inOrder(ctx.box.state.sessions.values());
    const shown = this.all ? rows : rows.filter((each, at) => at < SHOWN || each.id === current);
    keyed(
      this.list,
      shown,
      (each) => each.id,
      (each, old) => {
        const made =
          old ??
          h(
            "li",
            { class: "session" },
            h("div", { class: "row" }, h("h3", { class: "grow" }), h("span", {})),
            h("p", { class: "quiet" }),
            h("div", { class: "row moves" }),
          );
        const [head, facts, moves] = /** @type {Element[]} */ ([...made.children]);
        made.classList.toggle("current", each.id === current);
        made.dataset.status = each.status;
        say(head.children[0], titleOf(each));
        const [state, kind] = badgeOf(each, ctx.box.away);
        say(head.children[1], state);
        head.children[1].className = `badge ${kind}`;
        say(facts, factsOf(each));
        this.drawMoves(/** @type {HTMLElement} */ (moves), each, each.id === current);
        return made;
      },
    );
    this.none.hidden = rows.length > 0;
    this.more.hidden = shown.length === rows.length;
    say(this.more, `${rows.length - shown.length} earlier`);
    if (this.count !== rows.length) void this.lookForDeleted();
    this.count = rows.length;
  }

  /**
   * Buttons are created again only when the state changed, so that a button under a finger stays.
   * @param {HTMLElement} moves
   * @param {Session} session
   * @param {boolean} current
   */
  drawMoves(moves, session, current) {
    const { id, name, status } = session;
    const look = `${status} ${current} ${name}`;
    if (moves.dataset.look === look) return;
    const focused = moves.contains(document.activeElement);
    moves.dataset.look = look;
    const now = () => this.ctx.box.state.sessions.get(id) ?? session;
    moves.replaceChildren(
      ...movesOf(status).map((move) =>
        h(
          "button",
          {
            type: "button",
            class: move.primary && current ? "primary" : "",
            "aria-label": `${move.words} ${name}`,
            data: { event: move.event },
            onclick: () => void this.move(now(), move),
          },
          move.words,
        ),
      ),
      current
        ? h("span", { class: "quiet grow" }, "on this device")
        : h(
            "button",
            {
              type: "button",
              class: "plain",
              "aria-label": `Show here: ${name}`,
              onclick: () => this.ctx.prefs.set("session", id),
            },
            "Show here",
          ),
      ...(status === "scheduled"
        ? []
        : [button(`Score of ${name}`, "Score", () => openScoreForm(this.ctx, now()), { class: "plain" })]),
      button(`Edit ${name}`, icon("pencil"), () => this.edit(now()), { class: "plain edit" }),
      ...(isAtRest(status)
        ? [button(`Delete ${name}`, icon("trash"), () => void this.remove(now()), { class: "plain" })]
        : []),
    );
    if (focused) /** @type {HTMLElement | null} */ (moves.querySelector("button"))?.focus();
  }

  /** @param {Session} session @param {Move} move */
  async move(session, move) {
    if (
      move.ask &&
      !(await ask({ title: `${move.words} ${session.name}?`, words: move.ask.words, yes: move.words }))
    )
      return;
    await this.send(`Not ${NOT[move.event]}`, "POST", `/sessions/${session.id}/${move.event}`);
  }

  // -- the form ---------------------------------------------------------------------------------------------

  /**
   * @param {string} title
   * @param {import("../../state/session/sessions.js").Values} values
   * @param {[string, string][]} answers
   * @param {import("../../parts/dialogs/session-form.js").Save} save
   */
  form(title, values, answers, save) {
    const late = (/** @type {string} */ words) => void this.ctx.say(words, { kind: "bad", seconds: 0 });
    const games = gamesOf(this.games, this.ctx.box.now()).filter(
      (each) => each.id === values.event_id || (!each.session_id && each.resource.status === "scheduled"),
    );
    openSessionForm({ title, channels: this.cameras.all(), games, values, answers, save, late });
  }

  create() {
    const { box } = this.ctx;
    const empty = {
      name: "",
      type: "game",
      opponent: "",
      location: "",
      season: "",
      week: "",
      scheduled_start: fieldOf(box.now()),
      event_id: "",
      channel_ids: null,
    };
    let [sent, id] = ["", ""]; // sent again unchanged, it creates the same session
    this.form(
      "New session",
      empty,
      [
        ["later", "Create"],
        ["now", "Create and start"],
      ],
      async (values, answer) => {
        const body = bodyOf(values);
        if (sent !== JSON.stringify(body)) [sent, id] = [JSON.stringify(body), uuid()];
        try {
          box.keep("sessions", await box.request("POST", "/sessions", { ...body, id }));
        } catch (error) {
          return troubleOf(error);
        }
        const begun =
          answer !== "now" || (await this.send("Created, but not started", "POST", `/sessions/${id}/start`));
        if (begun && answer === "now") this.ctx.working.choose(id);
        if (begun)
          this.ctx.say(`${values.name} ${answer === "now" ? "runs" : "is scheduled"}`, { kind: "good" });
        return null;
      },
    );
  }

  /**
   * Another device may change it meanwhile: then both versions are shown before anything is written.
   * @param {Session} session
   */
  edit(session) {
    const { box } = this.ctx;
    const known = this.cameras.all().map((each) => each.id);
    const path = `/sessions/${session.id}`;
    let { rev } = session;
    let before = valuesOf(session, known);
    this.form(`Edit ${session.name}`, before, [["save", "Save"]], async (ours) => {
      try {
        const body = changesOf(before, ours);
        if (Object.keys(body).length) box.keep("sessions", await box.request("PATCH", path, body, { rev }));
        return null;
      } catch (error) {
        if (/** @type {any} */ (error).status !== 412) return troubleOf(error);
        const now = await box.request("GET", path).catch(() => null);
        if (!now) return troubleOf(null);
        const theirs = valuesOf(now, known);
        const { values, clashes } = rebase(before, ours, theirs);
        [before, rev] = [theirs, now.rev];
        box.keep("sessions", now);
        // our own change: only the answer was lost
        if (!Object.keys(changesOf(before, values)).length) return null;
        const errors = clashes.map((loc) => ({ loc, msg: `Another device says: ${words(theirs, loc)}` }));
        return { words: CHANGED_ELSEWHERE, values, errors };
      }
    });
  }

  // -- deleted ----------------------------------------------------------------------------------------------

  /** @param {Session} session */
  async remove(session) {
    const { box } = this.ctx;
    const { id, name, rev } = session;
    const plays = await box.request("GET", `/plays?session_id=${id}&limit=1000`).then(
      (page) => page.items.length,
      () => null,
    );
    const goes = goesWith({ plays, clips: session.clip_count, tags: session.tag_count });
    if (document.querySelector("dialog")) return; // the key was pressed twice
    if (
      !(await ask({
        title: `Delete ${name}?`,
        words: `${goes} Recordings stay. It can be undone for 24 hours.`,
        yes: "Delete",
        careful: true,
      }))
    )
      return;
    const path = `/sessions/${id}`;
    const gone = await box
      .request("DELETE", path, undefined, { rev })
      .catch(async (error) => {
        if (error.problem?.code !== "holds_favorites") throw error;
        const sure = await ask({
          title: "Delete favourites too?",
          words: `Starred in it: ${error.problem.favorites}.`,
          yes: "Delete with favourites",
          careful: true,
        });
        return sure ? box.request("DELETE", `${path}?force=1`, undefined, { rev }) : null;
      })
      .catch((error) => void this.ctx.say(`Not deleted: ${errorText(error)}`, { kind: "bad", seconds: 0 }));
    if (gone)
      this.ctx.say(`Deleted ${name}.`, {
        action: "Undo",
        act: () => void this.restore(session),
        key: id,
        seconds: 20,
      });
  }

  /** @param {Session} session */
  async restore({ id, name }) {
    this.ctx.unsay(id);
    if (await this.send("Not brought back", "POST", `/sessions/${id}/restore`))
      this.ctx.say(`${name} is back`, { kind: "good" });
  }

  /** Events do not cover sessions that were deleted before this page was opened. */
  async lookForDeleted() {
    const page = await this.ctx.box.request("GET", "/sessions?deleted=1").catch(() => ({ items: [] }));
    /** @type {Session[]} */
    const rows = page.items
      .filter((/** @type {Session} */ each) => !this.ctx.box.state.sessions.has(each.id))
      .reverse();
    say(this.goneHead, `${rows.length} deleted in the last 24 hours`);
    keyed(
      this.goneList,
      rows,
      (each) => each.id,
      (each, old) =>
        old ??
        h(
          "li",
          { class: "row" },
          h("b", { class: "grow" }, each.name),
          h("span", { class: "quiet" }, dateOf(each.updated_at)),
          h(
            "button",
            { type: "button", "aria-label": `Restore ${each.name}`, onclick: () => void this.restore(each) },
            "Restore",
          ),
        ),
    );
    this.gone.hidden = !rows.length;
  }
}

/** Why a form was refused. @param {any} error @returns {Trouble} */
const troubleOf = (error) => ({ words: `Not saved: ${errorText(error)}`, errors: error?.problem?.errors });

/**
 * @param {import("../../state/session/sessions.js").Values} values
 * @param {import("../../state/session/sessions.js").Field} field
 */
const words = (values, field) =>
  field === "channel_ids"
    ? (values.channel_ids?.join(", ") ?? "every camera")
    : values[field].replace("T", " ") || "nothing";

/** @param {Session} session */
function factsOf(session) {
  const { status, actual_start: began, actual_end: ended, scheduled_start: planned } = session;
  const when =
    status === "completed" && ended
      ? `over since ${dateOf(ended)}`
      : began
        ? `since ${dateOf(began)}`
        : planned
          ? `begins ${dateOf(planned)}`
          : "not scheduled";
  const plays =
    session.play_count === 1 ? "1 play" : session.play_count ? `${session.play_count} plays` : "no play yet";
  const { score } = session;
  const points = score && `${score.home}–${score.away}`;
  return [session.type, session.location, when, plays, points].filter(Boolean).join(" · ");
}
