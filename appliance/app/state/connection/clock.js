// Appliance time on this device: an offset measured by round trips. Plain functions over samples.
//
// A round trip of r ms gives the offset to within r/2, so the shortest of the recent ones decides. Samples
// age: clocks drift apart, and a device's clock may be set while the page is open.

/**
 * @typedef {{at: number, rtt: number, offset: number}} Sample  ms; `at` on the device's clock when it came
 *   back
 */

export const KEPT = 16;
export const AGES_MS = 120_000; // a sample two minutes old is treated as if its round trip were twice as long
// difference between the device's clock and its monotonic clock: more is a step, not drift
export const JUMP_MS = 400;

/**
 * One round trip.
 * @param {number} sent
 * @param {number} received
 * @param {number} serverMs
 * @returns {Sample}
 */
export function sample(sent, received, serverMs) {
  const rtt = Math.max(0, received - sent);
  return { at: received, rtt, offset: serverMs - (sent + rtt / 2) };
}

/** The newest samples and this one. @param {readonly Sample[]} samples @param {Sample} sample */
export function withSample(samples, sample) {
  return [...samples.slice(-(KEPT - 1)), sample];
}

/** The best sample at `now`, undefined without any. @param {readonly Sample[]} samples @param {number} now */
export function best(samples, now) {
  /** @param {Sample} each */
  const doubt = (each) => (each.rtt + 1) * (1 + Math.max(0, now - each.at) / AGES_MS);
  return [...samples].sort((a, b) => doubt(a) - doubt(b))[0];
}

/**
 * Was the device's clock set between two readings of both of its clocks?
 * @param {{wall: number, steady: number}} before
 * @param {{wall: number, steady: number}} after
 */
export function stepped(before, after) {
  const ran = after.steady - before.steady;
  const shown = after.wall - before.wall;
  // a forward jump is sleep: the monotonic clock of a browser may stop during it
  return shown < ran - JUMP_MS;
}

const WATCH_MS = 2000;
const SLEPT_MS = 10_000;

/**
 * Calls `act` whenever the device's clock was set, or the device has slept; the timer.
 * @param {() => void} act
 */
export function watch(act) {
  const look = () => ({ wall: Date.now(), steady: performance.now() });
  let before = look();
  return setInterval(() => {
    const after = look();
    if (stepped(before, after) || after.wall - before.wall > SLEPT_MS) act();
    before = after;
  }, WATCH_MS);
}
