// A camera: its newest key picture, once a second, and what is known of it in words.

const STATE = { active: "good", error: "bad", inactive: "quiet" };

/** @param {any} channel @param {HTMLElement | undefined} old @returns {HTMLElement} */
export function channelCard(channel, old) {
  const card = old ?? document.createElement("li");
  if (!old) {
    card.innerHTML = `<img alt=""><p><b></b><span></span></p>`;
    const image = /** @type {HTMLImageElement} */ (card.querySelector("img"));
    image.alt = `Newest picture of ${channel.id}`;
    const next = () => {
      if (!card.isConnected && image.src) return;
      if (!document.hidden) image.src = `/channels/${channel.id}/frame.jpg?t=${Date.now()}`;
      else setTimeout(next, 1000);
    };
    image.onload = () => setTimeout(next, 1000);
    image.onerror = () => setTimeout(next, 2000);
    next();
  }
  const [name, state] = card.querySelectorAll("b, p span");
  name.textContent = channel.name || channel.id;
  state.className = STATE[/** @type {"active"} */ (channel.status)] ?? "";
  state.textContent = channel.status === "error"
    ? channel.error_reason ?? "error"
    : `${channel.status}, footage ${channel.footage}`;
  return card;
}
