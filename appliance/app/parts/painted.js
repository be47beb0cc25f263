// A picture that is sought is painted a moment later: on a busy device "seeked" comes while the one before still stands.

const PATIENCE_MS = 1000; // a browser that tells other times than it plays, or nothing of a hidden page, has painted by then

/** Ask before seeking. Resolves once a picture nearer than `near` to that media time stands, as far as the browser says so.
 * @param {HTMLVideoElement} video @param {number} at s @param {number} near s @returns {Promise<void>} */
export function painted(video, at, near) {
  return new Promise((done) => {
    if (!video.requestVideoFrameCallback) return void requestAnimationFrame(() => requestAnimationFrame(() => done()));
    const look = (/** @type {number} */ _now, /** @type {{mediaTime: number}} */ facts) => {
      if (Math.abs(facts.mediaTime - at) < near) done();
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    setTimeout(done, PATIENCE_MS);
  });
}
