// The picture: one video element, one angle at a time. A switch of angle keeps the instant.

const EMPTY = "Tap a play to watch it.";

/** Why a clip cannot be watched. @param {any} clip */
const waits = (clip) => clip.error_message
  ?? (clip.waiting_for === "out" ? "This play is open. Press END PLAY to watch it." : "Waiting for footage");

export class Stage {
  /** @param {HTMLElement} stage @param {HTMLElement} angles @param {any} box */
  constructor(stage, angles, box) {
    this.stage = stage;
    this.angles = angles;
    this.box = box;
    /** @type {string | null} */
    this.playId = null;
    /** @type {string | null} */
    this.clipId = null;
    this.shown = this.look = ""; // what is loaded, and what refresh() drew last
    this.video = document.createElement("video");
    Object.assign(this.video, { playsInline: true, controls: true, muted: true, loop: true });
  }

  clips() {
    return [...this.box.rows.clips.values()].filter((clip) => clip.play_id === this.playId)
      .sort((a, b) => (a.channel_id < b.channel_id ? -1 : 1));
  }

  /** @param {string} playId */
  show(playId) {
    this.playId = playId;
    this.clipId = this.clips()[0]?.id ?? null;
    this.shown = this.look = "";
    this.refresh();
    this.stage.scrollIntoView({ block: "nearest" }); // on a phone the list is below it
  }

  refresh() {
    if (!this.playId) return;
    const clips = this.clips();
    const clip = clips.find((each) => each.id === this.clipId) ?? clips[0];
    if (!clip) return this.clear(this.box.rows.plays.has(this.playId) ? "No camera recorded this play." : EMPTY);
    const look = JSON.stringify([clip?.id, clips.map((each) => [each.id, each.stream_url, each.status])]);
    if (look === this.look) return;
    this.look = look;
    this.angles.replaceChildren(...clips.map((each) => this.angle(each, clip)));
    if (clip.stream_url && clip.stream_url !== this.shown) this.load(clip);
    else if (!clip.stream_url) this.say(waits(clip));
  }

  /** Nothing to watch. @param {string} text */
  clear(text) {
    if (text === EMPTY) this.playId = null;
    this.look = "";
    this.angles.replaceChildren();
    this.video.removeAttribute("src");
    this.video.load();
    this.say(text);
  }

  /** @param {any} each @param {any} chosen */
  angle(each, chosen) {
    const button = document.createElement("button");
    button.textContent = this.box.rows.channels.get(each.channel_id)?.name || each.channel_id;
    button.disabled = !each.stream_url;
    button.setAttribute("aria-pressed", String(each.id === chosen.id));
    button.onclick = () => {
      this.clipId = each.id;
      this.refresh();
    };
    return button;
  }

  /** @param {any} clip */
  load(clip) {
    const at = this.shown ? this.video.currentTime : 0;
    if (!this.shown) this.box.request("POST", `/clips/${clip.id}/view`).catch(() => {});
    this.shown = clip.stream_url;
    this.video.src = clip.stream_url;
    this.video.poster = clip.thumbnail_url;
    this.video.currentTime = at;
    this.stage.replaceChildren(this.video);
    this.video.play().catch(() => {});
  }

  /** @param {string} text */
  say(text) {
    const words = document.createElement("p");
    words.className = "quiet";
    words.textContent = text;
    this.shown = "";
    this.stage.replaceChildren(words);
  }
}
