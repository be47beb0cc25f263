"""Four angles load over 5 Mbit/s: two at a time, and a mark does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Demo, returning_demo
from tests.kit.browser import executable, open_page, until
from tests.kit.narrow import narrow_link

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
# NEW PLAY repeatedly while videos load: the latency of each, how it was sent first (a mark without an answer
# for a second is sent by POST as well), and the number of parallel downloads.
MARK_WHILE_LOADING = """async () => {
  const videos = () => [...document.querySelectorAll(".tile video")];
  const whole = (v) => v.buffered.length > 0 && v.buffered.end(v.buffered.length - 1) >= v.duration - 0.15;
  const [took, sent, firsts] = [[], [], []];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    if (String(text).includes("play_new")) sent.push("socket");
    send.call(this, text);
  };
  const { fetch } = window;
  window.fetch = (url, how) => {
    if (how?.method === "POST") sent.push("POST");
    return fetch(url, how);
  };
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, videos().filter((v) => v.src && v.networkState === 2 && !whole(v)).length);
  }, 5);
  while (videos().length < 4 || !videos().every(whole)) {
    const began = performance.now();
    sent.length = 0;
    const loading = videos().filter((v) => v.src && !whole(v)).length;
    const play = app.marks.newPlay({});
    await play.answer;
    firsts.push(sent[0]);
    if (loading > 0) took.push(performance.now() - began);
    await app.marks.undo(play.id);
    await new Promise((done) => setTimeout(done, 50));
  }
  clearInterval(watch);
  return { took, most, firsts };
}"""


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with returning_demo(tmp_path_factory.mktemp("narrow"), "--cameras", "4") as demo:
        yield demo


def test_a_mark_is_acknowledged_while_four_angles_load(browser: Browser, four: Demo) -> None:
    port = urlsplit(four.urls[0]).port
    assert port is not None
    with narrow_link(port) as link:
        page = open_page(browser, link.url)
        expect(page.locator("#link[data-state=connected]")).to_be_visible()
        expect(page.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
        page.evaluate("app.prefs.set('layout', 4)")
        page.evaluate("app.prefetch.pause()")  # so that only the player loads
        page.click("#last10")
        until(page, "[...app.box.state.clips.values()].filter((clip) => clip.stream_url).length === 4")
        page.locator("#plays .play .open").first.click()
        row = page.evaluate(MARK_WHILE_LOADING)
        assert row["most"] <= 2, "downloads at a time"
        assert row["took"], "there was something to wait behind"
        # how long an answer took, with its goal of 100 ms, is measured by scripts/bench narrow
        assert set(row["firsts"]) == {"socket"}, "marks go by the socket, which does not wait for videos"
        page.context.close()
