// A picture is painted some time after its seek: on a busy device "seeked" fires while the previous picture
// is still visible.

// waited at most: some browsers report times that differ from what they play, and none for a hidden page
const PATIENCE_MS = 1000;

/**
 * Call before seeking. Resolves once a picture within `near` of that media time is shown, as far as the
 * browser reports it.
 * @param {HTMLVideoElement} video
 * @param {number} at s
 * @param {number} near s
 * @returns {Promise<void>}
 */
export function painted(video, at, near) {
  return new Promise((done) => {
    if (!video.requestVideoFrameCallback)
      return void requestAnimationFrame(() => requestAnimationFrame(() => done()));
    const look = (/** @type {number} */ _now, /** @type {{mediaTime: number}} */ facts) => {
      if (Math.abs(facts.mediaTime - at) < near) done();
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    setTimeout(done, PATIENCE_MS);
  });
}
