// The page: channels, session, plays; marks and watching. Plain on purpose, the full app builds on the same parts.

import { Box, uuid } from "./state/box.js";
import { playCard } from "./parts/play-card.js";
import { channelCard } from "./parts/channel-card.js";
import { Stage } from "./parts/stage.js";

const box = new Box();
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const stage = new Stage($("stage"), $("angles"), box);

const STEPS = {
  scheduled: [["start", "Start"]],
  active: [["pause", "Pause"], ["complete", "Complete"]],
  paused: [["resume", "Resume"], ["complete", "Complete"]],
  completed: [["reopen", "Reopen"]],
};

/** The session people work in: the newest that runs, else the newest. */
function session() {
  const all = [...box.rows.sessions.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  return all.find((each) => each.status === "active") ?? all.find((each) => each.status === "paused") ?? all[0];
}

const plays = () => [...box.rows.plays.values()]
  .filter((play) => play.session_id === session()?.id)
  .sort((a, b) => b.number - a.number);
const openPlay = () => plays().find((play) => play.duration === 0);

function draw() {
  const now = session();
  $("session-name").textContent = now ? now.name : "No session";
  $("session-state").textContent = now ? now.status : "";
  $("session-state").className = `badge ${now?.status === "active" ? "live" : ""}`;
  $("link").textContent = box.online ? "connected" : box.tries ? "reconnecting" : "connecting";
  $("link").className = `badge ${box.online ? "good" : "warn"}`;
  drawControls(now);
  const list = plays();
  $("play-count").textContent = now ? `${list.length}` : "";
  $("no-plays").hidden = list.length > 0;
  keyed($("plays"), list, (play) => play.id, (play, old) => playCard(box, play, stage.playId, old, act));
  const channels = [...box.rows.channels.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  keyed($("channels"), channels, (each) => each.id, (each, old) => channelCard(each, old));
  for (const id of ["new-play", "last10"]) $(id).toggleAttribute("disabled", !now);
  for (const id of ["cue", "end-play"]) $(id).toggleAttribute("disabled", !openPlay());
  stage.refresh();
}

let controls = "";
/** @param {any} now */
function drawControls(now) {
  const wanted = now ? `${now.id}:${now.status}` : "none";
  if (wanted === controls) return;
  controls = wanted;
  /** @type {string[][]} */
  const steps = now ? STEPS[/** @type {keyof typeof STEPS} */ (now.status)] : [["new", "New session"]];
  $("session-controls").replaceChildren(...steps.map(([event, label]) => {
    const button = document.createElement("button");
    button.textContent = label;
    button.onclick = () => attempt(async () => {
      if (event === "new") await box.request("POST", "/sessions", { name: "Session", type: "other" });
      else if (event !== "complete" || confirm("Complete the session? Open plays are ended."))
        await box.request("POST", `/sessions/${now.id}/${event}`);
    });
    return button;
  }));
}

/** Update a list in place: nothing moves under a finger that has not changed.
 * @param {HTMLElement} list @param {any[]} rows @param {(row: any) => string} key
 * @param {(row: any, old: HTMLElement | undefined) => HTMLElement} make */
function keyed(list, rows, key, make) {
  const old = new Map([...list.children].map((each) => [/** @type {HTMLElement} */ (each).dataset.key, each]));
  rows.forEach((row, at) => {
    const element = make(row, /** @type {HTMLElement | undefined} */ (old.get(key(row))));
    element.dataset.key = key(row);
    old.delete(key(row));
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
  });
  for (const gone of old.values()) gone.remove();
}

/** @param {() => Promise<any>} action */
async function attempt(action) {
  try {
    $("notice").hidden = true;
    return await action();
  } catch (error) {
    $("notice").textContent = error instanceof Error ? error.message : String(error);
    $("notice").hidden = false;
  }
}

const stamp = () => ({ client_time: new Date().toISOString(), clock_offset_ms: box.offsetMs });

$("new-play").onclick = () => attempt(() => box.command("play_new", {
  id: uuid(), session_id: session().id, start_time: new Date(box.now()).toISOString(), duration_seconds: 0, ...stamp(),
}, "/plays"));
$("last10").onclick = () => attempt(() => box.command("play_new", {
  id: uuid(), session_id: session().id, start_time: new Date(box.now() - 10_000).toISOString(),
  duration_seconds: 10, ...stamp(),
}, "/plays"));
$("cue").onclick = () => attempt(async () => {
  const play = openPlay();
  await box.command("play_cue", { id: play.id, cue_time: new Date(box.now()).toISOString() }, `/plays/${play.id}/cue`);
});
$("end-play").onclick = () => attempt(async () => {
  const play = openPlay();
  await box.command("play_end", { id: play.id, end_time: new Date(box.now()).toISOString() }, `/plays/${play.id}/end`);
});

/** What a card asks for. @param {string} what @param {any} play */
function act(what, play) {
  attempt(async () => {
    if (what === "watch") stage.show(play.id);
    if (what === "star") await box.request(play.is_favorite ? "DELETE" : "POST", `/plays/${play.id}/favorite`);
    if (what === "undo" && confirm(`Delete play ${play.number}?`)) await box.request("DELETE", `/plays/${play.id}`);
    draw();
  });
}

setInterval(() => {
  $("clock").textContent = new Date(box.now()).toLocaleTimeString([], { hour12: false });
  for (const each of document.querySelectorAll("[data-since]")) {
    const since = Number(/** @type {HTMLElement} */ (each).dataset.since);
    each.textContent = `${((box.now() - since) / 1000).toFixed(1)} s, running`;
  }
}, 100);

box.addEventListener("change", draw);
attempt(() => box.start());
