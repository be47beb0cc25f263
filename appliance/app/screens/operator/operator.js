// Operator: sessions, cameras with their footage, disk space, connected devices. Usable by touch and by
// keyboard.

import { endOf, isAtRest, nextOf } from "../../state/session/control.js";
import { errorText } from "../../state/words.js";
import { Cameras } from "./operator-cameras.js";
import { Devices } from "./operator-devices.js";
import { DeletedPlays } from "./operator-plays.js";
import { Sessions } from "./operator-sessions.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/connection/store.js").Session} Session */
/**
 * A request whose failure is shown after these words; it then returns null.
 * @typedef {(failed: string, method: string, path: string, body?: any) => Promise<any>} Send
 */

export const title = "Operator";
const LOOK_MS = 3000;

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Operator(root, ctx);
}

class Operator {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    this.left = false;
    this.turn = 0;
    this.away = false; // the state drawn last
    /** @type {Send} */
    const send = async (failed, method, path, body) => {
      try {
        const made = await ctx.box.request(method, path, body);
        ctx.box.keep(made.session_id ? "sessions" : "channels", made);
        return made;
      } catch (error) {
        ctx.say(`${failed}: ${errorText(error)}`, { kind: "bad", seconds: 0 });
        return null;
      }
    };
    this.look = () => void this.ask();
    this.cameras = new Cameras({ ctx, send, look: this.look });
    this.sessions = new Sessions({ ctx, send, cameras: this.cameras });
    this.devices = new Devices(ctx);
    this.deleted = new DeletedPlays(ctx);
    root.append(this.sessions.panel, this.cameras.panel, ...this.devices.panels, this.deleted.panel);
    this.timer = setInterval(this.look, LOOK_MS);
    document.addEventListener("visibilitychange", this.look);
    this.unkey = this.keys();
  }

  keys() {
    const { sessions, ctx } = this;
    const act = (/** @type {(session: Session) => unknown} */ then) => () => {
      const session = ctx.session();
      if (session) void then(session);
    };
    const move = (/** @type {typeof nextOf} */ which) =>
      act((session) => {
        const event = which(session.status);
        return event && sessions.move(session, event);
      });
    return ctx.keys.add([
      { keys: ["a"], words: "New session", group: "Operator", act: () => sessions.create() },
      { keys: ["s"], words: "Start, pause or resume the session", group: "Operator", act: move(nextOf) },
      { keys: ["x"], words: "Complete or reopen the session", group: "Operator", act: move(endOf) },
      {
        keys: ["r"],
        words: "Edit the session",
        group: "Operator",
        act: act((session) => sessions.edit(session)),
      },
      {
        keys: ["Delete"],
        words: "Delete the session",
        group: "Operator",
        act: act((session) => isAtRest(session.status) && sessions.remove(session)),
      },
      { keys: ["l"], words: "Line up two cameras", group: "Operator", act: () => ctx.go("lineup") },
    ]);
  }

  leave() {
    this.left = true;
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.look);
    this.unkey();
  }

  /** @param {import("../../state/connection/box.js").Change} change */
  update({ tables, all }) {
    const { away } = this.ctx.box;
    const turned = away !== this.away;
    this.away = away;
    if (turned && away) this.unknown();
    if (all || turned || tables.has("sessions") || tables.has("prefs")) this.sessions.draw();
    if (all || turned || tables.has("channels") || tables.has("sessions")) this.cameras.draw();
    if (all || tables.has("plays") || tables.has("sessions")) void this.deleted.look();
    if (all) this.look();
  }

  /** What was requested earlier is outdated, and its next answer may take long. */
  unknown() {
    this.cameras.forget();
    this.devices.drawRoom(null, false);
    this.devices.drawDevices([]);
  }

  /** Data without events: footage, disk space, devices. */
  async ask() {
    if (document.hidden || this.left) return;
    const turn = ++this.turn;
    const { box } = this.ctx;
    const [from, to] = this.cameras.span();
    const query = `start=${new Date(from).toISOString()}&end=${new Date(to).toISOString()}`;
    const known = (/** @type {string} */ path) => box.request("GET", path).catch(() => null);
    const channels = this.cameras.ours();
    const [ready, clients, games, ...timelines] = await Promise.all([
      known("/readyz"),
      known("/clients"),
      known("/replicas?kind=event"),
      ...channels.map((each) => known(`/channels/${each.id}/timeline?${query}`)),
    ]);
    if (this.left || turn !== this.turn) return;
    this.sessions.games = games?.items ?? this.sessions.games;
    this.cameras.show(channels, timelines, from, to);
    this.devices.drawRoom(
      ready,
      channels.some((each) => each.footage === "on"),
    );
    this.devices.drawDevices(clients?.items ?? []);
  }
}
