"""Lower delay on the page: real WebRTC pictures from page to page, and the WebSocket when there are none.

The simulated MediaMTX has no WebRTC: its offers are answered by a page that sends a canvas. Its pictures show
by a barcode when they were drawn (format: appliance/box/recorder/synthetic/barcode.py).
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import started
from tests.e2e.looks import FLAT, OVER_THE_PICTURE
from tests.e2e.own import own_page
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import PHONE, TABLET, WAIT_MS, executable, open_page, photograph, until
from tests.kit.running import Box, serving_box

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
VIEW = "document.querySelector('live-view')"
ANSWER = """async (sdp) => {
  const canvas = document.body.appendChild(document.createElement("canvas"));
  [canvas.width, canvas.height] = [320, 180];
  const pen = canvas.getContext("2d");
  const block = 320 / 40;
  const checked = (bytes) => {
    let value = 0xffff;
    for (const byte of bytes) {
      value ^= byte << 8;
      for (let bit = 0; bit < 8; bit++) value = ((value << 1) ^ (value & 0x8000 ? 0x1021 : 0)) & 0xffff;
    }
    return [...bytes, value >> 8, value & 255];
  };
  let turn = 0;
  window.drawing = setInterval(() => {
    const micros = Math.round((performance.timeOrigin + performance.now()) * 1000);
    const split = (value, count) =>
      Array.from({ length: count }, (_, at) => Math.floor(value / 256 ** (count - 1 - at)) % 256);
    const bytes = checked([...split(turn++, 3), ...split(micros, 7)]);
    const bits = bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
    pen.fillStyle = "black";
    pen.fillRect(0, 0, 320, 180);
    pen.fillStyle = "white";
    for (let at = 0; at < 96; at++)
      if (bits[at] === "1") pen.fillRect((4 + (at % 32)) * block, (1 + (at >> 5)) * block, block, block);
  }, 40);
  const peer = (window.peer = new RTCPeerConnection());
  await peer.setRemoteDescription({ type: "offer", sdp });
  const media = canvas.captureStream();
  peer.addTrack(media.getVideoTracks()[0], media);
  await peer.setLocalDescription();
  await new Promise((done) => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.onicegatheringstatechange = look;
    look();
  });
  return peer.localDescription.sdp;
}"""

# The next picture: the time of a mark, when it was drawn, its display delay; ms of box time.
LOOK = """async () => {
  const { burnedIn } = await import("/state/device/selftest.js");
  const { video } = document.querySelector("live-view");
  while (true) {
    await new Promise((shown) => video.requestVideoFrameCallback(shown));
    const drawn = burnedIn(video)?.instantMs;
    if (drawn) return { thought: app.marks.lookingAt(), drawn, late: app.box.now() - drawn };
  }
}"""


@dataclass
class Relay:
    """Between the threads: the server's, which receives an offer, and the test's, which owns the pages."""

    offers: queue.Queue[str] = field(default_factory=queue.Queue)
    answers: queue.Queue[str] = field(default_factory=queue.Queue)
    ended: queue.Queue[str] = field(default_factory=queue.Queue)
    refuses: bool = False
    url: str = ""

    def forget(self) -> None:
        """Everything that was not fetched."""
        for waiting in (self.offers, self.answers, self.ended):
            while not waiting.empty():
                waiting.get_nowait()


@contextmanager
def relaying_mediamtx() -> Iterator[Relay]:
    relay = Relay()

    class Relaying(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            offer = self.rfile.read(int(self.headers["content-length"])).decode()
            if relay.refuses:
                return self._say(400, b'{"error": "the stream has B-frames"}')
            relay.offers.put(offer)
            answer = relay.answers.get(timeout=WAIT_MS / 1000)
            self._say(201, answer.encode(), Location=f"{self.path}/s-1")

        def do_DELETE(self) -> None:
            self._say(200)
            relay.ended.put(self.path)

        def log_message(self, format: str, *args: object) -> None:
            """Suppress the log output."""

        def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relaying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield relay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with relaying_mediamtx() as mediamtx:
        yield mediamtx


@pytest.fixture(scope="module")
def box(relay: Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    settings = {"channels": [{"id": "cam1", "name": "One"}], "mediamtx": {"webrtc_url": relay.url}}
    with serving_box(tmp_path_factory.mktemp("whep"), settings, started) as box:
        yield box


@pytest.fixture
def page(browser: Browser, box: Box) -> Iterator[Page]:
    """A new device at the live pictures."""
    with own_page(browser, box.url, None, "#live", bypass_csp=True) as opened:
        yield opened


@pytest.fixture
def chosen(browser: Browser, box: Box) -> Iterator[Page]:
    """A device on which lower delay was chosen."""
    with own_page(browser, box.url, None, "#live", prefs={"lowDelay": True}) as opened:
        yield opened


@pytest.fixture
def sender(browser: Browser, relay: Relay) -> Iterator[Page]:
    """The answering page; leftovers of an earlier test are removed from the relay."""
    relay.forget()
    page = open_page(browser, "about:blank")
    yield page
    page.context.close()


def sends(sender: Page, relay: Relay) -> None:
    """Answers the next offer with a canvas."""
    relay.answers.put(sender.evaluate(ANSWER, relay.offers.get(timeout=WAIT_MS / 1000)))


def test_lower_delay_is_a_choice_and_real_pictures_come(page: Page, sender: Page, relay: Relay) -> None:
    """The button is on every screen; from there back is the recording, which does not exist."""
    toggle = page.get_by_role("button", name="Lower delay")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    sends(sender, relay)
    until(page, f"{VIEW}.video.videoWidth === 320 && {VIEW}.video.currentTime > 0.2")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#behind")).to_contain_text("s behind")
    expect(page.locator(".tile-words")).to_have_text("")
    photograph(page, "live-whep")
    if axe.IS_HERE:
        bring_axe(page)
    for size in (PHONE, FLAT, TABLET):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        expect(toggle).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="● LIVE")).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
        assert page.evaluate(OVER_THE_PICTURE) == [], size
        assert not axe.IS_HERE or violations(page) == [], size
    page.get_by_role("button", name="Back 5 s").click()
    expect(page.locator(".live-desk .message")).to_contain_text("No footage at")
    assert relay.ended.get(timeout=WAIT_MS / 1000) == "/cam1/whep/s-1", "the session at MediaMTX is over"


def test_a_mark_means_the_picture_that_is_shown(chosen: Page, sender: Page, relay: Relay) -> None:
    """The browser buffers pictures for half a second: a mark means the picture, not now.

    If the browser does not report the picture's time, a mark means now, and the page says so.
    """
    page = chosen
    sends(sender, relay)
    until(page, f"{VIEW}?.video.currentTime > 0.1")
    page.evaluate(f"{VIEW}.source.peer.getReceivers().forEach((each) => (each.jitterBufferTarget = 500))")
    shown = [page.evaluate(LOOK)]
    while shown[-1]["late"] < 400:
        shown.append(page.evaluate(LOOK))
        assert len(shown) < 400
    shown = [page.evaluate(LOOK) for _ in range(5)]
    assert min(abs(each["thought"] - each["drawn"]) for each in shown) < 41, shown
    expect(page.locator("#behind")).to_have_text(re.compile(r"0\.[3-9] s behind"))
    until(page, f"({VIEW}.boxTime = null) === null && {VIEW}.byPeer")
    expect(page.locator("#behind")).to_have_text("Delay not known")
    expect(page.get_by_role("slider", name="Position")).to_have_attribute("aria-valuetext", "now")
    assert page.evaluate("app.marks.lookingAt()") is None


def test_the_choice_is_kept_and_pictures_that_stop_bring_the_usual_way(
    chosen: Page, sender: Page, relay: Relay
) -> None:
    page = chosen
    sends(sender, relay)
    until(page, f"{VIEW}?.video.currentTime > 0.1")
    sender.evaluate("clearInterval(drawing)")
    with page.expect_websocket(lambda socket: "/channels/cam1/live" in socket.url):
        page.evaluate(f"{VIEW}.patienceMs = 300")
    expect(page.get_by_role("log")).to_contain_text("No lower delay from One: no picture came")
    expect(page.get_by_role("button", name="Lower delay")).to_have_attribute("aria-pressed", "false")
    assert relay.ended.get(timeout=WAIT_MS / 1000) == "/cam1/whep/s-1"
    assert page.evaluate("app.prefs.get('lowDelay')") is True


def test_a_refused_webrtc_offer_is_reported_and_the_websocket_is_used(page: Page, relay: Relay) -> None:
    relay.refuses = True
    try:
        with page.expect_websocket(lambda socket: "/channels/cam1/live" in socket.url):
            page.get_by_role("button", name="Lower delay").click()
        expect(page.get_by_role("log")).to_contain_text("the stream has B-frames")
    finally:
        relay.refuses = False
    expect(page.locator(".tile-words")).to_have_text("Waiting for pictures")
    expect(page.locator("#behind")).to_have_text("…")
