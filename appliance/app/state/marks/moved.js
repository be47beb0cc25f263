// A page that was opened over plain http before the box was switched to TLS, or over https before TLS was
// switched off. It still opens from the browser's cache, but the box answers only at its other address, and a
// browser does not share storage between two addresses. So this page shows a link to the other page that
// contains its marks after a "#", which browsers do not send. The other page asks the user before it sends
// them, because anyone can make such a link.
//
// An unencrypted page links to the box's page of the certificate (/trust), which finds the encrypted address
// that this device can open. An encrypted page may ask no unencrypted one whether the box is there: it offers
// that address when the box has not answered for a minute.
//
// A link holds 100 to 150 marks. This page remembers which marks were in a pressed link; the next link
// contains others.
//
// Must not know: the screen, IndexedDB.

/** @typedef {import("./outbox.js").Mark} Mark */

const AGAIN_MS = 10_000;
const GONE_MS = 60_000; // without an answer: longer than a restart
const CHARS_MAX = 60_000; // of a link, in every browser
const WORD = "take";
const PATHS = /^\/(plays|clips|tags)(\/[\w-]+)*$/; // what an outbox sends

export class Moved {
  /**
   * `ask`: a page of this address; null: no answer. `plainPort`: the box's, while this page is encrypted.
   * `turned`: `address` is known. `memory`: one text that survives this page; it may throw.
   * @param {{protocol: string, hostname: string, ask: (path: string) => Promise<string | null>, plainPort?:
   *   () => number | undefined, turned: () => void, memory: {get: () => string | null, set: (text: string) =>
   *   void}, now?: () => number}} given
   */
  constructor({ protocol, hostname, ask, plainPort = () => undefined, turned, memory, now = Date.now }) {
    this.protocol = protocol;
    this.hostname = hostname;
    this.ask = ask;
    this.plainPort = plainPort;
    this.goneAt = 0;
    this.turned = turned;
    this.now = now;
    this.address = ""; // where a link to the box begins, once it is known that it has moved
    this.words = ""; // for the user
    this.askedAt = 0;
    this.memory = memory;
    this.taken = keysIn(memory); // keys of marks that pressed links took
  }

  /** The box does not answer: check whether it answers at the encrypted address. */
  async look() {
    if (this.address || this.now() - this.askedAt < AGAIN_MS) return;
    this.askedAt = this.now();
    if (this.protocol === "https:") this.guess();
    else if (/data-port="\d+"/.test((await this.ask("/trust")) ?? "")) {
      this.address = "/trust";
      this.words = "The box is encrypted now, at another address.";
    }
    if (this.address) this.turned();
  }

  /** The encrypted page has no answer: was the encryption switched off? */
  guess() {
    this.goneAt ||= this.now();
    const port = this.plainPort();
    if (!port || this.now() - this.goneAt < GONE_MS) return;
    this.address = `${this.protocol.replace("s", "")}//${this.hostname}:${port}/`;
    this.words = `No answer. If an admin has switched off its encryption, the box is at ${this.address}`;
  }

  /** The box answers. */
  back() {
    this.goneAt = 0;
    if (this.protocol === "https:") this.address = "";
  }

  /**
   * The link to the encrypted page, with as many unsent marks as it can hold: first those that were in no
   * pressed link. When all were, all are offered again: the other page may not have sent them.
   * @param {readonly Mark[]} marks
   */
  link(marks) {
    const others = marks.filter(({ key }) => !this.taken.has(key));
    const part = others.length ? others : [...marks];
    while (part.length) {
      const words = encoded(part);
      const keys = part.map(({ key }) => key);
      if (words.length <= CHARS_MAX) return { href: `${this.address}#${WORD}/${words}`, keys };
      part.length = Math.floor(part.length / 2);
    }
    return { href: `${this.address}#go`, keys: [] };
  }

  /** A link was pressed. @param {readonly string[]} keys of its marks */
  took(keys) {
    const isAgain = keys.some((key) => this.taken.has(key));
    this.taken = new Set([...(isAgain ? [] : this.taken), ...keys]);
    try {
      this.memory.set(JSON.stringify([...this.taken]));
    } catch {} // storage is full or forbidden: remembered while this page is open
  }
}

/** @param {{get: () => string | null}} memory @returns {Set<string>} */
function keysIn(memory) {
  try {
    return new Set(JSON.parse(memory.get() ?? "[]"));
  } catch {
    return new Set();
  }
}

/** @param {unknown} value as base64 of UTF-8, for an address */
const encoded = (value) =>
  btoa(
    Array.from(new TextEncoder().encode(JSON.stringify(value)), (byte) => String.fromCharCode(byte)).join(""),
  )
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=/g, "");

/**
 * The marks in a link, without those that no page of ours has made.
 * @param {string} hash
 * @returns {Mark[]}
 */
export function takenOf(hash) {
  const [name, words = ""] = hash.slice(1).split("/");
  if (name !== WORD) return [];
  try {
    const bytes = Uint8Array.from(atob(words.replace(/-/g, "+").replace(/_/g, "/")), (char) =>
      char.charCodeAt(0),
    );
    const marks = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(marks) ? marks.filter(isMark).map(plain) : [];
  } catch {
    return [];
  }
}

const isText = (/** @type {any} */ value) => typeof value === "string" && value.length < 300;

/** @param {any} mark */
const isMark = (mark) =>
  [mark?.key, mark?.site, mark?.epoch, mark?.doing, mark?.subject].every(isText) &&
  Number.isFinite(mark.at) &&
  mark.body?.constructor === Object &&
  (mark.request === null ||
    (["POST", "PATCH", "DELETE"].includes(mark.request?.method) &&
      isText(mark.request.path) &&
      PATHS.test(mark.request.path)));

/** @param {Mark} mark @returns {Mark} */
const plain = ({ key, at, site, epoch, doing, subject, body, request }) => ({
  key,
  at,
  site,
  epoch,
  doing,
  subject,
  body,
  request: request && { method: request.method, path: request.path, body: request.body },
  state: "waiting",
});
