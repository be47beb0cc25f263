"""The process that opens one page in a browser: an order on its input, the text of the page on its output.

Started by browser_page.py. The browser resolves no names: the host of the order is at the address of the
order, every other host is nowhere. It ends when its input is closed: then the service is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_FLAGS: Final = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"] + [
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]
_BROWSERS: Final = ("chromium-headless-shell", "chromium", "chromium-browser")
_WAIT_MS: Final = 25_000
# a browser shows JSON in a <pre>; pages of people have it in a script
_TEXT: Final = """() => (document.querySelector("pre")
  ?? document.querySelector('script[type="application/json"]')
  ?? document.body)?.textContent ?? "" """


def main() -> int:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        from playwright.sync_api import Error
    except ImportError:
        return _fail("not_configured", "sofascore needs Playwright: install the extra [scrape]")
    try:
        status, text = _open(order)
    except Error as error:
        return _fail("unreachable", f"the browser: {error.message.splitlines()[0]}")
    if status != 200:
        return _fail("bad_status", f"the page was answered with {status}")
    sys.stdout.buffer.write(text.encode())
    return 0


def _open(order: Mapping[str, str]) -> tuple[int, str]:
    from playwright.sync_api import Route, sync_playwright

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname == order["host"]:
            route.continue_()
        else:
            route.abort()

    rules = f"MAP {order['host']} {_bracketed(order['address'])}, MAP * ~NOTFOUND"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, _BROWSERS)), None),
            args=[*_FLAGS, f"--host-resolver-rules={rules}"],
            chromium_sandbox=os.geteuid() != 0,  # as root it does not start with its sandbox
        )
        page = browser.new_context(accept_downloads=False, service_workers="block").new_page()
        page.route("**/*", only_here)
        answer = page.goto(order["url"], wait_until="domcontentloaded", timeout=_WAIT_MS)
        status, text = (answer.status if answer is not None else 0), str(page.evaluate(_TEXT))
        browser.close()
    return status, text


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


def _fail(code: str, reason: str) -> int:
    sys.stderr.write(f"{code}: {reason}\n")
    return 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the thread that waits for the end of the input is never joined
