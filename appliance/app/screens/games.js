// Games of this site, from the box's copy of the cloud's rows: teams, rosters, and the session of each. Below
// them the tables and results of their tournaments.

import { h, keyed, say } from "../parts/dom.js";
import { uuid } from "../state/marks/ids.js";
import { bodyOf, gameName, gamesOf, valuesOfGame } from "../state/session/sessions.js";
import { errorText } from "../state/words.js";
import { dateOf } from "../state/zone.js";
import { standingsOf } from "./standings.js";

/** @typedef {import("../app.js").Ctx} Ctx */
/** @typedef {import("../state/session/sessions.js").Game} Game */

export const title = "Games";
const LOOK_MS = 5000;
const OLD_MS = 120_000; // the cloud confirms more often than this

/** @param {HTMLElement} root @param {Ctx} ctx */
export function enter(root, ctx) {
  const when = h("p", { class: "quiet", id: "games-when" }, "Asking the box");
  const list = h("ul", { class: "panel-box" });
  const standings = h("div", { class: "tournaments" });
  root.append(h("h2", {}, title), when, list, standings);
  /** @type {any[]} */
  let rows = [];
  let shown = "";
  const draw = () => {
    const games = gamesOf(rows, ctx.box.now());
    keyed(
      list,
      games,
      (game) => `${game.id} ${game.resource.rev} ${sessionOf(ctx, game)?.status} ${rows.length}`,
      (game, old) => old ?? line(ctx, game, rows, look),
    );
    list.hidden = !games.length;
    const changed = rows.filter(({ kind }) => kind === "tournament").map((each) => each.id + each.changed_at);
    if (shown === changed.join()) return; // what a user has opened stays open
    shown = changed.join();
    standings.replaceChildren(...standingsOf(rows));
  };
  const look = async () => {
    if (document.hidden) return;
    /** @type {any} */
    const page = await ctx.box.request("GET", "/replicas?limit=1000").catch(() => null);
    if (!page) return say(when, "The box does not answer");
    rows = page.items;
    draw();
    const old = !page.as_of || ctx.box.now() - Date.parse(page.as_of) > OLD_MS;
    const age = page.as_of ? `From the cloud, ${dateOf(page.as_of)}` : "Nothing from the cloud yet";
    say(when, old ? `${age}. Health says whether it answers.` : age);
    when.className = old ? "warn" : "quiet";
  };
  void look();
  const timer = setInterval(() => void look(), LOOK_MS);
  return { leave: () => clearInterval(timer) };
}

/** @param {Ctx} ctx @param {Game} game */
const sessionOf = (ctx, game) => ctx.box.state.sessions.get(game.session_id ?? "");

/** @param {Ctx} ctx @param {Game} game @param {any[]} rows @param {() => Promise<unknown>} look */
function line(ctx, game, rows, look) {
  const { league, season, kickoff, venue, status, home, away } = game.resource;
  const session = sessionOf(ctx, game);
  const act = session
    ? h("span", { class: "badge" }, session.status)
    : status !== "scheduled"
      ? h("span", { class: "badge bad" }, status)
      : ctx.access.may("run") &&
        h("button", { type: "button", onclick: () => void make(ctx, game).then(look) }, "Make session");
  return h(
    "li",
    {},
    h("div", { class: "row" }, h("h3", { class: "grow" }, gameName(game)), act),
    h("p", { class: "quiet" }, [dateOf(kickoff), venue, league, season].filter(Boolean).join(" · ")),
    h("details", {}, h("summary", {}, "Rosters"), h("div", { class: "pair" }, roster(home), roster(away))),
  );

  /** @param {{team_id: string, name: string}} side */
  function roster({ team_id, name }) {
    const known = rows.find((each) => each.kind === "roster" && each.id === team_id);
    const athletes = known?.resource.athletes.map((/** @type {any} */ each) =>
      h("li", {}, [each.number, each.name, each.position].filter(Boolean).join(" ")),
    );
    return h(
      "div",
      {},
      h("h3", {}, name),
      athletes?.length ? h("ul", {}, ...athletes) : h("p", { class: "quiet" }, "No roster"),
    );
  }
}

/** @param {Ctx} ctx @param {Game} game */
async function make(ctx, game) {
  const values = { opponent: "", week: "", channel_ids: null, ...valuesOfGame(game) };
  try {
    const body = { ...bodyOf(/** @type {any} */ (values)), id: uuid() };
    ctx.box.keep("sessions", await ctx.box.request("POST", "/sessions", body));
  } catch (error) {
    ctx.say(`No session: ${errorText(error)}`, { kind: "bad", seconds: 0 });
  }
}
