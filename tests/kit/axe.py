"""axe-core on a page in its current state: labels, roles, contrast. Every violation counts.

Our pages allow no foreign script: open them with `bypass_csp=True`, then call `bring_axe`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

_AXE = Path(__file__).parents[1] / "app/node_modules/axe-core/axe.min.js"
IS_HERE = _AXE.exists()
HERE = pytest.mark.skipif(not IS_HERE, reason="no axe-core here: tests/app/check fetches it")
# Until no element was added for a while, or at most for a limit where the page keeps changing.
_QUIET = """() => new Promise((done) => {
  const end = performance.now() + 1200;
  let timer;
  const watch = new MutationObserver(() => wait());
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { watch.disconnect(); done(); }, performance.now() > end ? 0 : 150);
  };
  watch.observe(document.querySelector("#main"), { childList: true, subtree: true });
  wait();
})"""
_RUN = """async (rules) => {
  const report = await axe.run(document, rules ? { runOnly: { type: "rule", values: rules } } : {});
  return report.violations.flatMap(({ id, nodes }) => nodes.map((node) =>
    `${id}: ${node.target} ${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`));
}"""


def bring_axe(page: Page) -> None:
    page.evaluate(_AXE.read_text())


def violations(page: Page, *rules: str) -> list[str]:
    """One line per violation; all rules when none is named."""
    page.evaluate(_QUIET)
    result: list[str] = page.evaluate(_RUN, list(rules) or None)
    return result
