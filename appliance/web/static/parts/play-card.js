// One card per play, all angles: number, picture, time, readiness, star. It gets a play and emits what was asked.

/** @param {any} clip */
const words = (clip) => ({
  ready: clip.coverage?.missing?.length ? "part of the footage is missing" : "ready",
  failed: clip.error_message ?? "failed",
  processing: "cutting",
  pending: clip.waiting_for === "out" ? "open" : "waiting for footage",
}[/** @type {"ready"} */ (clip.status)]);

/** @param {any} box @param {any} play @param {string | null} chosen @param {HTMLElement | undefined} old
 * @param {(what: string, play: any) => void} act @returns {HTMLElement} */
export function playCard(box, play, chosen, old, act) {
  const clips = [...box.rows.clips.values()].filter((clip) => clip.play_id === play.id)
    .sort((a, b) => (a.channel_id < b.channel_id ? -1 : 1));
  const look = JSON.stringify([play.rev, chosen === play.id, clips.map((clip) => [clip.rev, clip.status])]);
  if (old?.dataset.look === look) return old;
  const card = old ?? document.createElement("li");
  card.dataset.look = look;
  card.className = `play ${chosen === play.id ? "chosen" : ""}`;
  const time = new Date(play.start_time).toLocaleTimeString([], { hour12: false });
  const length = play.duration
    ? `<span>${lengthOf(play.duration)}</span>`
    : `<span class="live" data-since="${Date.parse(play.start_time)}"></span>`;
  card.innerHTML = `
    <button class="open" type="button" aria-label="Watch play ${play.number}">
      <img alt="" width="112" height="72">
      <span class="text"><b>${play.number}</b> ${time}<br>${length}${play.cue_time ? " · cue" : ""}<br>
      <span class="dots">${clips.map((clip) =>
        `<span class="${clip.status}" title="${clip.channel_id}: ${words(clip)}"></span>`).join("")}</span>
      <span class="quiet">${clips.length ? words(clips.find((clip) => clip.status !== "ready") ?? clips[0]) : "no camera"}</span>
      </span>
    </button>
    <button class="star" type="button" aria-pressed="${play.is_favorite}" aria-label="Star play ${play.number}">${play.is_favorite ? "★" : "☆"}</button>
    <button class="undo" type="button" aria-label="Delete play ${play.number}">undo</button>`;
  picture(/** @type {HTMLImageElement} */ (card.querySelector("img")), clips[0]);
  /** @param {string} part @param {string} what */
  const on = (part, what) => {
    /** @type {HTMLElement} */ (card.querySelector(part)).onclick = () => act(what, play);
  };
  on(".open", "watch");
  on(".star", "star");
  on(".undo", "undo");
  return card;
}

/** Seconds as 1:05.2. @param {number} seconds */
function lengthOf(seconds) {
  const tenths = Math.round(seconds * 10);
  return `${Math.floor(tenths / 600)}:${(tenths % 600 / 10).toFixed(1).padStart(4, "0")}`;
}

/** The first angle's picture; a picture that is not made yet is asked for again a second later.
 * @param {HTMLImageElement} image @param {any} clip */
function picture(image, clip) {
  if (!clip) return;
  image.onerror = () => setTimeout(() => {
    if (image.isConnected) image.src = `${clip.thumbnail_url}&again=${Date.now()}`;
  }, 1000);
  image.src = clip.thumbnail_url;
}
