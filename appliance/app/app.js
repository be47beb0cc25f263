// The composition root: one Box, one frame, one screen at a time. Defines the roles' tabs and the navigation.

import { diskOfMarks, diskOfPlays } from "./state/device/disk.js";
import { Box } from "./state/connection/box.js";
import { Keys } from "./state/device/keys.js";
import { Marks } from "./state/marks/marks.js";
import { Prefetch, roomOf, spaceOf, wishesOf } from "./state/device/prefetch.js";
import { Prefs } from "./state/device/prefs.js";
import { clipsByPlay, overlay, playsOf } from "./state/connection/store.js";
import { overlayTags, tagsByPlay } from "./state/tags/tagging.js";
import { Undo } from "./state/marks/undo.js";
import { titleOf, Working } from "./state/session/working.js";
import "./parts/frame/status-line.js";
import "./parts/frame/mark-bar.js";
import "./parts/frame/notice-stack.js";
import { openMenu } from "./parts/frame/app-menu.js";
import * as desk from "./screens/desk.js";
import { Access } from "./access.js";
import { Frame } from "./frame.js";
import { LatePart } from "./late-part.js";
import { endPlay, mark } from "./marking.js";

/**
 * A screen: `enter` fills the root and returns the functions that update and leave the screen.
 * @typedef {{update?: (change: import("./state/connection/box.js").Change) => void, tick?: (now: number) =>
 *   void, leave?: () => void}} Entered
 * @typedef {{title: string, enter: (root: HTMLElement, ctx: Ctx, words: string[]) => Entered |
 *   Promise<Entered>}} Screen
 */

const EVERY_DESK = ["coach", "operator", "analyst"];
/**
 * Screens by hash, in the order of the tabs. `roles`: the desks whose tabs show it; the menu lists the others
 * too. `needs`: what the device must be allowed to do.
 * @type {Record<string, {label: string, roles: string[], needs?: import("./state/access/rights.js").Right,
 *   load: () => Promise<Screen>}>}
 */
const SCREENS = {
  desk: { label: "Plays", roles: EVERY_DESK, load: async () => desk },
  live: { label: "Live", roles: EVERY_DESK, load: () => import("./screens/live/live.js") },
  operator: {
    label: "Operator",
    roles: ["operator"],
    needs: "run",
    load: () => import("./screens/operator/operator.js"),
  },
  devices: {
    label: "Devices",
    roles: ["operator"],
    needs: "devices",
    load: () => import("./screens/devices.js"),
  },
  health: {
    label: "Health",
    roles: ["operator"],
    needs: "health",
    load: () => import("./screens/health.js"),
  },
  games: { label: "Games", roles: [], load: () => import("./screens/games.js") },
  datasets: { label: "Training clips", roles: [], needs: "run", load: () => import("./screens/datasets.js") },
  lineup: { label: "Line up cameras", roles: [], needs: "run", load: () => import("./screens/lineup.js") },
  tagging: { label: "Tagging", roles: ["analyst"], needs: "tag", load: () => import("./screens/tagging.js") },
  review: { label: "Review", roles: ["analyst"], load: () => import("./screens/review/review.js") },
  selftest: { label: "Self-test", roles: [], load: () => import("./screens/selftest.js") },
};

/** Side panels of the desk, by name: see README. @type {Record<string, () => Promise<unknown>>} */
const PANELS = { "tag-board": () => import("./parts/tags/tag-board.js") };

const UNDO_S = 8;
const KEEP_ROWS_MS = 1000;

const prefs = new Prefs();
const plays = diskOfPlays();
const box = new Box({
  device: prefs.get("device"),
  disk: diskOfMarks(),
  rows: plays.rows,
  about: () => ({ role: prefs.get("role"), edit_lists: prefs.get("editLists") || undefined }),
  me: prefs.get("paired"),
});
const access = new Access({ box, prefs });
const refusal = () => (access.may("mark") ? "" : access.whyNot("mark"));
const working = new Working({ get: () => prefs.get("session"), set: (id) => prefs.set("session", id) });
const session = () => working.current(box.state);
const marks = new Marks(box, session, refusal);
const undo = new Undo();
const keys = new Keys();
const prefetch = new Prefetch({ disk: plays.media });

const $ = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const status = /** @type {import("./parts/frame/status-line.js").StatusLine} */ ($("status-line"));
const bar = /** @type {import("./parts/frame/mark-bar.js").MarkBar} */ ($("mark-bar"));
const notices = /** @type {import("./parts/frame/notice-stack.js").NoticeStack} */ ($("notice-stack"));
const late = new LatePart(notices);

/** The context every screen gets. */
const ctx = {
  box,
  access,
  prefs,
  marks,
  keys,
  prefetch,
  session,
  working,
  panels: PANELS,
  /**
   * Has the appliance sent its snapshot? Until then rows may be those of an earlier page, or none: no play
   * counts as missing or new.
   */
  known: () => box.state.epoch !== "",
  /** Every play of the session, newest first, with this device's pending marks applied. */
  plays: () => playsOf(overlay(box.state.plays, box.outbox.marks).values(), session()?.id),
  /** Clips by play. */
  clips: () => clipsByPlay(box.state),
  /** Tags by play, oldest first, with this device's pending changes applied. */
  tags: () => tagsByPlay(overlayTags(box.state.tags, box.outbox.marks).values()),
  /**
   * This device's open play, if there is one: CUE and END apply to it. An open play of another device is
   * ended on its card.
   */
  open: () => ctx.plays().find((play) => !play.duration && ctx.isOwn(play) && !ctx.refusal(play.id)),
  /** @param {import("./state/connection/store.js").Play} play */
  isOwn: (play) => Boolean(play.local) || play.created_by === box.name || box.outbox.made(play.id),
  /**
   * Show what was done, with an Undo button for some seconds; the key "u" undoes it later too.
   * @param {string} words
   * @param {() => Promise<unknown>} back
   * @param {import("./parts/frame/notice-stack.js").How} [how] what the notice offers instead of Undo
   */
  did: (words, back, how) => {
    if (refusal()) return void notices.say(refusal(), { kind: "bad", key: "role" });
    const refused = (/** @type {Error} */ error) =>
      notices.say(`Not undone: ${error.message}`, { kind: "bad", seconds: 0 });
    const action = undo.did(words, () => back().catch(refused));
    notices.say(words, {
      action: "Undo",
      act: () => void undo.back(action),
      key: "undo",
      seconds: UNDO_S,
      ...how,
    });
  },
  /** Why the appliance refused this device's mark, "" when it did not. @param {string} id */
  refusal: (id) =>
    box.outbox.refused().find((mark) => mark.subject === id && mark.doing === "play_new")?.error ?? "",
  /** A short notice. @param {string} text @param {import("./parts/frame/notice-stack.js").How} [how] */
  say: (text, how) => notices.say(text, how),
  /** Remove a notice. @param {string} key */
  unsay: (key) => notices.clear(key),
  /**
   * Report a part of the page that is neither stored on this device nor delivered by the server.
   * @param {string} what "Review"
   * @param {() => void} again
   */
  late: (what, again) => late.comes(what, again),
  /** It loaded. */
  came: () => late.forget(),
  /** Go to a screen, with words after it: go("desk", playId). @param {...string} words */
  go: (...words) => {
    location.hash = words.map(encodeURIComponent).join("/");
  },
  /** Show a node beside the clock, such as the session controls. @param {Node | null} node */
  setExtra: (node) => {
    status.extra = node;
  },
  screens: SCREENS,
};
/** @typedef {typeof ctx} Ctx */

const frame = new Frame(/** @type {Ctx} */ (ctx), { status, bar, notices, banner: $("#banner") });
const lookAtBox = () => void frame.look();

// -- the screen ---------------------------------------------------------------------------------------------

/** @type {Entered | null} */
let entered = null;
let turn = 0;

async function show() {
  const [name = "", ...words] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const hash = name in SCREENS ? name : location.pathname === "/selftest" ? "selftest" : "desk";
  const mine = ++turn;
  const { label, needs, load } = SCREENS[hash];
  const screen = needs && !access.may(needs) ? access.refusal(label, needs) : await load().catch(() => null);
  if (mine !== turn) return;
  if (!screen) return missing(hash);
  if (late.what === label) late.forget();
  entered?.leave?.();
  entered = null;
  marks.lookingAt = null;
  frame.where = hash;
  const root = freshRoot(hash);
  document.title = `${screen.title} · Replay`;
  const next = await screen.enter(root, /** @type {Ctx} */ (ctx), words);
  if (mine !== turn) return void next.leave?.();
  entered = next;
  entered.update?.({ tables: new Set(["all"]), all: true });
  frame.draw();
}

/**
 * That screen could not be loaded: stay, or show the desk, which is part of the first download.
 * @param {string} name of the screen
 */
function missing(name) {
  const wanted = location.hash;
  history.replaceState(null, "", `#${frame.where || "desk"}`);
  if (!frame.where) void show();
  late.comes(SCREENS[name].label, () => {
    history.replaceState(null, "", wanted);
    void show();
  });
}

/**
 * A new root element for each screen, so that event listeners of the old one are dropped with it; an open
 * dialog is closed.
 * @param {string} hash
 */
function freshRoot(hash) {
  const open = /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog[open]"));
  for (const dialog of open) dialog.close();
  const root = document.createElement("main");
  root.id = "main";
  root.tabIndex = -1;
  root.className = `screen ${hash}`;
  $("#main").replaceWith(root);
  return root;
}

function takeBack() {
  const action = undo.back();
  if (action) notices.say(`Undone: ${action.words}`, { key: "undo", seconds: UNDO_S });
}

/** A session began elsewhere: offer it, never switch to it automatically. */
function offerSession() {
  const now = session();
  const other = working.offered(box.state);
  if (!other) return notices.clear("session");
  if (other.id === offeredId) return;
  offeredId = other.id;
  const since = now?.actual_start ?? now?.created_at ?? "";
  const words = (other.actual_start ?? other.created_at) > since ? "has begun" : "is running";
  notices.say(`${titleOf(other)} ${words}`, {
    action: "Go there",
    act: () => working.choose(other.id),
    gone: () => working.decline(other.id),
    key: "session",
    seconds: 0,
  });
}
let offeredId = "";

/** The current session was deleted elsewhere: say so before another list appears. */
function tellOfLostSession() {
  const now = session();
  const lost = worked && worked.id !== now?.id && !box.state.sessions.has(worked.id) ? worked : null;
  worked = now;
  if (!lost || frame.where === "operator") return; // the operator screen lists deleted sessions
  notices.say(`${titleOf(lost)} was deleted${now ? `. This is ${titleOf(now)}` : ""}`, {
    key: "session lost",
    seconds: 0,
  });
}
/** @type {import("./state/connection/store.js").Session | undefined} */
let worked;

addEventListener("end-play", (event) => endPlay(ctx, /** @type {CustomEvent} */ (event).detail));
addEventListener("mark", (event) => {
  const { what, late } = /** @type {CustomEvent} */ (event).detail;
  mark(ctx, what, late);
});
status.addEventListener("menu", () => openMenu(ctx, frame.where));
keys.add([
  { keys: ["n"], words: "New play", group: "Marks", act: () => mark(ctx, "new", 0) },
  { keys: ["c"], words: "Cue", group: "Marks", act: () => mark(ctx, "cue", 0) },
  { keys: ["e"], words: "End play", group: "Marks", act: () => mark(ctx, "end", 0) },
  { keys: ["b"], words: "Last seconds", group: "Marks", act: () => mark(ctx, "last", 0) },
  { keys: ["u"], words: "Undo the last action", group: "Marks", act: takeBack },
  { keys: ["?"], words: "This list", group: "Page", act: () => openMenu(ctx, frame.where) },
]);

box.addEventListener("change", (event) => {
  if (access.follow()) void show();
  frame.draw();
  if (box.state.sessions.size) offerSession();
  tellOfLostSession();
  const { detail } = /** @type {CustomEvent<import("./state/connection/box.js").Change>} */ (event);
  entered?.update?.(detail);
  if (detail.all || ["plays", "clips", "sessions"].some((table) => detail.tables.has(table))) keepAhead();
  if (
    detail.all ||
    ["plays", "clips", "sessions", "channels", "tags"].some((table) => detail.tables.has(table))
  )
    keepRowsSoon();
  if (box.online && !wasOnline) {
    late.retry();
    void lookForNewerPage();
  }
  wasOnline = box.online;
  if (detail.tables.has("channels") && frame.looked.ready) lookAtBox();
});
prefs.addEventListener("change", (event) => {
  if (/** @type {CustomEvent} */ (event).detail === "theme")
    document.documentElement.dataset.theme = prefs.get("theme");
  frame.draw();
  tellOfLostSession();
  entered?.update?.({ tables: new Set(["prefs"]) });
});

/**
 * The last plays of the session are stored on this device, so that they play while the appliance is
 * unreachable.
 */
const keepAhead = () => prefetch.wish(wishesOf(ctx.plays(), ctx.clips(), prefs.get("angle")));
const keepRows = () => void box.keepRows(session()?.id ?? "");
/** @type {ReturnType<typeof setTimeout> | undefined} */
let rowsDue;
function keepRowsSoon() {
  if (rowsDue) return;
  rowsDue = setTimeout(() => {
    rowsDue = undefined;
    keepRows();
  }, KEEP_ROWS_MS);
}
addEventListener("pagehide", keepRows);

/**
 * A page from the cache may be older than the build on the appliance. Before the first press the newer one is
 * loaded at once.
 */
let wasOnline = false;
async function lookForNewerPage() {
  const now = await fetch("/", { cache: "no-cache" }).then(
    (answer) => answer.text(),
    () => "",
  );
  const build = /data-build="(\w+)"/.exec(now)?.[1];
  if (!build || build === document.documentElement.dataset.build) return;
  if (navigator.userActivation?.hasBeenActive === false) return location.reload();
  notices.say("The box has a newer version of this page", {
    action: "Load it",
    act: () => location.reload(),
    key: "newer",
    seconds: 0,
  });
}

/** Loads all screens before they are needed, so that they open without the appliance, too. */
async function fetchScreens() {
  for (const load of [...Object.values(SCREENS).map((each) => each.load), ...Object.values(PANELS)])
    await load().catch(() => {});
}

document.addEventListener("visibilitychange", lookAtBox);
setTimeout(lookAtBox, 3000); // marks have priority
setInterval(lookAtBox, 20_000);

addEventListener("hashchange", () => {
  late.forget();
  void show();
});
setInterval(() => {
  const now = box.now();
  status.tick(now);
  entered?.tick?.(now);
}, 100);

/**
 * Tests once per browser whether it honours edit lists. Where it does not, the player seeks past the
 * pre-roll.
 * @param {number} againMs after so long, when it was too busy to play the test clip
 */
async function firstStart(againMs = 10_000) {
  if (["ok", "ignored"].includes(prefs.get("editLists")) && prefs.get("editListsBy") === navigator.userAgent)
    return;
  const test = await import("./state/device/selftest.js").catch(() => null);
  if (!test) return void setTimeout(() => void firstStart(againMs * 2), againMs);
  const { verdict, raw } = await test.testEditLists();
  prefs.set("editLists", verdict);
  prefs.set("rawTimes", raw);
  prefs.set("editListsBy", navigator.userAgent);
  if (verdict === "unknown") setTimeout(() => void firstStart(againMs * 2), againMs);
}
setTimeout(() => void firstStart(), 1500); // marks have priority

/** For tests and for the developer console. */
Object.assign(window, { app: ctx });
setTimeout(() => void fetchScreens().then(() => frame.install()), 5000); // marks have priority
void prefetch
  .restore()
  .then(spaceOf)
  .then(({ memoryGb, freeBytes }) =>
    prefetch.resize(roomOf({ memoryGb, freeBytes: freeBytes && freeBytes + prefetch.used })),
  );
void show();
void box.start();
