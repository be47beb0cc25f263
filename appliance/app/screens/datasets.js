// Training clips: runs that cut the plays of games for training a model, their pictures, failures and split.

import { h, keyed, say } from "../parts/dom.js";
import { errorText } from "../state/words.js";
import { dateOf } from "../state/zone.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {Record<string, any>} Run */

export const title = "Training clips";
const LOOK_MS = 3000;
const SHOWN = 50;
const FORMATS = ["seed", "gemini", "webdataset", "hf"];
/** @type {Record<string, string>} */
const STATUS = { processing: "Running", completed: "Complete", failed: "Failed", canceled: "Canceled" };

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  const list = h("ul", { id: "runs" });
  const trouble = h("p", { class: "quiet", role: "status" });
  const runs = h("section", { class: "panel-box", "aria-label": "Runs" }, h("h2", {}, "Runs"), list, trouble);
  /** @type {Set<string>} */
  const open = new Set();
  let left = false;
  const look = async () => {
    if (left || document.hidden) return;
    try {
      const items = await allRuns(ctx);
      if (left) return;
      draw(items);
      say(trouble, items.length ? "" : "No run yet. Choose games above, and cut.");
    } catch (error) {
      if (!left) say(trouble, `Not up to date: ${errorText(error)}.`);
    }
  };
  /** @param {Run[]} items */
  const draw = (items) =>
    keyed(
      list,
      items,
      (run) => `${run.id} ${run.status} ${run.clips} ${run.failed_clips} ${run.clips_wanted} ${run.message}`,
      (run, old) => old ?? runLine(ctx, run, open, look),
    );
  const games = h("div", {});
  const none = h("p", {}, "No game has clips yet");
  root.append(form(ctx, [games, none], look), runs);
  void look();
  const timer = setInterval(() => void look(), LOOK_MS);
  return {
    update: () => drawGames(ctx, games, none),
    leave: () => {
      left = true;
      clearInterval(timer);
    },
  };
}

/** The newest runs first. @param {Ctx} ctx @returns {Promise<Run[]>} */
async function allRuns(ctx) {
  /** @type {Run[]} */
  let items = [];
  let cursor = "";
  do {
    const more = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page = await ctx.box.request("GET", `/dataset-runs?limit=1000${more}`);
    items = [...items, ...page.items].slice(-SHOWN);
    cursor = page.next_cursor ?? "";
  } while (cursor);
  return items.reverse();
}

/**
 * The games that have clips, newest first; what is chosen stays chosen.
 * @param {Ctx} ctx @param {HTMLElement} list @param {HTMLElement} none
 */
function drawGames(ctx, list, none) {
  const sessions = [...ctx.box.state.sessions.values()]
    .filter((session) => session.clip_count)
    .sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  none.hidden = Boolean(sessions.length);
  keyed(
    list,
    sessions,
    (session) => session.id,
    (session, old) => {
      const made = old ?? choice("game", session.id, false);
      say(made.children[1], `${session.name} · ${session.clip_count} clips`);
      return made;
    },
  );
}

/** @param {string} name @param {string} value @param {boolean} checked @param {string} [words] */
const choice = (name, value, checked, words = "") =>
  h(
    "label",
    { class: "choice" },
    h("input", { type: "checkbox", name, value, checked }),
    h("span", {}, words),
  );

/**
 * Which games, and in which formats.
 * @param {Ctx} ctx @param {HTMLElement[]} games @param {() => Promise<unknown>} look
 */
function form(ctx, games, look) {
  const formats = FORMATS.map((name) => choice("format", name, name === "seed", name));
  const trouble = h("p", { class: "quiet", role: "status" });
  const cut = h("button", { type: "submit", class: "primary", id: "cut" }, "Cut training clips");
  /** @param {Event} event */
  const onsubmit = async (event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const body = { game_ids: data.getAll("game"), formats: data.getAll("format") };
    if (!body.game_ids.length || !body.formats.length)
      return say(trouble, "Choose a game and a format first");
    cut.disabled = true;
    try {
      await ctx.box.request("POST", "/dataset-runs", body);
      say(trouble, "Begun. It goes on when this page is closed.");
      await look();
    } catch (error) {
      say(trouble, `Not begun: ${errorText(error)}`);
    }
    cut.disabled = false;
  };
  return h(
    "form",
    { class: "panel-box dataset-form", onsubmit },
    h("h2", {}, title),
    h(
      "p",
      { class: "quiet" },
      "The plays of a game, cut for training a model. The tags of a play become its text;",
      " coaches' notes stay on the box. Marks come first: a run takes what is left.",
    ),
    h(
      "fieldset",
      {},
      h("legend", {}, "Games"),
      ...games,
      !games.length && h("p", {}, "No game has clips yet"),
    ),
    h("fieldset", {}, h("legend", {}, "Formats"), h("div", { class: "row" }, ...formats)),
    h("div", { class: "row" }, cut),
    trouble,
  );
}

/**
 * @param {Ctx} ctx @param {Run} run @param {Set<string>} open which games are shown
 * @param {() => Promise<unknown>} look
 */
function runLine(ctx, run, open, look) {
  const end = async () => {
    await ctx.box.request("POST", `/dataset-runs/${run.id}/cancel`).catch(() => null);
    await look();
  };
  const bad = run.status === "failed" || run.status === "canceled";
  const under = run.status === "processing";
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row" },
      h("h3", { class: "grow" }, dateOf(run.created_at)),
      h("span", { class: bad ? "badge bad" : "badge" }, STATUS[run.status]),
      under && h("button", { type: "button", onclick: end }, "Cancel"),
    ),
    under &&
      h("progress", { max: Math.max(run.clips_wanted, 1), value: run.clips, "aria-label": "Clips finished" }),
    h("p", { class: "quiet" }, countsOf(run)),
    run.problem && h("p", { class: "warn" }, run.problem),
    h("ul", {}, ...run.games.map((/** @type {Run} */ game) => gameLine(ctx, run, game, open))),
  );
}

/** @param {Run} run */
function countsOf(run) {
  const failed = run.failed_clips ? ` · ${run.failed_clips} failed` : "";
  const wanted = run.status === "processing" && run.clips_wanted ? ` of ${run.clips_wanted}` : "";
  return `${run.clips}${wanted} clips${failed} · ${run.request.formats.join(", ")}`;
}

/** @param {Ctx} ctx @param {Run} run @param {Run} game @param {Set<string>} open */
function gameLine(ctx, run, game, open) {
  const name = ctx.box.state.sessions.get(game.game_id)?.name ?? game.game_id;
  const key = `${run.id} ${game.game_id}`;
  const inside = h("div", {});
  const fill = () => void showGame(ctx, run, game, inside);
  const details = h(
    "details",
    {
      open: open.has(key),
      ontoggle: () => {
        if (details.open) open.add(key);
        else open.delete(key);
        if (details.open && !inside.childElementCount) fill();
      },
    },
    h("summary", {}, `${name}: ${game.status === "failed" ? game.reason : game.message}`),
    inside,
  );
  return h("li", {}, details);
}

/** @param {Ctx} ctx @param {Run} run @param {Run} game @param {HTMLElement} where */
async function showGame(ctx, run, game, where) {
  const path = `/dataset-runs/${run.id}/games/${encodeURIComponent(game.game_id)}`;
  /** @type {any} */
  let view;
  try {
    view = await ctx.box.request("GET", path);
  } catch (error) {
    return where.replaceChildren(h("p", { class: "warn" }, errorText(error)));
  }
  /** @type {HTMLElement[]} */
  const parts = [h("p", {}, splitWords(view))];
  for (const side of ["training", "validation"]) {
    const clips = view.clips.filter((/** @type {Run} */ clip) => clip.side === side);
    if (!clips.length) continue;
    parts.push(h("h4", {}, `${side === "training" ? "Training" : "Validation"} · ${clips.length} clips`));
    parts.push(h("ul", { class: "dataset-clips" }, ...clips.map(picture)));
  }
  if (view.failures.length) {
    const rows = view.failures.map((/** @type {Run} */ each) => h("li", {}, failureWords(each)));
    parts.push(
      h("h4", {}, `Not cut · ${view.failures.length}`),
      h("ul", { class: "dataset-failures" }, ...rows),
    );
  }
  where.replaceChildren(...parts);
}

/** @param {Run} view */
function splitWords(view) {
  const left = view.left_out.length ? ` · ${view.left_out.length} left out: they overlap both sides` : "";
  return `${view.training_plays} plays train, ${view.validation_plays} validate${left}`;
}

/** @param {Run} failure */
const failureWords = ({ play_id, camera, reason }) =>
  `${[play_id, camera].filter(Boolean).join(", ") || "A row"}: ${reason}`;

/** @param {Run} clip */
const picture = (clip) =>
  h(
    "li",
    {},
    clip.thumbnail_url
      ? h("img", { src: clip.thumbnail_url, alt: "", loading: "lazy" })
      : h("span", { class: "no-picture" }, "No picture here"),
    h("p", {}, clip.prompt),
    h("p", { class: "quiet" }, `${clip.camera} · ${clip.duration_s.toFixed(1)} s`),
  );
