// The score of a session, as the scoreboard shows it. The dialog stays open until it is saved, or closed.

import { button, h, icon, say } from "../dom.js";
import { errorText } from "../../state/words.js";

/** @param {import("../../app.js").Ctx} ctx @param {import("../../state/api").Session} session */
export function openScoreForm({ box }, { id, name, score }) {
  const number = { type: "number", min: "0", max: "999", inputMode: "numeric", required: true };
  /** @type {["home" | "away" | "period" | "clock", string, Record<string, any>][]} */
  const rows = [
    ["home", "Home", number],
    ["away", "Away", number],
    ["period", "Period", { ...number, min: "1", max: "99", required: false }],
    ["clock", "Clock", { maxLength: 16 }],
  ];
  const fields = rows.map(([key, words, more]) =>
    h(
      "label",
      { class: "stacked" },
      h("span", {}, words),
      h("input", {
        name: key,
        autocomplete: "off",
        value: score?.[key] ?? (more === number ? 0 : ""),
        ...more,
      }),
    ),
  );
  const trouble = h("p", { class: "bad", role: "alert" });
  const form = h(
    "form",
    { class: "stacked" },
    h(
      "header",
      { class: "row" },
      h("h2", { class: "grow" }, `Score: ${name}`),
      button("Close", icon("close"), () => dialog.close(), { class: "plain" }),
    ),
    h("div", { class: "pair" }, ...fields),
    trouble,
    h("div", { class: "row answers" }, h("button", { class: "primary" }, "Save")),
  );
  const dialog = h("dialog", { class: "sheet", "aria-label": `Score: ${name}` }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = [...new FormData(form)].filter(([, value]) => value !== "");
    const body = Object.fromEntries(
      given.map(([key, value]) => [key, key === "clock" ? value : Number(value)]),
    );
    try {
      await box.request("POST", `/sessions/${id}/score`, body);
      dialog.close();
    } catch (error) {
      say(trouble, `Not saved: ${errorText(error)}`);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
