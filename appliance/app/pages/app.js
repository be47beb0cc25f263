// The composition root of the hosted side's pages: one service, one page at a time. Read README.md first.

import { clockOf } from "../state/zone.js";
import { Prefs } from "../state/device/prefs.js";
import { h, say } from "../parts/dom.js";
import { polling } from "./polling.js";
import { Refused, Service } from "./service.js";
import { tokenForm } from "./token-form.js";

/**
 * A page: `enter` fills the root; what it returns is called when the page is left.
 * @typedef {(root: HTMLElement, ctx: Ctx, words: string[]) => (() => void) | void} Enter
 * @typedef {{title: string, enter: Enter}} Page
 */

/**
 * The pages by hash, in the order of the navigation: a file and a line each. `roles`: who sees the page;
 * "all": everybody, also without a token.
 * @type {Record<string, {label: string, roles: string[] | "all", load: () => Promise<Page>}>}
 */
const PAGES = {
  status: { label: "Status", roles: ["admin", "internal"], load: () => import("./status.js") },
  league: { label: "League", roles: "all", load: () => import("./league/league.js") },
  updates: {
    label: "Updates",
    roles: ["admin", "league", "internal"],
    load: () => import("./updates/updates.js"),
  },
};

const THEMES = /** @type {const} */ (["light", "dark", "auto"]);

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const prefs = new Prefs();
const service = new Service({ session: sessionStorage, device: localStorage });

/** What every page gets. */
const ctx = {
  service,
  /**
   * Ask for a resource now and every few seconds, until the page is left. `draw` gets it; where it cannot be
   * had, the shell says why, and `lost` may take back what no longer holds.
   * @template T
   * @param {string} path @param {number} seconds @param {(resource: T) => void} draw
   * @param {() => void} [lost]
   * @returns {() => void} stops it before the page is left
   */
  poll: (path, seconds, draw, lost) => {
    const drawn = (/** @type {T} */ resource) => {
      tell("");
      draw(resource);
    };
    const end = polling(service, path, seconds, drawn, refuse, lost);
    const stop = () => {
      end();
      stops = stops.filter((each) => each !== stop);
    };
    stops.push(stop);
    return stop;
  },
  /** To another page: go("league", id). @param {...string} words */
  go: (...words) => {
    location.hash = words.map(encodeURIComponent).join("/");
  },
};
/** @typedef {typeof ctx} Ctx */

/** @type {(() => void)[]} called when the page is left */
let stops = [];
let turn = 0;
/** What the service refused, in words. */
let trouble = "";

/** The pages that this token may see; all of them where no token is needed. */
const allowed = () =>
  Object.keys(PAGES).filter((name) => {
    const { roles } = PAGES[name];
    return roles === "all" || (service.me && (!service.me.role || roles.includes(service.me.role)));
  });

function leave() {
  for (const stop of stops) stop();
  stops = [];
  trouble = "";
}

/** A new root for each page, so that what listens to the old one goes with it. @param {string} name */
function freshRoot(name) {
  leave();
  const root = h("main", { id: "main", tabIndex: -1, class: `page ${name}` });
  $("main").replaceWith(root);
  drawTop();
  return root;
}

async function show() {
  const mine = ++turn;
  const [wanted = "", ...words] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const name = wanted in PAGES ? wanted : (allowed()[0] ?? "");
  drawNav(name);
  if (!name) return service.me ? refuseRole() : void askToken();
  if (PAGES[name].roles !== "all" && !service.me) return askToken();
  if (!allowed().includes(name)) return refuseRole();
  const page = await PAGES[name].load().catch(() => null);
  if (mine !== turn) return;
  const root = freshRoot(name);
  if (!page) return void root.append(missing());
  document.title = `${page.title} · Stadium cloud`;
  const stop = page.enter(root, /** @type {Ctx} */ (ctx), words);
  if (stop) stops.push(stop);
}

const missing = () =>
  h(
    "section",
    { class: "message" },
    h("h1", {}, "This page did not load"),
    h("p", {}, "The service does not answer, or has a newer version of its pages."),
    h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Load it again"),
  );

/** The token form instead of a page. @param {string} [why] */
function askToken(why) {
  turn++;
  document.title = "Token · Stadium cloud";
  const root = freshRoot("token");
  root.append(tokenForm({ service, why: why ?? service.why, done: () => void show() }));
  drawTop();
}

/** This role has no such page. */
function refuseRole() {
  turn++;
  const { role = "", name = "" } = service.me ?? {};
  const words = `The token ${name} has the role ${role}, which has no page here. Its programs use the API.`;
  freshRoot("refused").append(
    h(
      "section",
      { class: "message" },
      h("h1", {}, "No page for this token"),
      h("p", {}, words),
      h("p", {}, h("a", { class: "button", href: "/docs" }, "API documentation")),
    ),
  );
}

/**
 * A request of a page was refused: a token that ended asks for another, all else is shown.
 * @param {Refused} refused
 */
function refuse(refused) {
  if (refused.status === 401) return askToken();
  tell([refused.message, refused.problem.hint].filter(Boolean).join(". "));
}

/** A sentence above the page, until another one or "". @param {string} words */
function tell(words) {
  trouble = words;
  drawTop();
}

/** @param {string} current */
function drawNav(current) {
  const links = allowed().map((name) =>
    h("a", { href: `#${name}`, "aria-current": name === current && "page" }, PAGES[name].label),
  );
  $("nav").replaceChildren(...links);
}

function drawTop() {
  const theme = prefs.get("theme");
  document.documentElement.dataset.theme = theme;
  say($("theme"), `Theme: ${theme}`);
  const isOpen = service.me?.role === ""; // no token is needed
  const asks = Boolean(document.querySelector("#the-token"));
  $("token").hidden = isOpen || asks;
  say($("token"), service.me ? "Forget token" : "Enter a token");
  $("token").title = service.me ? `${service.me.name} (${service.me.role})` : "";
  const away = service.awaySince;
  const words = away ? `The service does not answer since ${clockOf(away)}. Trying again.` : trouble;
  say($("link"), words);
  $("link").hidden = !words;
}

$("theme").addEventListener("click", () => {
  prefs.set("theme", THEMES[(THEMES.indexOf(prefs.get("theme")) + 1) % THEMES.length]);
  drawTop();
});
$("token").addEventListener("click", () => {
  if (!service.me) return askToken();
  service.forget();
  void begin();
});
$("skip").addEventListener("click", () => $("main").focus());
service.addEventListener("change", drawTop);
addEventListener("hashchange", () => void show());

/** Learn who this token is, then show the page; again and again while the service is away. */
async function begin() {
  const mine = ++turn;
  drawTop();
  const known = await service.learn();
  if (mine !== turn) return;
  if (known) return void show();
  const root = freshRoot("away");
  root.append(h("p", { class: "quiet" }, "Waiting for the service."));
  setTimeout(() => mine === turn && void begin(), 2000);
}
void begin();

/** For tests and for the developer console. */
Object.assign(window, { app: { ...ctx, pages: PAGES, prefs } });
