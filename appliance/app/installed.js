// The page as an app of its own on a device: a service worker that opens it without the box, and a screen
// that stays on during a game. Browsers offer both in a secure context only, so the page works without them.
//
// The service worker is for https alone, although browsers would allow it on 127.0.0.1 by plain http too:
// there it would outlive the box, and answer for whatever serves that port next.

/**
 * @param {{protocol?: string, container?: {register: (url: string) => Promise<unknown>}}} [where]
 * @returns {Promise<boolean>} is there one
 */
export async function keepShell({ protocol = location.protocol, container = navigator.serviceWorker } = {}) {
  if (protocol !== "https:" || !container) return false;
  return container.register("/sw.js").then(
    () => true,
    () => false, // a private window, or a certificate that this browser does not trust
  );
}

/**
 * @typedef {{release: () => Promise<unknown>, addEventListener: (name: "release", act: () => void) =>
 *   void}} Held
 */

/** Keeps the screen on while a game is shown. A browser ends that when the page is hidden: ask again. */
export class Awake {
  /** @param {{lock?: {request: (kind: "screen") => Promise<Held>} | null, page?: Document}} [given] */
  constructor({ lock = navigator.wakeLock, page = document } = {}) {
    this.lock = lock;
    this.page = page;
    this.wanted = false;
    this.asking = false;
    /** @type {Held | null} */
    this.held = null;
    page.addEventListener("visibilitychange", () => void this.follow());
  }

  /** @param {boolean} on */
  want(on) {
    if (on === this.wanted) return;
    this.wanted = on;
    void this.follow();
  }

  async follow() {
    if (!this.lock || this.asking) return;
    const needed = this.wanted && !this.page.hidden;
    if (needed === Boolean(this.held)) return;
    this.asking = true;
    if (needed) await this.hold(this.lock);
    else await this.release();
    this.asking = false;
    if (this.held || !needed) await this.follow(); // it may have changed meanwhile
  }

  /** @param {NonNullable<Awake["lock"]>} lock */
  async hold(lock) {
    this.held = await lock.request("screen").catch(() => null); // a low battery
    this.held?.addEventListener("release", () => {
      this.held = null;
    });
  }

  async release() {
    const { held } = this;
    this.held = null;
    await held?.release().catch(() => {});
  }
}
