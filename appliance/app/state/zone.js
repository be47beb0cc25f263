// Times in the site's time zone, which the appliance reports, whatever the device's zone is.
//
// Until then it is the device's zone.

/** @type {string | undefined} */
let zone;
/** @type {Intl.DateTimeFormat} */
let format = make();

function make() {
  return new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

/** The site's zone; a name this device does not know changes nothing. @param {string | undefined} name */
export function setZone(name) {
  const before = zone;
  try {
    zone = name || undefined;
    format = make();
  } catch {
    zone = before;
  }
}

/** "Europe/Madrid" */
export const zoneName = () => format.resolvedOptions().timeZone;

/** @param {number} at ms @returns {Record<string, string>} */
const partsOf = (at) => Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]));

/** Time of day. @param {string | number} at */
export function clockOf(at) {
  const { hour, minute, second } = partsOf(ms(at));
  return `${hour}:${minute}:${second}`;
}

/** "Sat 21.11. 19:30" @param {string | number} at */
export function dateOf(at) {
  const { weekday, day, month, hour, minute } = partsOf(ms(at));
  return `${weekday} ${day}.${month}. ${hour}:${minute}`;
}

/** Value of a datetime-local field: "2026-11-21T19:30". @param {string | number} at */
export function fieldOf(at) {
  const { year, month, day, hour, minute } = partsOf(ms(at));
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/**
 * The instant a datetime-local field means at the site, ISO UTC; "" if invalid. An hour that does not exist
 * (clocks go forward) becomes the one after it, one that occurs twice is its first.
 * @param {string} field
 */
export function instantOf(field) {
  const wanted = Date.parse(`${field}Z`);
  if (Number.isNaN(wanted)) return "";
  const guesses = [wanted - 86_400_000, wanted + 86_400_000]
    .map((near) => wanted - offsetAt(near))
    .sort((a, b) => a - b);
  return new Date(guesses.find((guess) => guess + offsetAt(guess) === wanted) ?? guesses[1]).toISOString();
}

/** How far the site's clocks are ahead of UTC at an instant. @param {number} at ms */
const offsetAt = (at) => Date.parse(`${fieldOf(at)}Z`) - Math.floor(at / 60_000) * 60_000;

/** @param {string | number} at */
const ms = (at) => (typeof at === "number" ? at : Date.parse(at));
