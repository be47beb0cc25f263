// Asks for a token: shown where the service wants one, in place of a page.

import { h, say } from "../parts/dom.js";

/**
 * @param {{service: import("./service.js").Service, why: string, done: () => void}} given `why`: the refusal
 *   of the token before, "" at the first visit
 */
export function tokenForm({ service, why, done }) {
  const token = h("input", {
    id: "the-token",
    type: "password",
    autocomplete: "current-password",
    spellcheck: false,
    "aria-describedby": "token-words trouble",
  });
  const onDevice = h("input", { id: "keep", type: "checkbox" });
  const trouble = h("p", { id: "trouble", class: "bad", role: "alert" }, why);
  const go = h("button", { type: "submit", class: "primary" }, "Open");

  const check = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = token.value.trim();
    if (!text) return refuse("Enter a token first.");
    go.disabled = true;
    service.use(text, onDevice.checked);
    const answered = await service.learn();
    go.disabled = false;
    if (service.me) return done();
    refuse(answered ? sentence(service.why) : "The service does not answer. Try again in a moment.");
  };
  const refuse = (/** @type {string} */ words) => {
    say(trouble, words);
    token.setAttribute("aria-invalid", "true");
    token.focus();
  };

  return h(
    "form",
    { class: "message", novalidate: true, onsubmit: check },
    h("h1", {}, "This needs a token"),
    h(
      "div",
      { class: "stacked" },
      h("label", { for: "the-token" }, h("b", {}, "Token")),
      token,
      h("small", { id: "token-words" }, "The service's operator makes it: appliance cloud token"),
    ),
    h("label", { class: "keep" }, onDevice, "Keep it on this device, also when this tab is closed"),
    trouble,
    go,
  );
}

/** @param {string} words */
const sentence = (words) => (words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "");
