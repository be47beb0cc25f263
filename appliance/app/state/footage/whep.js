// Live pictures of one channel by WebRTC: /channels/{id}/whep, where the appliance offers it, with a lower
// delay than over the WebSocket. Owns the connection, the session on the appliance, and the time at which a
// picture left the recorder; must not know players.

const GATHER_MS = 1000; // candidates of a local network appear at once
const TYPE = "application/sdp";

/**
 * The URL of WebRTC for a channel, null where it is not offered, or the browser does not support it.
 * @param {string} channel
 * @returns {Promise<string | null>}
 */
export async function whepOf(channel) {
  if (!("RTCPeerConnection" in window)) return null;
  try {
    const answer = await fetch(`/channels/${encodeURIComponent(channel)}/live`, { cache: "no-store" });
    return answer.ok ? (await answer.json()).whep_url : null;
  } catch {
    return null; // requested again when the screen is opened again
  }
}

// from leaving the recorder to arrival; more means that the clocks are not comparable
const BELIEVED_MS = 5000;

/**
 * When a picture left the recorder, ms of performance.now(). The browser computes it from RTCP sender reports
 * (captureTime, W3C video-rvfc); before the first of them, and in browsers that do not compute it, the time
 * of complete arrival is used: in the stadium's network that is a few ms later. Neither contains the jitter
 * buffer of the browser. null: the browser reports nothing.
 * @param {{captureTime?: number, receiveTime?: number}} facts
 * @param {number} now
 */
export function leftAt({ captureTime, receiveTime }, now) {
  const latest = receiveTime ?? now;
  if (captureTime !== undefined && captureTime <= latest && latest - captureTime < BELIEVED_MS)
    return captureTime;
  return receiveTime ?? null;
}

export class WhepFeed {
  /**
   * @param {string} channel
   * @param {{stream(media: MediaStream): void, refused(words: string): void}} taker
   */
  constructor(channel, taker) {
    this.taker = taker;
    this.session = "";
    this.over = false;
    this.peer = new RTCPeerConnection();
    this.peer.ontrack = ({ streams, track }) =>
      track.kind === "video" && !this.over && taker.stream(streams[0] ?? new MediaStream([track]));
    this.peer.onconnectionstatechange = () =>
      this.peer.connectionState === "failed" && this.refused("no way through the network");
    void this.begin(channel).catch((error) => this.refused(String(error?.message ?? error)));
  }

  /** @param {string} channel */
  async begin(channel) {
    for (const kind of ["video", "audio"]) this.peer.addTransceiver(kind, { direction: "recvonly" });
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    if (this.over) return;
    const answer = await fetch(`/channels/${encodeURIComponent(channel)}/whep`, {
      method: "POST",
      headers: { "Content-Type": TYPE },
      body: this.peer.localDescription?.sdp ?? "",
    });
    const body = await answer.text();
    if (!answer.ok) throw new Error(wordsOf(body) || `the box answered ${answer.status}`);
    this.session = answer.headers.get("location") ?? "";
    if (this.over) return this.end();
    await this.peer.setRemoteDescription({ type: "answer", sdp: body });
  }

  /** @param {string} words */
  refused(words) {
    if (this.over) return;
    this.close();
    this.taker.refused(words);
  }

  close() {
    this.over = true;
    this.peer.close();
    this.end();
  }

  /** End the session, also while the page is being closed. */
  end() {
    const { session } = this;
    this.session = "";
    if (session) void fetch(session, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

/** @param {RTCPeerConnection} peer @returns {Promise<void>} */
function gathered(peer) {
  return new Promise((done) => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHER_MS);
    look();
  });
}

/** @param {string} body of a problem (RFC 9457) */
function wordsOf(body) {
  try {
    const problem = JSON.parse(body);
    return String(problem.detail ?? problem.title ?? "");
  } catch {
    return "";
  }
}
