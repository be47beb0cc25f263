// The picture: one video element, one angle at a time. A switch of angle keeps the instant.

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
    this.shown = "";
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
    this.shown = "";
    this.refresh();
  }

  refresh() {
    if (!this.playId) return;
    const clips = this.clips();
    const clip = clips.find((each) => each.id === this.clipId) ?? clips[0];
    const look = JSON.stringify([clip?.id, clips.map((each) => [each.id, each.stream_url, each.status])]);
    if (!clip || look === this.look) return;
    this.look = look;
    this.angles.replaceChildren(...clips.map((each) => this.angle(each, clip)));
    if (clip.stream_url && clip.stream_url !== this.shown) this.load(clip);
    else if (!clip.stream_url) this.say(clip.error_message ?? "Waiting for footage");
  }

  /** @param {any} each @param {any} chosen */
  angle(each, chosen) {
    const button = document.createElement("button");
    button.textContent = each.channel_id;
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
