// The page of the plain port while TLS is on. It tests every few seconds whether this device trusts the box's
// certificate. If so, a device that is to be paired is sent to the encrypted page; until then the steps to
// trust it are shown.
//
// The code follows a "#" in the address, which browsers do not send: nothing is encrypted here.

const AGAIN_MS = 5000;
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const { port = "", address = "", fingerprint = "" } = document.documentElement.dataset;
const given = new URLSearchParams(location.hash.slice(1));
const code = given.get("c") ?? new URLSearchParams(location.search).get("c") ?? "";
const isPairing = location.pathname === "/pair";
/** A page from before TLS sends its user on, perhaps with marks (state/marks/moved.js). */
const onward = /^#(take\/|go$)/.test(location.hash);
/** The host of this page, then the box's own name: a network may be able to resolve only one of them. */
const addresses = [`https://${location.hostname}:${port}`, address];

/** Does it answer without a warning? @param {string} address */
const answers = (address) =>
  fetch(`${address}/trusted`, { cache: "no-store" }).then(
    (answer) => answer.ok,
    () => false,
  );

/** Where the encrypted page begins. @param {string} address */
const pageOf = (address) =>
  isPairing
    ? `${address}/pair${code ? `?c=${encodeURIComponent(code)}` : ""}`
    : address + (onward ? `/${location.hash}` : "");

async function look() {
  for (const each of addresses) {
    if (!(await answers(each))) continue;
    if (isPairing || onward) return location.replace(pageOf(each));
    $("words").textContent = "This device trusts the box already.";
    return link(each);
  }
  if (fingerprint)
    $("words").textContent =
      "This device does not trust the box yet. Follow the steps below, once. " +
      "Then return to this page: it goes on by itself.";
  else unreachable();
  setTimeout(look, AGAIN_MS);
}

/** The certificate in the settings is for a name that this device does not find, or it is not trusted. */
function unreachable() {
  const { hostname } = new URL(address);
  const isNamed = hostname !== location.hostname;
  $("words").textContent =
    `The box has a certificate for ${hostname}, and this device cannot open it without a warning. ` +
    (isNamed
      ? `Ask the club's IT person to make that name lead to ${location.hostname} in this network (DNS); ` +
        "then this page goes on by itself. Is this device in the box's network?"
      : "Ask the club's IT person whether the certificate is still valid.");
  link(address);
}

/** @param {string} address */
function link(address) {
  const go = /** @type {HTMLAnchorElement} */ ($("go"));
  go.href = pageOf(address);
  go.textContent = isPairing ? "Pair this device" : "Open the box";
  go.hidden = false;
}

/** The code's QR names the authority of the box that made the code: is it this one? */
function isOfThisBox() {
  const named = given.get("fp");
  if (!named || !fingerprint) return true;
  const bytes = fingerprint.split(":").map((pair) => Number.parseInt(pair, 16));
  const own = btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=/g, "");
  return own === named;
}

$("pairing").hidden = false;
$("title").textContent = isPairing ? "Pair this device" : "Is it done already?";
if (isPairing && code) $("code").textContent = `Code ${code.slice(0, 4)}-${code.slice(4)}`;
if (isOfThisBox()) {
  $("words").textContent = "Looking whether this device trusts the box …";
  /** @type {NodeListOf<HTMLAnchorElement>} */
  const lasts = document.querySelectorAll("a.last");
  for (const last of lasts) last.href = pageOf(address);
  void look();
} else
  $("words").textContent =
    "This code is of another box: its certificate is not the one of this page. " +
    "Trust nothing here; ask for a new code.";
