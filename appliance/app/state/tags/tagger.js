// Turns a press on the tag board into marks of the outbox, so that it is shown at once and never lost.

import { uuid } from "../marks/ids.js";
import { writes } from "./tagging.js";

/** @typedef {import("./tagging.js").Target} Target */
/** @typedef {import("../api").TagTemplate} Template */

/** @type {Promise<Template> | null} */
let template = null;

/**
 * The team's template; requested once. While the appliance is unreachable it is the last one stored on this
 * device.
 * @param {Pick<import("../connection/box.js").Box, "away" | "request">} box
 * @returns {Promise<Template>}
 */
export function templateOf(box) {
  const kept = keptTemplate();
  if (box.away && kept) return Promise.resolve(kept);
  template ??= box
    .request("GET", "/tagging")
    .then(keepTemplate)
    .catch((error) => {
      template = null;
      if (kept) return kept;
      throw error;
    });
  return template;
}

/** @returns {Template | null} */
function keptTemplate() {
  try {
    return JSON.parse(localStorage.getItem("tagging") ?? "null");
  } catch {
    return null;
  }
}

/** @param {Template} given */
function keepTemplate(given) {
  try {
    localStorage.setItem("tagging", JSON.stringify(given));
  } catch {
    // the next page requests it again
  }
  return given;
}

/**
 * Set these fields of these plays.
 * @param {import("../marks/marks.js").Marks} marks
 * @param {readonly Target[]} targets
 * @param {(target: Target) => Record<string, any>} fieldsOf
 * @returns {{done: Promise<any>, undo: () => void, count: number}}
 */
export function tag(marks, targets, fieldsOf) {
  /** @type {Promise<any>[]} */
  const answers = [];
  /** @type {(() => void)[]} */
  const back = [];
  let count = 0;
  for (const target of targets) {
    const clip = target.clips[0];
    const wanted = writes(target.tags, fieldsOf(target));
    if (!clip || !wanted.length) continue;
    count++;
    for (const { id, fields, before } of wanted) {
      const subject = id ?? uuid();
      answers.push(id ? set(marks, id, fields) : make(marks, subject, clip, fields));
      back.push(
        () =>
          void (id
            ? set(marks, id, before)
            : marks.mark("tag_drop", subject, {}, { method: "DELETE", path: `/tags/${subject}` })),
      );
    }
  }
  const undo = () => {
    for (const each of back.reverse()) each();
  };
  return { done: Promise.all(answers), undo, count };
}

/** @param {import("../marks/marks.js").Marks} marks @param {string} id @param {Record<string, any>} body */
const set = (marks, id, body) =>
  marks.mark("tag_set", id, {}, { method: "PATCH", path: `/tags/${id}`, body });

/**
 * @param {import("../marks/marks.js").Marks} marks
 * @param {string} id
 * @param {import("../connection/store.js").Clip} clip
 * @param {Record<string, any>} fields
 */
function make(marks, id, clip, fields) {
  const facts = { play_id: clip.play_id, session_id: clip.session_id };
  return marks.mark("tag_new", id, facts, {
    method: "POST",
    path: "/tags",
    body: { id, clip_id: clip.id, ...fields },
  });
}

/**
 * A refused tag is reported once and then dropped: the tags shown are those of the appliance.
 * @param {import("../marks/outbox.js").Outbox} outbox
 */
export function forgetRefused(outbox) {
  for (const mark of outbox.refused()) if (mark.doing.startsWith("tag_")) outbox.forget(mark);
}

/**
 * Offer to undo what was tagged. Not a closure of the board: the undo list holds twenty actions, and must not
 * keep a board that was left.
 * @param {import("../../app.js").Ctx} ctx
 * @param {string} words
 * @param {() => void} undo
 */
export const keepUndo = (ctx, words, undo) => ctx.did(words, async () => undo());
