// Layout of a stage: two pictures are stacked vertically where that shows them larger.

const PICTURE = 16 / 9;

/**
 * Sets the class `tall` on a stage that is higher than a picture of its width. The observer is dropped with
 * its element.
 * @param {HTMLElement} stage
 */
export function watchShape(stage) {
  new ResizeObserver(
    ([
      {
        contentRect: { width, height },
      },
    ]) => stage.classList.toggle("tall", height > 0 && width / height < PICTURE - 0.01),
  ).observe(stage);
}
