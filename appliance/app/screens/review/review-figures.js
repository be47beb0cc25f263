// Review, figures: the session's statistics (V19) as charts. They are computed from tags alone; untagged
// values are not drawn.

import { h, say } from "../../parts/dom.js";
import { barChart, columnChart, meterChart, shareChart } from "../../parts/tags/charts.js";
import { barsOf, percent, playsWord, quartersOf } from "../../state/tags/stats.js";
import { templateOf } from "../../state/tags/tagger.js";
import { clockOf } from "../../state/zone.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/api").Stats} Stats */
/** @typedef {import("./review.js").Rows} Rows */

const OF = ["plays", "clips", "tags", "marks", "all"];

export class Figures {
  /** @param {Ctx} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.words = h("p", { class: "quiet", role: "status" }, "Counting");
    this.charts = h("div", { class: "charts" });
    this.root = h("section", { class: "figures", "aria-label": "Figures" }, this.words, this.charts);
    this.drawn = "";
    this.left = false;
  }

  leave() {
    this.left = true;
  }

  /** @param {Rows} rows @param {ReadonlySet<string>} tables */
  update(rows, tables) {
    this.rows = rows;
    if (OF.some((table) => tables.has(table))) void this.count();
  }

  /** One request at a time; later changes cause another one after it. */
  async count() {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    try {
      do {
        this.again = false;
        const { session } = /** @type {Rows} */ (this.rows);
        const [stats, { groups, sport }] = await Promise.all([
          this.ctx.box.request("GET", `/sessions/${session.id}/stats`),
          templateOf(this.ctx.box),
        ]);
        const period = groups.find((group) => group.field === "quarter");
        const name = (/** @type {number} */ value) =>
          value === 5 ? "OT" : `${period?.label === "Half" ? "H" : "Q"}${value}`;
        if (!this.left) this.draw(stats, name, sport);
      } while (this.again && !this.left);
    } catch (error) {
      const { problem, message } = /** @type {any} */ (error);
      say(this.words, `The figures come when the box answers${problem ? ` (${message})` : ""}.`);
    } finally {
      this.asking = false;
    }
  }

  /** @param {Stats} stats @param {(quarter: number) => string} name @param {string} sport */
  draw(stats, name, sport) {
    const { as_of_seq: _, ...what } = stats;
    const current = Boolean(this.rows?.current);
    const look = JSON.stringify([what, current]);
    if (look === this.drawn) return;
    this.drawn = look;
    say(
      this.words,
      stats.tagged_plays
        ? `From the tags of ${stats.tagged_plays} of ${playsWord(stats.total_plays)}.`
        : stats.total_plays
          ? `${playsWord(stats.total_plays)}, none tagged yet. Tags make figures: open Tagging.`
          : "No play yet. Figures come from tagged plays.",
    );
    const open = [...this.charts.querySelectorAll("details[open]")].map(
      (each) => each.parentElement?.querySelector("figcaption")?.textContent,
    );
    const {
      run_pass: { run, pass },
      third_down: third,
    } = stats;
    const types = barsOf(stats.by_play_type, "play_type");
    const results = barsOf(stats.by_result, "result");
    const quarters = quartersOf(stats, name);
    this.charts.replaceChildren(
      ...[
        stats.total_plays ? this.totals(stats, sport) : null,
        run !== null && pass !== null
          ? shareChart("Run and pass", [
              { label: "Run", value: run },
              { label: "Pass", value: pass },
            ])
          : null,
        third.attempts && third.conversions !== null
          ? meterChart("Third downs converted", third.conversions, third.attempts)
          : null,
        quarters.length ? columnChart("Plays by period", quarters) : null,
        types.length ? barChart("By play", types, current) : null,
        results.length ? barChart("By result", results, current) : null,
        this.keyPlays(stats.key_plays, current),
      ].filter((each) => each !== null),
    );
    for (const each of this.charts.querySelectorAll("figure")) {
      if (open.includes(each.querySelector("figcaption")?.textContent))
        each.querySelector("details")?.setAttribute("open", "");
    }
  }

  /** @param {Stats} stats @param {string} sport */
  totals(stats, sport) {
    const total = (/** @type {string} */ label, /** @type {string} */ value) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, value));
    return h(
      "dl",
      { class: "totals" },
      total("Plays", String(stats.total_plays)),
      total("Tagged", percent(stats.tagged_plays / stats.total_plays)),
      total("Key plays", String(stats.key_plays.length)),
      sport === "football" &&
        total("Touchdowns", stats.by_result ? String(stats.touchdown_plays.length) : "–"),
    );
  }

  /** @param {readonly string[]} ids @param {boolean} current */
  keyPlays(ids, current) {
    if (!ids.length) return null;
    const plays = new Map(this.rows?.plays.map((play) => [play.id, `Play ${play.number}`]));
    const alone = new Map(this.rows?.alone.map((clip) => [clip.id, `Clip ${clockOf(clip.start_time)}`]));
    return h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, "Key plays"),
      h(
        "div",
        { class: "segments" },
        ...ids.map((id) => {
          const name = plays.get(id) ?? alone.get(id);
          if (!name) return null;
          return current
            ? h("a", { class: "button", href: plays.has(id) ? `#desk/${id}` : `#review/clips/${id}` }, name)
            : h("span", { class: "badge" }, name);
        }),
      ),
    );
  }
}
