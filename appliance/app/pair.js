// The pairing page: it sends a code and a name, gets this device's access, and opens the app. It works before
// the device is paired, and loads only the parts of the app that it needs.

import { FORM, isCode, shownCode, Tries, troubleOf } from "./state/access/code.js";
import { Prefs } from "./state/device/prefs.js";
import { Refused, requestJson } from "./state/connection/requests.js";
import { aRole, firstScreenOf, viewOf } from "./state/access/rights.js";

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const code = /** @type {HTMLInputElement} */ ($("code"));
const name = /** @type {HTMLInputElement} */ ($("name"));
const go = /** @type {HTMLButtonElement} */ ($("go"));
const prefs = new Prefs();
const tries = new Tries();
const known = new URLSearchParams(location.search).get("c") ?? "";
const kept = Number(new URLSearchParams(location.hash.slice(1)).get("kept")) || 0;

/** @param {string} words @param {HTMLElement} [wrong] */
function tell(words, wrong) {
  $("trouble").textContent = words;
  for (const field of [code, name]) field.toggleAttribute("aria-invalid", field === wrong);
  wrong?.focus();
}

/** Insert the hyphen, unless the cursor is before the end of the text. */
function format() {
  if (code.selectionStart === code.value.length) code.value = shownCode(code.value);
  tell("");
}

/** @param {boolean} on */
function work(on) {
  go.disabled = on;
  go.textContent = on ? "Checking the code …" : "Pair this device";
}

/** @param {SubmitEvent} event */
async function pair(event) {
  event.preventDefault();
  if (go.disabled) return;
  if (!isCode(code.value)) return tell(FORM, code);
  work(true);
  tell("");
  const body = { code: code.value, name: name.value.trim() || undefined };
  try {
    welcome(await requestJson(prefs.get("device"), "POST", "/pair", body));
  } catch (error) {
    work(false);
    const refused = error instanceof Refused ? error : {};
    const wrong = error instanceof Refused && error.problem.code === "wrong_code";
    tell(troubleOf(refused, wrong ? tries.fail(code.value) : 1), error instanceof Refused ? code : undefined);
  }
}

/**
 * The cookie is set. The token is kept nowhere else.
 * @param {{device_id: string, role: string, name: string}} me
 */
function welcome({ device_id, role, name }) {
  prefs.set("paired", { id: device_id, role, name });
  prefs.set("role", viewOf(role));
  const screen = firstScreenOf(role);
  if (screen) return location.replace(`/#${screen}`);
  $("pair").hidden = true;
  $("why").textContent = `Paired as ${aRole(role)}: ${name}. This role has no page; its program may begin.`;
}

if (known) {
  code.value = shownCode(known);
  history.replaceState(null, "", `/pair${location.hash}`); // not in the address bar for others to read
}
name.value = prefs.get("paired")?.name ?? "";
if (kept)
  $("why").textContent = `${kept === 1 ? "1 mark is" : `${kept} marks are`} kept on this device. ${
    kept === 1 ? "It is" : "They are"
  } sent when it is paired.`;
code.addEventListener("input", format);
$("pair").addEventListener("submit", (event) => void pair(/** @type {SubmitEvent} */ (event)));
(code.value ? name : code).focus();
// Where access is open, or this device is paired already, the desk is one press away.
requestJson(prefs.get("device"), "GET", "/sessions?limit=1").then(
  () => ($("inside").hidden = false),
  () => {},
);
