"""The objects a page holds and the requests it sends, counted inside the page, in every engine.

Owns: the counting script, which must run before the page's own scripts. Must not know: who drives the
browser, and what a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

# Listeners on objects that outlive a screen (window, document, body, the app's own objects), repeating
# timers, open sockets, requests under way; every change sent, by its key; each <video> created; errors.
COUNT = """
  const counted = window.counted = { listeners: 0, timers: 0, sockets: 0 };
  const wrong = window.wrong = [];
  window.addEventListener("error", (event) => wrong.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) => wrong.push(String(event.reason)));

  const app = () => Object.values(window.app ?? {}).filter((each) => each instanceof EventTarget);
  const lasting = (target) => [window, document, document.body, ...app()].includes(target);
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const known = window.known = new Map();
  const setOf = (target) => known.get(target) ?? known.set(target, new Map()).get(target);
  const count = () => (counted.listeners = [...known.values()].reduce((sum, each) => sum + each.size, 0));
  EventTarget.prototype.addEventListener = function (type, act, how) {
    const target = this ?? window;
    if (act && !how?.once && lasting(target)) {
      const id = `${type} ${(act.serial ??= Math.random())}`;
      setOf(target).set(id, type);
      how?.signal && addEventListener.call(how.signal, "abort", () => (setOf(target).delete(id), count()));
      count();
    }
    return addEventListener.call(target, type, act, how);
  };
  EventTarget.prototype.removeEventListener = function (type, act, how) {
    const target = this ?? window;
    if (act?.serial) setOf(target).delete(`${type} ${act.serial}`);
    count();
    return removeEventListener.call(target, type, act, how);
  };

  const { setInterval, clearInterval } = window;
  const timers = new Set();
  const counting = (id) => ((counted.timers = timers.size), id);
  window.setInterval = (...words) => {
    const id = setInterval(...words);
    timers.add(id);
    return counting(id);
  };
  window.clearInterval = (id) => {
    clearInterval(id);
    timers.delete(id);
    counting(id);
  };

  // By key: what was sent, how often, and whether the box had answered it before it was sent once more.
  const sent = window.sent = new Map();
  const send = (key, what) => {
    const known = sent.get(key) ?? { what, times: 0, answered: false, needless: 0 };
    sent.set(key, { ...known, times: known.times + 1, needless: known.needless + (known.answered ? 1 : 0) });
  };
  const answered = (key) => sent.has(key) && (sent.get(key).answered = true);
  const Plain = WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...words) {
      super(...words);
      counted.sockets++;
      addEventListener.call(this, "close", () => counted.sockets--);
      addEventListener.call(this, "message", ({ data }) => {
        const message = typeof data === "string" ? JSON.parse(data) : {};
        if (message.type === "result") answered(message.id);
      });
    }
    send(data) {
      const message = typeof data === "string" ? JSON.parse(data) : {};
      if (message.type === "command") send(message.id, message.do);
      super.send(data);
    }
  };
  window.asking = 0;
  const { fetch } = window;
  window.fetch = async (path, how = {}) => {
    const key = how.headers?.["Idempotency-Key"];
    if (key) send(key, `${how.method} ${path}`);
    window.asking++;
    try {
      const answer = await fetch(path, how);
      const text = answer.text.bind(answer);
      if (key) answer.text = async () => {
        const words = await text();
        answered(key);
        return words;
      };
      return answer;
    } finally {
      window.asking--;
    }
  };

  let made = [];
  const { createElement } = Document.prototype;
  Document.prototype.createElement = function (...words) {
    const element = createElement.apply(this, words);
    if (element instanceof HTMLVideoElement) made.push(new WeakRef(element));
    return element;
  };
  // Players that nobody sees: taken out of the page, and still with something to load or play.
  const lives = (video) => !video.isConnected && (video.hasAttribute("src") || video.srcObject);
  const there = () => (made = made.filter((each) => each.deref())).map((each) => each.deref());
  window.unseen = () => there().filter(lives).length;
  // Players without a picture yet, and angles that are about to be loaded.
  const begins = (video) => video.hasAttribute("src") && video.readyState < 2 && !video.error;
  const cold = (tile) => tile.wanted?.stream_url && !tile.ready;
  const due = ({ videos }) => videos?.running && [...videos.tiles.values()].some(cold);
  const players = () => [...document.querySelectorAll("replay-player")];
  window.beginning = () => there().filter(begins).length + players().filter(due).length;
"""
HELD = "({ ...window.counted, videos: document.querySelectorAll('video').length, unseen: window.unseen() })"
# The kinds of existing listeners, for the message of a failing test.
LISTENERS = "[...known.values()].flatMap((each) => [...each.values()]).sort().join(' ')"
AT_REST = "[window.asking, window.counted.sockets, window.unseen()]"  # [0, 1, 0] when idle


def no_more(first: Mapping[str, int]) -> str:
    """An expression: no counter has grown."""
    return f"Object.entries({HELD}).every(([what, count]) => count <= ({json.dumps(first)})[what])"


SENT = "[...window.sent].map(([key, each]) => ({ key, ...each }))"

# For a driver that runs no script before a page's own: another page of the box, whose policy allows the app's
# scripts, is opened, COUNT runs in it, and then the app is written into it.
OTHER_PAGE = "/docs"
OTHER_PAGE_STANDS = "document.querySelector('#operations details')"
WRITE_APP = """
  history.replaceState(null, "", "/");
  const html = await (await fetch("/")).text();
  document.open();
  document.write(html);
  document.close();
  return true;
"""
