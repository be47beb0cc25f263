// Disk space, and the connected devices with their lag.

import { h, keyed, say } from "../../parts/dom.js";
import { spell } from "../../state/footage/coverage.js";
import { hoursOf } from "../../state/words.js";
import { clockOf } from "../../state/zone.js";

export class Devices {
  /** @param {import("../../app.js").Ctx} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.hours = h("b", { class: "big", id: "hours-left" }, "…");
    this.room = h("span", { class: "quiet" });
    this.disks = h("ul", {});
    this.devices = h("ul", { id: "devices" });
    this.noDevices = h("p", { class: "quiet", hidden: true }, "The box does not say who is connected.");
    this.panels = [
      h(
        "section",
        { class: "panel-box room", "aria-label": "Room on the disks" },
        h("h2", {}, "Room"),
        h("p", { class: "row" }, this.hours, this.room),
        this.disks,
      ),
      h(
        "section",
        { class: "panel-box devices", "aria-label": "Connected devices" },
        h(
          "header",
          { class: "row" },
          h("h2", {}, "Devices"),
          ctx.access.may("devices") && h("a", { class: "button", href: "#devices" }, "Pair and remove"),
        ),
        this.devices,
        this.noDevices,
      ),
    ];
  }

  /** @param {import("../../state/api").Readiness | null} ready @param {boolean} isRecording */
  drawRoom(ready, isRecording) {
    const parts = ready?.parts ?? {};
    const { recording_hours: left } = parts;
    const hours = left?.figures?.hours;
    say(this.hours, left ? hoursOf(hours) || "—" : "…");
    this.hours.hidden = Boolean(left) && !hoursOf(hours); // nothing is recorded: the words say it
    this.hours.className = `big ${left?.status === "ok" ? "" : (left?.status ?? "")}`;
    const rate = left?.figures?.bytes_per_s ?? 0;
    say(
      this.room,
      !left
        ? "The box does not say how much room is left."
        : hours === null || hours === undefined
          ? isRecording
            ? "The box measures how fast it fills."
            : "Nothing is being recorded now."
          : `of recording left, at ${(rate / 1e6).toFixed(1)} MB/s`,
    );
    const disks = [
      ["disk_recordings", "Recordings"],
      ["disk_clips", "Clips"],
      ["disk_state", "Box"],
    ].filter(([name]) => parts[name]);
    keyed(
      this.disks,
      disks,
      ([name]) => name,
      ([name, words], old) => {
        const made =
          old ??
          h(
            "li",
            { class: "disk" },
            h("b", {}),
            h("span", { class: "grow quiet" }),
            h("meter", { min: 0, max: 1 }),
          );
        const { free_bytes: free, total_bytes: total } = parts[name].figures ?? {};
        const [label, facts, meter] = /** @type {any[]} */ ([...made.children]);
        say(label, words);
        say(
          facts,
          free && total
            ? `${(free / 1e9).toFixed(1)} of ${(total / 1e9).toFixed(0)} GB free`
            : parts[name].detail,
        );
        meter.value = free && total ? 1 - free / total : 0;
        meter.setAttribute("aria-label", `${words} disk, used`);
        made.dataset.status = parts[name].status;
        return made;
      },
    );
  }

  /** @param {import("../../state/api").LiveClient[]} clients */
  drawDevices(clients) {
    const { box } = this.ctx;
    keyed(
      this.devices,
      clients,
      (each) => `${each.device} ${each.connected_at}`,
      (each, old) => {
        const made =
          old ??
          h(
            "li",
            { class: "device" },
            h("b", {}),
            h("span", { class: "quiet grow" }),
            h("span", {}),
            h("span", {}),
          );
        const [name, facts, rtt, lag] = made.children;
        say(name, each.device === box.name ? `${each.device} (this)` : each.device);
        say(facts, [each.role, `since ${clockOf(each.connected_at)}`].filter(Boolean).join(", "));
        facts.setAttribute("title", each.peer);
        say(rtt, each.rtt_ms === null ? "" : `${Math.max(1, Math.round(each.rtt_ms))} ms`);
        rtt.className = (each.rtt_ms ?? 0) > 250 ? "warn" : "";
        say(
          lag,
          each.heard_age_s > 8
            ? `silent ${spell(each.heard_age_s)}`
            : each.lag_events
              ? `${each.lag_events} behind`
              : "up to date",
        );
        lag.className = each.heard_age_s > 8 || each.lag_events > 20 ? "warn" : "good";
        return made;
      },
    );
    this.noDevices.hidden = clients.length > 0;
    say(this.noDevices, box.online ? "The box does not say who is connected." : "The box does not answer.");
  }
}
