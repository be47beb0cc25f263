// Asks for one resource again and again, while its page is looked at.

import { Refused } from "./service.js";

const AWAY_MAX_S = 15;

/**
 * @template T
 * @param {Pick<import("./service.js").Service, "request">} service
 * @param {string} path
 * @param {number} seconds between two requests; longer while nothing answers
 * @param {(resource: T) => void} draw
 * @param {(refused: Refused) => void} refuse
 * @param {() => void} [lost] nothing has answered: what was drawn is of the past
 * @returns {() => void} stops it: nothing is drawn afterwards
 */
export function polling(service, path, seconds, draw, refuse, lost) {
  let stopped = false;
  let asking = false;
  let failed = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const look = async () => {
    timer = undefined;
    asking = true;
    const answer = await service.request("GET", path).then(
      (resource) => ({ resource }),
      (error) => ({ error }),
    );
    asking = false;
    if (stopped) return;
    failed = "error" in answer ? failed + 1 : 0;
    if ("resource" in answer) draw(answer.resource);
    else if (answer.error instanceof Refused) refuse(answer.error);
    else lost?.();
    if (!stopped && !document.hidden) timer = setTimeout(look, pauseMs(seconds, failed));
  };
  const lookAgain = () => {
    if (!document.hidden && !asking && timer === undefined) void look();
  };
  document.addEventListener("visibilitychange", lookAgain);
  void look();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", lookAgain);
  };
}

/**
 * The pause before the next request, doubled for each that failed.
 * @param {number} seconds
 * @param {number} failed
 */
export const pauseMs = (seconds, failed) =>
  1000 * Math.min(seconds * 2 ** failed, Math.max(seconds, AWAY_MAX_S));
