// One-time codes as a person types and reads them, and the text shown when one is refused. Plain functions.

export const SELECTOR = 5; // leading characters that identify a code: five wrong attempts with them end it
export const TRIES = 5;
export const FORM = "A code has 8 letters and digits, such as 7QK2-M9XT.";
const NEW_ONE = "Ask for a new code, or scan a new QR.";
const NO_ANSWER = "The box does not answer. Check that this device is in the box's Wi-Fi, then try again.";
const OLD = "If it is some minutes old, ask for a new one.";

/** As the appliance reads it: any case, O for 0, I or L for 1. @param {string} text */
export const plainCode = (text) =>
  text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");

/** Has the text the form of a code? @param {string} text */
export const isCode = (text) => /^[0-9A-HJKMNP-TV-Z]{8}$/.test(plainCode(text));

/** Two groups of four, as far as it is typed. @param {string} text */
export function shownCode(text) {
  const code = text
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, "")
    .slice(0, 8);
  return code.length > 4 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
}

/** Counts the wrong codes of this page by their beginning. */
export class Tries {
  /** @type {Map<string, number>} */
  wrong = new Map();

  /** @param {string} code @returns {number} tries that are left */
  fail(code) {
    const name = plainCode(code).slice(0, SELECTOR);
    const count = (this.wrong.get(name) ?? 0) + 1;
    this.wrong.set(name, count);
    return Math.max(0, TRIES - count);
  }
}

/**
 * What a refused code means, and what to do.
 * @param {{status?: number, problem?: any}} error without a status: no answer
 * @param {number} left tries, of a wrong code
 */
export function troubleOf({ status, problem }, left) {
  if (!status) return NO_ANSWER;
  if (status === 422)
    return wrongField(problem) === "name" ? "This name cannot be used. Choose another." : FORM;
  if (problem?.code !== "wrong_code")
    return (
      [problem?.detail, problem?.hint].filter(Boolean).join(". ") || `The box answers ${status}. Try again.`
    );
  if (problem.reason === "expired") return `The time of this code is over. ${NEW_ONE}`;
  if (problem.reason === "used") return `This code has been used: it pairs one device only. ${NEW_ONE}`;
  if (problem.reason === "ended" || !left) return `Five wrong tries have ended this code. ${NEW_ONE}`;
  const tries = left === 1 ? "One try is left" : `${left} tries are left`;
  return `This code is wrong or over. Compare each character; ${tries}. ${OLD}`;
}

/** @param {any} problem */
const wrongField = (problem) => problem?.errors?.[0]?.loc;

/**
 * How long a code can be used: "9 min left", "45 s left"; "" when it is over.
 * @param {string} expiresAt
 * @param {number} nowMs box time
 */
export function leftOf(expiresAt, nowMs) {
  const seconds = Math.ceil((Date.parse(expiresAt) - nowMs) / 1000);
  if (seconds <= 0) return "";
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s left` : `${seconds} s left`;
}
