// Devices: who is paired and as what, for an admin: rename, another role, take access away, make a code.

import { ask } from "../parts/dialogs/ask.js";
import { DeviceCode } from "../parts/dialogs/device-code.js";
import { openDeviceForm } from "../parts/dialogs/device-form.js";
import { h, keyed, say } from "../parts/dom.js";
import { joined, ordered, pairedWords, removeWords, seenWords } from "../state/access/devices.js";
import { errorText } from "../state/words.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/api").Device} Device */

export const title = "Devices";
const LOOK_MS = 3000;

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  return new Devices(root, ctx);
}

class Devices {
  /** @param {HTMLElement} root @param {Ctx} ctx */
  constructor(root, ctx) {
    this.ctx = ctx;
    this.left = false;
    /** In the order of the first answer, new ones behind it. @type {Device[]} */
    this.rows = [];
    /** @type {Set<string>} */
    this.connected = new Set();
    /**
     * The code that is shown, and the devices before it.
     * @type {{shown: DeviceCode, before: Set<string>} | null}
     */
    this.code = null;
    this.count = h("small", {});
    this.list = h("ul", { id: "paired" });
    this.trouble = h("p", { class: "quiet", role: "status" });
    root.append(
      h(
        "section",
        { class: "panel-box", "aria-label": "Paired devices" },
        h(
          "header",
          { class: "row" },
          h("h2", { class: "grow" }, "Paired devices ", this.count),
          h(
            "button",
            { type: "button", class: "primary", id: "add-device", onclick: () => this.add() },
            "Add a device",
          ),
        ),
        this.list,
        this.trouble,
      ),
    );
    this.look = () => void this.request();
    this.timer = setInterval(this.look, LOOK_MS);
    document.addEventListener("visibilitychange", this.look);
    this.unkey = ctx.keys.add([
      { keys: ["a"], words: "Add a device", group: "Devices", act: () => this.add() },
    ]);
    this.look();
  }

  leave() {
    this.left = true;
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.look);
    this.unkey();
  }

  async request() {
    if (this.left || document.hidden) return;
    const { box } = this.ctx;
    try {
      const [{ items }, clients] = await Promise.all([
        box.request("GET", "/devices"),
        box.request("GET", "/clients").catch(() => ({ items: [] })),
      ]);
      if (this.left) return;
      this.connected = new Set(clients.items.map((/** @type {any} */ each) => each.device));
      this.take(items);
      say(this.trouble, "");
    } catch (error) {
      if (!this.left) say(this.trouble, `Not up to date: ${errorText(error)}.`);
    }
    this.draw();
  }

  /** @param {Device[]} items */
  take(items) {
    const at = new Map(this.rows.map((each, place) => [each.id, place]));
    const last = this.rows.length;
    this.rows = this.rows.length
      ? [...items].sort((a, b) => (at.get(a.id) ?? last) - (at.get(b.id) ?? last))
      : ordered(items, this.connected);
    const { code } = this;
    if (!code?.shown.open) return;
    const device = code.shown.done ? undefined : joined(items, code.before, code.shown.code.role);
    if (device) code.shown.used(device.name);
  }

  draw() {
    const { box } = this.ctx;
    say(this.count, this.rows.length ? String(this.rows.length) : "");
    keyed(
      this.list,
      this.rows,
      (each) => each.id,
      (each, old) => {
        const made = old ?? this.row(each.id);
        const [text, change, remove] = made.children;
        const [heading, facts] = text.children;
        const [name, role, own] = heading.children;
        say(name, each.name);
        say(role, each.role);
        /** @type {HTMLElement} */ (own).hidden = each.id !== box.pairing.me?.id;
        const seen = seenWords(each, this.connected, box.now());
        say(facts.children[0], seen);
        facts.children[0].className = seen === "Connected" ? "good" : "";
        say(facts.children[1], ` · ${pairedWords(each)}`);
        change.setAttribute("aria-label", `Change ${each.name}`);
        remove.setAttribute("aria-label", `Remove ${each.name}`);
        return made;
      },
    );
  }

  /** @param {string} id */
  row(id) {
    const find = () => this.rows.find((each) => each.id === id);
    const act = (/** @type {(device: Device) => unknown} */ then) => () => {
      const device = find();
      if (device) void then(device);
    };
    return h(
      "li",
      { class: "paired" },
      h(
        "div",
        { class: "grow" },
        h(
          "h3",
          {},
          h("span", {}),
          h("span", { class: "badge" }),
          h("small", { hidden: true }, "this device"),
        ),
        h("p", { class: "facts" }, h("span", {}), h("span", {})),
      ),
      h("button", { type: "button", onclick: act((device) => this.change(device)) }, "Change"),
      h("button", { type: "button", onclick: act((device) => this.remove(device)) }, "Remove"),
    );
  }

  add() {
    openDeviceForm({
      title: "Add a device",
      yes: "Make a code",
      hint: "Shown beside its marks. Without one, the device's own user types it.",
      values: { name: "", role: "coach", channel: "" },
      channels: this.channels(),
      save: async (values) => {
        try {
          await this.make(values);
          return "";
        } catch (error) {
          return errorText(error);
        }
      },
    });
  }

  /** The cameras to choose from. */
  channels() {
    return [...this.ctx.box.state.channels.values()];
  }

  /** @param {{name: string, role: string, channel: string}} values */
  async make(values) {
    const { box } = this.ctx;
    const { name, role, channel } = values;
    const channel_id = channel || undefined;
    const body = { role, name: name || undefined, channel_id, address: location.origin };
    const before = new Set(
      (await box.request("GET", "/devices")).items.map((/** @type {Device} */ each) => each.id),
    );
    const code = await box.request("POST", "/devices/codes", body);
    if (this.left) return;
    const another = () => this.make(values).catch((error) => this.tell("No code", error));
    this.code = { shown: new DeviceCode({ code, now: () => box.now(), another }), before };
  }

  /** @param {Device} device */
  change(device) {
    openDeviceForm({
      title: `Change ${device.name}`,
      yes: "Save",
      hint: "Marks it made before keep the name they were made with.",
      values: { name: device.name, role: device.role, channel: device.channel_id ?? "" },
      channels: this.channels(),
      save: async ({ name, role, channel }) => {
        const changes = {
          name: name && name !== device.name ? name : undefined,
          role: role !== device.role ? role : undefined,
          channel_id: (channel || null) !== device.channel_id ? channel || null : undefined,
        };
        try {
          await this.ctx.box.request("PATCH", `/devices/${device.id}`, changes, { rev: device.rev });
          this.look();
          return "";
        } catch (error) {
          this.look();
          return errorText(error);
        }
      },
    });
  }

  /** @param {Device} device */
  async remove(device) {
    const { box } = this.ctx;
    const admins = this.rows.filter((each) => each.role === "admin").length;
    const isSure = await ask({
      title: `Remove ${device.name}?`,
      words: removeWords(device, device.id === box.pairing.me?.id, admins),
      yes: "Remove",
      careful: true,
    });
    if (!isSure) return;
    await box
      .request("DELETE", `/devices/${device.id}`)
      .then(() => this.ctx.say(`${device.name} is removed`))
      .catch((error) => this.tell("Not removed", error));
    this.look();
  }

  /** @param {string} words @param {unknown} error */
  tell(words, error) {
    this.ctx.say(`${words}: ${errorText(error)}`, { kind: "bad", seconds: 0 });
  }
}
