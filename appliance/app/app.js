// The composition root: one Box, one frame, one screen at a time. Defines the roles' tabs and the navigation.

import { diskOfMarks, diskOfPlays } from "./state/disk.js";
import { Box } from "./state/box.js";
import { Keys } from "./state/keys.js";
import { camerasOf, channelsOf, groupsOf, linkOf, lookAt, verdictOf } from "./state/health.js";
import { Marks } from "./state/marks.js";
import { Prefetch, roomOf, spaceOf, wishesOf } from "./state/prefetch.js";
import { Prefs } from "./state/prefs.js";
import { clipsByPlay, overlay, playsOf } from "./state/store.js";
import { overlayTags, tagsByPlay } from "./state/tagging.js";
import { Undo } from "./state/undo.js";
import { badgeOf, titleOf, Working } from "./state/working.js";
import { hoursOf, playName } from "./state/words.js";
import "./parts/status-line.js";
import "./parts/mark-bar.js";
import "./parts/notice-stack.js";
import { openMenu } from "./parts/app-menu.js";
import * as desk from "./screens/desk.js";

/**
 * A screen: `enter` fills the root and returns the functions that update and leave the screen.
 * @typedef {{update?: (change: import("./state/box.js").Change) => void, tick?: (now: number) => void,
 *   leave?: () => void}} Entered
 * @typedef {{title: string, enter: (root: HTMLElement, ctx: Ctx, words: string[]) => Entered |
 *   Promise<Entered>}} Screen
 */

/**
 * Screens by hash, in the order of the tabs. `roles`: the roles whose tabs show it; the menu lists all
 * screens for every role.
 * @type {Record<string, {label: string, roles: string[], load: () => Promise<Screen>}>}
 */
const SCREENS = {
  desk: { label: "Plays", roles: ["coach", "operator", "analyst"], load: async () => desk },
  live: { label: "Live", roles: ["coach", "operator", "analyst"], load: () => import("./screens/live.js") },
  operator: { label: "Operator", roles: ["operator"], load: () => import("./screens/operator.js") },
  health: { label: "Health", roles: ["operator"], load: () => import("./screens/health.js") },
  lineup: { label: "Line up cameras", roles: [], load: () => import("./screens/lineup.js") },
  tagging: { label: "Tagging", roles: ["analyst"], load: () => import("./screens/tagging.js") },
  review: { label: "Review", roles: ["analyst"], load: () => import("./screens/review.js") },
  selftest: { label: "Self-test", roles: [], load: () => import("./screens/selftest.js") },
};

/** Side panels of the desk, by name: see README. @type {Record<string, () => Promise<unknown>>} */
const PANELS = {
  "tag-board": () => import("./parts/tag-board.js"),
};

const UNDO_S = 8;

const KEEP_ROWS_MS = 1000;
const LATE_MS = 2000; // until a part that did not load is requested again
const LATE_MAX_MS = 30_000;

const prefs = new Prefs();
const plays = diskOfPlays();
const box = new Box({
  device: prefs.get("device"),
  disk: diskOfMarks(),
  rows: plays.rows,
  about: () => ({ role: prefs.get("role"), edit_lists: prefs.get("editLists") || undefined }),
});
const working = new Working({ get: () => prefs.get("session"), set: (id) => prefs.set("session", id) });
const session = () => working.current(box.state);
const marks = new Marks(box, session);
const undo = new Undo();
const keys = new Keys();
const prefetch = new Prefetch({ disk: plays.media });

const $ = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const status = /** @type {import("./parts/status-line.js").StatusLine} */ ($("status-line"));
const bar = /** @type {import("./parts/mark-bar.js").MarkBar} */ ($("mark-bar"));
const notices = /** @type {import("./parts/notice-stack.js").NoticeStack} */ ($("notice-stack"));

/** The context every screen gets. */
const ctx = {
  box,
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
  /** @param {import("./state/store.js").Play} play */
  isOwn: (play) => Boolean(play.local) || play.created_by === prefs.get("device"),
  /**
   * Show what was done, with an Undo button for some seconds; the key "u" undoes it later too.
   * @param {string} words
   * @param {() => Promise<unknown>} back
   * @param {import("./parts/notice-stack.js").How} [how] what the notice offers instead of Undo
   */
  did: (words, back, how) => {
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
  /** A short notice. @param {string} text @param {import("./parts/notice-stack.js").How} [how] */
  say: (text, how) => notices.say(text, how),
  /** Remove a notice. @param {string} key */
  unsay: (key) => notices.clear(key),
  /**
   * Report a part of the page that is neither stored on this device nor delivered by the server.
   * @param {string} what "Review"
   * @param {() => void} again
   */
  late: (what, again) => comesLate(what, again),
  /** It loaded. */
  came: () => forgetLate(),
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

// -- the screen ---------------------------------------------------------------------------------------------

/** @type {Entered | null} */
let entered = null;
let where = "";
let turn = 0;
let looking = false;
let again = false; // a change arrived while the request was under way: request once more
/** The last state the appliance reported. @type {import("./state/health.js").Looked} */
let looked = { ready: null, clients: [], sources: [] };

async function show() {
  const [name = "", ...words] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const hash = name in SCREENS ? name : location.pathname === "/selftest" ? "selftest" : "desk";
  const mine = ++turn;
  const screen = await SCREENS[hash].load().catch(() => null);
  if (mine !== turn) return;
  if (!screen) return missing(hash);
  if (late?.what === SCREENS[hash].label) forgetLate();
  entered?.leave?.();
  entered = null;
  marks.lookingAt = null;
  where = hash;
  const root = freshRoot(hash);
  document.title = `${screen.title} · Replay`;
  const next = await screen.enter(root, /** @type {Ctx} */ (ctx), words);
  if (mine !== turn) return void next.leave?.();
  entered = next;
  entered.update?.({ tables: new Set(["all"]), all: true });
  drawFrame();
}

/**
 * That screen could not be loaded: stay, or show the desk, which is part of the first download.
 * @param {string} name of the screen
 */
function missing(name) {
  const wanted = location.hash;
  history.replaceState(null, "", `#${where || "desk"}`);
  if (!where) void show();
  comesLate(SCREENS[name].label, () => {
    history.replaceState(null, "", wanted);
    void show();
  });
}

/**
 * Reported once; requested again when the appliance is back, by hand, and at growing intervals, until it
 * loads or the user opens something else.
 * @param {string} what
 * @param {() => void} again
 */
function comesLate(what, again) {
  const tries = late?.what === what ? late.tries + 1 : 0;
  clearTimeout(lateTimer);
  late = { what, again, tries };
  lateTimer = setTimeout(tryLate, Math.min(LATE_MAX_MS, LATE_MS * 2 ** tries));
  if (!document.querySelector("[data-key=late]")) {
    notices.say(`${what} is not on this device: it opens when the box answers`, {
      kind: "bad",
      key: "late",
      seconds: 0,
      action: "Try again",
      act: tryLate,
      gone: forgetLate,
    });
  }
}
/** @type {{what: string, again: () => void, tries: number} | null} */
let late = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let lateTimer;
const tryLate = () => void late?.again();
function forgetLate() {
  late = null;
  clearTimeout(lateTimer);
  notices.clear("late");
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

// -- the frame ----------------------------------------------------------------------------------------------

/** The operator's session controls in the status line: loaded when the first operator needs them. */
async function drawControl() {
  if (prefs.get("role") !== "operator") return document.querySelector("session-control")?.remove();
  // on failure, the next change tries again
  const here = await import("./parts/session-control.js").catch(() => null);
  if (!here || prefs.get("role") !== "operator") return;
  const control = /** @type {import("./parts/session-control.js").SessionControl} */ (
    document.querySelector("session-control") ?? document.createElement("session-control")
  );
  if (!control.isConnected) {
    control.addEventListener(
      "move",
      (event) =>
        void box
          .request("POST", `/sessions/${session()?.id}/${/** @type {CustomEvent} */ (event).detail.event}`)
          .then((made) => box.keep("sessions", made))
          .catch((error) => notices.say(`The session stays as it is: ${error.message}`, { kind: "bad" })),
    );
    ctx.setExtra(control);
  }
  control.session = session();
}

function drawFrame() {
  const now = session();
  void drawControl();
  status.session = now;
  status.badge = now ? badgeOf(now, box.away) : null;
  drawHealth(now);
  status.state = {
    online: box.online,
    rtt: box.rtt,
    waiting: box.outbox.waiting().length,
    closed: box.closed,
  };
  const role = prefs.get("role");
  status.screens = Object.entries(SCREENS)
    .filter(([hash, each]) => each.roles.includes(role) || (hash === where && each.roles.length))
    .map(([hash, each]) => ({ hash, label: each.label, current: hash === where }));
  const open = ctx.open();
  guard(box.away && !box.closed);
  bar.state = { session: now, open, seconds: prefs.get("lastSeconds"), cued: Boolean(open?.cue_time) };
  drawBanner();
  tellOfStorage();
}

/**
 * A reload needs the appliance, and would leave no page while it is unreachable: the browser asks for
 * confirmation, where it can.
 * @param {boolean} on
 */
function guard(on) {
  if (on) addEventListener("beforeunload", stay);
  else removeEventListener("beforeunload", stay);
}
const stay = (/** @type {Event} */ event) => event.preventDefault();

/**
 * The state of the health page, from the same functions: a camera that is off or faulty is visible on every
 * screen.
 * @param {import("./state/store.js").Session | undefined} now
 */
function drawHealth(now) {
  const channels = channelsOf(box.state.channels.values(), now);
  const { ready, clients, sources } = looked;
  status.cameras = camerasOf(channels, sources, box.away).map((check, at) => ({
    id: channels[at].id,
    check,
  }));
  const { status: worst, words } = verdictOf(
    groupsOf({
      ready,
      channels,
      sources,
      clients,
      session: now,
      link: { ...linkOf(ctx), online: !box.away },
    }),
  );
  status.room = box.away
    ? null
    : ready && { words: hoursOf(ready.parts.recording_hours?.figures?.hours), status: worst, verdict: words };
}

/**
 * Reported once, and again after a change: without storage a reload loses marks that the appliance does not
 * have yet.
 */
function tellOfStorage() {
  const { kept } = box.outbox;
  if (kept === storage) return;
  storage = kept;
  if (kept) notices.clear("storage");
  else
    notices.say("This browser's storage does not answer: marks are kept only while this page stays open", {
      key: "storage",
      seconds: 0,
    });
}
let storage = true;

/** Shows what is unusual, and only when it lasts: a restart of the appliance under 2 s is not reported. */
function drawBanner() {
  const banner = $("#banner");
  const { away } = box;
  const waiting = box.outbox.waiting().length;
  const foreign = box.outbox.foreign();
  const marksAre = `Marks are kept here${box.outbox.kept ? "" : " while this page stays open"}`;
  const toSend = waiting ? ` (${waiting} to send)` : "";
  const text = box.closed
    ? `The box closed this page: ${box.closed}. Reload it.`
    : away
      ? `The box does not answer. ${marksAre}${toSend}; clips on this device play on.`
      : foreign.length
        ? `${foreign.length} marks on this device belong to another box (${foreign[0].site}).`
        : "";
  if (banner.dataset.text === text) return;
  banner.dataset.text = text;
  banner.hidden = !text;
  banner.replaceChildren(text);
  if (!away && !box.closed && foreign.length) {
    const drop = document.createElement("button");
    drop.textContent = "Forget them";
    drop.onclick = () => {
      for (const mark of foreign) box.outbox.forget(mark);
    };
    banner.append(drop);
  }
}

/** @param {string} what @param {number} late */
function mark(what, late) {
  const open = ctx.open();
  const at = marks.instant(late);
  const refused = (/** @type {Error} */ error) =>
    notices.say(`Not taken: ${error.message}`, { kind: "bad", seconds: 0 });
  if (what === "new" || what === "last") {
    if (marks.isBounce(what, performance.now() - late)) return;
    // This device's next play ends its own open play. Open plays of other devices stay open.
    if (what === "new" && open) marks.end(open.id, at).catch(refused);
    const made = marks.newPlay({ seconds: what === "last" ? prefs.get("lastSeconds") : 0, at });
    made?.answer.catch(refused);
    const ended = what === "new" ? open : undefined; // ended by the same press: both are undone together
    const back = () =>
      Promise.all([marks.undo(/** @type {any} */ (made).id), ended && marks.reopen(ended.id)]);
    if (made) ctx.did(what === "last" ? `Last ${prefs.get("lastSeconds")} s marked` : "Play marked", back);
  } else if (open && what === "cue") {
    marks.cue(open.id, at).catch(refused);
    ctx.did(`${playName(open)}: cue set`, () => marks.uncue(open.id, open.cue_time));
  } else if (open && what === "end") endPlay(open, at);
}

/**
 * END, by the mark bar or on a play's card.
 * @param {import("./state/store.js").Play} play
 * @param {number} [at]
 */
function endPlay(play, at = marks.instant()) {
  marks
    .end(play.id, at)
    .catch((error) => notices.say(`Not taken: ${error.message}`, { kind: "bad", seconds: 0 }));
  ctx.did(`${playName(play)} ended`, () => marks.reopen(play.id));
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
  if (!lost || where === "operator") return; // the operator screen lists deleted sessions
  notices.say(`${titleOf(lost)} was deleted${now ? `. This is ${titleOf(now)}` : ""}`, {
    key: "session lost",
    seconds: 0,
  });
}
/** @type {import("./state/store.js").Session | undefined} */
let worked;

addEventListener("end-play", (event) => endPlay(/** @type {CustomEvent} */ (event).detail));
addEventListener("mark", (event) => {
  const { what, late } = /** @type {CustomEvent} */ (event).detail;
  mark(what, late);
});
status.addEventListener("menu", () => openMenu(ctx, where));
keys.add([
  { keys: ["n"], words: "New play", group: "Marks", act: () => mark("new", 0) },
  { keys: ["c"], words: "Cue", group: "Marks", act: () => mark("cue", 0) },
  { keys: ["e"], words: "End play", group: "Marks", act: () => mark("end", 0) },
  { keys: ["b"], words: "Last seconds", group: "Marks", act: () => mark("last", 0) },
  { keys: ["u"], words: "Undo the last action", group: "Marks", act: takeBack },
  { keys: ["?"], words: "This list", group: "Page", act: () => openMenu(ctx, where) },
]);

box.addEventListener("change", (event) => {
  drawFrame();
  if (box.state.sessions.size) offerSession();
  tellOfLostSession();
  const { detail } = /** @type {CustomEvent<import("./state/box.js").Change>} */ (event);
  entered?.update?.(detail);
  if (detail.all || ["plays", "clips", "sessions"].some((table) => detail.tables.has(table))) keepAhead();
  if (
    detail.all ||
    ["plays", "clips", "sessions", "channels", "tags"].some((table) => detail.tables.has(table))
  )
    keepRowsSoon();
  if (box.online && !wasOnline) {
    tryLate();
    void lookForNewerPage();
  }
  wasOnline = box.online;
  if (detail.tables.has("channels") && looked.ready) void lookAtBox();
});
prefs.addEventListener("change", (event) => {
  if (/** @type {CustomEvent} */ (event).detail === "theme")
    document.documentElement.dataset.theme = prefs.get("theme");
  drawFrame();
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

/**
 * Reads the appliance's state for the status line: at long intervals, when the page becomes visible, and when
 * a camera changed.
 */
async function lookAtBox() {
  again = looking;
  if (looking || document.hidden || !box.online) return;
  looking = true;
  looked = await lookAt(box).catch(() => ({ ready: null, clients: [], sources: [] }));
  looking = false;
  drawFrame();
  if (again) void lookAtBox();
}
document.addEventListener("visibilitychange", lookAtBox);
setTimeout(lookAtBox, 3000); // marks have priority
setInterval(lookAtBox, 20_000);

addEventListener("hashchange", () => {
  forgetLate();
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
  const test = await import("./state/selftest.js").catch(() => null);
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
setTimeout(() => void fetchScreens(), 5000); // marks have priority
void prefetch
  .restore()
  .then(spaceOf)
  .then(({ memoryGb, freeBytes }) =>
    prefetch.resize(roomOf({ memoryGb, freeBytes: freeBytes && freeBytes + prefetch.used })),
  );
void show();
void box.start();
