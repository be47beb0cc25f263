"""A tablet's first minute: the page opened, a play marked, ended and watched, in Chromium and WebKit.

Goals: the press shows its card in < 100 ms, END to a moving picture < 6 s, opening the page until then < 10
s. Times are the page's own, so the browser driver is not included; the demo's two cameras and the browser
share the machine. An engine that is not installed is skipped.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
from benchkit import Options, Row

ROUNDS = 5
PLAY_S = 1.5
GOALS_MS = {"first paint": 1000, "press to card": 100, "END to moving": 6000, "opening to moving": 10_000}
Evaluate = Callable[[str], Any]

# Each is awaited in the page; times are since the page was requested, ms.
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
ENABLED = """new Promise((done) => {
  const look = () => document.querySelector("#new-play:enabled") ? done(true) : requestAnimationFrame(look);
  look();
})"""
PRESS = """new Promise((done) => {
  const count = () => document.querySelectorAll("#plays .play").length;
  const before = count();
  const began = performance.now();
  document.querySelector("#new-play").click();
  const look = () => count() > before ? done(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""
WATCH = f"""new Promise((done) => setTimeout(() => {{
  const began = performance.now();
  document.querySelector("#end-play").click();
  document.querySelector("#plays .play .open").click();
  const look = () => {{
    const now = performance.now();
    const moves = document.querySelector(".tile.leader video")?.currentTime > 0.1;
    moves ? done([now - began, now - {PLAY_S * 1000}]) : requestAnimationFrame(look);
  }};
  look();
}}, {PLAY_S * 1000}))"""


def touch(evaluate: Evaluate) -> dict[str, float | None]:
    """One visit to a newly opened page, ms; None: not reported by the engine."""
    evaluate(ENABLED)
    press_ms = evaluate(PRESS)
    moving_ms, since_opening_ms = evaluate(WATCH)
    figures = [evaluate(PAINTED), press_ms, moving_ms, since_opening_ms]
    return dict(zip(GOALS_MS, figures, strict=True))


@contextmanager
def chromium_pages(url: str) -> Iterator[Callable[[], Evaluate]]:
    from tests.kit.browser import chromium, open_page

    with chromium() as browser:
        yield lambda: open_page(browser, url).evaluate


@contextmanager
def webkit_pages(url: str) -> Iterator[Callable[[], Evaluate]]:
    """Each visit has a browser of its own: WebKitGTK sometimes hangs when a page with a player is left."""
    from tests.kit import webkit

    with ExitStack() as last:

        def fresh() -> Evaluate:
            last.close()
            window = last.enter_context(webkit.webkit())
            window.open(url)
            return lambda expression: window.run_async(f"return await ({expression})")

        yield fresh


def measure(options: Options) -> list[Row]:
    """Rounds of one visit each, the first discarded where there are more."""
    from tests.e2e.conftest import start_demo, stop_demo
    from tests.kit import browser, webkit

    engines = {}
    if browser.executable() is not None:
        engines["Chromium"] = chromium_pages
    if not webkit.missing():
        engines["WebKit"] = webkit_pages
    demo = start_demo(options.folder)
    rows: list[Row] = []
    try:
        for engine, pages in engines.items():
            with pages(demo.urls[0]) as fresh:
                visits = [touch(fresh()) for _ in range(1 if options.quick else ROUNDS + 1)]
            visits = visits[1:] or visits
            rows += [row(engine, what, [visit[what] for visit in visits]) for what in GOALS_MS]
        stop_demo(demo)
    finally:
        demo.process.kill_everything()
    return rows


def row(engine: str, what: str, taken_ms: list[float | None]) -> Row:
    known = [each for each in taken_ms if each is not None]
    return {
        "engine": engine,
        "what": what,
        "median_ms": round(statistics.median(known), 1) if known else None,
        "max_ms": round(max(known), 1) if known else None,
        "n": len(known),
        "goal": f"< {GOALS_MS[what]} ms",
    }


def main() -> None:
    benchkit.run("touch", __doc__, {"touch": measure})


if __name__ == "__main__":
    main()
