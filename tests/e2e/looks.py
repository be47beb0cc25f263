"""Checks of a screen's layout, evaluated in the browser. Expressions for Page.evaluate."""

from __future__ import annotations

UPRIGHT = {"width": 820, "height": 1180}
FLAT = {"width": 844, "height": 390}  # a phone in landscape
SMALL = {"width": 360, "height": 740}
WIDE = {"width": 1920, "height": 1080}  # a screen in the booth
BARS = {"width": 390, "height": 664}  # a phone whose browser shows its own bars

# Position of the picture: [left, top, width, height] without its bands, CSS pixels.
PICTURE = """(() => {
  const video = document.querySelector(".tile.leader video, footage-view video:not([hidden])");
  const { x, y, width, height } = video.getBoundingClientRect();
  const scale = Math.min(width / video.videoWidth, height / video.videoHeight);
  const [wide, high] = [video.videoWidth * scale, video.videoHeight * scale];
  return [x + (width - wide) / 2, y + (height - high) / 2, wide, high];
})()"""

# Names of buttons that cover the picture.
OVER_THE_PICTURE = f"""(() => {{
  const [left, top, wide, high] = {PICTURE};
  const names = new Set();
  for (let at = 0; at < 400; at++) {{
    const [x, y] = [left + wide * (at % 20 + 0.5) / 20, top + high * (Math.floor(at / 20) + 0.5) / 20];
    const button = document.elementFromPoint(x, y)?.closest("#main button");
    if (button) names.add(button.ariaLabel || button.textContent);
  }}
  return [...names];
}})()"""

# Texts of plays that are cut off: at the end of a line, or after the last line.
CUT_WORDS = """[...document.querySelectorAll(
  "#main :is(.heading span, play-card :is(.text, .words, .when, .state, .length))")]
  .filter((each) => each.offsetParent && getComputedStyle(each).display !== "contents")
  .filter((each) => each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 2)
  .map((each) => `${each.className || each.localName}: ${each.textContent}`)"""

# Touch targets less than 44 px high or wide: "name WxH". A label counts as its checkbox.
SMALL_TARGETS = """[...document.querySelectorAll(
  "button, a[href], select, input, textarea, summary, [role=slider], [role=button]")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .map((each) => [each, ...[each, each.closest("label") ?? each].map((one) => one.getBoundingClientRect())])
  .filter(([, own]) => own.width && own.height)
  .map(([each, own, label]) => [each, Math.max(own.width, label.width), Math.max(own.height, label.height)])
  .filter(([, width, height]) => Math.min(width, height) < 43.9)
  .map(([each, width, height]) =>
    `${each.ariaLabel || each.textContent.trim() || each.id} ${width.toFixed(1)}x${height.toFixed(1)}`)"""
