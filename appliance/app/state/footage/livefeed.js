// Live pictures of one channel: WS /channels/{id}/live. Owns the socket; must not know players.
//
// A text frame `init` starts a timeline: its mime type, and which arrival time (`arrived_at`) belongs to
// which media time (`media_s`). Binary frames follow: an init segment, then fragments. Another `init` starts
// again.

const AGAIN_MS = [300, 1000, 2000, 4000];

/** @typedef {{mime: string, run_id: string, media_s: number, arrived_at: string}} Begin */

export class LiveFeed {
  /**
   * @param {string} channel
   * @param {{begin(facts: Begin): void, data(bytes: ArrayBuffer): void, lost(): void, waiting?(words:
   *   string): void}} taker
   */
  constructor(channel, taker) {
    this.channel = channel;
    this.taker = taker;
    this.tries = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(
      `${scheme}://${location.host}/channels/${encodeURIComponent(this.channel)}/live?idr=1`,
    );
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.tries = 0;
      if (typeof data !== "string") return this.taker.data(data);
      const message = JSON.parse(data);
      if (message.type === "init") this.taker.begin(message);
      else if (message.type === "waiting")
        this.taker.waiting?.("No key frame comes from this camera: set its encoder to one every second");
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.taker.lost();
      this.retry = setTimeout(() => this.open(), AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)]);
    };
  }

  close() {
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }
}
