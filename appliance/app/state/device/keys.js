// Keyboard shortcuts: a screen or part adds its own, with descriptions for the list behind "?", and removes
// them when it is left.

/**
 * @typedef {{keys: string[], words: string, act: (event: KeyboardEvent) => void, group?: string}} Shortcut
 */

// moving repeats while the key is held; other actions happen once
const HELD = /^(Shift\+)?Arrow|^[,.[\]+-]$/;

export class Keys {
  constructor() {
    /** @type {Shortcut[]} */
    this.all = [];
    this.byPointer = false; // a tapped button keeps the focus, but Space is not meant for it
    document.addEventListener("pointerdown", () => (this.byPointer = true), true);
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {readonly Shortcut[]} more @returns {() => void} removes them */
  add(more) {
    this.all.push(...more);
    return () => {
      this.all = this.all.filter((each) => !more.includes(each));
    };
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (event.key === "Tab") this.byPointer = false;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (
      target.closest("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable], dialog")
    )
      return;
    const onButton = target.closest("button, a, summary, [role=slider], [type=checkbox]");
    if (onButton && !this.byPointer && [" ", "Enter"].includes(event.key)) return;
    if (target.closest("[role=slider]") && event.key.startsWith("Arrow")) return;
    const name = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
    const binding =
      this.all.findLast((each) => each.keys.includes(name)) ??
      this.all.findLast((each) => each.keys.includes(name.toLowerCase()));
    if (!binding) return;
    event.preventDefault();
    if (!event.repeat || HELD.test(name)) binding.act(event);
  }
}
