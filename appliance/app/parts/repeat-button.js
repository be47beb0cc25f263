// A button that acts at once, and repeats while it is held.

const HOLD_MS = 350;
const AGAIN_MS = 110;

/** @param {HTMLButtonElement} button @param {() => void} act */
export function repeatWhileHeld(button, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => clearTimeout(timer);
  const again = () => {
    act();
    timer = setTimeout(again, AGAIN_MS);
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    act();
    timer = setTimeout(again, HOLD_MS);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) button.addEventListener(end, stop);
  button.addEventListener("click", (event) => event.detail === 0 && act()); // by keyboard
  return button;
}
