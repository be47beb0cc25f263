// Operator: sessions, cameras with their footage, room on the disks, connected devices. Everything by finger and by key.

import { ask } from "../parts/ask.js";
import "../parts/coverage-strip.js";
import { h, keyed, say } from "../parts/dom.js";
import { askForSession } from "../parts/session-form.js";
import { endOf, inOrder, movesOf, nextOf } from "../state/control.js";
import { spell, stripOf } from "../state/coverage.js";
import { hoursOf } from "../state/words.js";
import { clockOf, dateOf } from "../state/zone.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/store.js").Session} Session */
/** @typedef {import("../state/store.js").Channel} Channel */
/** @typedef {import("../state/control.js").Move} Move */

export const title = "Operator";
const LOOK_MS = 3000;
const RANGES = /** @type {[string, number][]} */ ([["10 min", 600], ["1 h", 3600], ["Session", 0]]);
const SHOWN = 6; // sessions; the rest on request

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Operator(root, ctx);
}

class Operator {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    this.range = RANGES[0][1];
    this.all = false; // every session, not the first few
    /** @type {Map<string, import("../state/coverage.js").Strip | null>} */
    this.strips = new Map();
    this.from = this.to = 0;
    this.sessions = h("ul", { id: "sessions" });
    this.noSessions = h("p", { class: "quiet", hidden: true }, "No session yet. Create one: plays are marked in it.");
    this.more = h("button", { type: "button", class: "plain", hidden: true, onclick: () => ((this.all = true), this.drawSessions()) });
    this.cameras = h("ul", { id: "cameras" });
    this.noCameras = h("p", { class: "quiet", hidden: true }, "No camera yet. Name one in the settings file, [[channels]].");
    this.ranges = RANGES.map(([words, seconds]) => h("button", { type: "button", "aria-pressed": String(seconds === this.range), onclick: () => this.choose(seconds) }, words));
    this.hours = h("b", { class: "big", id: "hours-left" }, "…");
    this.room = h("span", { class: "quiet" });
    this.disks = h("ul", {});
    this.devices = h("ul", { id: "devices" });
    this.noDevices = h("p", { class: "quiet", hidden: true }, "The box does not say who is connected.");
    root.append(
      h("section", { class: "panel-box sessions", "aria-label": "Sessions" },
        h("header", { class: "row" }, h("h2", { class: "grow" }, "Sessions"),
          h("button", { type: "button", id: "new-session", class: "primary", onclick: () => void this.create() }, "New session")),
        this.sessions, this.noSessions, this.more),
      h("section", { class: "panel-box cameras", "aria-label": "Cameras" },
        h("header", { class: "row" }, h("h2", { class: "grow" }, "Cameras"),
          h("div", { class: "segments", role: "group", "aria-label": "Footage of the last" }, ...this.ranges),
          h("a", { class: "button", href: "#lineup" }, "Line up")),
        this.cameras, this.noCameras),
      h("section", { class: "panel-box room", "aria-label": "Room on the disks" }, h("h2", {}, "Room"), h("p", { class: "row" }, this.hours, this.room), this.disks),
      h("section", { class: "panel-box devices", "aria-label": "Connected devices" }, h("h2", {}, "Devices"), this.devices, this.noDevices),
    );
    this.wire();
  }

  wire() {
    this.look = () => void this.ask();
    this.timer = setInterval(this.look, LOOK_MS);
    document.addEventListener("visibilitychange", this.look);
    const current = () => this.ctx.session();
    const press = (/** @type {Move | undefined} */ move) => {
      const session = current();
      if (session && move) void this.move(session, move);
    };
    this.unkey = this.ctx.keys.add([
      { keys: ["a"], words: "New session", group: "Operator", act: () => void this.create() },
      { keys: ["s"], words: "Start, pause or resume the session", group: "Operator", act: () => press(nextOf(current()?.status ?? "")) },
      { keys: ["x"], words: "Complete or reopen the session", group: "Operator", act: () => press(endOf(current()?.status ?? "")) },
      { keys: ["l"], words: "Line up two cameras", group: "Operator", act: () => this.ctx.go("lineup") },
    ]);
  }

  leave() {
    this.left = true;
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.look ?? (() => {}));
    this.unkey?.();
  }

  /** @param {import("../state/box.js").Change} change */
  update({ tables, all }) {
    if (all || tables.has("sessions") || tables.has("prefs")) this.drawSessions();
    if (all || tables.has("channels") || tables.has("sessions")) this.drawCameras();
    if (all) this.look?.();
  }

  // -- sessions -------------------------------------------------------------------------------------------------------

  drawSessions() {
    const { ctx } = this;
    const current = ctx.session()?.id;
    const rows = inOrder(ctx.box.state.sessions.values());
    const shown = this.all ? rows : rows.filter((each, at) => at < SHOWN || each.id === current);
    keyed(this.sessions, shown, (each) => each.id, (each, old) => {
      const made = old ?? h("li", { class: "session" }, h("div", { class: "row" }, h("h3", { class: "grow" }), h("span", {})), h("p", { class: "quiet" }), h("div", { class: "row moves" }));
      const [head, facts, moves] = /** @type {Element[]} */ ([...made.children]);
      made.classList.toggle("current", each.id === current);
      made.dataset.status = each.status;
      say(head.children[0], each.opponent ? `${each.name} v ${each.opponent}` : each.name);
      say(head.children[1], each.status === "active" ? "LIVE" : each.status);
      head.children[1].className = `badge ${each.status === "active" ? "live" : each.status === "paused" ? "warn" : "dim"}`;
      say(facts, factsOf(each));
      this.drawMoves(/** @type {HTMLElement} */ (moves), each, each.id === current);
      return made;
    });
    this.noSessions.hidden = rows.length > 0;
    this.more.hidden = shown.length === rows.length;
    say(this.more, `${rows.length - shown.length} earlier`);
  }

  /** Buttons are made anew only when the state is another: a finger on one keeps it.
   * @param {HTMLElement} moves @param {Session} session @param {boolean} current */
  drawMoves(moves, session, current) {
    const look = `${session.status} ${current}`;
    if (moves.dataset.look === look) return;
    const focused = moves.contains(document.activeElement);
    moves.dataset.look = look;
    const name = session.name;
    moves.replaceChildren(
      ...movesOf(session.status).map((move) => h("button", {
        type: "button", class: move.primary && current ? "primary" : "", "aria-label": `${move.words} ${name}`, data: { event: move.event },
        onclick: () => void this.move(this.ctx.box.state.sessions.get(session.id) ?? session, move),
      }, move.words)),
      current ? h("span", { class: "quiet" }, "on this device") : h("button", {
        type: "button", class: "plain", "aria-label": `Show ${name} on this device`, onclick: () => this.ctx.prefs.set("session", session.id),
      }, "Show here"),
    );
    if (focused) /** @type {HTMLElement | null} */ (moves.querySelector("button"))?.focus();
  }

  /** @param {Session} session @param {Move} move */
  async move(session, move) {
    if (move.ask && !(await ask({ title: `${move.words} ${session.name}?`, words: move.ask.words, yes: move.words }))) return;
    await this.send(`Not ${{ start: "started", pause: "paused", resume: "resumed", complete: "completed", reopen: "reopened" }[move.event]}`, "POST", `/sessions/${session.id}/${move.event}`);
  }

  async create() {
    const { ctx } = this;
    const said = await askForSession({ channels: this.channels(true), now: ctx.box.now() });
    if (!said) return;
    const made = await this.send("Not created", "POST", "/sessions", said.body);
    if (!made) return;
    ctx.prefs.set("session", said.start ? "" : ctx.prefs.get("session"));
    if (said.start) await this.send("Created, but not started", "POST", `/sessions/${made.id}/start`);
    ctx.say(`${made.name} ${said.start ? "runs" : "is scheduled"}`, { kind: "good" });
  }

  /** @param {string} failed @param {string} method @param {string} path @param {any} [body] @returns {Promise<any>} null: refused, and said so */
  async send(failed, method, path, body) {
    try {
      const made = await this.ctx.box.request(method, path, body);
      this.ctx.box.keep(made.session_id ? "sessions" : "channels", made);
      return made;
    } catch (error) {
      const { problem, message } = /** @type {any} */ (error);
      this.ctx.say(`${failed}: ${problem ? [message, problem.hint].filter(Boolean).join(". ") : "the box does not answer"}`, { kind: "bad", seconds: 0 });
      return null;
    }
  }

  // -- cameras --------------------------------------------------------------------------------------------------------

  /** @param {boolean} [every] also those that are not of the session @returns {Channel[]} */
  channels(every = false) {
    const wanted = every ? null : this.ctx.session()?.channel_ids;
    return [...this.ctx.box.state.channels.values()].filter((each) => !wanted || wanted.includes(each.id)).sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  drawCameras() {
    const channels = this.channels();
    keyed(this.cameras, channels, (each) => each.id, (each, old) => {
      const made = old ?? h("li", { class: "camera" },
        h("div", { class: "row" }, h("h3", {}), h("span", { class: "badge" }), h("span", { class: "grow facts" }), h("button", { type: "button", class: "switch" })), h("coverage-strip"));
      const [head, strip] = /** @type {any[]} */ ([...made.children]);
      const [name, badge, facts, toggle] = head.children;
      const [words, kind] = stateOfCamera(each);
      say(name, each.name || each.id);
      say(badge, words);
      badge.className = `badge ${kind}`;
      say(facts, factsOfCamera(each));
      const off = each.status === "inactive";
      say(toggle, off ? "Switch on" : each.status === "error" ? "Try again" : "Switch off");
      toggle.setAttribute("aria-label", `${toggle.textContent}: ${each.name || each.id}`);
      toggle.onclick = () => void this.switch(each);
      strip.view = { strip: this.strips.get(each.id) ?? null, from: this.from, to: this.to, name: each.name || each.id };
      return made;
    });
    this.noCameras.hidden = channels.length > 0;
  }

  /** @param {Channel} channel */
  async switch(channel) {
    const off = channel.status === "active";
    const name = channel.name || channel.id;
    if (off && !(await ask({ title: `Switch ${name} off?`, words: "It counts as off until it is switched on again; what was recorded stays.", yes: "Switch off" }))) return;
    await this.send("Not switched", "POST", `/channels/${channel.id}/${off ? "deactivate" : "activate"}`);
  }

  /** @param {number} seconds 0: the session */
  choose(seconds) {
    this.range = seconds;
    this.ranges.forEach((each, at) => each.setAttribute("aria-pressed", String(RANGES[at][1] === seconds)));
    void this.ask();
  }

  /** The span the strips show, ms. */
  span() {
    const now = this.ctx.box.now();
    const session = this.ctx.session();
    if (this.range || !session?.actual_start) return [now - (this.range || 3600) * 1000, now];
    return [Date.parse(session.actual_start), session.actual_end ? Date.parse(session.actual_end) : now];
  }

  // -- asking ---------------------------------------------------------------------------------------------------------

  /** What no event tells: footage, room, devices. */
  async ask() {
    if (document.hidden || this.left) return;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { box } = this.ctx;
    const [from, to] = this.span();
    const query = `start=${new Date(from).toISOString()}&end=${new Date(to).toISOString()}`;
    const known = (/** @type {string} */ path) => box.request("GET", path).catch(() => null);
    const channels = this.channels();
    const [ready, clients, ...timelines] = await Promise.all([known("/readyz"), known("/clients"), ...channels.map((each) => known(`/channels/${each.id}/timeline?${query}`))]);
    if (this.left || turn !== this.turn) return;
    [this.from, this.to] = [from, to];
    channels.forEach((each, at) => this.strips.set(each.id, timelines[at] && stripOf(timelines[at], from, to)));
    this.drawCameras();
    this.drawRoom(ready);
    this.drawDevices(clients?.items ?? []);
  }

  /** @param {import("../state/api").Readiness | null} ready */
  drawRoom(ready) {
    const parts = ready?.parts ?? {};
    const { recording_hours: left } = parts;
    const hours = left?.figures?.hours;
    say(this.hours, left ? hoursOf(hours) || "—" : "…");
    this.hours.className = `big ${left?.status === "ok" ? "" : left?.status ?? ""}`;
    const rate = left?.figures?.bytes_per_s ?? 0;
    say(this.room, !left ? "The box does not say how much room is left." : hours === null || hours === undefined ? (this.channels().some((each) => each.footage === "on") ? "The box measures how fast it fills." : "Nothing is being recorded now.") : `of recording left, at ${(rate / 1e6).toFixed(1)} MB/s`);
    const disks = [["disk_recordings", "Recordings"], ["disk_clips", "Clips"], ["disk_state", "Box"]].filter(([name]) => parts[name]);
    keyed(this.disks, disks, ([name]) => name, ([name, words], old) => {
      const made = old ?? h("li", { class: "disk" }, h("b", {}), h("span", { class: "grow quiet" }), h("meter", { min: 0, max: 1 }));
      const { free_bytes: free, total_bytes: total } = parts[name].figures ?? {};
      const [label, facts, meter] = /** @type {any[]} */ ([...made.children]);
      say(label, words);
      say(facts, free && total ? `${(free / 1e9).toFixed(1)} of ${(total / 1e9).toFixed(0)} GB free` : parts[name].detail);
      meter.value = free && total ? 1 - free / total : 0;
      meter.setAttribute("aria-label", `${words} disk, used`);
      made.dataset.status = parts[name].status;
      return made;
    });
  }

  /** @param {import("../state/api").LiveClient[]} clients */
  drawDevices(clients) {
    const { box, prefs } = this.ctx;
    keyed(this.devices, clients, (each) => `${each.device} ${each.connected_at}`, (each, old) => {
      const made = old ?? h("li", { class: "device" }, h("b", {}), h("span", { class: "quiet grow" }), h("span", {}), h("span", {}));
      const [name, facts, rtt, lag] = made.children;
      say(name, each.device === prefs.get("device") ? `${each.device} (this)` : each.device);
      say(facts, [each.role, `since ${clockOf(each.connected_at)}`].filter(Boolean).join(", "));
      facts.setAttribute("title", each.peer);
      say(rtt, each.rtt_ms === null ? "" : `${Math.max(1, Math.round(each.rtt_ms))} ms`);
      rtt.className = (each.rtt_ms ?? 0) > 250 ? "warn" : "";
      say(lag, each.heard_age_s > 8 ? `silent ${spell(each.heard_age_s)}` : each.lag_events ? `${each.lag_events} behind` : "up to date");
      lag.className = each.heard_age_s > 8 || each.lag_events > 20 ? "warn" : "good";
      return made;
    });
    this.noDevices.hidden = clients.length > 0;
    say(this.noDevices, box.online ? "The box does not say who is connected." : "The box does not answer.");
  }
}

/** @param {Session} session */
function factsOf(session) {
  const { status, actual_start: began, actual_end: ended, scheduled_start: planned } = session;
  const when = status === "completed" && ended ? `over since ${dateOf(ended)}` : began ? `since ${dateOf(began)}` : planned ? `begins ${dateOf(planned)}` : "not scheduled";
  const clips = session.clip_count ? `${session.clip_count} clips` : "no clip yet";
  return [session.type, session.location, when, clips].filter(Boolean).join(" · ");
}

/** @param {Channel} channel @returns {[string, string]} words and colour */
function stateOfCamera(channel) {
  if (channel.status === "error") return ["fault", "bad"];
  if (channel.status === "inactive") return ["off", "dim"];
  return /** @type {Record<string, [string, string]>} */ ({ on: ["records", "good"], stalled: ["stopped", "bad"], none: ["no footage", "warn"] })[channel.footage];
}

/** @param {Channel} channel */
function factsOfCamera(channel) {
  const rate = channel.bitrate ? `${(channel.bitrate / 1e6).toFixed(1)} Mbit/s` : "";
  const fps = channel.framerate ? `${Math.round(channel.framerate)} fps` : "";
  return [channel.status === "error" ? channel.error_reason : "", channel.resolution, fps, rate, `delay ${channel.latency_ms} ms`].filter(Boolean).join(", ");
}
