// What the tag board shows of its targets: their common values, the predicted ones, and texts about them.

import { ASKING } from "../player/replay-player.js";
import { carried, merged } from "../../state/tags/tagging.js";

/** @typedef {import("../../app.js").Ctx} Ctx */
/** @typedef {import("../../state/tags/tagging.js").Target} Target */
/** @typedef {import("../../state/tags/tagging.js").Fields} Fields */
/** @typedef {{fields: Fields, mixed: Set<string>, carried: Fields}} View what the buttons show */

/**
 * A value that all targets have, or all labels that all of them have; `mixed`: the fields in which they
 * differ.
 * @param {readonly Target[]} list
 * @param {Fields} predicted
 * @returns {View}
 */
export function viewOf(list, predicted) {
  const every = list.map((target) => merged(target.tags));
  const fields = { ...merged([]), ...every[0] };
  /** @type {Set<string>} */
  const mixed = new Set();
  for (const name of Object.keys(fields)) {
    if (every.every((each) => JSON.stringify(each[name]) === JSON.stringify(fields[name]))) continue;
    mixed.add(name);
    fields[name] = Array.isArray(fields[name])
      ? fields[name].filter((/** @type {string} */ label) =>
          every.every((each) => each[name].includes(label)),
        )
      : typeof fields[name] === "boolean"
        ? false
        : null;
  }
  return { fields, mixed, carried: predicted };
}

/**
 * The values predicted for a play without tags, from the plays before it.
 * @param {Ctx} ctx
 * @param {Target} target
 * @param {readonly import("../../state/api").TagGroup[]} groups
 * @returns {Fields}
 */
export function carriedFor(ctx, target, groups) {
  if (target.tags.length || !ctx.prefs.get("carry")) return {};
  const plays = ctx.plays();
  const tags = ctx.tags();
  const older = plays.slice(plays.findIndex((play) => play.id === target.play.id) + 1);
  return carried(
    older.map((play) => merged(tags.get(play.id) ?? [])),
    groups,
  );
}

/** Why nothing can be tagged, "" when it can. @param {Ctx} ctx @param {readonly Target[]} list */
export function missingOf(ctx, list) {
  if (list.some((target) => target.clips.length)) return "";
  if (list.length) return "Tags can be added as soon as the play is on the box.";
  if (!ctx.known() && !ctx.session()) return ASKING;
  return ctx.plays().length ? "Choose a play to tag it." : "There is no play to tag yet.";
}

/** Text for the selected plays. @param {readonly Target[]} targets */
export const aboutOf = (targets) => targets.map((target) => target.play.id).join();

/** "Q2 · 2&7 · Own 35" @param {Fields} fields */
export function wordsOf({ quarter, down, distance, yard_line, ...rest }) {
  const line =
    yard_line === undefined
      ? ""
      : Math.abs(yard_line) === 50
        ? "50"
        : `${yard_line < 0 ? "Own" : "Opp"} ${Math.abs(yard_line)}`;
  return [
    quarter && `Q${quarter}`,
    down && (distance ? `${down}&${distance}` : `${down}. down`),
    line,
    ...Object.values(rest),
  ]
    .filter(Boolean)
    .join(" · ");
}
