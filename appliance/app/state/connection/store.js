// This device's copy of the appliance's data: a snapshot, then events in the order of seq. Plain functions,
// no I/O.
//
// Rows are complete API resources by id; they are replaced, never changed in place, so a part may compare by
// identity. `overlay` applies this device's pending marks to them.

/** @typedef {import("../api").Session} Session */
/** @typedef {import("../api").Channel} Channel */
/** @typedef {import("../api").Play & {ghost?: boolean, local?: boolean}} Play */
/** @typedef {import("../api").Clip} Clip */
/** @typedef {import("../api").Tag} Tag */
/**
 * @typedef {object} State
 * @property {string} site id of the appliance; "" until it is known
 * @property {string} epoch id of its database
 * @property {{id: string, name: string, timezone: string, plain_port?: number}} place the site
 * @property {number} seq the last event applied
 * @property {boolean} recalled the rows were stored by an earlier page: the appliance has not answered yet
 * @property {Map<string, Session>} sessions
 * @property {Map<string, Channel>} channels
 * @property {Map<string, Play>} plays
 * @property {Map<string, Clip>} clips
 * @property {Map<string, Tag>} tags
 */
/** @typedef {"sessions" | "channels" | "plays" | "clips" | "tags"} Table */

/** @type {Record<string, Table>} */
const TABLE = { session: "sessions", channel: "channels", play: "plays", clip: "clips", tag: "tags" };

/** @returns {State} */
export function empty() {
  return {
    site: "",
    epoch: "",
    seq: 0,
    recalled: false,
    place: { id: "", name: "", timezone: "" },
    sessions: new Map(),
    channels: new Map(),
    plays: new Map(),
    clips: new Map(),
    tags: new Map(),
  };
}

/** Replace everything. @param {State} state @param {any} snapshot */
export function load(state, snapshot) {
  for (const table of Object.values(TABLE)) {
    const rows = (snapshot[table] ?? []).map((/** @type {any} */ row) => [row.id, row]);
    /** @type {Map<string, any>} */ (state[table]) = new Map(rows);
  }
  state.seq = snapshot.as_of_seq;
  state.epoch = snapshot.epoch;
  state.recalled = false;
  state.place = snapshot.site ?? state.place;
}

/**
 * What a device stores across reloads: the current session, with all its rows.
 * @typedef {{site: string, epoch: string, offsetMs: number, snapshot: any}} Kept
 * @param {State} state
 * @param {string} session its id
 * @param {number} offsetMs of the box's clock
 * @returns {Kept | null}
 */
export function keptOf(state, session, offsetMs) {
  const own = state.sessions.get(session);
  if (!state.site || !own) return null;
  const of = (/** @type {Map<string, any>} */ rows) =>
    [...rows.values()].filter((row) => row.session_id === session);
  const { site, epoch, place } = state;
  const snapshot = {
    site: place,
    sessions: [own],
    channels: [...state.channels.values()],
    plays: of(state.plays),
    clips: of(state.clips),
    tags: of(state.tags),
  };
  return { site, epoch, offsetMs, snapshot };
}

/**
 * Show the stored rows until the appliance answers: its first snapshot replaces all of them.
 * @param {State} state
 * @param {Kept} kept
 */
export function recall(state, kept) {
  load(state, { ...kept.snapshot, as_of_seq: 0, epoch: "" });
  state.recalled = true;
}

/**
 * Apply one event; returns the changed tables. An event that was already applied changes nothing.
 * @param {State} state
 * @param {any} event
 * @returns {Set<Table>}
 */
export function apply(state, event) {
  /** @type {Set<Table>} */
  const changed = new Set();
  if (!(event.seq > state.seq)) return changed;
  state.seq = event.seq;
  for (const [kind, table] of Object.entries(TABLE)) {
    const rows = /** @type {Map<string, any>} */ (state[table]);
    const id = event[`${kind}_id`];
    if (event.type === `${kind}_deleted`) {
      if (rows.delete(id)) changed.add(table);
    } else if (event[kind]?.id) {
      rows.set(event[kind].id, event[kind]);
      changed.add(table);
    } else if (kind === "session" && event.session && rows.has(id)) {
      rows.set(id, { ...rows.get(id), ...event.session }); // counters
      changed.add(table);
    }
  }
  patchChannel(state, event, changed);
  return changed;
}

/**
 * Apply the answer to a mark, which may arrive before its event; returns the changed tables.
 * @param {State} state
 * @param {import("../marks/outbox.js").Mark} mark
 * @param {any} resource
 * @returns {Table[]}
 */
export function learn(state, mark, resource) {
  if (mark.doing.startsWith("tag_")) {
    if (resource?.deleted) state.tags.delete(mark.subject);
    else if (resource) keepNewer(state.tags, resource);
    return ["tags"];
  }
  if (resource?.deleted) {
    for (const clip of [...state.clips.values()])
      if (clip.play_id === mark.subject) state.clips.delete(clip.id);
    return state.plays.delete(mark.subject) ? ["plays"] : [];
  }
  if (!resource?.play_id || !resource.number) return [];
  const { clips = null, ...play } = resource;
  keepNewer(state.plays, play);
  for (const clip of clips ?? []) keepNewer(state.clips, clip);
  return ["plays", "clips"];
}

/**
 * Keep a resource unless the same or a newer revision is here; was it kept?
 * @param {Map<string, any>} rows
 * @param {any} resource
 */
export function keepNewer(rows, resource) {
  if ((rows.get(resource.id)?.rev ?? -1) >= resource.rev) return false;
  rows.set(resource.id, resource);
  return true;
}

/**
 * channel_status and channel_footage may carry only the changed fields.
 * @param {State} state
 * @param {any} event
 * @param {Set<Table>} changed
 */
function patchChannel(state, event, changed) {
  const known = state.channels.get(event.channel_id);
  if (!known || event.channel || !/^channel_(status|footage)$/.test(event.type)) return;
  const { status = known.status, footage = known.footage, reason } = event;
  const error_reason = event.type === "channel_status" ? (reason ?? null) : known.error_reason;
  state.channels.set(known.id, { ...known, status, footage, error_reason });
  changed.add("channels");
}

/**
 * The current session: the one chosen on this device while it exists, else the one started last that is not
 * completed (during a pause marks must not go to another one), else the newest.
 * @param {State} state
 * @param {string | null} [chosen]
 * @returns {Session | undefined}
 */
export function currentSession(state, chosen) {
  const mine = chosen ? state.sessions.get(chosen) : undefined;
  if (mine) return mine;
  const begun = (/** @type {Session} */ each) => each.actual_start ?? each.created_at;
  const all = [...state.sessions.values()].sort((a, b) => (begun(a) < begun(b) ? 1 : -1));
  return all.find((each) => each.status === "active" || each.status === "paused") ?? all[0];
}

/**
 * Newest first. A play without a number (not yet on the appliance) is the newest.
 * @param {Iterable<Play>} plays
 * @param {string | undefined} sessionId
 * @returns {Play[]}
 */
export function playsOf(plays, sessionId) {
  return [...plays]
    .filter((play) => play.session_id === sessionId)
    .sort((a, b) => (b.number || Infinity) - (a.number || Infinity) || order(b, a));
}

/** @param {Play} a @param {Play} b */
const order = (a, b) => (a.start_time < b.start_time ? -1 : 1);

/** Clips by play, each list in the order of channels. @param {State} state @returns {Map<string, Clip[]>} */
export function clipsByPlay(state) {
  /** @type {Map<string, Clip[]>} */
  const clips = new Map();
  for (const clip of state.clips.values()) {
    if (!clip.play_id) continue;
    const list = clips.get(clip.play_id);
    if (list) list.push(clip);
    else clips.set(clip.play_id, [clip]);
  }
  for (const list of clips.values()) list.sort((a, b) => (a.channel_id < b.channel_id ? -1 : 1));
  return clips;
}

/**
 * Seconds from OUT until the play's first angle was playable, measured by the appliance; null while unknown.
 * @param {readonly Clip[]} clips
 */
export function readyAfter(clips) {
  const known = clips.flatMap((clip) => (typeof clip.ready_after_s === "number" ? [clip.ready_after_s] : []));
  return known.length ? Math.min(...known) : null;
}

/**
 * The plays with this device's pending marks applied: a play is shown from the press on.
 * @param {ReadonlyMap<string, Play>} plays
 * @param {readonly import("../marks/outbox.js").Mark[]} marks
 * @returns {Map<string, Play>}
 */
export function overlay(plays, marks) {
  const shown = new Map(plays);
  /** @type {Map<string, Play>} */
  const going = new Map();
  for (const mark of marks) {
    const gone =
      mark.doing === "play_restore" && mark.state === "waiting" ? going.get(mark.subject) : undefined;
    const known = shown.get(mark.subject);
    if (gone) shown.set(mark.subject, gone);
    else if (mark.doing === "play_new") {
      if (!known && mark.state !== "done") shown.set(mark.subject, ghostOf(mark));
    } else if (known && mark.state !== "done" && mark.state !== "refused") {
      const after = withMark(known, mark);
      if (after) shown.set(mark.subject, after);
      else if (shown.delete(mark.subject)) going.set(mark.subject, known);
    }
  }
  return shown;
}

/** @param {import("../marks/outbox.js").Mark} mark @returns {Play} */
function ghostOf(mark) {
  const { id, session_id, start_time, duration_seconds = 0 } = mark.body;
  return {
    id,
    play_id: id,
    session_id,
    start_time,
    duration: duration_seconds,
    number: 0,
    cue_time: null,
    title: null,
    is_favorite: false,
    auto_closed: false,
    start_time_given: null,
    clip_ids: [],
    created_at: start_time,
    updated_at: start_time,
    created_by: "",
    rev: 0,
    local: true,
  };
}

/**
 * The play after the mark; null when the mark deletes it.
 * @param {Play} play
 * @param {import("../marks/outbox.js").Mark} mark
 * @returns {Play | null}
 */
function withMark(play, mark) {
  if (mark.doing === "play_cue") return { ...play, cue_time: mark.body.cue_time };
  if (mark.doing === "play_end" && !play.duration) {
    const seconds = (Date.parse(mark.body.end_time) - Date.parse(play.start_time)) / 1000;
    return { ...play, duration: Math.max(0.1, seconds) };
  }
  if (mark.doing === "play_star") return { ...play, is_favorite: mark.body.starred };
  if (mark.doing === "play_trim") {
    const { start_time = play.start_time, duration_seconds = play.duration } = mark.request?.body ?? {};
    return { ...play, start_time, duration: duration_seconds };
  }
  if (mark.doing === "play_uncue") return { ...play, cue_time: null };
  if (mark.doing === "play_reopen") return { ...play, duration: 0 };
  if (mark.doing === "play_undo") return null;
  return play;
}
